//! A virtio network device in software (virtio 1.2), which does what QEMU's does.
//!
//! It looks at a queue only after its doorbell rang, and sleeps again when it has asked for the next doorbell and found
//! nothing. So a doorbell that the driver forgets is a frame that never moves, and a test that fails.
//!
//! | file | what it knows |
//! |---|---|
//! | `mod.rs` | frames: what goes out and comes in, by which queue |
//! | `queue.rs` | the split ring |
//! | `registers.rs` | registers, and the order of initialisation |
//! | `control.rs` | commands, and whose frames come in |

mod control;
mod queue;
mod registers;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

pub use queue::Queue;
pub use registers::Registers;

use crate::model::{dma, refuse};
use control::Wanted;
use queue::{Piece, Used};

pub const RECEIVE: usize = 0;
pub const TRANSMIT: usize = 1;

pub const F_MTU: u64 = 1 << 3;
pub const F_MAC: u64 = 1 << 5;
pub const F_MERGEABLE: u64 = 1 << 15;
pub const F_STATUS: u64 = 1 << 16;
pub const F_CTRL_VQ: u64 = 1 << 17;
pub const F_CTRL_RX: u64 = 1 << 18;
pub const F_MULTI_QUEUE: u64 = 1 << 22;
pub const F_INDIRECT: u64 = 1 << 28;
pub const F_EVENT_INDEX: u64 = 1 << 29;
pub const F_VERSION_1: u64 = 1 << 32;

pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
const NET_HEADER: usize = 12;

/// Bits of the device status (§2.1).
const DRIVER_OK: u8 = 4;
const NEEDS_RESET: u8 = 64;

/// What the device does wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Frames stay in the transmit queues.
    pub hung: bool,
    /// Buffers are given back only when [`Device::write_back`] is called.
    pub late: bool,
    /// Received frames are described wrongly.
    pub lie: Lie,
    /// An IOMMU refuses the device's accesses to buffers.
    pub dma_fails: bool,
    /// Interrupts get lost.
    pub lost_interrupts: bool,
    /// The device was pulled out.
    pub gone: bool,
    /// A reset never ends.
    pub stuck_in_reset: bool,
    /// Features that were offered are not agreed upon.
    pub refuses_features: bool,
    /// Commands are not answered.
    pub silent: bool,
    /// Commands are answered with VIRTIO_NET_ERR, or with whatever else this says.
    pub answer: Option<u8>,
}

/// What the device says of a received frame, when it lies.
#[derive(Clone, Copy, Debug, Default)]
pub struct Lie {
    /// Bytes written.
    pub written: Option<u32>,
    /// `num_buffers`.
    pub pieces: Option<u16>,
    /// Buffers that are given back at once, of all that a frame has.
    pub withheld: usize,
}

/// A device and its wire.
pub struct Device {
    pub offered: u64,
    pub accepted: u64,
    pub status: u8,
    pub faults: Faults,
    pub queues: Vec<Queue>,
    pub configuration: Vec<u8>,
    pub generation: u8,
    /// The configuration changes whenever it is read.
    pub restless: bool,
    pub configuration_vector: Option<u16>,
    pub configuration_interrupts: usize,
    pub vectors: u16,
    pub acknowledged: usize,
    pub wanted: Wanted,
    /// Pairs of queues that are used.
    pub pairs: usize,
    most_pairs: usize,
    /// Frames on their way to the driver.
    pub incoming: VecDeque<Vec<u8>>,
    /// Frames that the driver sent.
    pub sent: VecDeque<Vec<u8>>,
    /// Accesses to buffers so far.
    pub dma: usize,
}

impl Device {
    pub fn new(offered: u64, size: u16) -> Rc<RefCell<Self>> {
        Self::with_pairs(offered, size, 1)
    }

    /// A device with several pairs of queues.
    pub fn with_pairs(offered: u64, size: u16, pairs: usize) -> Rc<RefCell<Self>> {
        let mut configuration = MAC.to_vec();
        configuration.extend([1, 0, pairs as u8, 0, 0x28, 0x23]);
        let mut queues: Vec<Queue> = (0..2 * pairs).map(|_| Queue::new(size)).collect();
        queues.push(Queue::new(64));
        Rc::new(RefCell::new(Self {
            offered,
            accepted: 0,
            status: 0,
            faults: Faults::default(),
            queues,
            configuration,
            generation: 0,
            restless: false,
            configuration_vector: None,
            configuration_interrupts: 0,
            vectors: 3,
            acknowledged: 0,
            wanted: Wanted::default(),
            pairs: 1,
            most_pairs: pairs,
            incoming: VecDeque::new(),
            sent: VecDeque::new(),
            dma: 0,
        }))
    }

    pub fn has(&self, feature: u64) -> bool {
        self.accepted & feature != 0
    }

    /// The queue of commands (§5.1.2).
    pub fn control_queue(&self) -> usize {
        if self.has(F_MULTI_QUEUE) {
            2 * self.most_pairs
        } else {
            2
        }
    }

    fn runs(&self, queue: usize) -> bool {
        self.status & (DRIVER_OK | NEEDS_RESET) == DRIVER_OK
            && self.queues[queue].rings.is_some()
            && !self.faults.gone
    }

    /// Reads the pieces of a buffer. Where that fails the device stops, as QEMU's does.
    fn read(&mut self, pieces: &[Piece]) -> Option<Vec<u8>> {
        self.dma += 1;
        if self.faults.dma_fails {
            self.need_reset();
            return None;
        }
        let bytes = pieces.iter().flat_map(|piece| {
            if piece.writable {
                refuse!("a buffer to be read has a piece to be written (§2.7.5)");
            }
            dma::read(piece.bus, piece.len)
        });
        Some(bytes.collect())
    }

    /// Says that it cannot go on (§2.1.2).
    fn need_reset(&mut self) {
        self.status |= NEEDS_RESET;
        self.configuration_changed();
    }

    fn configuration_changed(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if !self.faults.lost_interrupts && !self.faults.gone {
            self.configuration_interrupts += 1;
        }
    }

    /// Sends up to `max` frames of each queue; how many.
    pub fn transmit(&mut self, max: usize) -> usize {
        (0..self.pairs)
            .map(|pair| self.transmit_from(2 * pair + TRANSMIT, max))
            .sum()
    }

    fn transmit_from(&mut self, number: usize, max: usize) -> usize {
        if !self.runs(number) || !self.queues[number].awake || self.faults.hung {
            return 0;
        }
        self.queues[number].suppress_doorbells();
        let mut count = 0;
        while count < max {
            let Some((head, pieces)) = self.queues[number].pop() else {
                self.queues[number].fall_asleep();
                if self.queues[number].awake {
                    continue;
                }
                break;
            };
            let Some(bytes) = self.read(&pieces) else {
                return count;
            };
            if bytes.len() < NET_HEADER + 14 {
                refuse!("a frame of {} bytes with its header", bytes.len());
            }
            let (header, frame) = bytes.split_at(NET_HEADER);
            if header != [0; NET_HEADER] {
                refuse!("a frame asks for offloads that were not negotiated (§5.1.6.2.1)");
            }
            self.sent.push_back(frame.to_vec());
            let late = self.faults.late;
            self.queues[number].push(vec![(head.into(), 0)], late);
            count += 1;
        }
        let lost_interrupts = self.faults.lost_interrupts;
        self.queues[number].interrupt(lost_interrupts);
        count
    }

    /// Writes up to `max` incoming frames to the driver's buffers; how many.
    pub fn receive(&mut self, max: usize) -> usize {
        let mut count = 0;
        while count < max
            && let Some(frame) = self.incoming.pop_front()
        {
            if !self.wants(&frame) {
                continue;
            }
            // The device chooses the queue (§5.1.6.5.6).
            let pair = usize::from(frame[frame.len() - 1]) % self.pairs;
            match self.fill(2 * pair + RECEIVE, &frame) {
                Fill::Done => count += 1,
                Fill::TooLong => {}
                Fill::NoBuffers => {
                    self.incoming.push_front(frame);
                    break;
                }
            }
        }
        for pair in 0..self.pairs {
            if self.runs(2 * pair + RECEIVE) {
                let lost_interrupts = self.faults.lost_interrupts;
                self.queues[2 * pair + RECEIVE].interrupt(lost_interrupts);
            }
        }
        count
    }

    /// Puts a frame into buffers of a queue.
    fn fill(&mut self, number: usize, frame: &[u8]) -> Fill {
        if !self.runs(number) {
            return Fill::NoBuffers;
        }
        let mergeable = self.has(F_MERGEABLE);
        let mut bytes = vec![0; NET_HEADER];
        bytes.extend(frame);
        let mut buffers: Vec<(u16, Vec<Piece>)> = Vec::new();
        let mut room = 0;
        while room < bytes.len() {
            let queue = &mut self.queues[number];
            let popped = if queue.awake { queue.pop() } else { None };
            let Some((head, pieces)) = popped else {
                queue.put_back(buffers.len() as u16);
                queue.fall_asleep();
                // With fewer buffers than the frame needs it waits for the next doorbell.
                queue.awake &= buffers.is_empty();
                return Fill::NoBuffers;
            };
            room += pieces.iter().map(|piece| piece.len).sum::<usize>();
            buffers.push((head, pieces));
            if !mergeable && room < bytes.len() {
                queue.put_back(1);
                return Fill::TooLong;
            }
        }
        self.queues[number].suppress_doorbells();
        let count = self.faults.lie.pieces.unwrap_or(buffers.len() as u16);
        bytes[10..12].copy_from_slice(&count.to_le_bytes());
        self.dma += 1;
        if self.faults.dma_fails {
            self.need_reset();
            return Fill::Done;
        }
        let mut rest = &bytes[..];
        let mut used: Vec<Used> = Vec::new();
        for (head, pieces) in buffers {
            let before = rest.len();
            for piece in pieces {
                if !piece.writable {
                    refuse!("a buffer for a frame has a piece to be read (§5.1.6.3)");
                }
                let (now, later) = rest.split_at(rest.len().min(piece.len));
                dma::write(piece.bus, now);
                rest = later;
            }
            let written = (before - rest.len()) as u32;
            used.push((head.into(), self.faults.lie.written.unwrap_or(written)));
        }
        used.truncate(used.len() - self.faults.lie.withheld.min(used.len() - 1));
        let late = self.faults.late;
        self.queues[number].push(used, late);
        Fill::Done
    }

    /// Gives back what is late.
    pub fn write_back(&mut self) {
        if self.faults.gone {
            return;
        }
        for queue in 0..self.queues.len() {
            if self.runs(queue) {
                self.queues[queue].write_back();
                let lost_interrupts = self.faults.lost_interrupts;
                self.queues[queue].interrupt(lost_interrupts);
            }
        }
    }

    pub fn set_link(&mut self, up: bool) {
        self.configuration[6] = up.into();
        self.configuration_changed();
    }

    /// All interrupts so far.
    pub fn interrupts(&self) -> usize {
        let queues = self.queues.iter().map(|queue| queue.interrupts);
        self.configuration_interrupts + queues.sum::<usize>()
    }

    /// Forgets everything (§2.4).
    fn reset(&mut self) {
        self.status = 0;
        self.accepted = 0;
        self.queues.iter_mut().for_each(Queue::reset);
        self.configuration_vector = None;
        self.wanted = Wanted::default();
        self.pairs = 1;
        self.faults.hung = false;
    }
}

/// What came of a frame.
enum Fill {
    Done,
    TooLong,
    NoBuffers,
}
