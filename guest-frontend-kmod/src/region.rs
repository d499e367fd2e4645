//! Registered memory of an endpoint.
//!
//! ```text
//!              answers Ok to every piece            deregister              answered
//! Registering ───────────────────────────▶ Ready ──────────────▶ Leaving ──────────────▶ Left
//!      │ refused, nothing mapped                                    │ after a refused piece
//!      ▼                                                            ▼
//!   Refused ◀────────────────────────────────────────────────────────
//! ```
//!
//! A region whose memory the process has changed is stale ([`crate::watch`]); when no message uses it, it is given back
//! without being asked.
//!
//! A backend that goes leaves nothing of this: what was Ready is Adopting until another backend has it, what was Leaving is
//! Left, what was Registering begins anew.
//!
//! `Left` and `Refused` wait for the caller to take note. When it was killed meanwhile, they are skipped.

use alloc::vec::Vec;

use mx_ring::RegionKey;
use mx_ring::registration::REGIONS;

use crate::errno::Errno;
use crate::kernel::{Access, Kernel};
use crate::page_set::PageSet;

/// What is registered, as the process asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Byte offset of the first byte in its page.
    pub offset: u16,
    /// Bytes.
    pub length: u32,
    /// Whether the backend may write them.
    pub writable: bool,
    /// Whether it is a buffer of last resort, which limits do not keep from its endpoint.
    pub reserve: bool,
}

impl Extent {
    /// What the backend may do with its pages.
    pub fn access(self) -> Access {
        match self.writable {
            true => Access::Write,
            false => Access::Read,
        }
    }
}

/// Where a region is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionState {
    /// Pieces are on their way to the backend; `posted`: the next one is.
    Registering {
        /// Whether a piece waits for its answer.
        posted: bool,
    },
    /// Usable.
    Ready,
    /// Usable as before for its process; another backend is to have it, in pieces as for Registering.
    Adopting {
        /// Whether a piece waits for its answer.
        posted: bool,
        /// Whether it is to stay; else the backend gives it back as soon as it has it.
        wanted: bool,
    },
    /// The backend is to unmap it.
    Leaving {
        /// Whether the request waits for its answer.
        posted: bool,
        /// Why, when it never became ready.
        refused: Option<Errno>,
    },
    /// It did not become ready.
    Refused(Errno),
    /// The backend has unmapped it.
    Left,
}

/// Registered memory of an endpoint.
pub struct Region<K: Kernel> {
    /// Its pages, all of them granted.
    pub page_set: PageSet<K>,
    /// What was asked for.
    pub extent: Extent,
    /// Pages of which the backend was told.
    pub told: usize,
    /// Where it is in its life.
    pub state: RegionState,
    /// Whether a caller waits for the end of this state.
    pub awaited: bool,
}

impl<K: Kernel> Region<K> {
    /// Whether its process may begin a message with it, if its notes say so.
    pub fn is_kept(&self) -> bool {
        let adopting = |state| matches!(state, RegionState::Adopting { wanted: true, .. });
        self.state == RegionState::Ready || adopting(self.state)
    }

    /// It is given back: at once when no backend knows it, else as soon as the one that is getting it has it.
    pub fn leave(&mut self) {
        self.state = match self.state {
            RegionState::Adopting { posted: false, .. } if self.told == 0 => RegionState::Left,
            RegionState::Adopting { posted, .. } => RegionState::Adopting {
                posted,
                wanted: false,
            },
            _ => RegionState::Leaving {
                posted: false,
                refused: None,
            },
        };
    }

    /// The backend is gone. `lost`: it had closed the endpoint, which no other backend gets.
    pub fn orphan(&mut self, lost: bool) {
        self.told = 0;
        self.state = match self.state {
            RegionState::Registering { .. } if lost => RegionState::Refused(Errno::IO),
            RegionState::Registering { .. } if self.awaited => {
                RegionState::Registering { posted: false }
            }
            RegionState::Ready | RegionState::Adopting { wanted: true, .. } if lost => {
                RegionState::Ready
            }
            RegionState::Ready | RegionState::Adopting { wanted: true, .. } => {
                RegionState::Adopting {
                    posted: false,
                    wanted: true,
                }
            }
            RegionState::Registering { .. }
            | RegionState::Adopting { wanted: false, .. }
            | RegionState::Leaving { refused: None, .. } => RegionState::Left,
            RegionState::Leaving {
                refused: Some(error),
                ..
            } => RegionState::Refused(error),
            RegionState::Refused(_) | RegionState::Left => self.state,
        };
    }

    /// Whether it has come to its end and nobody waits for that.
    pub fn is_over(&self) -> bool {
        matches!(self.state, RegionState::Left | RegionState::Refused(_)) && !self.awaited
    }
}

struct Slot<K: Kernel> {
    generation: u16,
    region: Option<Region<K>>,
}

/// The regions of an endpoint.
pub struct Regions<K: Kernel> {
    slots: Vec<Slot<K>>,
}

impl<K: Kernel> Regions<K> {
    /// None.
    pub const fn new() -> Self {
        Self { slots: Vec::new() }
    }

    /// Keeps room for one more region and names it.
    pub fn vacancy(&mut self) -> Result<RegionKey, Errno> {
        let slot = match self.slots.iter().position(|slot| slot.region.is_none()) {
            Some(free) => free,
            None if self.slots.len() >= REGIONS => return Err(Errno::AGAIN),
            None => {
                self.slots.try_reserve(1).map_err(|_| Errno::NO_MEMORY)?;
                self.slots.push(Slot {
                    generation: 0,
                    region: None,
                });
                self.slots.len() - 1
            }
        };
        Ok(RegionKey {
            slot: slot as u16,
            generation: self.slots[slot].generation.wrapping_add(1),
        })
    }

    /// Puts a region where [`Self::vacancy`] found room.
    pub fn insert(&mut self, key: RegionKey, region: Region<K>) {
        if let Some(slot) = self.slots.get_mut(usize::from(key.slot)) {
            slot.generation = key.generation;
            slot.region = Some(region);
        }
    }

    /// A region by its key.
    pub fn get(&mut self, key: RegionKey) -> Option<&mut Region<K>> {
        self.slots
            .get_mut(usize::from(key.slot))
            .filter(|slot| slot.generation == key.generation)?
            .region
            .as_mut()
    }

    /// The region in a slot, with its key.
    pub fn in_slot(&mut self, slot: u16) -> Option<(RegionKey, &mut Region<K>)> {
        let entry = self.slots.get_mut(usize::from(slot))?;
        let generation = entry.generation;
        Some((RegionKey { slot, generation }, entry.region.as_mut()?))
    }

    /// Takes a region out of its slot.
    pub fn remove(&mut self, slot: u16) -> Option<Region<K>> {
        self.slots.get_mut(usize::from(slot))?.region.take()
    }

    /// All regions.
    pub fn iter(&self) -> impl Iterator<Item = &Region<K>> {
        self.slots.iter().filter_map(|slot| slot.region.as_ref())
    }

    /// Buffers of last resort, also those that are on their way to or from the backend.
    pub fn reserves(&self) -> usize {
        self.iter().filter(|region| region.extent.reserve).count()
    }

    /// Slots that have been used.
    pub fn slots(&self) -> u16 {
        self.slots.len() as u16
    }
}

impl<K: Kernel> Default for Regions<K> {
    fn default() -> Self {
        Self::new()
    }
}
