#![forbid(unsafe_code)]
//! Plays captures of native Open-MX nodes again: our whole stack (library, shared memory, backend, board) takes the
//! place of one node, hears what the other one said, and must say what the native node said.
//!
//! * [`replay_file`], [`replay_directory`]: a [`SideReport`] for each file and side;
//! * what the applications did is inferred from the frames ([`actions`]), as far as frames tell; the rest is a table
//!   ([`facts`]);
//! * where we differ, the difference has a name, a reason and the captures it applies to ([`RULES`]). One that is not
//!   listed is a failure.
//!
//! Left out of the comparison are handles of pulls, serials of beacons, timing, and explicit acknowledgements, whose
//! number and place the protocol's rules leave open; but in the end both must have acknowledged the same. Timing is also
//! how often, and in which order, unacknowledged messages are sent again: what the native node sent again ours must send again
//! too, and may do so oftener.
//!
//! It refuses to judge bytes, which `omx-captures` does.

pub mod actions;
pub mod facts;
mod handles;
mod play;
mod recording;
mod repeats;
mod report;
mod rules;
mod stack;

pub use recording::{Recording, ReplayError};
pub use report::{SideReport, replay_directory, replay_file};
pub use rules::{Difference, RULES, Rule};
