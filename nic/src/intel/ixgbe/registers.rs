//! Registers of the 82599, by the names of its datasheet; a name's group there is the section given here.

/// Device control (§8.2.3.1): CTRL.LRST and RST: link and device; both clear themselves.
pub(super) const CTRL_RESET: u32 = 1 << 3 | 1 << 26;

/// Device status (§8.2.3.1).
pub(super) const STATUS: u32 = 0x00008;

/// Extended device control (§8.2.3.1).
pub(super) const CTRL_EXT: u32 = 0x00018;
/// CTRL_EXT.NS_DIS: no transactions without snooping, whatever descriptors say.
pub(super) const CTRL_EXT_SNOOP: u32 = 1 << 16;
/// CTRL_EXT.DRV_LOAD.
pub(super) const CTRL_EXT_DRIVER_LOADED: u32 = 1 << 28;

/// EEPROM control (§8.2.3.2).
pub(super) const EEC: u32 = 0x10010;
/// EEC.Auto_RD: the registers that the EEPROM sets are set.
pub(super) const EEC_AUTO_READ: u32 = 1 << 9;

/// Software semaphore, and what software and firmware have (§8.2.3.3; §10.5.4 has their use).
pub(super) const SWSM: u32 = 0x10140;
/// SWSM.SMBI: taken by reading it as 0.
pub(super) const SWSM_SOFTWARE: u32 = 1;
/// SWSM.SWESMBI: taken when it reads as 1 after it was written.
pub(super) const SWSM_FIRMWARE: u32 = 1 << 1;
pub(super) const SW_FW_SYNC: u32 = 0x10160;
/// Software has the MAC's shared registers, firmware has them.
pub(super) const SYNC_SOFTWARE_MAC: u32 = 1 << 3;
pub(super) const SYNC_FIRMWARE_MAC: u32 = 1 << 8;

/// Interrupt cause, causes that clear themselves, mask set, mask clear, general purpose enable, throttle (§8.2.3.5).
pub(super) const EICR: u32 = 0x00800;
pub(super) const EIAC: u32 = 0x00810;
pub(super) const EITR_0: u32 = 0x00820;
pub(super) const EIMS: u32 = 0x00880;
pub(super) const EIMC: u32 = 0x00888;
pub(super) const GPIE: u32 = 0x00898;
/// GPIE: MSI-X mode, its pending bits, and "other clear disable", with which reading does not clear.
pub(super) const GPIE_MSI_X: u32 = 1 << 4 | 1 << 31 | 1 << 5;
/// Where queue 0 leads to: receive in bits 7:0, transmit in bits 15:8 (§8.2.3.5).
pub(super) const IVAR_0: u32 = 0x00900;
/// Where other causes lead to with MSI-X: bits 15:8 (§8.2.3.5).
pub(super) const IVAR_MISC: u32 = 0x00a00;
/// The entry is valid.
pub(super) const IVAR_VALID: u32 = 1 << 7;
/// EICR.LSC.
pub(super) const CAUSE_LINK: u32 = 1 << 20;

/// Receive filter control (§8.2.3.7): all unicast, all multicast, broadcasts.
pub(super) const FCTRL: u32 = 0x05080;
pub(super) const FCTRL_ALL_MULTICAST: u32 = 1 << 8;
pub(super) const FCTRL_ALL_UNICAST: u32 = 1 << 9;
pub(super) const FCTRL_BROADCAST: u32 = 1 << 10;
/// Multicast filter: MFE enables the hash table (§8.2.3.7).
pub(super) const MCSTCTRL: u32 = 0x05090;
pub(super) const MCSTCTRL_ENABLE: u32 = 1 << 2;
/// Hash tables of multicast and unicast addresses, 128 words each (§8.2.3.7).
pub(super) const MTA: u32 = 0x05200;
pub(super) const PFUTA: u32 = 0x0f400;
/// Receive filter (§8.2.3.7): no coalescing.
pub(super) const RFCTL: u32 = 0x05008;
pub(super) const RFCTL_NO_COALESCING: u32 = 1 << 5;
/// Distribution over queues: 0 is none (§8.2.3.7).
pub(super) const MRQC: u32 = 0x05818;

/// RAL of an address; RAH follows it (§8.2.3.7).
pub(super) const fn receive_address(index: usize) -> u32 {
    0x0a200 + 8 * index as u32
}

/// Pools of an address, two words (§8.2.3.7); cleared for a card without pools.
pub(super) const fn pool_select(index: usize) -> u32 {
    0x0a600 + 8 * index as u32
}

/// Registers of receive queue 0 (§8.2.3.8).
pub(super) const RECEIVE_QUEUE: u32 = 0x01000;
/// DCA_RXCTRL: bit 12 must be cleared (§4.6.7).
pub(super) const DCA_RXCTRL: u32 = RECEIVE_QUEUE + 0x0c;
pub(super) const DCA_RXCTRL_CLEAR: u32 = 1 << 12;
/// SRRCTL: how a buffer is used.
pub(super) const SRRCTL: u32 = RECEIVE_QUEUE + 0x14;
pub(super) const SRRCTL_ADVANCED: u32 = 0b001 << 25;
/// SRRCTL.Drop_En: without buffers frames are dropped, not held.
pub(super) const SRRCTL_DROP: u32 = 1 << 28;
/// RSCCTL: coalescing of the queue; 0 is none.
pub(super) const RSCCTL: u32 = RECEIVE_QUEUE + 0x2c;
/// Receive DMA control (§8.2.3.8).
pub(super) const RDRXCTL: u32 = 0x02f00;
/// CRCStrip, which must be as HLREG0.RXCRCSTRP.
pub(super) const RDRXCTL_STRIP_CHECK: u32 = 1 << 1;
/// DMAIDONE: the card's memories are ready.
pub(super) const RDRXCTL_READY: u32 = 1 << 3;
/// RSCFRSTSIZE, to be 0.
pub(super) const RDRXCTL_COALESCING_SIZE: u32 = 0x1f << 17;
/// RSCACKC and FCOE_WRFIX, to be 1 whoever uses them.
pub(super) const RDRXCTL_FIXED_ONES: u32 = 1 << 25 | 1 << 26;
/// Receive control (§8.2.3.8).
pub(super) const RXCTRL: u32 = 0x03000;
pub(super) const RXCTRL_ENABLE: u32 = 1;
/// Security receive control and status (§8.2.3.12): the receive path halts, and is empty.
pub(super) const SECRXCTRL: u32 = 0x08d00;
pub(super) const SECRXCTRL_HALT: u32 = 1 << 1;
pub(super) const SECRXSTAT: u32 = 0x08d04;
pub(super) const SECRXSTAT_READY: u32 = 1;

/// Transmit DMA control (§8.2.3.9).
pub(super) const DMATXCTL: u32 = 0x04a80;
pub(super) const DMATXCTL_ENABLE: u32 = 1;
/// Bytes that the card asks the bus for at most, before it gets some (§8.2.3.9).
pub(super) const DTXMXSZRQ: u32 = 0x08100;
pub(super) const DTXMXSZRQ_MOST: u32 = 0xfff;
/// Distribution of transmit queues: 0 is none (§8.2.3.9). Written only while the arbiter is off.
pub(super) const MTQC: u32 = 0x08120;
/// Transmit descriptor plane control (§8.2.3.10): ARBDIS turns the arbiter off.
pub(super) const RTTDCS: u32 = 0x04900;
pub(super) const RTTDCS_NO_ARBITER: u32 = 1 << 6;
/// Registers of transmit queue 0 (§8.2.3.9).
pub(super) const TRANSMIT_QUEUE: u32 = 0x06000;
/// TXDCTL: HTHRESH 1, which must not be 0, PTHRESH 32, and WTHRESH 0, with which what is reported is written back at
/// once.
pub(super) const TXDCTL_THRESHOLDS: u32 = 1 << 8 | 32;

/// MAC control (§8.2.3.22).
pub(super) const HLREG0: u32 = 0x04240;
/// HLREG0: the MAC appends checks where descriptors ask, strips received ones, takes jumbo frames, pads short ones.
pub(super) const HLREG0_USED: u32 = 1 | 1 << 1 | 1 << 2 | 1 << 10;
/// HLREG0.LPBK: loopback, with which nothing leaves.
pub(super) const HLREG0_LOOPBACK: u32 = 1 << 15;
/// Longest frame with its check, in the upper half (§8.2.3.22).
pub(super) const MAXFRS: u32 = 0x04268;
/// Autonegotiation control (§8.2.3.22).
pub(super) const AUTOC: u32 = 0x042a0;
/// AUTOC.Restart_AN; clears itself.
pub(super) const AUTOC_RESTART: u32 = 1 << 12;
/// AUTOC.LMS: which link there is.
pub(super) const AUTOC_LINK_MODE: u32 = 0b111 << 13;
pub(super) const AUTOC_10G_SERIAL: u32 = 0b011 << 13;
/// AUTOC2 (§8.2.3.22): the serial PMA, and SFI in it.
pub(super) const AUTOC2: u32 = 0x042a8;
pub(super) const AUTOC2_SERIAL: u32 = 0b11 << 16;
pub(super) const AUTOC2_SFI: u32 = 0b10 << 16;
/// Link status (§8.2.3.22).
pub(super) const LINKS: u32 = 0x042a4;
pub(super) const LINKS_UP: u32 = 1 << 30;
/// GCR_EXT (§8.2.3.3): Buffers_Clear_Func flushes what the bus side holds.
pub(super) const GCR_EXT: u32 = 0x11050;
pub(super) const GCR_EXT_CLEAR_BUFFERS: u32 = 1 << 30;

/// Counters that begin anew when they are read (§8.2.3.23): frames with a bad check, of a bad length, too short, too long.
pub(super) const CRCERRS: u32 = 0x04000;
pub(super) const RLEC: u32 = 0x04040;
pub(super) const RUC: u32 = 0x040a4;
pub(super) const ROC: u32 = 0x040ac;
/// Frames without room in packet buffer 0, and without a descriptor in queue 0.
pub(super) const RXMPC_0: u32 = 0x03fa0;
pub(super) const QPRDC_0: u32 = 0x01430;
