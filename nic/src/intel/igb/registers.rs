//! Registers of the 82576, by the names of its datasheet; a name's group there is the section given here.

/// Device control (§8.2).
pub(super) const CTRL: u32 = 0x0000;
/// CTRL.SLU: the link may come up.
pub(super) const CTRL_SET_LINK_UP: u32 = 1 << 6;
/// CTRL.FRCSPD and FRCDPLX: speed and duplex are not the PHY's but these bits'.
pub(super) const CTRL_FORCE: u32 = 1 << 11 | 1 << 12;
/// CTRL.RST: clears itself.
pub(super) const CTRL_RESET: u32 = 1 << 26;

/// Device status (§8.2).
pub(super) const STATUS: u32 = 0x0008;
/// STATUS.LU.
pub(super) const STATUS_LINK_UP: u32 = 1 << 1;

/// EEPROM control (§8.4).
pub(super) const EEC: u32 = 0x0010;
/// EEC.Auto_RD: the registers that the EEPROM sets are set.
pub(super) const EEC_AUTO_READ: u32 = 1 << 9;

/// Extended device control (§8.2).
pub(super) const CTRL_EXT: u32 = 0x0018;
/// CTRL_EXT.DRV_LOAD: tells the management firmware that a driver has the card.
pub(super) const CTRL_EXT_DRIVER_LOADED: u32 = 1 << 28;

/// Access to the PHY (§8.2).
pub(super) const MDIC: u32 = 0x0020;
/// MDIC.REGADD's place.
pub(super) const MDIC_REGISTER_SHIFT: u32 = 16;
/// MDIC.PHYADD of the own PHY, which is 1.
pub(super) const MDIC_OWN_PHY: u32 = 1 << 21;
/// MDIC.OP: write.
pub(super) const MDIC_WRITE: u32 = 0b01 << 26;
/// MDIC.OP: read.
pub(super) const MDIC_READ: u32 = 0b10 << 26;
/// MDIC.R: done.
pub(super) const MDIC_READY: u32 = 1 << 28;
/// MDIC.E: not done.
pub(super) const MDIC_ERROR: u32 = 1 << 30;

/// Registers of a PHY (IEEE 802.3 §22.2.4).
pub(super) mod phy {
    /// Control.
    pub(in super::super) const CONTROL: u32 = 0;
    /// Starts the negotiation again; clears itself.
    pub(in super::super) const RESTART_NEGOTIATION: u16 = 1 << 9;
    /// The PHY is cut off from the MAC.
    pub(in super::super) const ISOLATE: u16 = 1 << 10;
    /// The PHY sleeps.
    pub(in super::super) const POWER_DOWN: u16 = 1 << 11;
    /// Speed and duplex are negotiated.
    pub(in super::super) const NEGOTIATE: u16 = 1 << 12;
}

/// Interrupt cause, set, mask set, mask clear (§8.8), without MSI-X. §8.1.3 lists them at 0x1500
/// with these addresses as their second ones, and QEMU has only these.
pub(super) const ICR: u32 = 0x00c0;
pub(super) const IMS: u32 = 0x00d0;
pub(super) const IMC: u32 = 0x00d8;
/// TXDW: a reported descriptor was written back.
pub(super) const CAUSE_SENT: u32 = 1;
/// LSC: the link changed.
pub(super) const CAUSE_LINK: u32 = 1 << 2;
/// RXDW: a receive descriptor was written back.
pub(super) const CAUSE_RECEIVED: u32 = 1 << 7;

/// The same with MSI-X, a bit for each vector (§8.8): mask set, mask clear, causes that clear themselves, cause.
pub(super) const EIMS: u32 = 0x1524;
pub(super) const EIMC: u32 = 0x1528;
pub(super) const EIAC: u32 = 0x152c;
pub(super) const EICR: u32 = 0x1580;
/// General purpose interrupt enable (§8.8): MSI-X, with its pending bits, and every cause cleared by its message.
pub(super) const GPIE: u32 = 0x1514;
pub(super) const GPIE_MSI_X: u32 = 1 << 4 | 1 << 31;
/// Vectors of queue 0: receive in bits 7:0, transmit in bits 15:8 (§8.8).
pub(super) const IVAR_0: u32 = 0x1700;
/// Vector of other causes in bits 15:8 (§8.8).
pub(super) const IVAR_MISC: u32 = 0x1740;
/// The entry is valid; vector 0.
pub(super) const IVAR_VECTOR_0: u32 = 1 << 7;
/// Throttle of vector 0 (§8.8).
pub(super) const EITR_0: u32 = 0x1680;

/// Receive control (§8.10).
pub(super) const RCTL: u32 = 0x0100;
pub(super) const RCTL_ENABLE: u32 = 1 << 1;
/// RCTL.UPE and MPE: frames to all addresses.
pub(super) const RCTL_ALL_UNICAST: u32 = 1 << 3;
pub(super) const RCTL_ALL_MULTICAST: u32 = 1 << 4;
/// RCTL.LPE: frames longer than 1522 bytes, up to RLPML.
pub(super) const RCTL_LONG: u32 = 1 << 5;
/// RCTL.BAM: broadcasts.
pub(super) const RCTL_BROADCAST: u32 = 1 << 15;
/// RCTL.SECRC: frame checks do not come into memory.
pub(super) const RCTL_STRIP_CHECK: u32 = 1 << 26;
/// Longest frame with its check (§8.10).
pub(super) const RLPML: u32 = 0x5004;
/// Distribution over queues: 0 is none, all frames come to queue 0 (§8.10).
pub(super) const MRQC: u32 = 0x5818;
/// Hash table of multicast addresses, 128 words (§8.10).
pub(super) const MTA: u32 = 0x5200;

/// RAL of an address; RAH follows it (§8.10). The last 8 of the 24 lie apart.
pub(super) const fn receive_address(index: usize) -> u32 {
    match index {
        0..16 => 0x5400 + 8 * index as u32,
        _ => 0x54e0 + 8 * (index as u32 - 16),
    }
}

/// Registers of receive queue 0 (§8.10).
pub(super) const RECEIVE_QUEUE: u32 = 0xc000;
/// SRRCTL, from its base: how a buffer is used.
pub(super) const SRRCTL: u32 = RECEIVE_QUEUE + 0x0c;
/// SRRCTL.DESCTYPE: advanced descriptors, one buffer.
pub(super) const SRRCTL_ADVANCED: u32 = 0b001 << 25;
/// SRRCTL.Drop_En: without buffers frames are dropped, not held.
pub(super) const SRRCTL_DROP: u32 = 1 << 31;
/// RXDCTL.WTHRESH of 1: every descriptor is written back at once. PTHRESH 8 and HTHRESH 8: buffers are fetched in
/// bursts.
pub(super) const RXDCTL_THRESHOLDS: u32 = 1 << 16 | 8 << 8 | 8;

/// Transmit control (§8.12).
pub(super) const TCTL: u32 = 0x0400;
pub(super) const TCTL_ENABLE: u32 = 1 << 1;
/// TCTL.PSP: short frames are padded.
pub(super) const TCTL_PAD: u32 = 1 << 3;
/// Registers of transmit queue 0 (§8.12).
pub(super) const TRANSMIT_QUEUE: u32 = 0xe000;
/// TXDCTL.WTHRESH of 0: what is reported is written back at once. PTHRESH 8 and HTHRESH 1 as for receive queues.
pub(super) const TXDCTL_THRESHOLDS: u32 = 1 << 8 | 8;

/// Counters that begin anew when they are read (§8.18): frames with a bad check, without room in the
/// card, too short, too long.
pub(super) const CRCERRS: u32 = 0x4000;
pub(super) const MPC: u32 = 0x4010;
pub(super) const RUC: u32 = 0x40a4;
pub(super) const ROC: u32 = 0x40ac;
/// Receive packet drop count of queue 0 (§8.18).
pub(super) const RQDPC_0: u32 = RECEIVE_QUEUE + 0x30;
