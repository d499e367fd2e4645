//! No wake-up is lost: every order of the steps of a sleeper (the domain's own `sleep`) and of those who bring work.
//!
//! A small world: a card, one process with a queue, the xenstore daemon, a timer. Each brings work some times, in the
//! steps that its protocol has; what a timer brings, a repetition, falls due at a time that passes between any two steps,
//! or before them all. Between any two steps of the domain, others may take any number of theirs: all of it is tried,
//! by replaying a growing list of choices. (The order of the memory accesses below these steps is loom's affair, in
//! `mx-ring`.)

use std::time::Duration;

use driver_domain::sleep::{Senses, sleep};

/// Which step comes next, by a list of choices that is counted through.
#[derive(Default)]
struct Choices {
    list: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, options: usize) -> usize {
        if self.at == self.list.len() {
            self.list.push((0, options));
        }
        let chosen = self.list[self.at].0;
        self.at += 1;
        chosen
    }

    /// The next list; false when all were tried.
    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, options)) = self.list.pop() {
            if chosen + 1 < options {
                self.list.push((chosen + 1, options));
                return true;
            }
        }
        false
    }
}

/// Somebody who brings work: it leaves it, then looks whether to tell, then tells.
#[derive(Clone, Copy, Default)]
struct Bringer {
    /// Times that it will still begin.
    left: u32,
    step: Step,
    /// Work left and not yet found.
    work: u32,
    /// Whether it is asked to tell.
    asked: bool,
    /// Its event is pending.
    pending: bool,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Step {
    #[default]
    Idle,
    Left,
    Telling,
}

impl Bringer {
    fn can(&self) -> bool {
        self.left > 0 || self.step != Step::Idle
    }

    fn step(&mut self) {
        self.step = match self.step {
            Step::Idle => {
                self.left -= 1;
                self.work += 1;
                Step::Left
            }
            Step::Left if self.asked => Step::Telling,
            Step::Left => Step::Idle,
            Step::Telling => {
                self.pending = true;
                Step::Idle
            }
        };
    }

    fn take_event(&mut self) -> bool {
        std::mem::take(&mut self.pending)
    }

    fn take_work(&mut self) -> bool {
        std::mem::take(&mut self.work) > 0
    }
}

/// Those who bring work, by their places.
type World = [Bringer; 3];
const NIC: usize = 0;
const PROCESS: usize = 1;
const DAEMON: usize = 2;

/// What falls due when some time has passed: a repetition. Found work may set it anew.
#[derive(Clone, Copy, Default)]
struct Timer {
    /// Times that it will still be set.
    left: u32,
    /// When it runs out, if it is set.
    due: Option<Duration>,
    now: Duration,
}

impl Timer {
    /// From setting to running out.
    const RUNS: Duration = Duration::from_millis(2);
    const TICK: Duration = Duration::from_millis(1);

    /// Time passes as long as somebody might notice.
    fn can(&self) -> bool {
        self.due.is_some_and(|due| self.now < due)
    }

    fn set(&mut self) {
        if self.left > 0 && self.due.is_none() {
            self.left -= 1;
            self.due = Some(self.now + Self::RUNS);
        }
    }

    fn take_work(&mut self, now: Duration) -> bool {
        self.due.take_if(|due| *due <= now).is_some()
    }
}

/// A mistake of the sleeper, made on purpose.
#[derive(Clone, Copy, PartialEq)]
enum Mistake {
    NoSecondLookAtTheNic,
    NoSecondLookAtTheQueue,
    QueueBeforeTheDoorbell,
    /// It sleeps until something happens, and forgets the time.
    NoTimer,
}

/// The domain, between whose steps the others take theirs.
struct Domain<'a> {
    world: World,
    timer: Timer,
    choices: &'a mut Choices,
    mistake: Option<Mistake>,
    /// The last wait was ended by an event.
    woken: bool,
}

impl Domain<'_> {
    fn makes(&self, mistake: Mistake) -> bool {
        self.mistake == Some(mistake)
    }

    /// Lets others take any number of steps.
    fn others(&mut self) {
        loop {
            let able = self.world.iter().filter(|bringer| bringer.can()).count();
            let time = usize::from(self.timer.can());
            if able + time == 0 {
                return;
            }
            let chosen = self.choices.choose(able + time + 1);
            if chosen > able {
                self.timer.now += Timer::TICK;
                continue;
            }
            let mut able = self.world.iter_mut().filter(|bringer| bringer.can());
            match able.nth(chosen.wrapping_sub(1)) {
                Some(bringer) => bringer.step(),
                None => return,
            }
        }
    }

    /// One turn of the loop, in the order of the driver domain's; whether there was work.
    fn turn(&mut self) -> bool {
        // The time is looked at once, when the turn begins.
        let now = self.timer.now;
        self.others();
        let mut busy = self.world[NIC].take_work();
        busy |= self.timer.take_work(now);
        if self.makes(Mistake::QueueBeforeTheDoorbell) {
            busy |= self.world[PROCESS].take_work();
        }
        // The doorbell's event is taken before the queue is polled again.
        self.others();
        if self.world[PROCESS].take_event() {
            self.world[PROCESS].asked = false;
        }
        if self.world[DAEMON].take_event() {
            self.others();
            busy |= self.world[DAEMON].take_work();
        }
        self.others();
        let queue = !self.world[PROCESS].asked && !self.makes(Mistake::QueueBeforeTheDoorbell);
        if (queue && self.world[PROCESS].take_work()) || busy {
            // What was found may have to be repeated later.
            self.timer.set();
            return true;
        }
        if !queue {
            return false;
        }
        self.others();
        self.world[PROCESS].asked = true;
        self.others();
        if self.world[PROCESS].work > 0 && !self.makes(Mistake::NoSecondLookAtTheQueue) {
            self.world[PROCESS].asked = false;
            return true;
        }
        false
    }
}

impl Senses for Domain<'_> {
    fn xenstore_is_due(&self) -> bool {
        false
    }

    fn arm_nic(&mut self) -> bool {
        self.others();
        self.world[NIC].asked = true;
        self.others();
        self.world[NIC].work == 0 || self.makes(Mistake::NoSecondLookAtTheNic)
    }

    fn disarm_nic(&mut self) {
        self.others();
        self.world[NIC].asked = false;
    }

    fn wait(&mut self, until: Option<Duration>) {
        // While this sleeps, the others do what they still have to. Time passes, but the longest wait is tried: one that
        // ends by the time when nothing else is left to end it.
        while !self.world.iter().any(|bringer| bringer.pending)
            && let Some(bringer) = self.world.iter_mut().find(|bringer| bringer.can())
        {
            bringer.step();
        }
        let event = self.world.iter().any(|bringer| bringer.pending);
        if let (false, Some(until)) = (event, until) {
            self.timer.now = self.timer.now.max(until);
        }
        self.woken = event || until.is_some();
        // The interrupt is taken after each wait; the card is looked at in every turn.
        self.world[NIC].pending = false;
    }
}

/// Runs the domain until it sleeps and nobody brings anything any more; whether it has found everything.
fn finds_everything(choices: &mut Choices, times: [u32; 4], mistake: Option<Mistake>) -> bool {
    let [world @ .., left] = times;
    let timer = Timer {
        left,
        ..Timer::default()
    };
    let world = world.map(|left| Bringer {
        left,
        ..Bringer::default()
    });
    let mut domain = Domain {
        world,
        timer,
        choices,
        mistake,
        woken: false,
    };
    // The daemon always tells.
    domain.world[DAEMON].asked = true;
    for _ in 0..50 {
        if domain.turn() {
            continue;
        }
        let deadline = domain.timer.due.filter(|_| !domain.makes(Mistake::NoTimer));
        if sleep(&mut domain, deadline) && !domain.woken {
            // Nobody will end this wait.
            let found = domain.world.iter().all(|bringer| bringer.work == 0);
            return found && domain.timer.due.is_none();
        }
    }
    panic!("it never comes to rest");
}

/// Tries all orders; how many, and whether all of them found everything.
fn explore(times: [u32; 4], mistake: Option<Mistake>) -> (u64, bool) {
    let mut choices = Choices::default();
    let mut orders = 0;
    loop {
        orders += 1;
        if !finds_everything(&mut choices, times, mistake) {
            return (orders, false);
        }
        if !choices.advance() {
            return (orders, true);
        }
    }
}

#[test]
fn whatever_comes_in_whatever_order_is_found() {
    for times in [
        [1, 1, 0, 0],
        [1, 0, 1, 0],
        [0, 1, 1, 0],
        [2, 0, 0, 0],
        [0, 2, 0, 0],
        [0, 0, 2, 0],
        [1, 0, 0, 1],
        [0, 1, 0, 1],
        [0, 0, 1, 1],
    ] {
        let (orders, all_found) = explore(times, None);
        println!("{times:?}: {orders} orders");
        assert!(
            all_found,
            "{times:?}: something was missed in order {orders}"
        );
        assert!(orders > 100, "{times:?}: only {orders} orders");
    }
}

#[test]
fn a_sleeper_without_its_second_look_is_found_out() {
    assert!(!explore([1, 0, 0, 0], Some(Mistake::NoSecondLookAtTheNic)).1);
    assert!(!explore([0, 1, 0, 0], Some(Mistake::NoSecondLookAtTheQueue)).1);
    assert!(!explore([0, 1, 0, 0], Some(Mistake::QueueBeforeTheDoorbell)).1);
    assert!(!explore([1, 0, 0, 1], Some(Mistake::NoTimer)).1);
}
