//! The 82576's registers, and the order that it wants. Sections are those of its datasheet.

use super::card::{Card, Chip, Counters, OTHER_VECTOR, is_named, read_queue, write_queue};
use super::map::{Access, Entry, many, one};
use crate::model::refuse;

const CTRL: u32 = 0x0000;
const STATUS: u32 = 0x0008;
const MDIC: u32 = 0x0020;
const ICR: u32 = 0x00c0;
const ICS: u32 = 0x00c8;
const IMS: u32 = 0x00d0;
const IMC: u32 = 0x00d8;
const RCTL: u32 = 0x0100;
const TCTL: u32 = 0x0400;
const GPIE: u32 = 0x1514;
const EIMS: u32 = 0x1524;
const EIMC: u32 = 0x1528;
const EICR: u32 = 0x1580;
const IVAR_0: u32 = 0x1700;
const IVAR_MISC: u32 = 0x1740;
const RLPML: u32 = 0x5004;
const MTA: u32 = 0x5200;
const RECEIVE: u32 = 0xc000;
const SRRCTL: u32 = RECEIVE + 0x0c;
const RXDCTL: u32 = RECEIVE + 0x28;
const TRANSMIT: u32 = 0xe000;
const TXDCTL: u32 = TRANSMIT + 0x28;
/// Where the model keeps the PHY's control register, which MDIC reaches.
const PHY_CONTROL: u32 = 0xffff_0000;

const RESET_MICROSECONDS: u32 = 1000;

/// The chip.
pub static CHIP: Chip = Chip {
    registers: &TABLE,
    queues_enabled: true,
    address: 0x5400,
    transmit_tail: TRANSMIT + 0x18,
    counters: Counters {
        bad: 0x4000,
        long: 0x40ac,
        missed: RECEIVE + 0x30,
    },
    link_changed: (1 << 2, OTHER_VECTOR),
    uses_vectors,
    longest,
    wants,
    queue_cause,
    read,
    write,
};

static TABLE: [Entry; 42] = [
    // Of CTRL: FD, master disable, SLU, ILOS, SPEED, FRCSPD, FRCDPLX, ADVD3WUC, RST, RFCE, TFCE, VME, PHY_RST (§8.2).
    one("CTRL", CTRL, Access::Kept, 0xdc10_1bc5, 0x0010_0209),
    one("STATUS", STATUS, Access::ReadOnly, 0, 0),
    one("EEC", 0x0010, Access::ReadOnly, 0, 0x0000_0300),
    one("CTRL_EXT", 0x0018, Access::Kept, 0x10c0_0000, 0),
    one("MDIC", MDIC, Access::Bits, u32::MAX, 0),
    one("ICR", ICR, Access::Bits, u32::MAX, 0),
    one("ICS", ICS, Access::Bits, u32::MAX, 0),
    one("IMS", IMS, Access::Bits, u32::MAX, 0),
    one("IMC", IMC, Access::Bits, u32::MAX, 0),
    // RXEN, SBP, UPE, MPE, LPE, LBM, MO, BAM, BSIZE, VFE, CFIEN, CFI, PSP, DPF, PMCF, SECRC (§8.10).
    one("RCTL", RCTL, Access::Kept, 0x04ff_b0fe, 0),
    // EN, PSP, CT, COLD, SWXOFF, RTLC (§8.12).
    one("TCTL", TCTL, Access::Kept, 0x017f_fffa, 0x0004_00f8),
    one("GPIE", GPIE, Access::Kept, 0xc000_0011, 0),
    one("EIMS", EIMS, Access::Bits, u32::MAX, 0),
    one("EIMC", EIMC, Access::Bits, u32::MAX, 0),
    one("EIAC", 0x152c, Access::Kept, 0x01ff_ffff, 0),
    one("EICR", EICR, Access::Bits, u32::MAX, 0),
    one("EITR", 0x1680, Access::Kept, 0x8000_7ffc, 0),
    one("IVAR", IVAR_0, Access::Kept, 0x9f9f_9f9f, 0),
    one("IVAR_MISC", IVAR_MISC, Access::Kept, 0x0000_9f9f, 0),
    one("CRCERRS", 0x4000, Access::Counter, 0, 0),
    one("MPC", 0x4010, Access::Counter, 0, 0),
    one("RUC", 0x40a4, Access::Counter, 0, 0),
    one("ROC", 0x40ac, Access::Counter, 0, 0),
    one("RLPML", RLPML, Access::Kept, 0x3fff, 0x2600),
    many("MTA", MTA, 128, 4, u32::MAX),
    many("RAL", 0x5400, 16, 8, u32::MAX),
    many("RAH", 0x5404, 16, 8, 0x83ff_ffff),
    many("RAL", 0x54e0, 8, 8, u32::MAX),
    many("RAH", 0x54e4, 8, 8, 0x83ff_ffff),
    one("MRQC", 0x5818, Access::Kept, 0xffff_0007, 0),
    many("RDBAL, RDBAH", RECEIVE, 2, 4, u32::MAX),
    one("RDLEN", RECEIVE + 0x08, Access::Kept, 0x000f_ff80, 0),
    one("SRRCTL", SRRCTL, Access::Kept, 0x9fff_3f7f, 0),
    one("RDH", RECEIVE + 0x10, Access::Kept, 0xffff, 0),
    one("RDT", RECEIVE + 0x18, Access::Kept, 0xffff, 0),
    one("RXDCTL", RXDCTL, Access::Kept, 0x061f_1f1f, 0x0201_0000),
    one("RQDPC", RECEIVE + 0x30, Access::Counter, 0, 0),
    many("TDBAL, TDBAH", TRANSMIT, 2, 4, u32::MAX),
    one("TDLEN", TRANSMIT + 0x08, Access::Kept, 0x000f_ff80, 0),
    one("TDH", TRANSMIT + 0x10, Access::Kept, 0xffff, 0),
    one("TDT", TRANSMIT + 0x18, Access::Kept, 0xffff, 0),
    one("TXDCTL", TXDCTL, Access::Kept, 0x061f_1f1f, 0x0200_0000),
];

fn uses_vectors(card: &Card) -> bool {
    card.value(GPIE) >> 4 & 1 != 0
}

fn longest(card: &Card) -> usize {
    if card.value(RCTL) >> 5 & 1 != 0 {
        card.value(RLPML) as usize
    } else {
        1522
    }
}

/// §7.1.1.1.
fn wants(card: &Card, frame: &[u8]) -> bool {
    let control = card.value(RCTL);
    let has = |bit: u32| control >> bit & 1 != 0;
    let is_group = frame[0] & 1 != 0;
    let is_broadcast = frame.starts_with(&[0xff; 6]);
    let place = |index| match index {
        0..16 => 0x5400 + 8 * index,
        _ => 0x54e0 + 8 * (index - 16),
    };
    (is_broadcast && has(15))
        || (is_group && has(4))
        || (!is_group && has(3))
        || is_named(card, frame, place, 24, MTA)
}

fn queue_cause(card: &mut Card, received: bool) {
    let vectors = card.value(IVAR_0) >> if received { 0 } else { 8 };
    let vector = if vectors >> 7 & 1 != 0 {
        1 << (vectors & 0x1f)
    } else {
        0
    };
    card.cause(if received { 1 << 7 } else { 1 }, vector);
}

fn read(card: &mut Card, register: u32) -> Option<u32> {
    match register {
        CTRL => Some(card.value(CTRL) & !(1 << 26) | u32::from(card.is_resetting()) << 26),
        STATUS => {
            let master = u32::from(card.master_enabled()) << 19;
            Some(0x8000_0481 | master | u32::from(card.link_is_up()) << 1)
        }
        MDIC => Some(card.kept.get(&MDIC).copied().unwrap_or(0)),
        ICR => Some(card.causes),
        IMS => Some(card.mask),
        EICR => Some(card.vector_causes),
        EIMS => Some(card.vector_mask),
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
            if value >> 26 & 1 != 0 {
                card.reset(RESET_MICROSECONDS);
            }
        }
        MDIC => phy(card, value),
        ICR => card.causes &= !value,
        ICS => card.cause(value, 0),
        IMS => card.unmask(value, 0),
        IMC => card.mask &= !value,
        EIMS => card.unmask(0, value),
        EIMC => card.vector_mask &= !value,
        EICR => card.vector_causes &= !value,
        RCTL => receive_control(card, old, value),
        TCTL => {
            let enable = value >> 1 & 1 != 0;
            if enable && !(card.transmit.enabled && card.transmit.bytes > 0) {
                refuse!("TCTL.EN is set before the transmit queue is ready (§4.5.10)");
            }
            card.transmitting = enable;
        }
        RLPML | SRRCTL if card.receiving => {
            refuse!("{register:#x} is written while frames come in (§4.5.9)");
        }
        SRRCTL => {
            if value >> 25 & 7 != 1 {
                refuse!("SRRCTL.DESCTYPE is not that of advanced descriptors with one buffer");
            }
            card.buffer = (value & 0x7f) as usize * 1024;
        }
        TXDCTL => {
            // The reset value of ENABLE is 1; a ring is there only when it was written.
            if value >> 25 & 1 != 0 && card.transmit.bytes == 0 {
                refuse!("the transmit queue is enabled without a ring (§4.5.10)");
            }
            write_queue(&mut card.transmit, register - TRANSMIT, value);
        }
        RXDCTL => {
            if value >> 25 & 1 != 0 && card.buffer == 0 {
                refuse!("the receive queue is enabled before SRRCTL is set (§4.5.9)");
            }
            write_queue(&mut card.receive, register - RECEIVE, value);
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

fn receive_control(card: &mut Card, old: u32, value: u32) {
    let enable = value >> 1 & 1 != 0;
    if enable && old >> 1 & 1 == 0 {
        if !card.receive.enabled || card.buffer == 0 {
            refuse!("RCTL.RXEN is set before a receive queue is ready (§4.5.9)");
        }
        if value >> 26 & 1 == 0 {
            refuse!("frame checks would come into memory: RCTL.SECRC is not set with RXEN");
        }
    }
    card.receiving = enable;
}

/// The PHY, IEEE 802.3 §22.2.4; only its control register is there.
fn phy(card: &mut Card, value: u32) {
    let (operation, address, register) = (value >> 26 & 3, value >> 21 & 0x1f, value >> 16 & 0x1f);
    const READY: u32 = 1 << 28;
    if value & (READY | 1 << 30) != 0 || address != 1 || register != 0 {
        refuse!(
            "MDIC is written with {value:#x}: the PHY has address 1, and R and E are the card's"
        );
    }
    let control = card.kept.get(&PHY_CONTROL).copied().unwrap_or(0x1140);
    let data = match operation {
        0b10 => control,
        0b01 => {
            let new = value & 0xffff;
            if new >> 9 & 1 != 0 {
                if card.value(CTRL) >> 6 & 1 == 0 {
                    refuse!("the PHY negotiates while CTRL.SLU keeps the link down (§4.5.7)");
                }
                card.negotiate();
            }
            card.kept.insert(PHY_CONTROL, new & !(1 << 9));
            new
        }
        _ => refuse!("MDIC.OP is neither read nor write"),
    };
    card.kept.insert(MDIC, value & 0x0fff_0000 | READY | data);
}
