//! What a chip must tell and do, so that the rest need not know which one it is.

use super::address::own_address;
use super::mmio::{GONE, Mmio, set, wait};
use super::options::Interrupts;
use crate::{LinkState, MacAddress, OpenError, Statistics};

/// Bytes of a frame check.
pub(super) const FRAME_CHECK: usize = 4;

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
    /// Where the descriptors lie.
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
    /// Hash table of multicast addresses, 128 words: MTA.
    const MULTICAST_TABLE: u32;
    /// Registers of receive queue 0 and transmit queue 0.
    const RECEIVE_QUEUE: u32;
    /// See [`Chip::RECEIVE_QUEUE`].
    const TRANSMIT_QUEUE: u32;

    /// Bits of CTRL that reset the card and clear themselves, and for how many microseconds it is left alone then.
    const RESET: (u32, u32);
    /// The register with the state of the link, and its bit for a link that is up.
    const LINK: (u32, u32);

    /// RAL of a unicast address; RAH follows it.
    fn receive_address(index: usize) -> u32;

    /// Stops everything, above all DMA, and resets the card. All interrupts are masked afterwards.
    ///
    /// What is under way on the bus ends before (82576 §5.2.3.3, 82599 §5.2.5.3.2). Where it does not, a second reset helps,
    /// after [`Chip::flush`].
    fn reset(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError> {
        if registers.read(STATUS) == GONE {
            return Err(OpenError::Reset);
        }
        // 82576 §4.5.4, 82599 §4.6.3.1: no interrupts while the card is set up.
        Self::mask(registers);
        Self::stop(registers, pause);
        set(registers, CONTROL, MASTER_DISABLE);
        let is_quiet = wait(registers, pause, STATUS, MASTER_ENABLE, 0);
        if !is_quiet {
            Self::flush(registers, pause);
        }
        let (bits, settle) = Self::RESET;
        for _ in 0..if is_quiet { 1 } else { 2 } {
            set(registers, CONTROL, MASTER_DISABLE | bits);
            pause(settle);
            if !wait(registers, pause, CONTROL, bits, 0) {
                return Err(OpenError::Reset);
            }
        }
        let is_ready = Self::is_ready(registers, pause);
        // 82599 §4.6.3.2: a reset unmasks nothing, but the EEPROM might.
        Self::mask(registers);
        is_ready.then_some(()).ok_or(OpenError::Reset)
    }

    /// Ends both directions before a reset.
    fn stop(registers: &mut impl Mmio, pause: &dyn Fn(u32));

    /// Empties the buffers of a card whose requests to the bus do not end, if it can.
    fn flush(_registers: &mut impl Mmio, _pause: &dyn Fn(u32)) {}

    /// Waits until a card that was reset can be set up; whether it can.
    fn is_ready(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> bool;

    /// The address that the card has from its EEPROM, which has set the first receive address (82576 §4.5.5, 82599
    /// §8.2.3.7).
    fn address(registers: &impl Mmio) -> Option<MacAddress> {
        let low = Self::receive_address(0);
        own_address(registers.read(low), registers.read(low + 4))
    }

    /// Starts the link's negotiation; it need not be up at the end.
    fn start_link(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError>;

    /// Lets frames to all addresses in, or only those that the tables name. Broadcasts always come in.
    fn take_all(registers: &mut impl Mmio, all: bool);

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
    fn link(registers: &impl Mmio) -> Option<LinkState> {
        let (register, up) = Self::LINK;
        match registers.read(register) {
            GONE => None,
            status if status & up != 0 => Some(LinkState::Up),
            _ => Some(LinkState::Down),
        }
    }

    /// Adds what the card has counted, whose counters begin anew when they are read.
    fn count(registers: &impl Mmio, statistics: &mut Statistics);
}

/// CTRL and STATUS (82576 §8.2, 82599 §8.2.3.1).
const CONTROL: u32 = 0x00000;
const STATUS: u32 = 0x00008;
/// CTRL: PCIe Master Disable, no new requests to the bus.
pub(super) const MASTER_DISABLE: u32 = 1 << 2;
/// STATUS: PCIe Master Enable Status, requests are under way, or may be.
const MASTER_ENABLE: u32 = 1 << 19;

/// Tells a queue where its ring is, and that it is empty. The queue is disabled.
pub(super) fn place_ring(registers: &mut impl Mmio, base: u32, ring: RingPlace) {
    registers.write(base + queue::BASE_LOW, ring.bus as u32);
    registers.write(base + queue::BASE_HIGH, (ring.bus >> 32) as u32);
    registers.write(base + queue::LENGTH, ring.bytes);
    registers.write(base + queue::HEAD, 0);
    registers.write(base + queue::TAIL, 0);
}

/// Enables or disables a queue and waits until it is (82576 §4.5.9 and §4.5.10, 82599 §4.6.7 and §4.6.8). `control` is the
/// whole of RXDCTL or TXDCTL.
pub(super) fn switch_queue(
    registers: &mut impl Mmio,
    pause: &dyn Fn(u32),
    base: u32,
    control: u32,
) -> Result<(), OpenError> {
    let register = base + queue::CONTROL;
    registers.write(register, control);
    let wanted = control & queue::ENABLE;
    let is_switched = wait(registers, pause, register, queue::ENABLE, wanted);
    let lack = OpenError::Feature("a queue that can be switched on and off");
    is_switched.then_some(()).ok_or(lack)
}
