//! `vcpu.h`: a domain's own processors.

/// No events of time at a fixed rate. A new domain has a hundred a second, taken or not.
pub const VCPUOP_STOP_PERIODIC_TIMER: u32 = 7;
