//! What is remembered of registered memory, and when it is not believed any more.

use mx_engine::{Part, Refused, Registered, Use};
use mx_ring::RegionKey;
use proptest::prelude::*;

use super::super::{FIRST_USE_MAX, Regions};
use super::module::{Known, Module};
use super::{Application, PAGE, To, message, whole};

#[test]
fn a_buffer_bounces_once_is_registered_once_and_then_found_again() {
    let module = To::<Module>::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(32);
    let memory = application.message(100, 20 * PAGE);
    let first = message(&mut regions, &memory, Use::Send);
    let bounce = module.known(first.region).unwrap();
    assert_ne!(bounce.address, application.address());
    assert_eq!(module.registered(), 1, "a bounce buffer");
    for _ in 0..1000 {
        let registered = message(&mut regions, &memory, Use::Send);
        let known = module.known(registered.region).unwrap();
        assert_eq!(
            known.address + u64::from(registered.offset),
            application.address() + 100
        );
    }
    assert_eq!(module.registered(), 2, "and the buffer");
    // A part of it, and neighbours in the same pages, are registered, too.
    message(
        &mut regions,
        &application.message(8 * PAGE, 2 * PAGE),
        Use::Send,
    );
    message(
        &mut regions,
        &application.message(0, 20 * PAGE + 50),
        Use::Send,
    );
    assert_eq!(module.registered(), 2);
}

#[test]
fn a_buffer_that_was_sent_from_is_registered_for_writing_when_it_receives() {
    let module = To::<Module>::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(512);
    let memory = application.message(0, 512 * PAGE);
    assert!(memory.length() > FIRST_USE_MAX);
    let sent = message(&mut regions, &memory, Use::Send);
    assert!(!module.known(sent.region).unwrap().writable);
    let received = message(&mut regions, &memory, Use::Receive);
    assert!(module.known(received.region).unwrap().writable);
    assert_eq!(
        module.known(sent.region),
        None,
        "one registration serves both"
    );
    assert_eq!(
        message(&mut regions, &memory, Use::Send).region,
        received.region
    );
}

#[test]
fn memory_that_changed_is_registered_anew_also_while_a_message_uses_what_was_there() {
    let module = To::<Module>::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(512);
    let memory = application.message(0, 512 * PAGE);
    let old = message(&mut regions, &memory, Use::Send).region;
    module.change(application.address() + 4096, 1);
    assert_eq!(module.held(), 0, "idle memory is not kept pinned");
    let running = regions
        .register_part(&memory, whole(&memory), Use::Send)
        .unwrap();
    assert_ne!(running.region, old);
    module.change(application.address(), 1);
    assert!(
        module.known(running.region).is_some(),
        "the transfer goes on"
    );
    let next = regions
        .register_part(&memory, whole(&memory), Use::Send)
        .unwrap();
    assert_ne!(next.region, running.region);
    regions.release(&running);
    assert_eq!(module.known(running.region), None);
    regions.release(&next);
    assert_eq!(
        message(&mut regions, &memory, Use::Send).region,
        next.region
    );
}

#[test]
fn a_look_at_memory_that_changed_takes_no_region_from_the_message_that_uses_its_slot() {
    let module = To::<Module>::new(1 << 30, None);
    let mut regions = module.regions();
    let buffers = [0; 2].map(|_| Application::new(512));
    let [first, second] = [0, 1].map(|n: usize| buffers[n].message(0, 512 * PAGE));
    let old = message(&mut regions, &first, Use::Send).region;
    module.change(buffers[0].address(), 1);
    let running = regions
        .register_part(&second, whole(&second), Use::Send)
        .unwrap();
    assert_eq!(running.region.slot, old.slot);
    message(&mut regions, &first, Use::Send);
    module.change(buffers[1].address(), 1);
    assert!(
        module.known(running.region).is_some(),
        "the transfer goes on"
    );
    regions.release(&running);
    assert_eq!(module.known(running.region), None);
}

/// A generation has 16 bits.
#[test]
fn what_is_stale_is_forgotten_before_its_key_means_other_memory() {
    let module = To::<Module>::new(64 << 20, None);
    let mut regions = module.regions();
    let application = Application::new(512);
    let memory = application.message(0, 512 * PAGE);
    let old = message(&mut regions, &memory, Use::Send).region;
    module.change(application.address(), 1);
    let other = Application::new(512);
    let other = other.message(0, 512 * PAGE);
    let running = regions
        .register_part(&other, whole(&other), Use::Send)
        .unwrap();
    assert_eq!(running.region.slot, old.slot);
    let stale = |regions: &Regions| regions.entries.iter().any(|(_, entry)| entry.region == old);
    assert!(!stale(&regions));
    regions.release(&running);
}

#[derive(Clone, Debug)]
enum Step {
    Register {
        start: usize,
        pages: usize,
        receive: bool,
    },
    Release {
        nth: usize,
    },
    Change {
        start: usize,
        pages: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let span = (0usize..1024, prop_oneof![1usize..8, 257usize..600]);
    prop_oneof![
        5 => (span.clone(), any::<bool>())
            .prop_map(|((start, pages), receive)| Step::Register { start, pages, receive }),
        5 => (0usize..8).prop_map(|nth| Step::Release { nth }),
        3 => span.prop_map(|(start, pages)| Step::Change { start, pages }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn no_message_begins_on_memory_that_changed_and_none_loses_its_region(
        steps in proptest::collection::vec(step(), 1..80),
        quota in prop_oneof![Just(4u64 << 20), Just(64 << 20)],
    ) {
        let module = To::<Module>::new(quota, None);
        let mut regions = module.regions();
        let application = Application::new(2048);
        // Regions whose memory changed after they were registered.
        let mut stale: Vec<RegionKey> = Vec::new();
        let mut running: Vec<Registered> = Vec::new();
        for step in steps {
            match step {
                Step::Register { start, pages, receive } => {
                    let memory = application.message(start * PAGE, pages * PAGE);
                    let used = if receive { Use::Receive } else { Use::Send };
                    let part = Part { divisible: receive, ..whole(&memory) };
                    match regions.register_part(&memory, part, used) {
                        Ok(registered) => {
                            let known = module.known(registered.region).expect("registered");
                            prop_assert!(!receive || known.writable);
                            prop_assert!(!stale.contains(&registered.region));
                            prop_assert!(registered.offset + registered.length <= known.length);
                            prop_assert!(receive || registered.length == memory.length());
                            running.push(registered);
                        }
                        Err(refused) => prop_assert_eq!(refused, Refused::Later),
                    }
                }
                Step::Release { nth } if !running.is_empty() => {
                    let registered = running.swap_remove(nth % running.len());
                    regions.release(&registered);
                }
                Step::Release { .. } => {}
                Step::Change { start, pages } => {
                    let (from, length) = (start * PAGE, pages * PAGE);
                    let from = application.address() + from as u64;
                    let table = module.table.lock().unwrap();
                    let hit = |known: &Known| {
                        known.address < from + length as u64
                            && from < known.address + u64::from(known.length)
                    };
                    let changed = table.regions.values().filter(|(_, known)| hit(known));
                    stale.extend(changed.map(|(key, _)| *key));
                    drop(table);
                    module.change(from, length as u64);
                }
            }
            for registered in &running {
                prop_assert!(module.known(registered.region).is_some(), "taken from a message");
            }
        }
        for registered in running {
            regions.release(&registered);
        }
        regions.shrink(0);
        prop_assert!(module.held() == 0);
    }
}
