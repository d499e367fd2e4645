//! Feature and status bits. Those of network cards are §5.1.3's, the others §6's.

/// The card tells the longest packet that it takes (VIRTIO_NET_F_MTU).
pub(super) const MTU: u64 = 1 << 3;
/// The card has an address (VIRTIO_NET_F_MAC).
pub(super) const MAC: u64 = 1 << 5;
/// A frame may come in several buffers (VIRTIO_NET_F_MRG_RXBUF; §5.1.6.3.1, §5.1.6.4).
pub(super) const MERGEABLE: u64 = 1 << 15;
/// The card tells the state of its link (VIRTIO_NET_F_STATUS; §5.1.4).
pub(super) const STATUS: u64 = 1 << 16;
/// There is a control queue (VIRTIO_NET_F_CTRL_VQ; §5.1.6.5).
pub(super) const CTRL_VQ: u64 = 1 << 17;
/// The control queue knows receive modes and addresses (VIRTIO_NET_F_CTRL_RX; §5.1.6.5.1, §5.1.6.5.2).
pub(super) const CTRL_RX: u64 = 1 << 18;
/// There may be several pairs of queues (VIRTIO_NET_F_MQ; §5.1.6.5.5).
pub(super) const MULTI_QUEUE: u64 = 1 << 22;
/// A descriptor may name a table of descriptors (VIRTIO_F_INDIRECT_DESC; §2.7.5.3).
pub(super) const INDIRECT: u64 = 1 << 28;
/// Notifications and interrupts are asked for at an index (VIRTIO_F_EVENT_IDX; §2.7.7, §2.7.10).
pub(super) const EVENT_INDEX: u64 = 1 << 29;
/// The device is a modern one (VIRTIO_F_VERSION_1; §6.1).
pub(super) const VERSION_1: u64 = 1 << 32;
/// Memory is accessed by bus addresses, through an IOMMU if there is one (VIRTIO_F_ACCESS_PLATFORM; §6.1). The driver
/// always gives bus addresses, so it may accept.
pub(super) const ACCESS_PLATFORM: u64 = 1 << 33;
/// Memory is ordered as the platform does it for cards (VIRTIO_F_ORDER_PLATFORM; §6.1). The fences of `ring.rs` and
/// registers that are mapped uncached are enough for that.
pub(super) const ORDER_PLATFORM: u64 = 1 << 36;

/// Everything that the driver can use. [`MULTI_QUEUE`] is added where several pairs are asked for.
pub(super) const WANTED: u64 = MTU
    | MAC
    | MERGEABLE
    | STATUS
    | CTRL_VQ
    | CTRL_RX
    | INDIRECT
    | EVENT_INDEX
    | VERSION_1
    | ACCESS_PLATFORM
    | ORDER_PLATFORM;

/// Bits of the device status register (§2.1).
pub(super) mod status {
    /// Reset, or being reset when it is written.
    pub(in super::super) const RESET: u8 = 0;
    /// The driver has seen the device.
    pub(in super::super) const ACKNOWLEDGE: u8 = 1;
    /// The driver knows how to drive it.
    pub(in super::super) const DRIVER: u8 = 2;
    /// The driver is ready.
    pub(in super::super) const DRIVER_OK: u8 = 4;
    /// Features are agreed upon.
    pub(in super::super) const FEATURES_OK: u8 = 8;
    /// The device cannot go on.
    pub(in super::super) const NEEDS_RESET: u8 = 64;
    /// What a register reads as when the card is gone.
    pub(in super::super) const VANISHED: u8 = 0xff;
}
