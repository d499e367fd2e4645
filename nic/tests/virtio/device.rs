//! The other side of virtio-net: a device in software, which does what QEMU's does.
//!
//! It is strict where a real device is: it looks at a queue only after its doorbell rang, and sleeps again when it has
//! asked for the next doorbell and found nothing. So a doorbell that the driver forgets is a frame that never moves,
//! and a test that fails.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

use mx_nic::OpenError;
use mx_nic::virtio::{RingAddresses, Transport};

pub const RECEIVE: usize = 0;
pub const TRANSMIT: usize = 1;
pub const CONTROL: usize = 2;

pub const F_MTU: u64 = 1 << 3;
pub const F_MAC: u64 = 1 << 5;
pub const F_STATUS: u64 = 1 << 16;
pub const F_CTRL_VQ: u64 = 1 << 17;
pub const F_CTRL_RX: u64 = 1 << 18;
pub const F_INDIRECT: u64 = 1 << 28;
pub const F_EVENT_INDEX: u64 = 1 << 29;
pub const F_VERSION_1: u64 = 1 << 32;

pub const MAC: [u8; 6] = [0x52, 0x54, 0, 0xab, 0xcd, 0xef];
const NET_HEADER: usize = 12;

/// A 16-bit word of the driver's memory.
fn word16(bus: u64) -> &'static AtomicU16 {
    // SAFETY: the driver gave the address of memory that it keeps while the device runs; heap memory's bus address is
    // its exposed address.
    unsafe { AtomicU16::from_ptr(std::ptr::with_exposed_provenance_mut(bus as usize)) }
}

/// A 32-bit word of it.
fn word32(bus: u64) -> &'static AtomicU32 {
    // SAFETY: as for `word16`.
    unsafe { AtomicU32::from_ptr(std::ptr::with_exposed_provenance_mut(bus as usize)) }
}

/// A 64-bit word of it.
fn word64(bus: u64) -> &'static AtomicU64 {
    // SAFETY: as for `word16`.
    unsafe { AtomicU64::from_ptr(std::ptr::with_exposed_provenance_mut(bus as usize)) }
}

/// Copies out of memory that a descriptor names.
fn read(bus: u64, len: usize) -> Vec<u8> {
    // SAFETY: as for `word16`; the driver, or a test's sender, keeps what a descriptor in flight names.
    unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance(bus as usize), len) }
        .to_vec()
}

/// Copies into memory that a descriptor names.
fn write(bus: u64, bytes: &[u8]) {
    let place: *mut u8 = std::ptr::with_exposed_provenance_mut(bus as usize);
    // SAFETY: as for `word16`; the descriptor said that the device writes there.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) }
}

/// A piece of a buffer.
struct Piece {
    bus: u64,
    len: usize,
    writable: bool,
}

pub struct Queue {
    pub most: u16,
    pub size: u16,
    pub rings: Option<RingAddresses>,
    available: u16,
    pub used: u16,
    /// Used index at the last decision about an interrupt.
    signalled: u16,
    /// Its doorbell rang, and it has not looked at everything yet.
    awake: bool,
    /// A test wrote into its used ring: the driver has got back what the device has not taken.
    pub lied: bool,
    pub doorbells: usize,
    pub interrupts: usize,
    pub vector: Option<u16>,
}

impl Queue {
    fn new(most: u16) -> Self {
        Self {
            most,
            size: most,
            rings: None,
            available: 0,
            used: 0,
            signalled: 0,
            awake: false,
            lied: false,
            doorbells: 0,
            interrupts: 0,
            vector: None,
        }
    }

    pub fn rings(&self) -> RingAddresses {
        self.rings.expect("the queue is enabled")
    }

    /// The next buffer, if the driver published one: its number and pieces.
    fn pop(&mut self) -> Option<(u16, Vec<Piece>)> {
        let rings = self.rings();
        let index = word16(rings.available + 2).load(Ordering::Acquire);
        if index == self.available {
            return None;
        }
        if index.wrapping_sub(self.available) > self.size {
            assert!(
                self.lied,
                "the driver publishes no more than the ring holds"
            );
            // What a lie gave back was published again before it was taken.
            self.available = index.wrapping_sub(self.size);
        }
        let entry = u64::from(self.available % self.size);
        let head = word16(rings.available + 4 + 2 * entry).load(Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
        let mut pieces = Vec::new();
        let first = rings.descriptors + 16 * u64::from(head);
        if word16(first + 12).load(Ordering::Relaxed) & 4 != 0 {
            let bytes = word32(first + 8).load(Ordering::Relaxed);
            assert!(bytes > 0 && bytes.is_multiple_of(16), "a whole table");
            walk(
                word64(first).load(Ordering::Relaxed),
                0,
                bytes / 16,
                &mut pieces,
            );
        } else {
            walk(rings.descriptors, head, self.size.into(), &mut pieces);
        }
        Some((head, pieces))
    }

    /// Gives a buffer back.
    fn push(&mut self, head: u16, written: usize) {
        let rings = self.rings();
        let entry = rings.used + 4 + 8 * u64::from(self.used % self.size);
        word32(entry).store(head.into(), Ordering::Relaxed);
        word32(entry + 4).store(written as u32, Ordering::Relaxed);
        self.used = self.used.wrapping_add(1);
        word16(rings.used + 2).store(self.used, Ordering::Release);
    }

    /// Interrupts if the driver wants it (virtio 1.2 §2.7.7, §2.7.10).
    fn interrupt(&mut self, event_index: bool) {
        fence(Ordering::SeqCst);
        let rings = self.rings();
        let wanted = if event_index {
            let event =
                word16(rings.available + 4 + 2 * u64::from(self.size)).load(Ordering::Relaxed);
            passed(event, self.signalled, self.used)
        } else {
            word16(rings.available).load(Ordering::Relaxed) & 1 == 0
        };
        if wanted && self.signalled != self.used {
            self.interrupts += 1;
        }
        self.signalled = self.used;
    }

    /// While it works it wants no doorbells.
    fn suppress_doorbells(&mut self, event_index: bool) {
        if !event_index {
            word16(self.rings().used).store(1, Ordering::Relaxed);
        }
    }

    /// Asks for the next doorbell; sleeps if nothing came meanwhile.
    fn fall_asleep(&mut self, event_index: bool) {
        let rings = self.rings();
        if event_index {
            let place = word16(rings.used + 4 + 8 * u64::from(self.size));
            place.store(self.available, Ordering::Relaxed);
        } else {
            word16(rings.used).store(0, Ordering::Relaxed);
        }
        fence(Ordering::SeqCst);
        self.awake = word16(rings.available + 2).load(Ordering::Relaxed) != self.available;
    }
}

/// Whether `event` is among the indices from `old` up to, without, `new`.
fn passed(event: u16, old: u16, new: u16) -> bool {
    event.wrapping_sub(old) < new.wrapping_sub(old)
}

/// Follows a chain of descriptors.
fn walk(table: u64, mut index: u16, limit: u32, pieces: &mut Vec<Piece>) {
    loop {
        assert!(u32::from(index) < limit, "a descriptor within its table");
        assert!((pieces.len() as u32) < limit, "a chain with an end");
        let at = table + 16 * u64::from(index);
        let flags = word16(at + 12).load(Ordering::Relaxed);
        let piece = Piece {
            bus: word64(at).load(Ordering::Relaxed),
            len: word32(at + 8).load(Ordering::Relaxed) as usize,
            writable: flags & 2 != 0,
        };
        assert!(piece.len > 0, "QEMU breaks a device with an empty piece");
        assert_eq!(flags & 4, 0, "no table within a table or chain");
        pieces.push(piece);
        if flags & 1 == 0 {
            return;
        }
        index = word16(at + 14).load(Ordering::Relaxed);
    }
}

/// A device and its wire.
pub struct Device {
    pub offered: u64,
    pub accepted: u64,
    pub status: u8,
    /// Does what it is told when its status is written.
    pub obeys_reset: bool,
    pub refuses_features: bool,
    pub queues: [Queue; 3],
    pub configuration: Vec<u8>,
    pub generation: u8,
    pub configuration_vector: Option<u16>,
    pub vectors: u16,
    pub acknowledged: usize,
    pub promiscuous: bool,
    pub answers_commands: bool,
    /// Frames on their way to the driver.
    pub incoming: VecDeque<Vec<u8>>,
    /// Frames that the driver sent.
    pub sent: Vec<Vec<u8>>,
}

impl Device {
    pub fn new(offered: u64, size: u16) -> Rc<RefCell<Self>> {
        let mut configuration = MAC.to_vec();
        configuration.extend([1, 0, 1, 0, 0x28, 0x23]);
        Rc::new(RefCell::new(Self {
            offered,
            accepted: 0,
            status: 0,
            obeys_reset: true,
            refuses_features: false,
            queues: [Queue::new(size), Queue::new(size), Queue::new(64)],
            configuration,
            generation: 0,
            configuration_vector: None,
            vectors: 3,
            acknowledged: 0,
            promiscuous: false,
            answers_commands: true,
            incoming: VecDeque::new(),
            sent: Vec::new(),
        }))
    }

    pub fn has(&self, feature: u64) -> bool {
        self.accepted & feature != 0
    }

    fn runs(&self, queue: usize) -> bool {
        self.status & 4 != 0 && self.queues[queue].rings.is_some()
    }

    /// Sends up to `max` frames of the driver; how many.
    pub fn transmit(&mut self, max: usize) -> usize {
        let event_index = self.has(F_EVENT_INDEX);
        if !self.runs(TRANSMIT) || !self.queues[TRANSMIT].awake {
            return 0;
        }
        let queue = &mut self.queues[TRANSMIT];
        queue.suppress_doorbells(event_index);
        let mut count = 0;
        while count < max {
            let Some((head, pieces)) = queue.pop() else {
                queue.fall_asleep(event_index);
                if queue.awake {
                    continue;
                }
                break;
            };
            assert!(pieces.iter().all(|piece| !piece.writable));
            let bytes: Vec<u8> = pieces
                .iter()
                .flat_map(|piece| read(piece.bus, piece.len))
                .collect();
            let (header, frame) = bytes.split_at(NET_HEADER);
            assert_eq!(header, [0; NET_HEADER], "no offload is asked for");
            self.sent.push(frame.to_vec());
            queue.push(head, 0);
            count += 1;
        }
        queue.interrupt(event_index);
        count
    }

    /// Writes up to `max` incoming frames to the driver's buffers; how many.
    pub fn receive(&mut self, max: usize) -> usize {
        let event_index = self.has(F_EVENT_INDEX);
        if !self.runs(RECEIVE) {
            return 0;
        }
        let queue = &mut self.queues[RECEIVE];
        let mut count = 0;
        while count < max && !self.incoming.is_empty() && queue.awake {
            let Some((head, pieces)) = queue.pop() else {
                queue.fall_asleep(event_index);
                continue;
            };
            queue.suppress_doorbells(event_index);
            let frame = self.incoming.pop_front().expect("it is not empty");
            let mut bytes = vec![0; NET_HEADER];
            bytes[10] = 1;
            bytes.extend(frame);
            let mut rest = &bytes[..];
            for piece in &pieces {
                assert!(piece.writable);
                let (now, later) = rest.split_at(rest.len().min(piece.len));
                write(piece.bus, now);
                rest = later;
            }
            if rest.is_empty() {
                queue.push(head, bytes.len());
                count += 1;
            } else {
                // Too long for a buffer: dropped, the buffer stays the next one.
                queue.available = queue.available.wrapping_sub(1);
            }
        }
        queue.interrupt(event_index);
        count
    }

    /// Obeys commands.
    fn command(&mut self) {
        let event_index = self.has(F_EVENT_INDEX);
        if !self.runs(CONTROL) || !self.answers_commands {
            return;
        }
        while let Some((head, pieces)) = self.queues[CONTROL].pop() {
            let [command, argument, answer] = &pieces[..] else {
                panic!("a command has three pieces");
            };
            assert_eq!(read(command.bus, command.len), [0, 0]);
            self.promiscuous = read(argument.bus, argument.len) == [1];
            assert!(answer.writable);
            write(answer.bus, &[0]);
            self.queues[CONTROL].push(head, 1);
        }
        self.queues[CONTROL].fall_asleep(event_index);
    }

    pub fn set_link(&mut self, up: bool) {
        self.configuration[6] = up.into();
    }
}

/// The device's registers.
#[derive(Clone)]
pub struct Registers(pub Rc<RefCell<Device>>);

impl Transport for Registers {
    fn device_features(&mut self) -> u64 {
        self.0.borrow().offered
    }

    fn accept_features(&mut self, features: u64) {
        let mut device = self.0.borrow_mut();
        assert_eq!(features & !device.offered, 0, "only what is offered");
        device.accepted = features;
    }

    fn status(&self) -> u8 {
        self.0.borrow().status
    }

    fn set_status(&mut self, status: u8) {
        let mut device = self.0.borrow_mut();
        if status == 0 {
            if device.obeys_reset {
                device.status = 0;
                for queue in &mut device.queues {
                    let (doorbells, interrupts) = (queue.doorbells, queue.interrupts);
                    *queue = Queue::new(queue.most);
                    (queue.doorbells, queue.interrupts) = (doorbells, interrupts);
                }
            }
            return;
        }
        assert_eq!(
            device.status & !status,
            0,
            "status bits are added one by one"
        );
        device.status = status;
        if device.refuses_features {
            device.status &= !8;
        }
        if status & 4 != 0 {
            // From now on it looks at buffers for frames by itself.
            device.queues[RECEIVE].awake = true;
        }
    }

    fn queue_size(&mut self, queue: u16) -> u16 {
        let device = self.0.borrow();
        device
            .queues
            .get(usize::from(queue))
            .map_or(0, |queue| queue.most)
    }

    fn enable_queue(
        &mut self,
        queue: u16,
        size: u16,
        rings: RingAddresses,
    ) -> Result<(), OpenError> {
        let mut device = self.0.borrow_mut();
        assert_eq!(device.status & 4, 0, "queues come before DRIVER_OK");
        let event_index = device.has(F_EVENT_INDEX);
        let queue = &mut device.queues[usize::from(queue)];
        assert!(size <= queue.most && size.is_power_of_two());
        assert!(rings.descriptors.is_multiple_of(16));
        assert!(rings.available.is_multiple_of(2));
        assert!(rings.used.is_multiple_of(4));
        queue.size = size;
        queue.rings = Some(rings);
        queue.fall_asleep(event_index);
        Ok(())
    }

    fn set_queue_vector(&mut self, queue: u16, vector: u16) -> bool {
        let mut device = self.0.borrow_mut();
        let fits = vector < device.vectors;
        device.queues[usize::from(queue)].vector = fits.then_some(vector);
        fits
    }

    fn set_configuration_vector(&mut self, vector: u16) -> bool {
        let mut device = self.0.borrow_mut();
        let fits = vector < device.vectors;
        device.configuration_vector = fits.then_some(vector);
        fits
    }

    fn notify(&mut self, queue: u16) {
        let mut device = self.0.borrow_mut();
        assert_ne!(device.status & 4, 0, "no doorbell before DRIVER_OK");
        let place = &mut device.queues[usize::from(queue)];
        place.doorbells += 1;
        place.awake = true;
        if usize::from(queue) == CONTROL {
            device.command();
        }
    }

    fn acknowledge(&mut self) {
        self.0.borrow_mut().acknowledged += 1;
    }

    fn configuration_generation(&self) -> u8 {
        self.0.borrow().generation
    }

    fn configuration8(&self, offset: usize) -> Option<u8> {
        self.0.borrow().configuration.get(offset).copied()
    }

    fn configuration16(&self, offset: usize) -> Option<u16> {
        let low = self.configuration8(offset)?;
        let high = self.configuration8(offset + 1)?;
        Some(u16::from_le_bytes([low, high]))
    }
}

/// Writes a lie into the used ring of a queue.
pub fn lie(queue: &Queue, index: Option<u16>, entry: u16, id: u32, written: u32) {
    let rings = queue.rings();
    let at = rings.used + 4 + 8 * u64::from(entry % queue.size);
    word32(at).store(id, Ordering::Relaxed);
    word32(at + 4).store(written, Ordering::Relaxed);
    if let Some(index) = index {
        word16(rings.used + 2).store(index, Ordering::Release);
    }
}

/// Writes whatever it likes where the driver looks before it rings a doorbell.
pub fn scribble_doorbell_wishes(queue: &Queue, flags: u16, event: u16) {
    let rings = queue.rings();
    word16(rings.used).store(flags, Ordering::Relaxed);
    word16(rings.used + 4 + 8 * u64::from(queue.size)).store(event, Ordering::Relaxed);
}
