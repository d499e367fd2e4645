//! The 82599 (`ixgbe`): 10 GbE, 128 receive addresses.
//!
//! It has not run on hardware: what is known of it is its datasheet, and a model of that which the tests play. Links are
//! those whose mode the EEPROM names, backplanes (KX, KX4, KR, by autonegotiation), CX4 and SFI. A module in an SFP+ cage
//! is used as the EEPROM's defaults have it: its own EEPROM is not read, and the card's tables for single modules
//! (chapter 6) are not applied.

mod registers;

use registers as reg;

use super::chip::{Chip, FRAME_CHECK, ReceivePlan, RingPlace, place_ring, queue, switch_queue};
use super::filter::HASH_WORDS;
use super::mmio::{Mmio, clear, set, wait};
use super::options::Interrupts;
use crate::{OpenError, Statistics};

/// After a reset the card is left alone for 10 ms (§4.6.3.2).
const RESET_PAUSE_MICROSECONDS: u32 = 10_000;
/// How long buffers take to be flushed (specification update, "Master Disable Flow": 20 microseconds).
const FLUSH_PAUSE_MICROSECONDS: u32 = 20;
/// A queue that was disabled may write for that long (§4.6.7.1).
const DRAIN_PAUSE_MICROSECONDS: u32 = 100;
/// How often the semaphore is asked for, a pause between (§10.5.4: firmware has it for milliseconds).
const SEMAPHORE_TRIES: u32 = 100;
const SEMAPHORE_PAUSE_MICROSECONDS: u32 = 5000;

/// The bits of EICR that queue 0 leads to without MSI-X.
const CAUSE_RECEIVED: u32 = 1;
const CAUSE_SENT: u32 = 1 << 1;
/// The bit of EICR of vector 0, with MSI-X.
const CAUSE_VECTOR_0: u32 = 1;

/// The 82599.
#[derive(Clone, Copy, Debug)]
pub struct Ixgbe;

impl Chip for Ixgbe {
    const NAME: &'static str = "ixgbe";
    const ADDRESSES: usize = 128;
    /// 15.5 KB with the check (the datasheet's first page).
    const MAX_FRAME: usize = 15872 - FRAME_CHECK;
    /// RXE (§7.1.6.2). IPE and L4E are of checksums.
    const RECEIVE_ERRORS: u32 = 1 << 9;
    const MULTICAST_TABLE: u32 = reg::MTA;
    const RECEIVE_QUEUE: u32 = reg::RECEIVE_QUEUE;
    const TRANSMIT_QUEUE: u32 = reg::TRANSMIT_QUEUE;
    const RESET: (u32, u32) = (reg::CTRL_RESET, RESET_PAUSE_MICROSECONDS);
    const LINK: (u32, u32) = (reg::LINKS, reg::LINKS_UP);

    fn receive_address(index: usize) -> u32 {
        reg::receive_address(index)
    }

    /// Receive path, then queues (§4.6.7.1, §4.6.8.1).
    fn stop(registers: &mut impl Mmio, pause: &dyn Fn(u32)) {
        clear(registers, reg::RXCTRL, reg::RXCTRL_ENABLE);
        for base in [reg::RECEIVE_QUEUE, reg::TRANSMIT_QUEUE] {
            let control = base + queue::CONTROL;
            if registers.read(control) & queue::ENABLE != 0 {
                clear(registers, control, queue::ENABLE);
                // A queue that never ends is ended by the reset.
                wait(registers, pause, control, queue::ENABLE, 0);
                pause(DRAIN_PAUSE_MICROSECONDS);
            }
        }
    }

    /// §4.2.1.6, and the specification update's "Master Disable Flow".
    fn flush(registers: &mut impl Mmio, pause: &dyn Fn(u32)) {
        set(registers, reg::HLREG0, reg::HLREG0_LOOPBACK);
        set(registers, reg::GCR_EXT, reg::GCR_EXT_CLEAR_BUFFERS);
        pause(FLUSH_PAUSE_MICROSECONDS);
        clear(registers, reg::HLREG0, reg::HLREG0_LOOPBACK);
        clear(registers, reg::GCR_EXT, reg::GCR_EXT_CLEAR_BUFFERS);
    }

    fn is_ready(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> bool {
        // §4.6.3: the EEPROM's values, then the card's own memories.
        let (done, ready) = (reg::EEC_AUTO_READ, reg::RDRXCTL_READY);
        wait(registers, pause, reg::EEC, done, done)
            && wait(registers, pause, reg::RDRXCTL, ready, ready)
    }

    fn start_link(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError> {
        set(registers, reg::CTRL_EXT, reg::CTRL_EXT_DRIVER_LOADED);
        // §10.5.4: firmware may write AUTOC, too.
        take_semaphore(registers, pause)?;
        let mode = registers.read(reg::AUTOC);
        if mode & reg::AUTOC_LINK_MODE == reg::AUTOC_10G_SERIAL {
            // §4.6.4.2: a cage for SFP+ modules.
            let serial = registers.read(reg::AUTOC2) & !reg::AUTOC2_SERIAL;
            registers.write(reg::AUTOC2, serial | reg::AUTOC2_SFI);
        }
        // §4.6.4.3: what is offered stays as the EEPROM has it.
        registers.write(reg::AUTOC, mode | reg::AUTOC_RESTART);
        release_semaphore(registers);
        Ok(())
    }

    fn take_all(registers: &mut impl Mmio, all: bool) {
        // §7.1.1.1, §8.2.3.7.
        let everything = reg::FCTRL_ALL_UNICAST | reg::FCTRL_ALL_MULTICAST;
        let taken = if all { everything } else { 0 };
        registers.write(reg::FCTRL, reg::FCTRL_BROADCAST | taken);
    }

    fn enable_receive_queue(
        registers: &mut impl Mmio,
        plan: &ReceivePlan,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError> {
        // §4.6.7: of the filters, those that are not used first: pools, and hashes of unicast addresses.
        for index in 0..Self::ADDRESSES {
            registers.write(reg::pool_select(index), 0);
            registers.write(reg::pool_select(index) + 4, 0);
        }
        for word in 0..HASH_WORDS as u32 {
            registers.write(reg::PFUTA + 4 * word, 0);
        }
        registers.write(reg::MCSTCTRL, reg::MCSTCTRL_ENABLE);
        // Then the card. Coalescing stays off: a frame is one buffer (§4.6.7.2 is left out).
        registers.write(reg::MRQC, 0);
        set(registers, reg::RFCTL, reg::RFCTL_NO_COALESCING);
        let dma = registers.read(reg::RDRXCTL) & !reg::RDRXCTL_COALESCING_SIZE;
        registers.write(
            reg::RDRXCTL,
            dma | reg::RDRXCTL_STRIP_CHECK | reg::RDRXCTL_FIXED_ONES,
        );
        set(registers, reg::HLREG0, reg::HLREG0_USED);
        let longest = (plan.max_frame + FRAME_CHECK) as u32;
        registers.write(reg::MAXFRS, longest << 16);
        // Then the queue.
        place_ring(registers, reg::RECEIVE_QUEUE, plan.ring);
        let kilobytes = (plan.buffer / 1024) as u32;
        registers.write(
            reg::SRRCTL,
            reg::SRRCTL_ADVANCED | reg::SRRCTL_DROP | kilobytes,
        );
        registers.write(reg::RSCCTL, 0);
        switch_queue(registers, pause, reg::RECEIVE_QUEUE, queue::ENABLE)
    }

    fn receive(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError> {
        // §4.6.7: while the path is halted and empty.
        set(registers, reg::SECRXCTRL, reg::SECRXCTRL_HALT);
        let ready = reg::SECRXSTAT_READY;
        if !wait(registers, pause, reg::SECRXSTAT, ready, ready) {
            return Err(OpenError::Feature("a receive path that comes to rest"));
        }
        set(registers, reg::RXCTRL, reg::RXCTRL_ENABLE);
        clear(registers, reg::SECRXCTRL, reg::SECRXCTRL_HALT);
        set(registers, reg::CTRL_EXT, reg::CTRL_EXT_SNOOP);
        clear(registers, reg::DCA_RXCTRL, reg::DCA_RXCTRL_CLEAR);
        Ok(())
    }

    fn transmit(
        registers: &mut impl Mmio,
        ring: RingPlace,
        pause: &dyn Fn(u32),
    ) -> Result<(), OpenError> {
        // §4.6.8, in its order: distribution while the arbiter is off, DMA, then the queue. Descriptors have no context
        // (§7.2.3.2.4: CC and POPTS are 0), so none is ever sent.
        set(registers, reg::RTTDCS, reg::RTTDCS_NO_ARBITER);
        registers.write(reg::MTQC, 0);
        registers.write(reg::DTXMXSZRQ, reg::DTXMXSZRQ_MOST);
        clear(registers, reg::RTTDCS, reg::RTTDCS_NO_ARBITER);
        set(registers, reg::DMATXCTL, reg::DMATXCTL_ENABLE);
        place_ring(registers, reg::TRANSMIT_QUEUE, ring);
        let control = queue::ENABLE | reg::TXDCTL_THRESHOLDS;
        switch_queue(registers, pause, reg::TRANSMIT_QUEUE, control)
    }

    fn set_up_interrupts(registers: &mut impl Mmio, interrupts: Interrupts) {
        // §4.6.6 and §7.3.4: where causes lead to. No throttle: the driver masks by itself while there is work.
        registers.write(reg::EITR_0, 0);
        if interrupts == Interrupts::MsiX {
            registers.write(reg::GPIE, reg::GPIE_MSI_X);
            registers.write(reg::IVAR_0, reg::IVAR_VALID | reg::IVAR_VALID << 8);
            registers.write(reg::IVAR_MISC, reg::IVAR_VALID << 8);
            registers.write(reg::EIAC, CAUSE_VECTOR_0);
        } else {
            registers.write(reg::GPIE, 0);
            // Bit 0 of EICR for received frames, bit 1 for sent ones.
            registers.write(reg::IVAR_0, reg::IVAR_VALID | (reg::IVAR_VALID | 1) << 8);
        }
    }

    fn unmask(registers: &mut impl Mmio, interrupts: Interrupts) {
        // §8.2.3.5: writing ones clears causes; what comes between the two writes is not lost, since the mask is only
        // compared.
        registers.write(reg::EICR, u32::MAX);
        let causes = match interrupts {
            Interrupts::None => return,
            Interrupts::Msi => CAUSE_RECEIVED | CAUSE_SENT | reg::CAUSE_LINK,
            Interrupts::MsiX => CAUSE_VECTOR_0 | reg::CAUSE_LINK,
        };
        registers.write(reg::EIMS, causes);
        // The writes have arrived, and so have the card's own to memory, when a read comes back (PCI Express §2.4.1).
        registers.read(reg::STATUS);
    }

    fn mask(registers: &mut impl Mmio) {
        // Bit 31 is reserved (§8.2.3.5).
        registers.write(reg::EIMC, u32::MAX >> 1);
    }

    fn count(registers: &impl Mmio, statistics: &mut Statistics) {
        let read = |register| u64::from(registers.read(register));
        statistics.received_bad += read(reg::CRCERRS) + read(reg::RLEC);
        statistics.received_short += read(reg::RUC);
        statistics.received_long += read(reg::ROC);
        statistics.received_missed += read(reg::RXMPC_0) + read(reg::QPRDC_0);
    }
}

/// Takes the MAC's shared registers from firmware (§10.5.4).
fn take_semaphore(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> Result<(), OpenError> {
    for _ in 0..SEMAPHORE_TRIES {
        if take_lock(registers, pause) {
            let owners = registers.read(reg::SW_FW_SYNC);
            let is_free = owners & (reg::SYNC_FIRMWARE_MAC | reg::SYNC_SOFTWARE_MAC) == 0;
            if is_free {
                registers.write(reg::SW_FW_SYNC, owners | reg::SYNC_SOFTWARE_MAC);
            }
            give_lock(registers);
            if is_free {
                return Ok(());
            }
        }
        pause(SEMAPHORE_PAUSE_MICROSECONDS);
    }
    Err(OpenError::Feature("firmware that lets go of the link"))
}

/// Takes the lock around SW_FW_SYNC; whether it was had.
fn take_lock(registers: &mut impl Mmio, pause: &dyn Fn(u32)) -> bool {
    let wanted = reg::SWSM_FIRMWARE;
    if registers.read(reg::SWSM) & reg::SWSM_SOFTWARE != 0 {
        return false;
    }
    registers.write(reg::SWSM, reg::SWSM_SOFTWARE | wanted);
    let is_had = wait(registers, pause, reg::SWSM, wanted, wanted);
    if !is_had {
        give_lock(registers);
    }
    is_had
}

fn give_lock(registers: &mut impl Mmio) {
    registers.write(reg::SWSM, 0);
}

fn release_semaphore(registers: &mut impl Mmio) {
    clear(registers, reg::SW_FW_SYNC, reg::SYNC_SOFTWARE_MAC);
}
