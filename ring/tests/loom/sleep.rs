//! Whoever sleeps is woken.

use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex, Notify};
use loom::thread;

use super::*;

#[test]
fn a_backend_that_goes_to_sleep_misses_no_command() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut backend) = endpoint.sides();
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
            backend.ask_for_kick();
            while !backend.command_waits() {
                kick.wait();
            }
            backend.polled_again();
            assert_eq!(take_command(&mut backend), Some(command(number)));
        }
        poster.join().unwrap();
    });
}

#[test]
fn a_process_that_arms_itself_misses_no_event() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut backend) = endpoint.sides();
        let wake = Arc::new(Notify::new());
        let waker = wake.clone();
        let deliverer = thread::spawn(move || {
            for number in 0..2 {
                backend.deliver(&event(number)).unwrap();
                if backend.wake_needed() {
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
        let (mut process, mut backend) = endpoint.sides();
        let (kick, wake) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (kicker, waker) = (kick.clone(), wake.clone());
        let answerer = thread::spawn(move || {
            backend.ask_for_kick();
            while !backend.command_waits() {
                kick.wait();
            }
            backend.polled_again();
            assert_eq!(take_command(&mut backend), Some(command(1)));
            backend.deliver(&event(1)).unwrap();
            if backend.wake_needed() {
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

/// A guest kernel's wait for one endpoint: its wait queue and its event channel.
struct Kernel {
    queue: Mutex<u32>,
    woken: Condvar,
    event_channel: Notify,
    /// The backend sends no more events.
    finished: AtomicU32,
}

impl Kernel {
    fn new() -> Arc<Self> {
        Arc::new(Self {
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

    /// The wait call: prepare, arm, look, sleep, until there are events or the endpoint was closed.
    fn wait(&self, armed: &ArmedCounters, watch: &EndpointWatch, consumed: (u32, u32)) {
        loop {
            let prepared = *self.queue.lock().unwrap();
            armed.arm(0);
            if watch.has_events(consumed.0, consumed.1) {
                return;
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
        let (mut process, mut backend) = endpoint.sides();
        let (armed, doorbells) = endpoint.control();
        let watch = endpoint.watch();
        let kernel = Kernel::new();
        let (of_backend, of_interrupt) = (kernel.clone(), kernel.clone());
        let deliverer = thread::spawn(move || {
            backend.deliver(&event(1)).unwrap();
            // A backend that sees nobody asleep sends no event; the interrupt handler's thread is let go all the same.
            if backend.sleeper_armed(&armed, 0) {
                doorbells.wake(0);
            }
            of_backend.finished.store(1, Ordering::Release);
            of_backend.event_channel.notify();
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
        kernel.wait(&armed, &watch, process.consumed());
        assert_eq!(process.next_unexpected(), Some(Ok(event(1))));
        deliverer.join().unwrap();
        interrupt.join().unwrap();
    });
}

#[test]
fn a_backend_that_goes_wakes_who_waits_for_it() {
    explore(2, || {
        let endpoint = Endpoint::new();
        let (mut process, mut backend) = endpoint.sides();
        let (armed, _) = endpoint.control();
        let (watch, of_kernel) = (endpoint.watch(), endpoint.watch());
        let kernel = Kernel::new();
        let closer = kernel.clone();
        // The backend dies between the publication and the wake.
        let dying = thread::spawn(move || backend.deliver(&event(1)).unwrap());
        let closing = thread::spawn(move || {
            of_kernel.backend_gone();
            closer.wake_all();
        });
        kernel.wait(&armed, &watch, process.consumed());
        match process.next_unexpected() {
            Some(taken) => assert_eq!(taken, Ok(event(1))),
            None => assert_ne!(process.status(), 0),
        }
        dying.join().unwrap();
        closing.join().unwrap();
    });
}

#[test]
fn a_successor_wakes_who_armed_under_the_old_backend() {
    explore(2, || {
        let endpoint = Endpoint::new();
        let (mut process, _dead) = endpoint.sides();
        let (w, r) = endpoint.slices();
        let (wake, waiting) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (waker, waiter) = (wake.clone(), waiting.clone());
        let successor = thread::spawn(move || {
            let mut backend = BackendSide::resume(layout(), w, r, &AT).unwrap();
            backend.deliver(&event(1)).unwrap();
            if backend.wake_needed() {
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
