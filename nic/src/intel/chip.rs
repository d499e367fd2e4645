//! What a chip must tell and do, so that the rest need not know which one it is.

use super::filter::Filter;
use super::mmio::Mmio;
use super::net::Interrupts;
use crate::{LinkState, MacAddress, OpenError, Statistics};

/// Where a ring of descriptors lies.
#[derive(Clone, Copy, Debug)]
pub struct RingPlace {
    /// Bus address; a multiple of 128.
    pub(super) bus: u64,
    /// Length in bytes; a multiple of 128.
    pub(super) bytes: u32,
}

/// How frames are received.
#[derive(Clone, Copy, Debug)]
pub struct ReceivePlan {
    /// The ring.
    pub(super) ring: RingPlace,
    /// Bytes of each buffer; a multiple of 1024.
    pub(super) buffer: usize,
    /// Longest frame in bytes, without its check.
    pub(super) max_frame: usize,
}

/// Registers of a queue, at the same offsets from its base on both chips, for both directions (82576 §8.10 and §8.12,
/// 82599 §8.2.3.8 and §8.2.3.9).
pub(super) mod queue {
    /// RDBAL, TDBAL: bus address, low half.
    pub(in super::super) const BASE_LOW: u32 = 0x00;
    /// RDBAH, TDBAH: high half.
    pub(in super::super) const BASE_HIGH: u32 = 0x04;
    /// RDLEN, TDLEN: bytes.
    pub(in super::super) const LENGTH: u32 = 0x08;
    /// RDH, TDH: the descriptor that the card works on.
    pub(in super::super) const HEAD: u32 = 0x10;
    /// RDT, TDT: the one behind the last that it has.
    pub(in super::super) const TAIL: u32 = 0x18;
    /// RXDCTL, TXDCTL.
    pub(in super::super) const CONTROL: u32 = 0x28;
    /// ENABLE of RXDCTL and TXDCTL.
    pub(in super::super) const ENABLE: u32 = 1 << 25;
}

/// A kind of card. The methods are called in the order in which they are listed.
pub trait Chip {
    /// Name of the driver, for people.
    const NAME: &'static str;
    /// Unicast addresses that the card compares with, its own included.
    const ADDRESSES: usize;
    /// Longest frame in bytes, without its check.
    const MAX_FRAME: usize;
    /// Extended errors of a received frame that make it bad: the wire's, not those of checksums that nobody asked for.
    const RECEIVE_ERRORS: u32;
    /// Registers of receive queue 0 and transmit queue 0.
    const RECEIVE_QUEUE: u32;
    /// See [`Chip::RECEIVE_QUEUE`].
    const TRANSMIT_QUEUE: u32;

    /// Stops everything, above all DMA, and resets the card. All interrupts are masked afterwards.
    fn reset(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError>;

    /// The address that the card has from its EEPROM.
    fn address(registers: &impl Mmio) -> Option<MacAddress>;

    /// Starts the link's negotiation; it need not be up at the end.
    fn start_link(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError>;

    /// Writes the tables of addresses.
    fn filter(registers: &mut impl Mmio, filter: &Filter);

    /// Sets up and enables receive queue 0. Its tail is written after that and before [`Chip::receive`].
    fn enable_receive_queue(
        registers: &mut impl Mmio,
        plan: &ReceivePlan,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError>;

    /// Lets frames in.
    fn receive(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError>;

    /// Sets up and enables transmit queue 0, and lets frames out.
    fn transmit(
        registers: &mut impl Mmio,
        ring: RingPlace,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError>;

    /// Ties causes to interrupts; all stay masked.
    fn set_up_interrupts(registers: &mut impl Mmio, interrupts: Interrupts);

    /// Forgets what happened before, and asks for an interrupt at the next frame in or out, or change of the link.
    fn unmask(registers: &mut impl Mmio, interrupts: Interrupts);

    /// Asks for no interrupt.
    fn mask(registers: &mut impl Mmio);

    /// State of the link; `None` when the card is gone.
    fn link(registers: &impl Mmio) -> Option<LinkState>;

    /// Adds what the card has counted, whose counters begin anew when they are read.
    fn count(registers: &impl Mmio, statistics: &mut Statistics);
}

/// Tells a queue where its ring is, and that it is empty. The queue is disabled.
pub(super) fn place_ring(registers: &mut impl Mmio, base: u32, ring: RingPlace) {
    registers.write(base + queue::BASE_LOW, ring.bus as u32);
    registers.write(base + queue::BASE_HIGH, (ring.bus >> 32) as u32);
    registers.write(base + queue::LENGTH, ring.bytes);
    registers.write(base + queue::HEAD, 0);
    registers.write(base + queue::TAIL, 0);
}
