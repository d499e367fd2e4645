//! The card behind its registers.

use std::collections::{HashMap, VecDeque};

use super::map::{self, Access, Entry};
use super::queue::{self, Filled, Lie, Queue, Report};
use crate::model::refuse;

/// What the card does wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Frames stay in the transmit queue.
    pub hung: bool,
    /// Descriptors are written back only when [`Card::write_back`] is called.
    pub late: bool,
    /// Received frames are described wrongly.
    pub lie: Lie,
    /// Frames come in with a wrong check.
    pub bad_wire: bool,
    /// An IOMMU refuses the card's accesses to buffers.
    pub dma_fails: bool,
    /// Interrupts get lost.
    pub lost_interrupts: bool,
    /// A reset never ends.
    pub stuck_in_reset: bool,
    /// Requests on the bus never end.
    pub busy_bus: bool,
    /// Firmware never lets go of the link's registers.
    pub greedy_firmware: bool,
}

/// How long a negotiation takes.
const NEGOTIATION_MICROSECONDS: u32 = 1000;

/// Says that a vector is that of other causes (82576).
pub const OTHER_VECTOR: u32 = 1 << 31;

/// What the two chips have otherwise than each other.
pub struct Chip {
    pub registers: &'static [Entry],
    /// Whether its queues 0 are enabled after a reset: 82576 §4.5.9 they are, 82599 §4.6.7 they are not.
    pub queues_enabled: bool,
    /// The first register of its own address.
    pub address: u32,
    /// The register whose change sends.
    pub transmit_tail: u32,
    pub counters: Counters,
    /// The cause of a change of the link, and its vectors.
    pub link_changed: (u32, u32),
    pub uses_vectors: fn(&Card) -> bool,
    /// The longest frame that comes in, with its check.
    pub longest: fn(&Card) -> usize,
    /// Whether a frame passes its filters.
    pub wants: fn(&Card, &[u8]) -> bool,
    /// A queue has something done: that for receiving, or the other.
    pub queue_cause: fn(&mut Card, received: bool),
    /// What a register reads as, unless as it was written.
    pub read: fn(&mut Card, register: u32) -> Option<u32>,
    /// What a write does, with the old and the new value.
    pub write: fn(&mut Card, register: u32, old: u32, value: u32),
}

pub struct Card {
    chip: &'static Chip,
    pub faults: Faults,
    /// Frames that went out.
    pub out: VecDeque<Vec<u8>>,
    /// Interrupts so far.
    pub interrupts: usize,
    /// The card was pulled out.
    pub gone: bool,
    /// A frame that comes just before the register access that is so many away.
    pub coming: Option<(usize, Vec<u8>)>,
    /// Accesses to memory so far.
    pub dma: usize,
    pub(super) kept: HashMap<u32, u32>,
    pub(super) receive: Queue,
    pub(super) transmit: Queue,
    pub(super) buffer: usize,
    pub(super) receiving: bool,
    pub(super) transmitting: bool,
    pub(super) causes: u32,
    pub(super) mask: u32,
    pub(super) vector_causes: u32,
    pub(super) vector_mask: u32,
    pub(super) master_disabled: bool,
    /// Microseconds until a reset ends.
    resetting: u32,
    resets: u32,
    partner: bool,
    /// Microseconds until the negotiation ends; `None` when none was started.
    negotiating: Option<u32>,
    reports: VecDeque<Report>,
    filled: VecDeque<Filled>,
}

impl Card {
    pub fn new(chip: &'static Chip) -> Self {
        let mut card = Self {
            chip,
            faults: Faults::default(),
            out: VecDeque::new(),
            interrupts: 0,
            gone: false,
            coming: None,
            dma: 0,
            kept: HashMap::new(),
            receive: Queue::default(),
            transmit: Queue::default(),
            buffer: 0,
            receiving: false,
            transmitting: false,
            causes: 0,
            mask: 0,
            vector_causes: 0,
            vector_mask: 0,
            master_disabled: false,
            resetting: 0,
            resets: 0,
            partner: true,
            negotiating: None,
            reports: VecDeque::new(),
            filled: VecDeque::new(),
        };
        card.power_on();
        card
    }

    /// Everything as the EEPROM and the datasheet have it.
    fn power_on(&mut self) {
        let enabled = self.chip.queues_enabled;
        self.receive = Queue::new("receive", enabled);
        self.transmit = Queue::new("transmit", enabled);
        self.kept.clear();
        self.buffer = 0;
        self.receiving = false;
        self.transmitting = false;
        self.causes = 0;
        self.mask = 0;
        self.vector_causes = 0;
        self.vector_mask = 0;
        self.master_disabled = false;
        self.negotiating = None;
        self.reports.clear();
        self.filled.clear();
        let (low, high) = (0x1200_5452, 0x8000_5634);
        let address = self.chip.address;
        self.kept.insert(address, low);
        self.kept.insert(address + 4, high);
    }

    /// Begins a reset that takes some time.
    pub(super) fn reset(&mut self, microseconds: u32) {
        if !self.master_disabled {
            refuse!(
                "a reset while requests may be under way on the bus (82576 §5.2.3.3, 82599 §5.2.5.3.2)"
            );
        }
        if self.faults.busy_bus && self.resets == 0 {
            self.resets += 1;
        } else {
            self.faults.busy_bus = false;
        }
        let was_disabled = self.faults.busy_bus;
        self.power_on();
        // The first of two resets leaves the bus as it is.
        self.master_disabled = was_disabled;
        self.resetting = microseconds;
        self.faults.hung = false;
    }

    pub fn is_resetting(&self) -> bool {
        self.resetting > 0
    }

    /// Whether requests are or may be under way.
    pub(super) fn master_enabled(&self) -> bool {
        !self.master_disabled || self.faults.busy_bus
    }

    /// Time passes.
    pub fn pass(&mut self, microseconds: u32) {
        if !self.faults.stuck_in_reset {
            self.resetting = self.resetting.saturating_sub(microseconds);
        }
        self.receive.settle();
        self.transmit.settle();
        if let Some(left) = self.negotiating.filter(|&left| left > 0) {
            self.negotiating = Some(left.saturating_sub(microseconds));
            if left <= microseconds && self.partner {
                self.link_changed();
            }
        }
        self.run();
    }

    pub(super) fn negotiate(&mut self) {
        self.negotiating = Some(NEGOTIATION_MICROSECONDS);
    }

    pub fn link_is_up(&self) -> bool {
        self.partner && self.negotiating == Some(0)
    }

    /// The partner comes or goes.
    pub fn set_partner(&mut self, there: bool) {
        if self.partner != there {
            self.partner = there;
            self.link_changed();
        }
        self.run();
    }

    fn link_changed(&mut self) {
        let (causes, vectors) = self.chip.link_changed;
        self.cause(causes, vectors);
    }

    /// Causes come to be, and interrupt unless they are masked.
    pub(super) fn cause(&mut self, causes: u32, vectors: u32) {
        let before = self.raised();
        self.causes |= causes;
        // A vector for "other causes" comes only for those that are not masked (82576 §7.3.2).
        if vectors & OTHER_VECTOR == 0 || self.causes & self.mask != 0 {
            self.vector_causes |= vectors & 1;
        }
        self.interrupt_if(before);
    }

    pub(super) fn unmask(&mut self, causes: u32, vectors: u32) {
        let before = self.raised();
        self.mask |= causes;
        self.vector_mask |= vectors;
        self.interrupt_if(before);
    }

    fn raised(&self) -> (u32, u32) {
        if (self.chip.uses_vectors)(self) {
            (0, self.vector_causes & self.vector_mask)
        } else {
            (self.causes & self.mask, 0)
        }
    }

    fn interrupt_if(&mut self, before: (u32, u32)) {
        let now = self.raised();
        let is_new = now.0 & !before.0 != 0 || now.1 & !before.1 != 0;
        if is_new && !self.faults.lost_interrupts && !self.gone {
            self.interrupts += 1;
            // A vector's cause clears itself (EIAC).
            self.vector_causes &= !self.vector_mask;
        }
    }

    /// The driver is about to access a register.
    pub(super) fn before_access(&mut self) {
        match self.coming.take() {
            Some((0, frame)) => self.come(&frame),
            Some((left, frame)) => self.coming = Some((left - 1, frame)),
            None => {}
        }
    }

    pub(super) fn value(&self, register: u32) -> u32 {
        let entry = map::find(self.chip.registers, register);
        self.kept.get(&register).copied().unwrap_or(entry.initial)
    }

    pub fn read(&mut self, register: u32) -> u32 {
        if self.gone {
            return u32::MAX;
        }
        let entry = map::find(self.chip.registers, register);
        if let Some(value) = (self.chip.read)(self, register) {
            return value;
        }
        let value = self.value(register);
        if entry.access == Access::Counter {
            self.kept.insert(register, 0);
        }
        value
    }

    pub fn write(&mut self, register: u32, value: u32) {
        if self.gone {
            return;
        }
        if self.is_resetting() {
            refuse!(
                "register {register:#x} is written during a reset (82576 §4.5.5, 82599 §4.6.3.2)"
            );
        }
        let entry = map::find(self.chip.registers, register);
        let old = (self.chip.read)(self, register);
        let old = old.unwrap_or_else(|| self.value(register));
        map::check(entry, old, value);
        if entry.access == Access::Kept {
            self.kept.insert(register, value);
        }
        (self.chip.write)(self, register, old, value);
        if register == self.chip.transmit_tail {
            self.run();
        }
    }

    /// Sends what is there to be sent.
    fn run(&mut self) {
        let may = self.transmitting
            && self.transmit.enabled
            && self.link_is_up()
            && !self.faults.hung
            && !self.gone
            && self.master_enabled();
        if !may {
            return;
        }
        while let Some(frame) =
            queue::next_frame(&mut self.transmit, &mut self.reports, self.faults.dma_fails)
        {
            self.dma += 1;
            let longest = self.longest() - 4;
            if !(17..=longest).contains(&frame.len()) {
                refuse!(
                    "a frame of {} bytes is sent; the card takes 17 to {longest}",
                    frame.len()
                );
            }
            self.out.push_back(frame);
        }
        if !self.faults.late {
            self.write_back();
        }
    }

    /// Writes back what is done.
    pub fn write_back(&mut self) {
        for report in std::mem::take(&mut self.reports) {
            queue::report(&report);
            self.queue_cause(false);
        }
        for filled in std::mem::take(&mut self.filled) {
            queue::write_back(&filled);
            self.queue_cause(true);
        }
    }

    fn queue_cause(&mut self, received: bool) {
        (self.chip.queue_cause)(self, received);
    }

    fn longest(&self) -> usize {
        (self.chip.longest)(self)
    }

    fn count(&mut self, register: u32) {
        *self.kept.entry(register).or_default() += 1;
    }

    /// A frame comes from the wire.
    pub fn come(&mut self, frame: &[u8]) {
        if !self.receiving || !self.receive.enabled || !self.link_is_up() || self.gone {
            return;
        }
        if !(self.chip.wants)(self, frame) {
            return;
        }
        let counters = &self.chip.counters;
        if self.faults.bad_wire {
            return self.count(counters.bad);
        }
        if frame.len() + 4 > self.longest() {
            return self.count(counters.long);
        }
        self.dma += 1;
        let (lie, dma_fails) = (self.faults.lie, self.faults.dma_fails);
        match queue::fill(&mut self.receive, self.buffer, frame, lie, dma_fails) {
            Some(filled) => {
                self.filled.extend(filled);
                if !self.faults.late {
                    self.write_back();
                }
            }
            None => self.count(counters.missed),
        }
    }
}

/// Where a chip counts.
pub struct Counters {
    pub bad: u32,
    pub long: u32,
    pub missed: u32,
}

/// Whether an address is in a table of `places`, or its hash in a hash table.
pub(super) fn is_named(
    card: &Card,
    frame: &[u8],
    place: impl Fn(u32) -> u32,
    places: u32,
    hashes: u32,
) -> bool {
    let Some(to) = frame.first_chunk::<6>() else {
        return false;
    };
    if to[0] & 1 != 0 {
        let hash = u32::from(to[5]) << 4 | u32::from(to[4]) >> 4;
        return card.value(hashes + hash / 32 * 4) >> (hash % 32) & 1 != 0;
    }
    let low = u32::from_le_bytes([to[0], to[1], to[2], to[3]]);
    let high = 1 << 31 | u32::from_le_bytes([to[4], to[5], 0, 0]);
    (0..places).any(|index| {
        card.value(place(index)) == low && card.value(place(index) + 4) & 0x8000_ffff == high
    })
}

/// Writes the registers that a queue has on both chips, from its base.
pub(super) fn write_queue(queue: &mut Queue, offset: u32, value: u32) {
    match offset {
        0x00 => {
            queue.must_be_disabled("the address");
            if !value.is_multiple_of(128) {
                refuse!(
                    "the {} ring at {value:#x} is not aligned to 128",
                    queue.name
                );
            }
            queue.base = queue.base & !0xffff_ffff | u64::from(value);
        }
        0x04 => {
            queue.must_be_disabled("the address");
            queue.base = queue.base & 0xffff_ffff | u64::from(value) << 32;
        }
        0x08 => {
            queue.must_be_disabled("the length");
            queue.bytes = value;
        }
        0x10 => {
            queue.must_be_disabled("the head");
            if value != 0 {
                refuse!("the head of the {} queue is not cleared", queue.name);
            }
            queue.head = 0;
        }
        0x18 => queue.set_tail(value),
        0x28 => queue.enable(value >> 25 & 1 != 0),
        _ => {}
    }
}

/// Reads them.
pub(super) fn read_queue(queue: &Queue, offset: u32, kept: u32) -> Option<u32> {
    match offset {
        0x10 => Some(queue.head),
        0x18 => Some(queue.tail),
        0x28 => Some(kept & !(1 << 25) | u32::from(queue.enabled) << 25),
        _ => None,
    }
}
