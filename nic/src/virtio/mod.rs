//! virtio-net (virtio 1.2 §5.1), modern devices only: one queue in each direction, own split rings on the transport
//! and feature negotiation of `virtio-drivers`.
//!
//! Sending is scatter-gather: the header is copied into memory of the driver, the payload is read by the device where
//! it lies. Receive buffers of 12 KiB take frames of 9014 bytes whole. What lies in a receive buffer is shown to the
//! caller in place, for the time of a call.

mod pci;
mod ring;
#[cfg(test)]
mod tests;

use core::fmt;
use core::ops::BitAnd;

use alloc::vec::Vec;

use bitflags::bitflags;
use virtio_drivers::transport::{DeviceStatus, DeviceType, Transport};

use crate::dma::{Dma, DmaMemory, PAGE_SIZE};
use crate::{Armed, Capabilities, DeviceError, Fragment, MacAddress, Nic, Token, TransmitError};
use ring::{DEVICE_WRITES, INDIRECT, SIZE_MAX, SplitRing, Used};

pub use pci::{PciError, PciRegisters, Platform, open_pci};

bitflags! {
    /// Feature bits (virtio 1.2 §5.1.3 and §6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        /// The device has an address.
        const MAC = 1 << 5;
        /// The device tells its link's status.
        const STATUS = 1 << 16;
        /// There is a control queue.
        const CTRL_VQ = 1 << 17;
        /// It can be made promiscuous.
        const CTRL_RX = 1 << 18;
        /// Tables of descriptors.
        const INDIRECT_DESC = 1 << 28;
        /// Notifications and interrupts at an index.
        const EVENT_IDX = 1 << 29;
        /// Not a legacy device.
        const VERSION_1 = 1 << 32;
    }
}

const RECEIVE: u16 = 0;
const TRANSMIT: u16 = 1;
const CONTROL: u16 = 2;

/// `struct virtio_net_hdr` of a modern device; all zeros: no offloads.
const HEADER_SIZE: usize = 12;
/// Pages of a receive buffer.
const BUFFER_PAGES: usize = 3;
const BUFFER_SIZE: usize = BUFFER_PAGES * PAGE_SIZE;

/// Descriptors of a frame to send: the header and up to seven fragments.
const PIECES: usize = 8;
/// Bytes of a transmit slot: the table of descriptors, the device's header, the frame's header.
const SLOT_SIZE: usize = PAGE_SIZE / 2;
const SLOT_HEADER: usize = PIECES * ring::DESCRIPTOR_SIZE;
const SLOT_FRAME: usize = SLOT_HEADER + HEADER_SIZE;

/// Length of the longest frame: what fits into a receive buffer.
const MAX_FRAME: usize = BUFFER_SIZE - HEADER_SIZE;

/// What the driver needs of the device's registers beyond the transport of `virtio-drivers`: a notification in one
/// store, and interrupt vectors.
pub trait Registers {
    /// Tells the device that a queue has entries.
    fn notify(&mut self, queue: u16);

    /// Ties a queue to an MSI-X vector; false if the device has no room for it.
    fn set_vector(&mut self, queue: u16, vector: u16) -> bool;
}

/// Why a device could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// It is a virtio device, but no network card.
    NotNetwork,
    /// It is a legacy device.
    Legacy,
    /// It did not accept the features.
    Refused,
    /// A queue is missing or too small.
    Queue(u16),
    /// No memory that the device can use.
    NoMemory,
    /// Its configuration cannot be read.
    Configuration,
    /// It has no room for the interrupt vector.
    Vector,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotNetwork => f.write_str("a virtio device that is no network card"),
            Self::Legacy => f.write_str("a legacy virtio device; a modern one is needed"),
            Self::Refused => f.write_str("the device refuses the features of this driver"),
            Self::Queue(queue) => write!(f, "queue {queue} is missing or too small"),
            Self::NoMemory => f.write_str("no memory that the device can use"),
            Self::Configuration => f.write_str("the device's configuration cannot be read"),
            Self::Vector => f.write_str("the device has no room for an interrupt vector"),
        }
    }
}

impl core::error::Error for OpenError {}

/// A virtio network card.
pub struct VirtioNet<T: Transport, R: Registers> {
    transport: T,
    registers: R,
    mac: MacAddress,
    has_status: bool,
    indirect: bool,
    receive: SplitRing,
    buffers: Vec<DmaMemory>,
    transmit: SplitRing,
    slots: DmaMemory,
    tokens: [Token; SIZE_MAX as usize],
    free: Vec<u16>,
    /// The control queue and its command: the device knows their addresses as long as it runs.
    control: Option<(SplitRing, DmaMemory)>,
    failed: Option<DeviceError>,
}

impl<T: Transport, R: Registers> VirtioNet<T, R> {
    /// Resets the device, negotiates, sets the queues up and starts it. `vector` is the MSI-X vector of both queues,
    /// if there are interrupts. `pause` is called while the device is waited for, at most some thousand times.
    pub fn open(
        mut transport: T,
        mut registers: R,
        dma: &impl Dma,
        vector: Option<u16>,
        pause: &mut dyn FnMut(),
    ) -> Result<Self, OpenError> {
        if transport.device_type() != DeviceType::Network {
            return Err(OpenError::NotNetwork);
        }
        let features = negotiate(&mut transport)?;
        let event_index = features.contains(Features::EVENT_IDX);
        let indirect = features.contains(Features::INDIRECT_DESC);
        let chain = if indirect { 1 } else { PIECES as u16 };
        let receive = queue(&mut transport, dma, RECEIVE, 1, event_index)?;
        let transmit = queue(&mut transport, dma, TRANSMIT, chain, event_index)?;
        let mut control = None;
        if features.contains(Features::CTRL_VQ | Features::CTRL_RX) {
            control = Some(queue(&mut transport, dma, CONTROL, 4, false)?);
        }
        if let Some(vector) = vector {
            for queue in [RECEIVE, TRANSMIT] {
                if !registers.set_vector(queue, vector) {
                    return Err(OpenError::Vector);
                }
            }
        }
        let mac = if features.contains(Features::MAC) {
            transport
                .read_config_space::<MacAddress>(0)
                .map_err(|_| OpenError::Configuration)?
        } else {
            // Locally administered; boards have addresses of their own anyway.
            [2, 0, 0, 0, 0, 1]
        };
        let buffers = (0..receive.slots())
            .map(|_| dma.allocate(BUFFER_PAGES))
            .collect::<Option<Vec<_>>>()
            .ok_or(OpenError::NoMemory)?;
        let slots = dma
            .allocate(usize::from(transmit.slots()) * SLOT_SIZE / PAGE_SIZE)
            .ok_or(OpenError::NoMemory)?;
        let free = (0..transmit.slots()).rev().collect();
        transport.finish_init();
        let mut nic = Self {
            transport,
            registers,
            mac,
            has_status: features.contains(Features::STATUS),
            indirect,
            receive,
            buffers,
            transmit,
            slots,
            tokens: [Token::default(); SIZE_MAX as usize],
            free,
            control: None,
            failed: None,
        };
        for slot in 0..nic.receive.slots() {
            nic.offer(slot);
        }
        if nic.receive.publish() {
            nic.registers.notify(RECEIVE);
        }
        if let Some(control) = control {
            nic.promiscuous(control, dma, pause)?;
        }
        Ok(nic)
    }

    /// Makes the device take frames to any address. A device without this command does so anyway, or is useless here.
    fn promiscuous(
        &mut self,
        mut control: SplitRing,
        dma: &impl Dma,
        pause: &mut dyn FnMut(),
    ) -> Result<(), OpenError> {
        // Class RX (0), command PROMISC (0), value 1; then the device's answer, 0 for success (§5.1.6.5).
        let mut memory = dma.allocate(1).ok_or(OpenError::NoMemory)?;
        memory.write(0, &[0, 0, 1, 0xff]);
        control.describe(0, 0, memory.bus(0), 2, 0, true);
        control.describe(0, 1, memory.bus(2), 1, 0, true);
        control.describe(0, 2, memory.bus(3), 1, DEVICE_WRITES, false);
        control.give(0);
        if control.publish() {
            self.registers.notify(CONTROL);
        }
        let mut answered = None;
        for _ in 0..5000 {
            if matches!(control.take(), Ok(Some(_))) {
                let [.., answer] = memory
                    .word32(0)
                    .load(core::sync::atomic::Ordering::Relaxed)
                    .to_le_bytes();
                answered = Some(answer == 0);
                break;
            }
            pause();
        }
        match answered {
            Some(true) => {}
            Some(false) => log::warn!("the card refuses to take frames to all addresses"),
            None => log::warn!("the card does not answer on its control queue"),
        }
        self.control = Some((control, memory));
        Ok(())
    }

    fn offer(&mut self, slot: u16) {
        let bus = self.buffers[usize::from(slot)].bus(0);
        self.receive
            .describe(slot, 0, bus, BUFFER_SIZE as u32, DEVICE_WRITES, false);
        self.receive.give(slot);
    }

    /// Stops the device for good.
    fn fail(&mut self, error: DeviceError) -> DeviceError {
        if self.failed.is_none() {
            self.transport.set_status(DeviceStatus::empty());
            self.failed = Some(error);
        }
        error
    }

    fn check(&self) -> Result<(), DeviceError> {
        match self.failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    /// Length of the frame in a buffer that was given back.
    fn frame_length(used: Used) -> Result<usize, DeviceError> {
        let length = used.length as usize;
        if !(HEADER_SIZE..=BUFFER_SIZE).contains(&length) {
            return Err(DeviceError::Length(used.length));
        }
        Ok(length - HEADER_SIZE)
    }
}

fn negotiate(transport: &mut impl Transport) -> Result<Features, OpenError> {
    let features = begin(transport);
    if !features.contains(Features::VERSION_1) {
        return Err(OpenError::Legacy);
    }
    if !transport.get_status().contains(DeviceStatus::FEATURES_OK) {
        return Err(OpenError::Refused);
    }
    Ok(features)
}

fn begin<T: Transport>(transport: &mut T) -> Features
where
    Features: BitAnd<Output = Features>,
{
    transport.begin_init(Features::all())
}

fn queue(
    transport: &mut impl Transport,
    dma: &impl Dma,
    number: u16,
    chain: u16,
    event_index: bool,
) -> Result<SplitRing, OpenError> {
    let most = transport.max_queue_size(number).min(u32::from(SIZE_MAX)) as u16;
    if most < 2 * PIECES as u16 || !most.is_power_of_two() {
        return Err(OpenError::Queue(number));
    }
    let ring = SplitRing::new(dma, most, chain, event_index).ok_or(OpenError::NoMemory)?;
    let [descriptors, available, used] = ring.addresses();
    transport.queue_set(number, ring.size().into(), descriptors, available, used);
    Ok(ring)
}

impl<T: Transport, R: Registers> Nic for VirtioNet<T, R> {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            driver: "virtio-net",
            max_frame: MAX_FRAME,
            max_header: SLOT_SIZE - SLOT_FRAME,
            max_fragments: PIECES - 1,
            transmit_slots: self.transmit.slots().into(),
        }
    }

    fn mac(&self) -> MacAddress {
        self.mac
    }

    fn link(&mut self) -> bool {
        // Status, bit 0, behind the address (§5.1.4).
        self.failed.is_none()
            && (!self.has_status
                || self
                    .transport
                    .read_config_space::<u16>(6)
                    .is_ok_and(|status| status & 1 != 0))
    }

    fn transmit(
        &mut self,
        header: &[u8],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError> {
        self.check().map_err(TransmitError::Device)?;
        let capabilities = self.capabilities();
        let payload: usize = fragments.iter().map(|fragment| fragment.len as usize).sum();
        if header.len() > capabilities.max_header
            || fragments.len() > capabilities.max_fragments
            || header.len() + payload > MAX_FRAME
        {
            return Err(TransmitError::TooLong);
        }
        let slot = self.free.pop().ok_or(TransmitError::Full)?;
        let base = usize::from(slot) * SLOT_SIZE;
        self.slots.write(base + SLOT_HEADER, &[0; HEADER_SIZE]);
        self.slots.write(base + SLOT_FRAME, header);
        let first = Fragment {
            bus: self.slots.bus(base + SLOT_HEADER),
            len: (HEADER_SIZE + header.len()) as u32,
        };
        let pieces = 1 + fragments.len();
        for (index, piece) in core::iter::once(&first).chain(fragments).enumerate() {
            let more = index + 1 < pieces;
            if self.indirect {
                let flags = if more { ring::NEXT } else { 0 };
                self.slots.write(
                    base + index * ring::DESCRIPTOR_SIZE,
                    &ring::descriptor(piece.bus, piece.len, flags, index as u16 + 1),
                );
            } else {
                self.transmit
                    .describe(slot, index as u16, piece.bus, piece.len, 0, more);
            }
        }
        if self.indirect {
            let length = pieces * ring::DESCRIPTOR_SIZE;
            self.transmit.describe(
                slot,
                0,
                self.slots.bus(base),
                length as u32,
                INDIRECT,
                false,
            );
        }
        self.tokens[usize::from(slot)] = token;
        self.transmit.give(slot);
        Ok(())
    }

    fn flush(&mut self) {
        if self.failed.is_none() && self.transmit.publish() {
            self.registers.notify(TRANSMIT);
        }
    }

    fn completed(&mut self, tokens: &mut [Token]) -> Result<usize, DeviceError> {
        self.check()?;
        let mut count = 0;
        while let Some(place) = tokens.get_mut(count) {
            match self.transmit.take() {
                Ok(Some(used)) => {
                    *place = self.tokens[usize::from(used.slot)];
                    self.free.push(used.slot);
                    count += 1;
                }
                Ok(None) => break,
                Err(error) => return Err(self.fail(error)),
            }
        }
        Ok(count)
    }

    fn receive(&mut self, max: usize, each: &mut dyn FnMut(&[u8])) -> Result<usize, DeviceError> {
        self.check()?;
        let mut count = 0;
        while count < max {
            let used = match self.receive.take() {
                Ok(Some(used)) => used,
                Ok(None) => break,
                Err(error) => return Err(self.fail(error)),
            };
            let length = match Self::frame_length(used) {
                Ok(length) => length,
                Err(error) => return Err(self.fail(error)),
            };
            let buffer = &self.buffers[usize::from(used.slot)];
            // SAFETY: the device gave the buffer back; it gets it again after the call.
            each(unsafe { buffer.handed_over(HEADER_SIZE, length) });
            self.offer(used.slot);
            count += 1;
        }
        if count > 0 && self.receive.publish() {
            self.registers.notify(RECEIVE);
        }
        Ok(count)
    }

    fn arm(&mut self) -> Result<Armed, DeviceError> {
        self.check()?;
        if self
            .transport
            .get_status()
            .contains(DeviceStatus::DEVICE_NEEDS_RESET)
        {
            return Err(self.fail(DeviceError::NeedsReset));
        }
        let received = self.receive.arm();
        let sent = self.transmit.in_flight() > 0 && self.transmit.arm();
        Ok(if received || sent {
            Armed::WorkPending
        } else {
            Armed::Quiet
        })
    }

    fn disarm(&mut self) {
        self.receive.quiet();
        self.transmit.quiet();
    }
}

impl<T: Transport, R: Registers> Drop for VirtioNet<T, R> {
    /// Stops the device before its memory goes.
    fn drop(&mut self) {
        self.transport.set_status(DeviceStatus::empty());
    }
}
