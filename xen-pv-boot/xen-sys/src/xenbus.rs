//! `io/xenbus.h`: states of the two ends of a split device.

/// No state yet, or the directory is gone.
pub const XENBUS_STATE_UNKNOWN: u32 = 0;
/// The end starts.
pub const XENBUS_STATE_INITIALISING: u32 = 1;
/// It waits for the other end.
pub const XENBUS_STATE_INIT_WAIT: u32 = 2;
/// It has published what the other end needs.
pub const XENBUS_STATE_INITIALISED: u32 = 3;
/// It works.
pub const XENBUS_STATE_CONNECTED: u32 = 4;
/// It is being taken down.
pub const XENBUS_STATE_CLOSING: u32 = 5;
/// It is down.
pub const XENBUS_STATE_CLOSED: u32 = 6;
/// PCI only: devices come or go.
pub const XENBUS_STATE_RECONFIGURING: u32 = 7;
/// PCI only: done.
pub const XENBUS_STATE_RECONFIGURED: u32 = 8;
