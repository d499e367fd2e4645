//! How long to look for work before sleeping, learnt from the waits of late: nobody can tell whether those who would
//! bring work have processors of their own, or wait for this one.
//!
//! A wait that ended with work while it looked has paid: the next ones look for twice as long as it took. One that
//! looked in vain makes the next ones half as long. Now and then one looks for the longest time, since the others may
//! have got a processor, or a rhythm: after `PROBE_SOONEST` waits, and after twice as many each time that this was in
//! vain, since who shares the processor waits for the end of such a look.

use core::time::Duration;

/// How long to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Always so long.
    Fixed(Duration),
    /// Learnt, between [`SHORTEST`] and [`LONGEST`].
    Learnt,
}

/// The longest spell that is learnt: a sleep and the way back cost some tens of microseconds, on both sides.
pub const LONGEST: Duration = Duration::from_micros(200);
/// The shortest time of looking before a sleep: some turns of the loop, and little beside what the sleep costs.
pub const SHORTEST: Duration = Duration::from_nanos(500);
/// Waits before the longest spell is tried, as long as that pays.
const PROBE_SOONEST: u32 = 64;
/// Waits before the longest spell is tried, however often that was in vain.
const PROBE_LATEST: u32 = 2048;

/// The spell, and the wait under way.
#[derive(Debug)]
pub struct Idle {
    policy: Policy,
    spell: Duration,
    /// When it was first looked in vain since there was work.
    looked_at: Option<Duration>,
    /// Waits until the longest spell is tried; that wait is the one under way when none are left.
    until_probe: u32,
    /// How many there are between the last trial and the next.
    probe_after: u32,
}

impl Idle {
    /// Begins with the longest spell, or the fixed one.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            spell: match policy {
                Policy::Fixed(spell) => spell,
                Policy::Learnt => LONGEST,
            },
            looked_at: None,
            until_probe: PROBE_SOONEST,
            probe_after: PROBE_SOONEST,
        }
    }

    /// How long to look from now on.
    pub fn spell(&self) -> Duration {
        match self.policy {
            Policy::Learnt if self.until_probe == 0 => LONGEST,
            Policy::Learnt | Policy::Fixed(_) => self.spell,
        }
    }

    /// It was looked at `now`, and there was no work.
    pub fn looked(&mut self, now: Duration) {
        self.looked_at.get_or_insert(now);
    }

    /// There was work at `now`, found without sleeping. Work on the heels of other work says nothing about waiting.
    pub fn worked(&mut self, now: Duration) {
        if let Some(since) = self.looked_at.take()
            && self.policy == Policy::Learnt
        {
            let waited = now.saturating_sub(since);
            self.waited(PROBE_SOONEST);
            self.spell = (waited * 2).max(self.spell).min(LONGEST);
        }
    }

    /// It was looked in vain, and the domain has slept.
    pub fn slept(&mut self) {
        self.looked_at = None;
        if self.policy == Policy::Learnt {
            self.waited((self.probe_after * 2).min(PROBE_LATEST));
            self.spell = (self.spell / 2).max(SHORTEST);
        }
    }

    /// A wait has ended; if it was a trial, the next one follows after `probe_after` others.
    fn waited(&mut self, probe_after: u32) {
        match self.until_probe.checked_sub(1) {
            Some(left) => self.until_probe = left,
            None => {
                self.probe_after = probe_after;
                self.until_probe = probe_after;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// Messages at these intervals: how many of the last hundred were found without sleeping, and how long was looked
    /// for all of them.
    fn found(interval: Duration, while_looking: bool) -> (usize, Duration) {
        let mut idle = Idle::new(Policy::Learnt);
        let mut now = Duration::from_secs(1);
        let (mut found, mut looked) = (0, Duration::ZERO);
        for message in 0..400 {
            let spell = idle.spell();
            let caught = while_looking && interval <= spell;
            idle.looked(now);
            now += interval;
            if caught {
                idle.worked(now);
            } else {
                idle.slept();
            }
            if message >= 300 {
                found += usize::from(caught);
                looked += if caught { interval } else { spell };
            }
        }
        (found, looked)
    }

    #[test]
    fn a_rhythm_within_reach_is_learnt_and_not_slept_through() {
        for interval in [5, 20, 90, 150] {
            assert_eq!(found(micros(interval), true).0, 100, "{interval}");
        }
    }

    #[test]
    fn what_comes_too_rarely_is_hardly_looked_for() {
        let (caught, looked) = found(micros(5_000), true);
        assert_eq!(caught, 0);
        assert!(looked < micros(1_000), "{looked:?}");
    }

    #[test]
    fn a_shared_processor_is_left_to_those_who_bring_work() {
        // Nothing comes while this domain looks, however short the wait: the others need the processor.
        let (_, looked) = found(micros(10), false);
        assert!(looked < micros(300), "{looked:?}");
    }

    #[test]
    fn trials_in_vain_become_rare_and_one_that_pays_is_followed_by_others() {
        let trials = |idle: &mut Idle| {
            (0..10_000)
                .filter(|_| {
                    let long = idle.spell() == LONGEST;
                    idle.slept();
                    long
                })
                .count()
        };
        let mut idle = Idle::new(Policy::Learnt);
        let in_vain = trials(&mut idle);
        assert!((6..12).contains(&in_vain), "{in_vain} of 10000");
        while idle.spell() != LONGEST {
            idle.slept();
        }
        idle.looked(micros(1));
        idle.worked(micros(101));
        assert_eq!(idle.spell(), LONGEST);
        let next = (0..).find(|_| {
            idle.slept();
            idle.spell() == LONGEST
        });
        assert!(next.is_some_and(|waits| waits <= 64), "{next:?}");
    }

    #[test]
    fn work_on_the_heels_of_work_is_no_wait_that_paid() {
        let mut idle = Idle::new(Policy::Learnt);
        for _ in 0..20 {
            idle.slept();
        }
        for message in 0..20 {
            idle.worked(micros(message * 3));
        }
        assert_eq!(idle.spell(), SHORTEST);
    }

    #[test]
    fn a_fixed_spell_stays() {
        let mut idle = Idle::new(Policy::Fixed(micros(7)));
        for time in 0..200 {
            idle.slept();
            idle.looked(micros(time * 1000));
            idle.worked(micros(time * 1000 + 3));
            assert_eq!(idle.spell(), micros(7));
        }
    }
}
