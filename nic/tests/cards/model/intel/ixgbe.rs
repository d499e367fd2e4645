//! The 82599's registers, and the order that it wants. Sections are those of its datasheet.

use super::card::{Card, Chip, Counters, is_named, read_queue, write_queue};
use super::map::{Access, Entry, many, one};
use crate::model::refuse;

const CTRL: u32 = 0x00000;
const STATUS: u32 = 0x00008;
const CTRL_EXT: u32 = 0x00018;
const EICR: u32 = 0x00800;
const EIMS: u32 = 0x00880;
const EIMC: u32 = 0x00888;
const GPIE: u32 = 0x00898;
const IVAR_0: u32 = 0x00900;
const RECEIVE: u32 = 0x01000;
const DCA_RXCTRL: u32 = RECEIVE + 0x0c;
const SRRCTL: u32 = RECEIVE + 0x14;
const RXDCTL: u32 = RECEIVE + 0x28;
const RSCCTL: u32 = RECEIVE + 0x2c;
const RDRXCTL: u32 = 0x02f00;
const RXCTRL: u32 = 0x03000;
const HLREG0: u32 = 0x04240;
const MAXFRS: u32 = 0x04268;
const AUTOC: u32 = 0x042a0;
const LINKS: u32 = 0x042a4;
const AUTOC2: u32 = 0x042a8;
const RTTDCS: u32 = 0x04900;
const DMATXCTL: u32 = 0x04a80;
const FCTRL: u32 = 0x05080;
const MCSTCTRL: u32 = 0x05090;
const MTA: u32 = 0x05200;
const TRANSMIT: u32 = 0x06000;
const TXDCTL: u32 = TRANSMIT + 0x28;
const DTXMXSZRQ: u32 = 0x08100;
const MTQC: u32 = 0x08120;
const SECRXCTRL: u32 = 0x08d00;
const SECRXSTAT: u32 = 0x08d04;
const SWSM: u32 = 0x10140;
const SW_FW_SYNC: u32 = 0x10160;

/// §4.6.3.2.
const RESET_MICROSECONDS: u32 = 10_000;

/// The chip.
pub static CHIP: Chip = Chip {
    registers: &TABLE,
    queues_enabled: false,
    address: 0xa200,
    transmit_tail: TRANSMIT + 0x18,
    counters: Counters {
        bad: 0x04000,
        long: 0x040ac,
        missed: 0x01430,
    },
    link_changed: (1 << 20, 0),
    uses_vectors: |_| false,
    longest,
    wants,
    queue_cause,
    read,
    write,
};

static TABLE: [Entry; 52] = [
    // PCIe master disable, LRST, RST (§8.2.3.1).
    one("CTRL", CTRL, Access::Kept, 0x0400_000c, 0),
    one("STATUS", STATUS, Access::ReadOnly, 0, 0),
    one("CTRL_EXT", CTRL_EXT, Access::Kept, 0x1401_4000, 0),
    one("EICR", EICR, Access::Bits, u32::MAX, 0),
    one("EIAC", 0x00810, Access::Kept, 0xffff, 0),
    one("EITR", 0x00820, Access::Kept, 0x8000_0ff8, 0),
    one("EIMS", EIMS, Access::Bits, u32::MAX, 0),
    one("EIMC", EIMC, Access::Bits, u32::MAX, 0),
    one("GPIE", GPIE, Access::Kept, 0xc000_3ff7, 0),
    one("IVAR", IVAR_0, Access::Kept, 0xbfbf_bfbf, 0),
    one("IVAR_MISC", 0x00a00, Access::Kept, 0x0000_bfbf, 0),
    many("RDBAL, RDBAH", RECEIVE, 2, 4, u32::MAX),
    one("RDLEN", RECEIVE + 0x08, Access::Kept, 0x000f_ff80, 0),
    // Bit 12 is 1 after a reset (§8.2.3.11).
    one(
        "DCA_RXCTRL",
        DCA_RXCTRL,
        Access::Kept,
        0xff00_f3e0,
        0x0000_b200,
    ),
    one("RDH", RECEIVE + 0x10, Access::Kept, 0xffff, 0),
    one("SRRCTL", SRRCTL, Access::Kept, 0x1fc0_3f1f, 0),
    one("RDT", RECEIVE + 0x18, Access::Kept, 0xffff, 0),
    one("RXDCTL", RXDCTL, Access::Kept, 0x4200_0000, 0),
    one("RSCCTL", RSCCTL, Access::Kept, 0x0000_000d, 0),
    one("QPRDC", 0x01430, Access::Counter, 0, 0),
    // RSCFRSTSIZE is 8 after a reset, DMAIDONE 1.
    one("RDRXCTL", RDRXCTL, Access::Kept, 0x063e_0003, 0x0010_0008),
    one("RXCTRL", RXCTRL, Access::Kept, 1, 0),
    one("RXMPC", 0x03fa0, Access::Counter, 0, 0),
    one("CRCERRS", 0x04000, Access::Counter, 0, 0),
    one("RLEC", 0x04040, Access::Counter, 0, 0),
    one("RUC", 0x040a4, Access::Counter, 0, 0),
    one("ROC", 0x040ac, Access::Counter, 0, 0),
    // Bits 3, 11 and 13 are reserved with the values of the reset (§8.2.3.22).
    one("HLREG0", HLREG0, Access::Kept, 0x0a3f_8407, 0x0001_2c0b),
    one("MAXFRS", MAXFRS, Access::Kept, 0xffff_0000, 0x05ee_0000),
    // LMS 011b: a cage for SFP+ modules.
    one("AUTOC", AUTOC, Access::Kept, u32::MAX, 0xc09c_6004),
    one("LINKS", LINKS, Access::ReadOnly, 0, 0),
    one("AUTOC2", AUTOC2, Access::Kept, 0xf103_0000, 0),
    one("RTTDCS", RTTDCS, Access::Kept, 0x0040_0053, 0),
    one("DMATXCTL", DMATXCTL, Access::Kept, 0xffff_000f, 0x8100_0004),
    one("RFCTL", 0x05008, Access::Kept, 0x0000_4fe0, 0),
    one("FCTRL", FCTRL, Access::Kept, 0x0000_0702, 0),
    one("MCSTCTRL", MCSTCTRL, Access::Kept, 7, 0),
    many("MTA", MTA, 128, 4, u32::MAX),
    one("MRQC", 0x05818, Access::Kept, 0xffff_000f, 0),
    many("TDBAL, TDBAH", TRANSMIT, 2, 4, u32::MAX),
    one("TDLEN", TRANSMIT + 0x08, Access::Kept, 0x000f_ff80, 0),
    one("TDH", TRANSMIT + 0x10, Access::Kept, 0xffff, 0),
    one("TDT", TRANSMIT + 0x18, Access::Kept, 0xffff, 0),
    one("TXDCTL", TXDCTL, Access::Kept, 0x067f_7f7f, 0),
    one("DTXMXSZRQ", DTXMXSZRQ, Access::Kept, 0x0fff, 0x10),
    one("MTQC", MTQC, Access::Kept, 0xf, 0),
    one("SECRXCTRL", SECRXCTRL, Access::Kept, 3, 0),
    one("SECRXSTAT", SECRXSTAT, Access::ReadOnly, 0, 0),
    many("RAL, RAH", 0x0a200, 256, 4, u32::MAX),
    many("MPSAR", 0x0a600, 256, 4, u32::MAX),
    many("PFUTA", 0x0f400, 128, 4, u32::MAX),
    many(
        "EEC, GCR_EXT, SWSM, SW_FW_SYNC",
        0x10010,
        0x412,
        4,
        u32::MAX,
    ),
];

fn longest(card: &Card) -> usize {
    if card.value(HLREG0) >> 2 & 1 != 0 {
        (card.value(MAXFRS) >> 16) as usize
    } else {
        1518
    }
}

/// §7.1.1.1.
fn wants(card: &Card, frame: &[u8]) -> bool {
    if card.value(DCA_RXCTRL) >> 12 & 1 != 0 || card.value(CTRL_EXT) >> 16 & 1 == 0 {
        refuse!("a frame comes while DCA_RXCTRL bit 12 is set or CTRL_EXT.NS_DIS is not (§4.6.7)");
    }
    let control = card.value(FCTRL);
    let has = |bit: u32| control >> bit & 1 != 0;
    let is_group = frame[0] & 1 != 0;
    let is_broadcast = frame.starts_with(&[0xff; 6]);
    (is_broadcast && has(10))
        || (is_group && has(8))
        || (!is_group && has(9))
        || ((!is_group || card.value(MCSTCTRL) >> 2 & 1 != 0)
            && is_named(card, frame, |index| 0xa200 + 8 * index, 128, MTA))
}

fn queue_cause(card: &mut Card, received: bool) {
    // §7.3.4: IVAR leads to a bit of EICR, with MSI-X or without.
    let entry = card.value(IVAR_0) >> if received { 0 } else { 8 };
    if entry >> 7 & 1 != 0 {
        card.cause(1 << (entry & 0x3f), 0);
    }
}

fn read(card: &mut Card, register: u32) -> Option<u32> {
    match register {
        CTRL => {
            let resetting = if card.is_resetting() { 0x0400_0008 } else { 0 };
            Some(card.value(CTRL) & !0x0400_0008 | resetting)
        }
        STATUS => Some(u32::from(card.master_enabled()) << 19),
        LINKS => Some(u32::from(card.link_is_up()) << 30 | 0b11 << 28),
        EICR => Some(card.causes),
        EIMS => Some(card.mask),
        // EEC: EEPROM present, and read.
        0x10010 => Some(0x300),
        SECRXSTAT => Some(card.value(SECRXCTRL) >> 1 & 1),
        SW_FW_SYNC if card.faults.greedy_firmware => Some(card.value(SW_FW_SYNC) | 1 << 8),
        SWSM => {
            // Reading SMBI takes it (§10.5.4).
            let value = card.value(SWSM);
            card.kept.insert(SWSM, value | 1);
            Some(value)
        }
        _ if (RECEIVE..RECEIVE + 0x30).contains(&register) => {
            read_queue(&card.receive, register - RECEIVE, card.value(register))
        }
        _ if (TRANSMIT..TRANSMIT + 0x30).contains(&register) => {
            read_queue(&card.transmit, register - TRANSMIT, card.value(register))
        }
        _ => None,
    }
}

fn write(card: &mut Card, register: u32, old: u32, value: u32) {
    match register {
        CTRL => {
            card.master_disabled = value >> 2 & 1 != 0;
            if value & 0x0400_0008 != 0 {
                card.reset(RESET_MICROSECONDS);
            }
        }
        EICR => card.causes &= !value,
        EIMS | EIMC if value >> 31 != 0 => {
            refuse!("bit 31 of {register:#x} is reserved (§8.2.3.5)")
        }
        EIMS => card.unmask(value, 0),
        EIMC => card.mask &= !value,
        AUTOC | AUTOC2 => {
            if card.value(SW_FW_SYNC) >> 3 & 1 == 0 {
                refuse!("AUTOC is written without the semaphore (§10.5.4)");
            }
            if register == AUTOC && value >> 12 & 1 != 0 {
                card.kept.insert(AUTOC, value & !(1 << 12));
                card.negotiate();
            }
        }
        SW_FW_SYNC => {
            let takes = value & !old & 0xff != 0;
            if takes && card.value(SWSM) & 0b11 != 0b11 {
                refuse!("SW_FW_SYNC is taken without SWSM (§10.5.4)");
            }
        }
        RXCTRL => receive_enable(card, value & 1 != 0),
        SRRCTL | MAXFRS | RDRXCTL | HLREG0 | RSCCTL if card.receiving => {
            refuse!("{register:#x} is written while frames come in (§4.6.7)");
        }
        SRRCTL => {
            card.receive.must_be_disabled("SRRCTL");
            if value >> 25 & 7 != 1 || !(1..=16).contains(&(value & 0x1f)) {
                refuse!("SRRCTL is {value:#x}: one buffer of 1 to 16 KB is wanted (§8.2.3.8)");
            }
            card.buffer = (value & 0x1f) as usize * 1024;
        }
        RSCCTL if value & 1 != 0 => refuse!("coalescing is switched on (§4.6.7.2)"),
        RXDCTL => {
            if value >> 25 & 1 != 0 && card.buffer == 0 {
                refuse!("the receive queue is enabled before SRRCTL is set (§4.6.7)");
            }
            write_queue(&mut card.receive, register - RECEIVE, value);
        }
        MTQC if card.value(RTTDCS) >> 6 & 1 == 0 => {
            refuse!("MTQC is written while the arbiter runs (§4.6.8, §8.2.3.9)");
        }
        DMATXCTL => card.transmitting = value & 1 != 0,
        TXDCTL => {
            if value >> 25 & 1 != 0 {
                if !card.transmitting {
                    refuse!("the transmit queue is enabled before DMATXCTL.TE (§4.6.8)");
                }
                if value >> 8 & 0x7f == 0 {
                    refuse!("TXDCTL.HTHRESH is 0 (§8.2.3.9)");
                }
                if card.value(RTTDCS) >> 6 & 1 != 0 {
                    refuse!("the transmit queue is enabled while the arbiter is off (§4.6.8)");
                }
            }
            write_queue(&mut card.transmit, register - TRANSMIT, value);
        }
        _ if (RECEIVE..RECEIVE + 0x30).contains(&register) => {
            write_queue(&mut card.receive, register - RECEIVE, value);
        }
        _ if (TRANSMIT..TRANSMIT + 0x30).contains(&register) => {
            write_queue(&mut card.transmit, register - TRANSMIT, value);
        }
        _ => {}
    }
}

/// §4.6.7.
fn receive_enable(card: &mut Card, enable: bool) {
    if enable && !card.receiving {
        if card.value(SECRXCTRL) >> 1 & 1 == 0 {
            refuse!("RXCTRL.RXEN is set while the receive path is not halted (§4.6.7)");
        }
        if !card.receive.enabled || card.buffer == 0 {
            refuse!("RXCTRL.RXEN is set before a receive queue is ready (§4.6.7)");
        }
        let dma = card.value(RDRXCTL);
        if dma >> 17 & 0x1f != 0 || dma >> 25 & 0b11 != 0b11 {
            refuse!("RDRXCTL is {dma:#x}: RSCFRSTSIZE is to be 0, bits 26:25 ones (§8.2.3.8)");
        }
        if dma >> 1 & 1 != card.value(HLREG0) >> 1 & 1 {
            refuse!("RDRXCTL.CRCStrip and HLREG0.RXCRCSTRP differ (§8.2.3.8)");
        }
    }
    card.receiving = enable;
}
