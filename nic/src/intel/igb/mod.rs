//! The 82576 (`igb`): 1 GbE over copper, 24 receive addresses, frames of up to 9.5 KB. QEMU plays it
//! (`-device igb`).

mod registers;

use registers as reg;

use super::chip::{
    self, Chip, FRAME_CHECK, ReceivePlan, RingPlace, place_ring, queue, switch_queue,
};
use super::mmio::{Mmio, clear, set, wait};
use super::options::Interrupts;
use crate::{OpenError, Statistics};

/// After a reset no register is touched for a millisecond (§4.5.5).
const RESET_PAUSE_MICROSECONDS: u32 = 1000;

/// The 82576.
#[derive(Clone, Copy, Debug)]
pub struct Igb;

impl Chip for Igb {
    const NAME: &'static str = "igb";
    const ADDRESSES: usize = 24;
    /// 9.5 KB with the check: what RLPML is after a reset (§8.10).
    const MAX_FRAME: usize = 9728 - FRAME_CHECK;
    /// RXE (§7.1.5, write-back format). IPE and L4E are of checksums.
    const RECEIVE_ERRORS: u32 = 1 << 11;
    const MULTICAST_TABLE: u32 = reg::MTA;
    const RECEIVE_QUEUE: u32 = reg::RECEIVE_QUEUE;
    const TRANSMIT_QUEUE: u32 = reg::TRANSMIT_QUEUE;
    const RESET: (u32, u32) = (reg::CTRL_RESET, RESET_PAUSE_MICROSECONDS);
    const LINK: (u32, u32) = (reg::STATUS, reg::STATUS_LINK_UP);

    fn receive_address(index: usize) -> u32 {
        reg::receive_address(index)
    }

    fn stop(registers: &mut impl Mmio, _pause: &dyn Fn(u32)) {
        // §4.5.9 and §4.5.10: both directions end before the queues do.
        clear(registers, reg::RCTL, reg::RCTL_ENABLE);
        clear(registers, reg::TCTL, reg::TCTL_ENABLE);
    }

    fn is_ready(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> bool {
        // QEMU's card has its EEPROM's values at once, and never says so.
        if registers.read(reg::receive_address(0)) == 0 {
            let done = reg::EEC_AUTO_READ;
            wait(registers, pause, reg::EEC, done, done);
        }
        true
    }

    fn start_link(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError> {
        // §4.5.7: the MAC takes speed and duplex from the PHY.
        let control = registers.read(reg::CTRL);
        registers.write(
            reg::CTRL,
            (control & !(reg::CTRL_FORCE | chip::MASTER_DISABLE)) | reg::CTRL_SET_LINK_UP,
        );
        set(registers, reg::CTRL_EXT, reg::CTRL_EXT_DRIVER_LOADED);
        let now = phy(registers, pause, reg::MDIC_READ)?;
        let awake = now & !(reg::phy::POWER_DOWN | reg::phy::ISOLATE);
        let wanted = awake | reg::phy::NEGOTIATE | reg::phy::RESTART_NEGOTIATION;
        phy(registers, pause, reg::MDIC_WRITE | u32::from(wanted)).map(drop)
    }

    fn take_all(registers: &mut impl Mmio, all: bool) {
        // §7.1.1.1, §8.10.
        let everything = reg::RCTL_ALL_UNICAST | reg::RCTL_ALL_MULTICAST;
        if all {
            set(registers, reg::RCTL, everything);
        } else {
            clear(registers, reg::RCTL, everything);
        }
    }

    fn enable_receive_queue(
        registers: &mut impl Mmio,
        plan: &ReceivePlan,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError> {
        // §4.5.9: queue 0 is enabled after a reset, and must not be while it is set up.
        switch_queue(registers, pause, reg::RECEIVE_QUEUE, 0)?;
        registers.write(reg::MRQC, 0);
        registers.write(reg::RLPML, (plan.max_frame + FRAME_CHECK) as u32);
        place_ring(registers, reg::RECEIVE_QUEUE, plan.ring);
        let kilobytes = (plan.buffer / 1024) as u32;
        registers.write(
            reg::SRRCTL,
            reg::SRRCTL_ADVANCED | reg::SRRCTL_DROP | kilobytes,
        );
        let control = queue::ENABLE | reg::RXDCTL_THRESHOLDS;
        switch_queue(registers, pause, reg::RECEIVE_QUEUE, control)
    }

    fn receive(registers: &mut impl Mmio, _pause: &dyn Fn(u32)) -> Result<(), OpenError> {
        // §4.5.9: only after all the rest.
        set(
            registers,
            reg::RCTL,
            reg::RCTL_ENABLE | reg::RCTL_LONG | reg::RCTL_BROADCAST | reg::RCTL_STRIP_CHECK,
        );
        Ok(())
    }

    fn transmit(
        registers: &mut impl Mmio,
        ring: RingPlace,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError> {
        // §4.5.10, in its order; queue 0 as above.
        switch_queue(registers, pause, reg::TRANSMIT_QUEUE, 0)?;
        place_ring(registers, reg::TRANSMIT_QUEUE, ring);
        let control = queue::ENABLE | reg::TXDCTL_THRESHOLDS;
        switch_queue(registers, pause, reg::TRANSMIT_QUEUE, control)?;
        set(registers, reg::TCTL, reg::TCTL_ENABLE | reg::TCTL_PAD);
        Ok(())
    }

    fn set_up_interrupts(registers: &mut impl Mmio, interrupts: Interrupts) {
        // §7.3.1 and §7.3.2: where causes lead to. No throttle: the driver masks by itself while there is work.
        registers.write(reg::EITR_0, 0);
        if interrupts == Interrupts::MsiX {
            registers.write(reg::GPIE, reg::GPIE_MSI_X);
            let both = reg::IVAR_VECTOR_0 | reg::IVAR_VECTOR_0 << 8;
            registers.write(reg::IVAR_0, both);
            registers.write(reg::IVAR_MISC, reg::IVAR_VECTOR_0 << 8);
            registers.write(reg::EIAC, 1);
        } else {
            registers.write(reg::GPIE, 0);
        }
    }

    fn unmask(registers: &mut impl Mmio, interrupts: Interrupts) {
        // §8.8: writing ones clears causes; what comes between the two writes is not lost, since the mask is only
        // compared.
        registers.write(reg::ICR, u32::MAX);
        match interrupts {
            Interrupts::None => return,
            Interrupts::Msi => {
                let causes = reg::CAUSE_RECEIVED | reg::CAUSE_SENT | reg::CAUSE_LINK;
                registers.write(reg::IMS, causes);
            }
            Interrupts::MsiX => {
                registers.write(reg::EICR, u32::MAX);
                registers.write(reg::IMS, reg::CAUSE_LINK);
                registers.write(reg::EIMS, 1);
            }
        }
        // The writes have arrived, and so have the card's own to memory, when a read comes back (PCI Express §2.4.1).
        registers.read(reg::STATUS);
    }

    fn mask(registers: &mut impl Mmio) {
        registers.write(reg::IMC, u32::MAX);
        registers.write(reg::EIMC, u32::MAX);
    }

    fn count(registers: &impl Mmio, statistics: &mut Statistics) {
        let read = |register| u64::from(registers.read(register));
        statistics.received_bad += read(reg::CRCERRS);
        statistics.received_short += read(reg::RUC);
        statistics.received_long += read(reg::ROC);
        statistics.received_missed += read(reg::MPC) + read(reg::RQDPC_0);
    }
}

/// Has the PHY read or write its control register (§8.2, MDIC), and waits for its answer.
fn phy(registers: &mut impl Mmio, pause: &dyn Fn(u32), operation: u32) -> Result<u16, OpenError> {
    let place = reg::phy::CONTROL << reg::MDIC_REGISTER_SHIFT;
    registers.write(reg::MDIC, operation | reg::MDIC_OWN_PHY | place);
    let ready = reg::MDIC_READY;
    let is_done = wait(registers, pause, reg::MDIC, ready, ready);
    let answer = registers.read(reg::MDIC);
    let is_fine = is_done && answer & reg::MDIC_ERROR == 0;
    let lack = OpenError::Feature("a PHY that answers");
    is_fine.then_some(answer as u16).ok_or(lack)
}
