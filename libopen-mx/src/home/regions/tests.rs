//! The cache against a home that counts what is registered, has a quota, refuses some memory and notes changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mx_engine::{Exposure, Memory, Part, Refused, Use};
use mx_ring::call::{Reply, Request};
use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::registration::{RESERVE_MAX, RESERVES, RegionNotes, UseBits};
use mx_ring::{EndpointLayout, PAGE_SIZE, RegionKey};
use proptest::prelude::*;
use rustix::io::Errno;

use super::{FIRST_USE_MAX, Marks, PART_MAX, Regions};
use crate::home::{CallError, Channel, Opened};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Known {
    address: u64,
    length: u32,
    writable: bool,
    reserve: bool,
}

#[derive(Default)]
struct Table {
    regions: BTreeMap<u16, (RegionKey, Known)>,
    /// How often each slot was used.
    generations: BTreeMap<u16, u16>,
    registered: usize,
}

impl Table {
    /// The first free slot, as the module chooses it, under its next generation.
    fn vacancy(&mut self) -> RegionKey {
        let slot = (0..).find(|slot| !self.regions.contains_key(slot));
        let slot = slot.expect("the test registers less than this");
        let generation = self.generations.entry(slot).or_default();
        *generation = generation.wrapping_add(1);
        RegionKey {
            slot,
            generation: *generation,
        }
    }
}

/// What the frontend module does.
struct Module {
    table: Mutex<Table>,
    quota: u64,
    /// Memory that cannot be pinned.
    refused: Option<u64>,
    notes: RegionNotes,
    uses: UseBits,
    w: Memfd,
    page: Memfd,
}

impl Module {
    fn new(quota: u64, refused: Option<u64>) -> Arc<Self> {
        let w = Memfd::create("w", PAGE_SIZE).unwrap();
        let page = Memfd::create("notes", PAGE_SIZE).unwrap();
        Arc::new(Self {
            table: Mutex::default(),
            quota,
            refused,
            notes: RegionNotes::new(page.area()).unwrap(),
            uses: UseBits::new(w.area()).unwrap(),
            w,
            page,
        })
    }

    fn regions(self: &Arc<Self>) -> Regions {
        let page = Mapping::of(self.page.descriptor(), 0, PAGE_SIZE, Access::Read).unwrap();
        let marks = Marks::new(page, self.w.area()).unwrap();
        Regions::new(self.clone(), true, Some(marks), true)
    }

    /// The process changes what lies in these bytes: the notifier, then the work.
    fn change(&self, address: u64, length: u64) {
        let mut table = self.table.lock().unwrap();
        table.regions.retain(|slot, (key, known)| {
            let apart = known.address + u64::from(known.length) <= address
                || address + length <= known.address;
            if !apart {
                self.notes.invalidate(*key);
            }
            apart || self.uses.in_use(*slot)
        });
    }

    fn registered(&self) -> usize {
        self.table.lock().unwrap().registered
    }

    fn known(&self, key: RegionKey) -> Option<Known> {
        let table = self.table.lock().unwrap();
        let (known_key, known) = table.regions.get(&key.slot)?;
        (*known_key == key).then_some(*known)
    }

    /// What counts.
    fn held(&self) -> u64 {
        let table = self.table.lock().unwrap();
        let counted = table.regions.values().filter(|(_, known)| !known.reserve);
        counted.map(|(_, known)| u64::from(known.length)).sum()
    }

    fn reserves(&self) -> usize {
        let table = self.table.lock().unwrap();
        let all = table.regions.values();
        all.filter(|(_, known)| known.reserve).count()
    }
}

impl Channel for Module {
    fn call(&self, request: &Request, _: Option<&Memfd>) -> Result<Reply, CallError> {
        match *request {
            Request::Register {
                address,
                length,
                writable,
                reserve,
            } => {
                let end = address + u64::from(length);
                if self.refused.is_some_and(|at| (address..end).contains(&at)) {
                    return Err(CallError(Errno::FAULT));
                }
                let room = match reserve {
                    true => length <= RESERVE_MAX && self.reserves() < RESERVES,
                    false => self.held() + u64::from(length) <= self.quota,
                };
                if !room {
                    return Err(CallError(Errno::AGAIN));
                }
                let mut table = self.table.lock().unwrap();
                table.registered += 1;
                let region = table.vacancy();
                let known = Known {
                    address,
                    length,
                    writable,
                    reserve,
                };
                table.regions.insert(region.slot, (region, known));
                self.notes.note_valid(region);
                Ok(Reply::Registered { region })
            }
            Request::Deregister { region } => {
                let mut table = self.table.lock().unwrap();
                match table.regions.get(&region.slot) {
                    Some((key, _)) if *key == region => {
                        assert!(!self.uses.in_use(region.slot), "given back in use");
                        table.regions.remove(&region.slot);
                        Ok(Reply::Done)
                    }
                    _ => Err(CallError(Errno::INVAL)),
                }
            }
            _ => Err(CallError(Errno::OPNOTSUPP)),
        }
    }

    fn attach(&self, _: u32) -> Result<Mapping, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }

    fn open(&self, _: u32, _: u32, _: &EndpointLayout) -> Result<Opened, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }

    fn open_raw(&self, _: u32) -> Result<std::os::fd::OwnedFd, CallError> {
        unreachable!("no test of endpoints opens it")
    }

    fn process_arms(&self) -> bool {
        false
    }

    fn sleep(&self, _: (u32, u32), _: Option<Duration>, _: bool) -> Result<bool, CallError> {
        Ok(true)
    }

    fn close(&self) {}

    fn kick(&self) {}

    fn wakeup(&self) {}

    fn alive(&self) -> bool {
        true
    }
}

pub(super) const PAGE: usize = PAGE_SIZE;

/// Memory of the application: page-aligned, not known to the library.
pub(super) struct Application(Memfd);

impl Application {
    pub(super) fn new(pages: usize) -> Self {
        Self(Memfd::create("application", pages * PAGE).unwrap())
    }

    pub(super) fn message(&self, offset: usize, length: usize) -> Memory {
        Memory::new(self.0.area().part(offset, length).unwrap()).unwrap()
    }

    fn address(&self) -> u64 {
        self.0.area().address() as u64
    }
}

/// All of a message, in one piece.
pub(super) fn whole(memory: &Memory) -> Part {
    Part {
        start: 0,
        length: memory.length(),
        divisible: false,
    }
}

/// One message: exposed, and done.
fn message(regions: &mut Regions, memory: &Memory, used: Use) -> Exposure {
    let exposure = regions.expose(memory, whole(memory), used).unwrap();
    regions.retract(&exposure);
    exposure
}

#[test]
fn a_buffer_bounces_once_is_registered_once_and_then_found_again() {
    let module = Module::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(32);
    let memory = application.message(100, 20 * PAGE);
    let first = message(&mut regions, &memory, Use::Send);
    let bounce = module.known(first.region).unwrap();
    assert_ne!(bounce.address, application.address());
    assert_eq!(module.registered(), 1, "a bounce buffer");
    for _ in 0..1000 {
        let exposure = message(&mut regions, &memory, Use::Send);
        let known = module.known(exposure.region).unwrap();
        assert_eq!(
            known.address + u64::from(exposure.offset),
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
    let module = Module::new(1 << 30, None);
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
    let module = Module::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(512);
    let memory = application.message(0, 512 * PAGE);
    let old = message(&mut regions, &memory, Use::Send).region;
    module.change(application.address() + 4096, 1);
    assert_eq!(module.held(), 0, "idle memory is not kept pinned");
    let running = regions.expose(&memory, whole(&memory), Use::Send).unwrap();
    assert_ne!(running.region, old);
    module.change(application.address(), 1);
    assert!(
        module.known(running.region).is_some(),
        "the transfer goes on"
    );
    let next = regions.expose(&memory, whole(&memory), Use::Send).unwrap();
    assert_ne!(next.region, running.region);
    regions.retract(&running);
    assert_eq!(module.known(running.region), None);
    regions.retract(&next);
    assert_eq!(
        message(&mut regions, &memory, Use::Send).region,
        next.region
    );
}

#[test]
fn a_look_at_memory_that_changed_takes_no_region_from_the_message_that_uses_its_slot() {
    let module = Module::new(1 << 30, None);
    let mut regions = module.regions();
    let buffers = [0; 2].map(|_| Application::new(512));
    let [first, second] = [0, 1].map(|n: usize| buffers[n].message(0, 512 * PAGE));
    let old = message(&mut regions, &first, Use::Send).region;
    module.change(buffers[0].address(), 1);
    let running = regions.expose(&second, whole(&second), Use::Send).unwrap();
    assert_eq!(running.region.slot, old.slot);
    message(&mut regions, &first, Use::Send);
    module.change(buffers[1].address(), 1);
    assert!(
        module.known(running.region).is_some(),
        "the transfer goes on"
    );
    regions.retract(&running);
    assert_eq!(module.known(running.region), None);
}

/// A generation has 16 bits.
#[test]
fn what_is_stale_is_forgotten_before_its_key_means_other_memory() {
    let module = Module::new(64 << 20, None);
    let mut regions = module.regions();
    let application = Application::new(512);
    let memory = application.message(0, 512 * PAGE);
    let old = message(&mut regions, &memory, Use::Send).region;
    module.change(application.address(), 1);
    let other = Application::new(512);
    let other = other.message(0, 512 * PAGE);
    let running = regions.expose(&other, whole(&other), Use::Send).unwrap();
    assert_eq!(running.region.slot, old.slot);
    let stale = |regions: &Regions| regions.entries.iter().any(|(_, entry)| entry.region == old);
    assert!(!stale(&regions));
    regions.retract(&running);
}

#[test]
fn a_full_quota_gives_back_what_was_idle_longest_and_nothing_that_is_used() {
    let module = Module::new(4 << 20, None);
    let mut regions = module.regions();
    let buffers: Vec<_> = (0..3).map(|_| Application::new(512)).collect();
    let memory: Vec<_> = buffers.iter().map(|b| b.message(0, 512 * PAGE)).collect();
    let [a, b] = [0, 1].map(|n: usize| message(&mut regions, &memory[n], Use::Receive).region);
    let running = regions
        .expose(&memory[0], whole(&memory[0]), Use::Receive)
        .unwrap();
    assert_eq!(running.region, a);
    message(&mut regions, &memory[2], Use::Receive);
    assert_eq!(module.known(b), None);
    let other = regions
        .expose(&memory[1], whole(&memory[1]), Use::Receive)
        .unwrap();
    let full = regions.expose(&memory[2], whole(&memory[2]), Use::Receive);
    assert!(matches!(full, Err(Refused::Later)), "both are in use");
    regions.retract(&running);
    regions.retract(&other);
    assert!(
        regions
            .expose(&memory[2], whole(&memory[2]), Use::Receive)
            .is_ok()
    );
}

#[test]
fn memory_that_cannot_be_pinned_bounces_with_its_bytes() {
    let application = Application::new(1024);
    let module = Module::new(1 << 30, Some(application.address() + 5));
    let mut regions = module.regions();
    let memory = application.message(0, 1024 * PAGE);
    application.0.area().write(7 * PAGE, b"there").unwrap();
    for _ in 0..2 {
        let exposure = regions
            .expose(&memory, whole(&memory), Use::Receive)
            .unwrap();
        let known = module.known(exposure.region).unwrap();
        assert_ne!(known.address, application.address());
        regions.collect(&exposure, &memory, 0);
        regions.retract(&exposure);
    }
    let mut read = [0; 5];
    application.0.area().read(7 * PAGE, &mut read).unwrap();
    assert_eq!(&read, &[0; 5], "what was received, an empty bounce buffer");
    assert_eq!(module.registered(), 1, "the bounce buffer is kept");
}

#[test]
fn a_message_is_received_in_pieces_when_others_hold_the_whole_quota() {
    let module = Module::new(4 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1024);
    let memory = others.message(0, 1024 * PAGE);
    let _running = regions.expose(&memory, whole(&memory), Use::Send).unwrap();
    let application = Application::new(2048);
    let memory = application.message(0, 2048 * PAGE);
    let full = regions.expose(&memory, whole(&memory), Use::Receive);
    assert!(matches!(full, Err(Refused::Later)), "all at once");
    let (mut start, mut pieces) = (0, 0);
    while start < memory.length() {
        let rest = Part {
            start,
            length: memory.length() - start,
            divisible: true,
        };
        let piece = regions.expose(&memory, rest, Use::Receive).unwrap();
        let second = regions.expose(&memory, rest, Use::Receive);
        assert!(matches!(second, Err(Refused::Later)), "one at a time");
        regions.collect(&piece, &memory, start);
        regions.retract(&piece);
        start += piece.length;
        pieces += 1;
    }
    assert_eq!(pieces, memory.length() / RESERVE_MAX);
}

#[test]
fn pieces_are_as_large_as_the_quota_allows() {
    let module = Module::new(8 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1536);
    let others = others.message(0, 1536 * PAGE);
    let running = regions.expose(&others, whole(&others), Use::Send).unwrap();
    let application = Application::new(8192);
    let memory = application.message(0, 8192 * PAGE);
    let piece = |regions: &mut Regions| {
        let part = Part {
            divisible: true,
            ..whole(&memory)
        };
        let piece = regions.expose(&memory, part, Use::Send).unwrap();
        regions.retract(&piece);
        piece.length
    };
    assert_eq!(piece(&mut regions), 2 << 20);
    regions.retract(&running);
    assert_eq!(piece(&mut regions), 4 << 20);
    assert_eq!(piece(&mut regions), 8 << 20);
    assert_eq!(piece(&mut regions), 8 << 20, "and no more");
}

#[test]
fn a_message_longer_than_what_is_registered_at_once_goes_in_parts_of_it() {
    let module = Module::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(32_768);
    let memory = application.message(0, 32_768 * PAGE);
    let part = Part {
        divisible: true,
        ..whole(&memory)
    };
    let exposure = regions.expose(&memory, part, Use::Receive).unwrap();
    assert_eq!(exposure.length, PART_MAX);
    let known = module.known(exposure.region).unwrap();
    assert_eq!(known.address, application.address());
    regions.retract(&exposure);
}

#[test]
fn a_message_is_sent_in_pieces_that_nobody_reads_when_the_next_is_filled() {
    let module = Module::new(4 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1024);
    let memory = others.message(0, 1024 * PAGE);
    let _running = regions.expose(&memory, whole(&memory), Use::Send).unwrap();
    let application = Application::new(2048);
    let memory = application.message(100, 2047 * PAGE);
    for page in 0..2047 {
        let number = (page as u32).to_le_bytes();
        application
            .0
            .area()
            .write(100 + page * PAGE, &number)
            .unwrap();
    }
    let full = regions.expose(&memory, whole(&memory), Use::Send);
    assert!(matches!(full, Err(Refused::Later)), "all at once");
    let mut start = 0;
    let mut last = None;
    while start < memory.length() {
        let rest = Part {
            start,
            length: memory.length() - start,
            divisible: true,
        };
        let piece = regions.expose(&memory, rest, Use::Send).unwrap();
        assert_eq!(piece.offset, 0);
        assert_ne!(
            last,
            Some(piece.region),
            "the home has let go of the last one"
        );
        assert!(regions.expose(&memory, rest, Use::Send).is_err());
        let known = module.known(piece.region).unwrap();
        assert!(piece.length <= known.length);
        let mut first = [0; 4];
        let copy = regions.entries.get(super::entry_key(&piece)).unwrap();
        let super::Registered::Bounce(bounce) = &copy.memory else {
            panic!("the message's own memory");
        };
        bounce.area().read(0, &mut first).unwrap();
        assert_eq!(u32::from_le_bytes(first) as usize, start as usize / PAGE);
        regions.retract(&piece);
        assert_eq!(module.known(piece.region), None);
        last = Some(piece.region);
        start += piece.length;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Expose {
        start: usize,
        pages: usize,
        receive: bool,
    },
    Retract {
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
            .prop_map(|((start, pages), receive)| Step::Expose { start, pages, receive }),
        5 => (0usize..8).prop_map(|nth| Step::Retract { nth }),
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
        let module = Module::new(quota, None);
        let mut regions = module.regions();
        let application = Application::new(2048);
        // Regions whose memory changed after they were registered.
        let mut stale: Vec<RegionKey> = Vec::new();
        let mut running: Vec<Exposure> = Vec::new();
        for step in steps {
            match step {
                Step::Expose { start, pages, receive } => {
                    let memory = application.message(start * PAGE, pages * PAGE);
                    let used = if receive { Use::Receive } else { Use::Send };
                    let part = Part { divisible: receive, ..whole(&memory) };
                    match regions.expose(&memory, part, used) {
                        Ok(exposure) => {
                            let known = module.known(exposure.region).expect("registered");
                            prop_assert!(!receive || known.writable);
                            prop_assert!(!stale.contains(&exposure.region));
                            prop_assert!(exposure.offset + exposure.length <= known.length);
                            prop_assert!(receive || exposure.length == memory.length());
                            running.push(exposure);
                        }
                        Err(refused) => prop_assert_eq!(refused, Refused::Later),
                    }
                }
                Step::Retract { nth } if !running.is_empty() => {
                    let exposure = running.swap_remove(nth % running.len());
                    regions.retract(&exposure);
                }
                Step::Retract { .. } => {}
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
            for exposure in &running {
                prop_assert!(module.known(exposure.region).is_some(), "taken from a message");
            }
        }
        for exposure in running {
            regions.retract(&exposure);
        }
        regions.shrink(0);
        prop_assert!(module.held() == 0);
    }
}
