//! `event_channel.h`: structures and commands of `HYPERVISOR_event_channel_op`.

use core::mem::{offset_of, size_of};

/// Connect to a port that another domain allotted to this one.
pub const EVTCHNOP_BIND_INTERDOMAIN: u32 = 0;
/// Receive a physical interrupt as an event.
pub const EVTCHNOP_BIND_PIRQ: u32 = 2;
/// Close a port.
pub const EVTCHNOP_CLOSE: u32 = 3;
/// Send an event.
pub const EVTCHNOP_SEND: u32 = 4;
/// Allot a port that another domain may connect to.
pub const EVTCHNOP_ALLOC_UNBOUND: u32 = 6;

/// Ports of the two-level ABI on x86-64.
pub const NR_CHANNELS_2L: u32 = 64 * 64;

/// `struct evtchn_bind_interdomain`.
#[repr(C)]
#[derive(Debug)]
pub struct BindInterdomain {
    /// In: the other domain.
    pub remote_dom: u16,
    /// In: its port.
    pub remote_port: u32,
    /// Out: the own port.
    pub local_port: u32,
}

/// `struct evtchn_bind_pirq`.
#[repr(C)]
#[derive(Debug)]
pub struct BindPirq {
    /// In: the interrupt.
    pub pirq: u32,
    /// In: `BIND_PIRQ__*`; 0 for an interrupt that is not shared.
    pub flags: u32,
    /// Out: the own port.
    pub port: u32,
}

/// `struct evtchn_close` and `struct evtchn_send`.
#[repr(C)]
#[derive(Debug)]
pub struct PortArgument {
    /// In: the own port.
    pub port: u32,
}

/// `struct evtchn_alloc_unbound`.
#[repr(C)]
#[derive(Debug)]
pub struct AllocUnbound {
    /// In: whose port, `DOMID_SELF`.
    pub dom: u16,
    /// In: who may connect.
    pub remote_dom: u16,
    /// Out: the own port.
    pub port: u32,
}

const _: () = {
    assert!(size_of::<BindInterdomain>() == 12);
    assert!(offset_of!(BindInterdomain, remote_port) == 4);
    assert!(size_of::<BindPirq>() == 12);
    assert!(size_of::<PortArgument>() == 4);
    assert!(size_of::<AllocUnbound>() == 8);
};
