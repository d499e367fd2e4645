//! The registered memory of an endpoint.

use alloc::vec::Vec;

use arrayvec::ArrayVec;
use mx_board::{BadMemory, RegionInfo};
use mx_ring::{PAGE_SIZE, RegionKey, VolatileSlice};

use crate::error::RegionError;
use crate::frame_sink::Payload;

/// Slots of an endpoint.
const SLOTS: usize = 4096;

/// The pieces of shared memory that hold a payload.
pub(crate) type Parts = ArrayVec<VolatileSlice, { Payload::MAX_PARTS }>;

/// Mapped memory of a process.
#[derive(Debug)]
pub(crate) struct Region {
    key: RegionKey,
    info: RegionInfo,
    parts: Vec<VolatileSlice>,
    /// Where each part starts in the region.
    starts: Vec<u32>,
    /// Frames in flight that read it.
    pub in_flight: u32,
    /// It is being given back: nothing new may use it.
    pub retiring: bool,
}

impl Region {
    fn new(key: RegionKey, writable: bool, parts: Vec<VolatileSlice>) -> Result<Self, RegionError> {
        let mut starts = Vec::new();
        starts
            .try_reserve_exact(parts.len())
            .map_err(|_| RegionError::NoMemory)?;
        let mut length: u32 = 0;
        for (place, part) in parts.iter().enumerate() {
            let inner = place > 0 && place + 1 < parts.len();
            if part.is_empty() || (inner && !part.len().is_multiple_of(PAGE_SIZE)) {
                return Err(RegionError::BadParts);
            }
            starts.push(length);
            length = u32::try_from(part.len())
                .ok()
                .and_then(|part| length.checked_add(part))
                .ok_or(RegionError::BadParts)?;
        }
        if length == 0 {
            return Err(RegionError::BadParts);
        }
        Ok(Self {
            key,
            info: RegionInfo { length, writable },
            parts,
            starts,
            in_flight: 0,
            retiring: false,
        })
    }

    pub const fn info(&self) -> RegionInfo {
        self.info
    }

    /// Gives `take` the pieces of `offset .. offset + length`, in order, until it says no.
    fn pieces(
        &self,
        offset: u32,
        length: u32,
        mut take: impl FnMut(VolatileSlice) -> Result<(), BadMemory>,
    ) -> Result<(), BadMemory> {
        let end = offset.checked_add(length).ok_or(BadMemory)?;
        if end > self.info.length {
            return Err(BadMemory);
        }
        let mut at = offset;
        let mut place = self.starts.partition_point(|start| *start <= offset);
        while at < end {
            // The first part starts at 0, so at least one part starts at or before `at`.
            let index = place.checked_sub(1).ok_or(BadMemory)?;
            let (part, start) = self
                .parts
                .get(index)
                .zip(self.starts.get(index))
                .ok_or(BadMemory)?;
            let skip = (at - start) as usize;
            let bytes = (part.len() - skip).min((end - at) as usize);
            take(part.part(skip, bytes).map_err(|_| BadMemory)?)?;
            at += bytes as u32;
            place += 1;
        }
        Ok(())
    }

    /// The pieces of a payload, for a frame.
    pub fn resolve(&self, offset: u32, length: u32) -> Result<Parts, BadMemory> {
        let mut parts = Parts::new();
        self.pieces(offset, length, |piece| {
            parts.try_push(piece).map_err(|_| BadMemory)
        })?;
        Ok(parts)
    }

    /// Copies private bytes to `offset`.
    pub fn write(&self, offset: u32, bytes: &[u8]) -> Result<(), BadMemory> {
        let length = u32::try_from(bytes.len()).map_err(|_| BadMemory)?;
        let mut rest = bytes;
        self.pieces(offset, length, |piece| {
            let (now, later) = rest.split_at_checked(piece.len()).ok_or(BadMemory)?;
            rest = later;
            piece.write(0, now).map_err(|_| BadMemory)
        })
    }

    /// Copies a piece of shared memory to `offset`.
    pub fn write_slice(&self, offset: u32, from: &VolatileSlice) -> Result<(), BadMemory> {
        let length = u32::try_from(from.len()).map_err(|_| BadMemory)?;
        let mut done = 0;
        self.pieces(offset, length, |piece| {
            let now = from.part(done, piece.len()).map_err(|_| BadMemory)?;
            done += piece.len();
            piece.write_slice(0, &now).map_err(|_| BadMemory)
        })
    }

    /// Copies `length` bytes from `from_offset` of another region, or of this one, to `offset`.
    pub fn write_region(
        &self,
        offset: u32,
        from: &Region,
        from_offset: u32,
        length: u32,
    ) -> Result<(), BadMemory> {
        // Whole or not at all: the other side is checked by `pieces`.
        if offset
            .checked_add(length)
            .is_none_or(|end| end > self.info.length)
        {
            return Err(BadMemory);
        }
        let mut at = offset;
        from.pieces(from_offset, length, |piece| {
            self.write_slice(at, &piece)?;
            at += piece.len() as u32;
            Ok(())
        })
    }
}

/// Slots that are made at a time.
const GROUP: usize = 64;

/// Some neighbouring slots.
#[derive(Debug)]
struct Group {
    slots: Vec<Option<Region>>,
    used: usize,
}

/// All regions of an endpoint, in groups that come and go with what is in them: a region of a high number does not cost
/// memory for all those before it.
#[derive(Debug, Default)]
pub(crate) struct RegionTable {
    groups: Vec<Option<Group>>,
}

impl RegionTable {
    pub fn register(
        &mut self,
        key: RegionKey,
        writable: bool,
        parts: Vec<VolatileSlice>,
    ) -> Result<(), RegionError> {
        let slot = usize::from(key.slot);
        if slot >= SLOTS {
            return Err(RegionError::BadSlot);
        }
        if self.slot(key).is_some_and(Option::is_some) {
            return Err(RegionError::Busy);
        }
        let region = Region::new(key, writable, parts)?;
        let group = self.group(slot / GROUP).ok_or(RegionError::NoMemory)?;
        if let Some(place) = group.slots.get_mut(slot % GROUP) {
            *place = Some(region);
            group.used += 1;
        }
        Ok(())
    }

    /// A group, made if it is not there; `None` without memory for it.
    fn group(&mut self, number: usize) -> Option<&mut Group> {
        if self.groups.is_empty() {
            let count = SLOTS / GROUP;
            self.groups.try_reserve_exact(count).ok()?;
            self.groups.resize_with(count, || None);
        }
        let group = self.groups.get_mut(number)?;
        if group.is_none() {
            let mut slots = Vec::new();
            slots.try_reserve_exact(GROUP).ok()?;
            slots.resize_with(GROUP, || None);
            *group = Some(Group { slots, used: 0 });
        }
        group.as_mut()
    }

    fn slot(&self, key: RegionKey) -> Option<&Option<Region>> {
        let slot = usize::from(key.slot);
        let group = self.groups.get(slot / GROUP)?.as_ref()?;
        group.slots.get(slot % GROUP)
    }

    /// A region, also one that is being given back.
    pub fn any_mut(&mut self, key: RegionKey) -> Option<&mut Region> {
        let slot = usize::from(key.slot);
        let group = self.groups.get_mut(slot / GROUP)?.as_mut()?;
        let region = group.slots.get_mut(slot % GROUP)?.as_mut();
        region.filter(|region| region.key == key)
    }

    /// A region that may be used.
    pub fn usable(&self, key: RegionKey) -> Option<&Region> {
        self.slot(key)?
            .as_ref()
            .filter(|region| region.key == key && !region.retiring)
    }

    /// Forgets a region.
    pub fn remove(&mut self, key: RegionKey) {
        if self.any_mut(key).is_none() {
            return;
        }
        let slot = usize::from(key.slot);
        let Some(place) = self.groups.get_mut(slot / GROUP) else {
            return;
        };
        if let Some(group) = place {
            if let Some(slot) = group.slots.get_mut(slot % GROUP) {
                *slot = None;
            }
            group.used -= 1;
            if group.used == 0 {
                *place = None;
            }
        }
    }
}
