//! Every order in which the steps of process, kernel and home can take effect: no lost wake-up (loom calls it a
//! deadlock), no torn entry (a race on plain memory). `RUSTFLAGS="--cfg loom" cargo test -p mx-ring --release --test loom`
#![cfg(loom)]

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex, Notify};
use loom::thread;

use mx_ring::control::{ArmedCounters, Doorbells};
use mx_ring::model::{self, ModelMemory};
use mx_ring::registration::{RegionNotes, UseBits};
use mx_ring::sleep::EndpointWatch;
use mx_ring::{
    Area, Command, EndpointLayout, Event, Geometry, HomeSide, Origin, Positions, ProcessSide,
    RegionKey,
};

/// The smallest endpoint: 64 entries in each queue, a receive ring of 64 KiB.
fn layout() -> EndpointLayout {
    EndpointLayout::new(Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    })
    .unwrap()
}

/// An endpoint whose queues wrap after one more entry.
struct Endpoint {
    w: Box<ModelMemory>,
    r: Box<ModelMemory>,
    control: Box<ModelMemory>,
}

const AT: Positions = Positions {
    command: u32::MAX,
    unexpected: u32::MAX,
    expected: u32::MAX,
    receive: 0,
};

impl Endpoint {
    fn new() -> Self {
        Self::with_slots(&[63, 0, 1])
    }

    fn with_slots(slots: &[usize]) -> Self {
        let layout = layout();
        Self {
            w: Box::new(model::w_memory(&layout, slots)),
            r: Box::new(model::r_memory(&layout, slots, 2)),
            control: Box::new(ModelMemory::default().words([0]).words64([0, 64])),
        }
    }

    fn areas(&self) -> (Area, Area) {
        let layout = layout();
        // SAFETY: the tests join their threads before they drop the endpoint.
        unsafe {
            (
                Area::of_model(&self.w, layout.w_size()),
                Area::of_model(&self.r, layout.r_size()),
            )
        }
    }

    fn sides(&self) -> (ProcessSide, HomeSide) {
        let (w, r) = self.areas();
        let process = ProcessSide::resume(layout(), w, r, &AT).unwrap();
        (process, HomeSide::resume(layout(), w, r, &AT).unwrap())
    }

    fn watch(&self) -> EndpointWatch {
        EndpointWatch::new(self.areas().1).unwrap()
    }

    fn control(&self) -> (ArmedCounters, Doorbells) {
        // SAFETY: as for `areas`.
        unsafe {
            let page = Area::of_model(&self.control, mx_ring::PAGE_SIZE);
            (
                model::armed_counters(&self.control),
                Doorbells::new(page).unwrap(),
            )
        }
    }
}

fn explore(preemptions: usize, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn command(number: u32) -> Command {
    Command::AbortPull { cookie: number }
}

fn event(number: u16) -> Event {
    let from = Origin {
        peer: 0,
        endpoint: 0,
        local: false,
    };
    Event::Nack {
        from,
        seq: number,
        code: 1,
    }
}

fn take_command(home: &mut HomeSide) -> Option<Command> {
    home.next_command().map(|taken| taken.unwrap().1)
}

#[test]
fn commands_arrive_whole_and_in_order_over_the_wrap() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let poster = thread::spawn(move || {
            for number in 0..3 {
                assert!(process.post(&command(number), &[]));
            }
        });
        for number in 0..3 {
            let taken = loop {
                match take_command(&mut home) {
                    Some(taken) => break taken,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(taken, command(number));
            home.publish_commands(home.command_index());
        }
        poster.join().unwrap();
    });
}

#[test]
fn a_full_command_queue_is_not_overwritten_before_the_home_let_go() {
    explore(2, || {
        let slots: Vec<usize> = (0..64).collect();
        let endpoint = Endpoint::with_slots(&slots);
        let (w, r) = endpoint.areas();
        let mut process = ProcessSide::new(layout(), w, r).unwrap();
        let mut home = HomeSide::new(layout(), w, r).unwrap();
        for number in 0..64 {
            assert!(process.post(&command(number), b"old "));
        }
        assert!(!process.post(&command(64), b"new "));
        let poster = thread::spawn(move || {
            while !process.post(&command(64), b"new ") {
                thread::yield_now();
            }
        });
        assert_eq!(take_command(&mut home), Some(command(0)));
        let mut data = [0; 4];
        let slot = home.command_data(0, 4).unwrap();
        slot.read(0, &mut data).unwrap();
        assert_eq!(&data, b"old ");
        home.publish_commands(1);
        poster.join().unwrap();
    });
}

#[test]
fn a_payload_is_there_before_its_event_and_stays_until_released() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        // Each payload takes the whole ring, so the second waits for the release of the first.
        let deliverer = thread::spawn(move || {
            for payload in [*b"one ", *b"two "] {
                let medium = |position| Event::Small {
                    from: Origin {
                        peer: 0,
                        endpoint: 0,
                        local: false,
                    },
                    seq: 0,
                    ack: 0,
                    match_info: 0,
                    length: 4,
                    position,
                };
                let fill = |place: &Area| place.write(0, &payload).unwrap();
                while home.deliver_payload(u16::MAX, fill, medium).is_err() {
                    thread::yield_now();
                }
            }
        });
        for payload in [*b"one ", *b"two "] {
            let event = loop {
                match process.next_unexpected() {
                    Some(event) => break event.unwrap(),
                    None => thread::yield_now(),
                }
            };
            let Event::Small { position, .. } = event else {
                panic!("another event: {event:?}");
            };
            let mut bytes = [0; 4];
            process.read_receive(position, &mut bytes).unwrap();
            assert_eq!(bytes, payload);
            process.release_receive(position, u32::from(u16::MAX));
            process.publish_consumed();
        }
        deliverer.join().unwrap();
    });
}

#[test]
fn a_home_that_goes_to_sleep_misses_no_command() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let kick = Arc::new(Notify::new());
        let kicker = kick.clone();
        let poster = thread::spawn(move || {
            for number in 0..2 {
                assert!(process.post(&command(number), &[]));
                if process.kick_needed() {
                    kicker.notify();
                }
            }
        });
        for number in 0..2 {
            home.ask_for_kick();
            while !home.command_waits() {
                kick.wait();
            }
            home.polled_again();
            assert_eq!(take_command(&mut home), Some(command(number)));
        }
        poster.join().unwrap();
    });
}

#[test]
fn a_process_that_arms_itself_misses_no_event() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let wake = Arc::new(Notify::new());
        let waker = wake.clone();
        let deliverer = thread::spawn(move || {
            for number in 0..2 {
                home.deliver(&event(number)).unwrap();
                if home.wake_needed() {
                    waker.notify();
                }
            }
        });
        for number in 0..2 {
            let taken = loop {
                process.arm();
                if let Some(taken) = process.next_unexpected() {
                    break taken.unwrap();
                }
                wake.wait();
            };
            assert_eq!(taken, event(number));
        }
        deliverer.join().unwrap();
    });
}

#[test]
fn two_that_answer_each_other_and_both_sleep_do_not_miss_each_other() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let (kick, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (kicker, waker) = (kick.clone(), wake.clone());
        let answerer = thread::spawn(move || {
            home.ask_for_kick();
            while !home.command_waits() {
                kick.wait();
            }
            home.polled_again();
            assert_eq!(take_command(&mut home), Some(command(1)));
            home.deliver(&event(1)).unwrap();
            if home.wake_needed() {
                waker.notify();
            }
        });
        assert!(process.post(&command(1), &[]));
        if process.kick_needed() {
            kicker.notify();
        }
        loop {
            process.arm();
            if let Some(taken) = process.next_unexpected() {
                assert_eq!(taken, Ok(event(1)));
                break;
            }
            wake.wait();
        }
        answerer.join().unwrap();
    });
}

/// A guest kernel's wait for one endpoint: its wait queue, its generation, its event channel.
struct Kernel {
    generation: AtomicU32,
    queue: Mutex<u32>,
    woken: Condvar,
    event_channel: Notify,
    /// The home sends no more events.
    finished: AtomicU32,
}

impl Kernel {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            generation: AtomicU32::new(0),
            queue: Mutex::new(0),
            woken: Condvar::new(),
            event_channel: Notify::new(),
            finished: AtomicU32::new(0),
        })
    }

    fn wake_all(&self) {
        *self.queue.lock().unwrap() += 1;
        self.woken.notify_all();
    }

    /// The wait call: prepare, arm, look, sleep. Whether there are events, or else another generation.
    fn wait(&self, armed: &ArmedCounters, watch: &EndpointWatch, consumed: (u32, u32)) -> bool {
        loop {
            let prepared = *self.queue.lock().unwrap();
            armed.arm(0);
            if watch.has_events(consumed.0, consumed.1) {
                return true;
            }
            if self.generation.load(Ordering::Acquire) != 0 {
                return false;
            }
            let mut wakes = self.queue.lock().unwrap();
            while *wakes == prepared {
                wakes = self.woken.wait(wakes).unwrap();
            }
        }
    }
}

#[test]
fn a_process_that_its_kernel_puts_to_sleep_misses_no_event() {
    explore(2, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let (armed, doorbells) = endpoint.control();
        let watch = endpoint.watch();
        let kernel = Kernel::new();
        let (of_home, of_interrupt) = (kernel.clone(), kernel.clone());
        let deliverer = thread::spawn(move || {
            home.deliver(&event(1)).unwrap();
            // A home that sees nobody asleep sends no event; the interrupt handler's thread is let go all the same.
            if home.sleeper_armed(&armed, 0) {
                doorbells.wake(0);
            }
            of_home.finished.store(1, Ordering::Release);
            of_home.event_channel.notify();
        });
        let interrupt = thread::spawn(move || {
            let mut finished = 0;
            while finished == 0 {
                of_interrupt.event_channel.wait();
                finished = of_interrupt.finished.load(Ordering::Acquire);
                if doorbells.take_woken(0) & 1 != 0 {
                    of_interrupt.wake_all();
                }
            }
        });
        assert!(kernel.wait(&armed, &watch, process.consumed()));
        assert_eq!(process.next_unexpected(), Some(Ok(event(1))));
        deliverer.join().unwrap();
        interrupt.join().unwrap();
    });
}

#[test]
fn a_new_generation_wakes_who_waited_for_the_old_one() {
    explore(2, || {
        let endpoint = Endpoint::new();
        let (mut process, mut home) = endpoint.sides();
        let (armed, _) = endpoint.control();
        let watch = endpoint.watch();
        let kernel = Kernel::new();
        let of_successor = kernel.clone();
        // The old home dies between the publication and the wake.
        let old = thread::spawn(move || home.deliver(&event(1)).unwrap());
        let successor = thread::spawn(move || {
            of_successor.generation.store(1, Ordering::Release);
            of_successor.wake_all();
        });
        let events = kernel.wait(&armed, &watch, process.consumed());
        if events {
            assert_eq!(process.next_unexpected(), Some(Ok(event(1))));
        } else {
            assert_eq!(kernel.generation.load(Ordering::Relaxed), 1);
        }
        old.join().unwrap();
        successor.join().unwrap();
    });
}

#[test]
fn a_successor_wakes_who_armed_under_the_old_home() {
    explore(2, || {
        let endpoint = Endpoint::new();
        let (mut process, _dead) = endpoint.sides();
        let (w, r) = endpoint.areas();
        let (wake, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (waker, waiter) = (wake.clone(), waiting.clone());
        let successor = thread::spawn(move || {
            let mut home = HomeSide::resume(layout(), w, r, &AT).unwrap();
            home.deliver(&event(1)).unwrap();
            if home.wake_needed() {
                waker.notify();
            }
            waiter.notify();
        });
        loop {
            process.arm();
            if let Some(taken) = process.next_unexpected() {
                assert_eq!(taken, Ok(event(1)));
                break;
            }
            wake.wait();
        }
        waiting.wait();
        successor.join().unwrap();
    });
}

#[test]
fn a_window_is_read_whole_or_not_at_all() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (process, home) = endpoint.sides();
        let window = |n: u16| mx_ring::Window {
            region: mx_ring::RegionKey {
                slot: n,
                generation: n,
            },
            seqnum: n as u8,
            reach: mx_ring::Reach::Whole,
            offset: n.into(),
            length: n.into(),
        };
        let binder = thread::spawn(move || {
            process.bind_window(0, &window(1));
            process.unbind_window(0);
            process.bind_window(0, &window(2));
        });
        for _ in 0..2 {
            if let Some(read) = home.window(0)
                && read.reach != mx_ring::Reach::Nothing
            {
                assert!(read == window(1) || read == window(2), "torn: {read:?}");
            }
        }
        binder.join().unwrap();
        assert_eq!(home.window(0), Some(window(2)));
    });
}

#[test]
fn a_window_that_moves_is_bound_all_the_time() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (process, home) = endpoint.sides();
        let window = |n: u16| mx_ring::Window {
            region: mx_ring::RegionKey {
                slot: n,
                generation: n,
            },
            seqnum: 23,
            reach: mx_ring::Reach::Piece,
            offset: n.into(),
            length: 9,
        };
        process.bind_window(0, &window(1));
        let mover = thread::spawn(move || process.bind_window(0, &window(2)));
        let read = home.window(0).expect("bound");
        assert_eq!((read.seqnum, read.length), (23, 9));
        if read.reach != mx_ring::Reach::Nothing {
            assert!(read == window(1) || read == window(2), "torn: {read:?}");
        }
        mover.join().unwrap();
        assert_eq!(home.window(0), Some(window(2)));
    });
}

#[test]
fn a_record_of_the_board_page_is_read_whole() {
    explore(3, || {
        let memory = Box::new(ModelMemory::default().words([0, 4, 8]));
        // SAFETY: the writer is joined before the memory goes.
        let area = unsafe { Area::of_model(&memory, 64) };
        let writer = thread::spawn(move || {
            for n in 1..=2 {
                model::seqlock_write(&area, 0, 4, &[n; 8]);
            }
        });
        let mut record = [0; 8];
        if model::seqlock_read(&area, 0, 4, &mut record).is_some() {
            assert!(record == [record[0]; 8], "torn: {record:?}");
        }
        writer.join().unwrap();
        assert!(model::seqlock_read(&area, 0, 4, &mut record).is_some());
        assert_eq!(record, [2; 8]);
    });
}

/// Region 0 of an endpoint, its notes and its use bit.
fn region() -> (Box<ModelMemory>, Box<ModelMemory>, RegionNotes, UseBits) {
    let notes_page = Box::new(ModelMemory::default().words([0]));
    let w = Box::new(model::w_memory(&layout(), &[]));
    // SAFETY: the tests join their threads before they drop the memory.
    let (notes, uses) = unsafe {
        (
            Area::of_model(&notes_page, mx_ring::PAGE_SIZE),
            Area::of_model(&w, layout().w_size()),
        )
    };
    let notes = RegionNotes::new(notes).unwrap();
    let uses = UseBits::new(uses).unwrap();
    (notes_page, w, notes, uses)
}

const REGION: RegionKey = RegionKey {
    slot: 0,
    generation: 3,
};

#[test]
fn a_region_that_is_used_while_it_becomes_stale_is_seen_by_one_side_at_least() {
    explore(3, || {
        let (_notes, _w, notes, uses) = region();
        notes.note_valid(REGION);
        let kernel = thread::spawn(move || {
            notes.invalidate(REGION);
            uses.in_use(REGION.slot)
        });
        let used = uses.begin(&notes, REGION);
        let seen = kernel.join().unwrap();
        assert!(seen || !used, "given back under a message that uses it");
        assert!(!notes.is_valid(REGION));
        assert!(!uses.begin(&notes, REGION), "no later use");
    });
}

#[test]
fn a_change_while_a_region_is_registered_leaves_it_stale() {
    explore(3, || {
        let (_notes, _w, notes, _) = region();
        let changed = Arc::new(AtomicU32::new(0));
        let notifier = {
            let changed = changed.clone();
            thread::spawn(move || {
                changed.store(1, Ordering::SeqCst);
                loom::sync::atomic::fence(Ordering::SeqCst);
                notes.invalidate(REGION);
            })
        };
        notes.note_valid(REGION);
        if changed.load(Ordering::SeqCst) != 0 {
            notes.invalidate(REGION);
        }
        notifier.join().unwrap();
        assert!(!notes.is_valid(REGION));
    });
}

/// The region that had the slot before.
const BEFORE: RegionKey = RegionKey {
    generation: 2,
    ..REGION
};

#[test]
fn a_look_at_a_stale_region_does_not_hide_the_use_of_the_one_in_its_slot() {
    explore(3, || {
        let (_notes, _w, notes, uses) = region();
        notes.note_valid(BEFORE);
        notes.invalidate(BEFORE);
        notes.note_valid(REGION);
        assert!(uses.begin(&notes, REGION));
        let kernel = thread::spawn(move || {
            notes.invalidate(REGION);
            uses.in_use(REGION.slot)
        });
        assert!(!uses.begin(&notes, BEFORE));
        assert!(
            kernel.join().unwrap(),
            "given back under a message that uses it"
        );
    });
}
