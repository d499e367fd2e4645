//! The option `capture`: the beginnings of the last frames, for `/capture.pcap` of the management address.
//!
//! A ring of fixed size is written in the loop and read by the management. While somebody reads, nothing is added: what he
//! gets are the last frames before he asked, without a hole. Of a frame the first bytes alone are kept, which are all of its
//! header: short messages may be in it whole, of longer ones the bytes are not.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use mx_backend::{Payload, Tap};
use spin::Mutex;

/// Bytes of a frame that are kept: the longest header.
pub const KEPT: usize = 60;
/// Records of the file in one piece.
const PIECE: u64 = 32;
/// Beginning of a pcap file with nanoseconds: magic, version, two zeros, bytes kept of a frame, Ethernet.
const FILE: [u32; 6] = [0xa1b2_3c4d, 0x0004_0002, 0, 0, KEPT as u32, 1];

/// A frame that passed.
#[derive(Clone, Copy)]
struct Frame {
    at: Duration,
    length: u16,
    kept: u8,
    bytes: [u8; KEPT],
}

/// The last frames, in a ring whose oldest is overwritten.
struct Ring {
    frames: Vec<Frame>,
    /// Frames that it may hold.
    room: usize,
    /// Frames that have been added so far.
    added: u64,
    readers: u32,
    clock: fn() -> Duration,
}

/// The last frames, to be written and read. The lock is never waited for: loop and management take turns.
#[derive(Clone)]
pub struct Capture(Arc<Mutex<Ring>>);

/// What a reader still gets.
pub struct Reader {
    capture: Capture,
    begun: bool,
    next: u64,
}

impl Capture {
    /// A ring that takes so many bytes; `None` without the memory for it. The clock tells when a frame passes.
    pub fn new(bytes: usize, clock: fn() -> Duration) -> Option<Self> {
        let room = (bytes / size_of::<Frame>()).max(1);
        let mut frames = Vec::new();
        frames.try_reserve_exact(room).ok()?;
        Some(Self(Arc::new(Mutex::new(Ring {
            frames,
            room,
            added: 0,
            readers: 0,
            clock,
        }))))
    }

    /// Begins to read, from the oldest frame on.
    pub fn reader(&self) -> Reader {
        let mut ring = self.0.lock();
        ring.readers += 1;
        Reader {
            capture: self.clone(),
            begun: false,
            next: ring.added - ring.frames.len() as u64,
        }
    }
}

impl Tap for Capture {
    fn frame(&mut self, head: &[u8], payload: Payload<'_>, length: usize) {
        let mut ring = self.0.lock();
        if ring.readers > 0 {
            return;
        }
        let mut bytes = [0; KEPT];
        let mut kept = head.len().min(KEPT);
        bytes[..kept].copy_from_slice(&head[..kept]);
        if let Payload::Bytes(more) = payload {
            let more = &more[..more.len().min(KEPT - kept)];
            bytes[kept..kept + more.len()].copy_from_slice(more);
            kept += more.len();
        }
        let frame = Frame {
            at: (ring.clock)(),
            // No frame of a card is longer.
            length: u16::try_from(length).unwrap_or(u16::MAX),
            kept: kept as u8,
            bytes,
        };
        let place = (ring.added % ring.room as u64) as usize;
        match ring.frames.get_mut(place) {
            Some(old) => *old = frame,
            None => ring.frames.push(frame),
        }
        ring.added += 1;
    }
}

/// The pieces of the file.
impl Iterator for Reader {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let ring = self.capture.0.lock();
        let mut piece = Vec::new();
        if !self.begun {
            self.begun = true;
            FILE.iter()
                .for_each(|word| piece.extend(word.to_le_bytes()));
        }
        let end = ring.added.min(self.next + PIECE);
        for number in self.next..end {
            let frame = ring.frames.get((number % ring.room as u64) as usize)?;
            let kept = frame.bytes.get(..usize::from(frame.kept))?;
            let record = [
                frame.at.as_secs() as u32,
                frame.at.subsec_nanos(),
                kept.len() as u32,
                u32::from(frame.length),
            ];
            record
                .iter()
                .for_each(|word| piece.extend(word.to_le_bytes()));
            piece.extend(kept);
        }
        self.next = end;
        (!piece.is_empty()).then_some(piece)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut ring = self.capture.0.lock();
        ring.readers = ring.readers.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use omx_captures::PcapError;
    use proptest::prelude::*;

    fn clock() -> Duration {
        Duration::new(7, 42)
    }

    fn of_frames(count: usize) -> Capture {
        Capture::new(count * size_of::<Frame>(), clock).unwrap()
    }

    fn file(capture: &Capture) -> Vec<u8> {
        capture.reader().flatten().collect()
    }

    /// A frame of 100 bytes that ends with what is not kept.
    fn pass(capture: &mut Capture, number: u8) {
        capture.frame(&[number; 40], Payload::Bytes(&[number; 60]), 100);
    }

    /// The numbers of the frames that a file has.
    fn numbers(file: &[u8]) -> Vec<u8> {
        // After the header of 24 bytes, records of 16 and what is kept.
        let records = file[24..].chunks(16 + KEPT);
        records.map(|record| record[16]).collect()
    }

    #[test]
    fn the_file_is_one_that_readers_of_pcap_take_and_says_what_was_cut_off() {
        let mut capture = of_frames(4);
        capture.frame(&[1; 60], Payload::NONE, 60);
        let whole = file(&capture);
        let mut frames = omx_captures::Frames::new(&whole).unwrap();
        assert_eq!(frames.next(), Some(Ok(&[1; 60][..])));
        assert_eq!(frames.time(), clock());
        pass(&mut capture, 2);
        let cut = file(&capture);
        let last = omx_captures::Frames::new(&cut).unwrap().last();
        let snapped = PcapError::Snapped {
            record: 2,
            captured: 60,
            length: 100,
        };
        assert_eq!(last, Some(Err(snapped)));
    }

    #[test]
    fn nothing_is_added_while_somebody_reads() {
        let mut capture = of_frames(4);
        pass(&mut capture, 1);
        let reader = capture.reader();
        let other = capture.reader();
        pass(&mut capture, 2);
        drop(other);
        pass(&mut capture, 3);
        assert_eq!(numbers(&file(&capture)), [1]);
        drop(reader);
        pass(&mut capture, 4);
        assert_eq!(numbers(&file(&capture)), [1, 4]);
    }

    proptest! {
        #[test]
        fn the_last_frames_are_there_in_their_order(room in 1usize..100, count in 0usize..250) {
            let mut capture = of_frames(room);
            for number in 0..count {
                pass(&mut capture, number as u8);
            }
            let expected: Vec<u8> = (count.saturating_sub(room)..count).map(|number| number as u8).collect();
            prop_assert_eq!(numbers(&file(&capture)), expected);
        }

        #[test]
        fn frames_of_any_shape_leave_a_file_that_is_whole(
            shapes in proptest::collection::vec((0usize..200, 0usize..9000), 0..80),
        ) {
            let mut capture = of_frames(50);
            for (head, more) in &shapes {
                let (head, more) = (alloc::vec![1; *head], alloc::vec![2; *more]);
                capture.frame(&head, Payload::Bytes(&more), head.len() + more.len());
            }
            let file = file(&capture);
            let frames = omx_captures::Frames::new(&file).unwrap();
            for frame in frames {
                prop_assert!(matches!(frame, Ok(_) | Err(PcapError::Snapped { .. })), "{:?}", frame);
            }
        }
    }
}
