//! What boards share, and how much of it each of them may have: slots for running pulls, and nacks.

use crate::rate::Rate;
use crate::time::Instant;

/// What a board may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardLimits {
    /// Running pulls of all endpoints; 16 of each go in any case.
    pub pulls: u32,
    /// Nacks in a second.
    pub nacks: u32,
}

/// What a board has, and what it was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BoardUsage {
    /// Pulls that run, or whose end is not told.
    pub pulls: u32,
    /// How often a pull had to wait because of the board's limit, or because others had all the rest.
    pub pulls_refused: u32,
    /// Nacks that were not sent because of the board's limit.
    pub nacks_refused: u32,
}

/// A board's part of what all share.
#[derive(Debug)]
pub(crate) struct Allowance {
    /// Nothing bounds it but its endpoints, until a backend says so.
    pub pull_max: u32,
    /// Slots for pulls that its endpoints have.
    pub pulls: u32,
    pub pulls_refused: u32,
    pub nacks: Option<Rate>,
    pub nacks_refused: u32,
}

impl Allowance {
    pub const fn new() -> Self {
        Self {
            pull_max: u32::MAX,
            pulls: 0,
            pulls_refused: 0,
            nacks: None,
            nacks_refused: 0,
        }
    }

    /// Takes a nack.
    pub fn may_nack(&mut self, now: Instant) -> bool {
        let may = self.nacks.as_mut().is_none_or(|nacks| nacks.take(now));
        self.nacks_refused = self.nacks_refused.saturating_add(u32::from(!may));
        may
    }
}
