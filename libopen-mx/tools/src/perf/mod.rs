//! The ping-pong of `omx_perf`: what both ends agree on before it, and how its results read (api.md §6).

mod lengths;
mod parameters;
mod report;

pub use lengths::Lengths;
pub use parameters::{PARAMETERS_SIZE, Parameters, ParametersError};
pub use report::{Measured, median};

/// The key of omx_perf's endpoints.
pub const KEY: u32 = 0x1234_5678;
/// Match info of the parameter message.
pub const PARAMETERS_MATCH: u64 = 0x1234_5678_8765_4321;
/// Match info of the receiver's connect back.
pub const CONNECT_MATCH: u64 = 0xabcd_dcba_abcd_dcba;
