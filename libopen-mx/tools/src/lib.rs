#![forbid(unsafe_code)]
//! What the `omx_*` tools share: their way with options, the lengths and parameters of a ping-pong, result lines.
//!
//! The tools are ordinary users of the `open-mx` crate. Their options and output lines are those of Open-MX (api.md §6),
//! because scripts read them; `--json` besides is ours.

pub mod options;
pub mod perf;
pub mod text;
