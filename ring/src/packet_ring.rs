//! What the kernel has received for a packet socket, in memory that it shares with this process alone (`PACKET_RX_RING`,
//! packet(7)): no system call and no copy for a frame.
//!
//! The ring is of version 2: a slot for each frame, which is to be had as soon as it came. A slot belongs to the kernel until
//! its status says otherwise, and again when this side says so.

use core::mem::{offset_of, size_of};
use core::sync::atomic::Ordering;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use libc::{c_int, c_void, socklen_t, tpacket_req, tpacket_stats, tpacket2_hdr};
use rustix::io::Errno;

use crate::mapping::{Access, Mapping, MappingError};
use crate::memory::VolatileSlice;

/// Bytes that the kernel takes in one piece; a slot lies within one.
const BLOCK: usize = 64 << 10;
/// Bytes before a frame in its slot at most: the slot's header, an address, and what aligns the frame.
const BEFORE: usize = 96;
/// What slots are multiples of: a cache line, and with it `TPACKET_ALIGNMENT`.
const ALIGNMENT: usize = 64;

/// The received frames of a packet socket.
pub struct PacketRing {
    mapping: Mapping,
    slots: Slots,
    /// The slot that is filled next, or has been.
    next: usize,
}

/// Where slots lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slots {
    length: usize,
    in_block: usize,
    blocks: usize,
}

impl Slots {
    /// Slots for frames of so many bytes, in so much memory.
    fn new(longest: usize, memory: usize) -> Option<Self> {
        let length = (longest + BEFORE).next_multiple_of(ALIGNMENT);
        let (in_block, blocks) = (BLOCK / length, memory / BLOCK);
        (in_block > 0 && blocks > 0).then_some(Self {
            length,
            in_block,
            blocks,
        })
    }

    const fn count(self) -> usize {
        self.in_block * self.blocks
    }

    const fn offset(self, slot: usize) -> usize {
        slot / self.in_block * BLOCK + slot % self.in_block * self.length
    }
}

impl PacketRing {
    /// Has a packet socket put frames of at most `longest` bytes into a ring, which takes `memory` bytes of the kernel's. What
    /// the socket has received before is dropped. Nobody else may have the socket's descriptor, or map it.
    pub fn new(socket: impl AsFd, longest: usize, memory: usize) -> Result<Self, MappingError> {
        let slots = Slots::new(longest, memory).ok_or(MappingError::Length(memory))?;
        let socket = socket.as_fd();
        set(
            socket,
            libc::PACKET_VERSION,
            &(libc::tpacket_versions::TPACKET_V2 as c_int),
        )?;
        let request = tpacket_req {
            tp_block_size: BLOCK as u32,
            tp_block_nr: slots.blocks as u32,
            tp_frame_size: slots.length as u32,
            tp_frame_nr: slots.count() as u32,
        };
        set(socket, libc::PACKET_RX_RING, &request)?;
        let mapping = Mapping::of(socket, 0, slots.blocks * BLOCK, Access::ReadWrite)?;
        Ok(Self {
            mapping,
            slots,
            next: 0,
        })
    }

    /// Frames that it has room for.
    pub const fn frames(&self) -> usize {
        self.slots.count()
    }

    /// Whether a frame waits.
    pub fn waits(&self) -> bool {
        self.status() & libc::TP_STATUS_USER != 0
    }

    /// Whether the frame that waits came after others that had found no room: [`lost`] counts them.
    pub fn has_lost(&self) -> bool {
        self.status() & libc::TP_STATUS_LOSING != 0
    }

    /// Shows the next frame that waits, and gives its slot back to the kernel; whether there was one. A frame that is longer than
    /// the ring's frames may be is cut, and still longer.
    pub fn take(&mut self, show: impl FnOnce(&[u8])) -> bool {
        if !self.waits() {
            return false;
        }
        let slot = self.slot();
        let captured = slot.word(offset_of!(tpacket2_hdr, tp_snaplen));
        let captured = captured.load(Ordering::Relaxed) as usize;
        let mut begin = [0; 2];
        let named = slot.read(offset_of!(tpacket2_hdr, tp_mac), &mut begin);
        let begin = usize::from(u16::from_ne_bytes(begin));
        // SAFETY: the status has said that the kernel is done with this slot, which it touches again when it is given back,
        // below; no other process has the memory, and this one writes statuses only.
        let frame = named.and_then(|()| unsafe { slot.resting(begin, captured) });
        // An error is not to be expected: the kernel stays within a slot.
        if let Ok(frame) = frame {
            show(frame);
        }
        // After all that was read.
        let status = slot.word(offset_of!(tpacket2_hdr, tp_status));
        status.store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.next = (self.next + 1) % self.slots.count();
        true
    }

    fn status(&self) -> u32 {
        let status = offset_of!(tpacket2_hdr, tp_status);
        // Before all that is read of the frame.
        self.slot().word(status).load(Ordering::Acquire)
    }

    fn slot(&self) -> VolatileSlice {
        let offset = self.slots.offset(self.next);
        let slot = self.mapping.slice().line_part(offset, self.slots.length);
        slot.expect("slots lie within the mapping that was made for them")
    }
}

/// How many frames of a packet socket have found no room since this was asked last.
pub fn lost(socket: impl AsFd) -> Result<u32, Errno> {
    let mut counts = tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = size_of::<tpacket_stats>() as socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which the structure has; any bytes are a value of it.
    let done = unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counts).cast::<c_void>(),
            &mut length,
        )
    };
    checked(done)?;
    Ok(counts.tp_drops)
}

/// Sets an option of a packet socket, which is an integer or a structure of integers.
fn set<T: Copy>(socket: BorrowedFd<'_>, option: c_int, value: &T) -> Result<(), Errno> {
    let length = size_of::<T>() as socklen_t;
    // SAFETY: the kernel reads `length` bytes, which the value has.
    let done = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            option,
            core::ptr::from_ref(value).cast::<c_void>(),
            length,
        )
    };
    checked(done)
}

fn checked(done: c_int) -> Result<(), Errno> {
    match done {
        0 => Ok(()),
        _ => {
            let error = std::io::Error::last_os_error();
            Err(Errno::from_io_error(&error).unwrap_or(Errno::INVAL))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const MEMORY: usize = 2 * BLOCK;

    /// A ring in memory that this test fills in the kernel's place.
    fn ring(longest: usize) -> PacketRing {
        PacketRing {
            mapping: Mapping::anonymous(MEMORY).unwrap(),
            slots: Slots::new(longest, MEMORY).unwrap(),
            next: 0,
        }
    }

    /// Puts a frame into a slot as the kernel does, cut to what has room.
    fn fill(ring: &PacketRing, slot: usize, frame: &[u8], status: u32) {
        let memory = ring.mapping.slice();
        let at = ring.slots.offset(slot);
        let begin = 66;
        let captured = frame.len().min(ring.slots.length - begin);
        memory.write(at + begin, &frame[..captured]).unwrap();
        let write = |field, bytes: &[u8]| memory.write(at + field, bytes).unwrap();
        let word = |value: usize| (value as u32).to_ne_bytes();
        write(offset_of!(tpacket2_hdr, tp_len), &word(frame.len()));
        write(offset_of!(tpacket2_hdr, tp_snaplen), &word(captured));
        let begin = (begin as u16).to_ne_bytes();
        write(offset_of!(tpacket2_hdr, tp_mac), &begin);
        let status = (libc::TP_STATUS_USER | status).to_ne_bytes();
        write(offset_of!(tpacket2_hdr, tp_status), &status);
    }

    /// What the next frame's bytes are.
    fn taken(ring: &mut PacketRing) -> Option<Vec<u8>> {
        let mut seen = None;
        ring.take(|frame| seen = Some(frame.to_vec()))
            .then(|| seen.unwrap_or_default())
    }

    #[test]
    fn every_slot_gives_its_frame_in_turn_and_again_when_it_is_filled_anew() {
        let mut ring = ring(9000);
        assert_eq!(ring.frames(), 14);
        for turn in 0..3_u8 {
            for slot in 0..ring.frames() {
                assert!(!ring.waits());
                assert_eq!(taken(&mut ring), None);
                let frame = [&[turn, slot as u8][..], &[0xab; 8998]].concat();
                fill(&ring, slot, &frame, 0);
                assert!(ring.waits());
                assert!(taken(&mut ring) == Some(frame));
            }
        }
    }

    #[test]
    fn a_frame_that_has_no_room_in_its_slot_is_still_too_long_and_keeps_none_behind_it_back() {
        let mut ring = ring(1500);
        fill(&ring, 0, &[1; 1700], 0);
        fill(&ring, 1, &[2; 1500], 0);
        let cut = taken(&mut ring).unwrap();
        assert!((1501..1700).contains(&cut.len()), "{}", cut.len());
        assert!(taken(&mut ring).unwrap() == [2; 1500]);
        assert_eq!(taken(&mut ring), None);
    }

    #[test]
    fn a_slot_that_names_bytes_beyond_itself_shows_none() {
        let mut ring = ring(1500);
        fill(&ring, 0, &[1; 100], 0);
        let begin = offset_of!(tpacket2_hdr, tp_mac);
        let far = u16::MAX.to_ne_bytes();
        ring.mapping.slice().write(begin, &far).unwrap();
        assert!(ring.take(|_| panic!("it lies elsewhere")));
    }

    #[test]
    fn what_was_lost_before_a_frame_is_told_with_it() {
        let ring = ring(1500);
        fill(&ring, 0, &[1; 100], 0);
        assert!(!ring.has_lost());
        fill(&ring, 0, &[1; 100], libc::TP_STATUS_LOSING);
        assert!(ring.has_lost());
    }

    #[test]
    fn slots_lie_within_blocks_and_not_upon_each_other() {
        for longest in [1500, 9000, 9216, 60_000] {
            let slots = Slots::new(longest, 4 << 20).unwrap();
            let mut end = 0;
            for slot in 0..slots.count() {
                let begin = slots.offset(slot);
                assert!(begin >= end);
                end = begin + slots.length;
                assert_eq!(begin / BLOCK, (end - 1) / BLOCK);
                assert!(slots.length >= longest + BEFORE);
            }
            assert!(end <= 4 << 20);
        }
        assert_eq!(Slots::new(BLOCK, 4 << 20), None);
        assert_eq!(Slots::new(1500, BLOCK - 1), None);
    }
}
