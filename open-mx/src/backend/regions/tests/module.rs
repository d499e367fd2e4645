//! A backend that counts what is registered, has a quota, refuses some memory and notes changes, as the frontend's
//! module does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::registration::{RESERVE_MAX, RESERVES, RegionNotes, UseBits};
use mx_ring::uapi::{CallReply, CallRequest};
use mx_ring::{PAGE_SIZE, RegionKey};
use rustix::io::Errno;

use super::super::{Marks, Regions};
use super::{Registers, To};
use crate::backend::CallError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) address: u64,
    pub(super) length: u32,
    pub(super) writable: bool,
    pub(super) reserve: bool,
}

#[derive(Default)]
pub(super) struct Table {
    pub(super) regions: BTreeMap<u16, (RegionKey, Known)>,
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
pub(super) struct Module {
    pub(super) table: Mutex<Table>,
    quota: u64,
    /// Memory that cannot be pinned.
    refused: Option<u64>,
    notes: RegionNotes,
    uses: UseBits,
    w: Memfd,
    page: Memfd,
}

impl To<Module> {
    pub(super) fn new(quota: u64, refused: Option<u64>) -> Arc<Self> {
        let w = Memfd::create("w", PAGE_SIZE).unwrap();
        let page = Memfd::create("notes", PAGE_SIZE).unwrap();
        Arc::new(Self(Module {
            table: Mutex::default(),
            quota,
            refused,
            notes: RegionNotes::new(page.slice()).unwrap(),
            uses: UseBits::new(w.slice()).unwrap(),
            w,
            page,
        }))
    }

    pub(super) fn regions(self: &Arc<Self>) -> Regions {
        let page = Mapping::of(self.page.descriptor(), 0, PAGE_SIZE, Access::Read).unwrap();
        let marks = Marks::new(page, self.w.slice()).unwrap();
        Regions::new(self.clone(), true, Some(marks), true)
    }
}

impl Module {
    /// The process changes what lies in these bytes: the notifier, then the work.
    pub(super) fn change(&self, address: u64, length: u64) {
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

    pub(super) fn registered(&self) -> usize {
        self.table.lock().unwrap().registered
    }

    pub(super) fn known(&self, key: RegionKey) -> Option<Known> {
        let table = self.table.lock().unwrap();
        let (known_key, known) = table.regions.get(&key.slot)?;
        (*known_key == key).then_some(*known)
    }

    /// What counts.
    pub(super) fn held(&self) -> u64 {
        let table = self.table.lock().unwrap();
        let counted = table.regions.values().filter(|(_, known)| !known.reserve);
        counted.map(|(_, known)| u64::from(known.length)).sum()
    }

    pub(super) fn reserves(&self) -> usize {
        let table = self.table.lock().unwrap();
        let all = table.regions.values();
        all.filter(|(_, known)| known.reserve).count()
    }
}

impl Registers for Module {
    fn call(&self, request: &CallRequest, _: Option<&Memfd>) -> Result<CallReply, CallError> {
        match *request {
            CallRequest::Register {
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
                Ok(CallReply::Registered { region })
            }
            CallRequest::Deregister { region } => {
                let mut table = self.table.lock().unwrap();
                match table.regions.get(&region.slot) {
                    Some((key, _)) if *key == region => {
                        assert!(!self.uses.in_use(region.slot), "given back in use");
                        table.regions.remove(&region.slot);
                        Ok(CallReply::Done)
                    }
                    _ => Err(CallError(Errno::INVAL)),
                }
            }
            _ => Err(CallError(Errno::OPNOTSUPP)),
        }
    }
}
