//! What is done on behalf of a board has a cost, and boards and endpoints have a share to spend (the rules are in
//! [`turn`](crate::turn)).

/// A command, a frame, or an event, besides its payload.
pub(crate) const MESSAGE: i64 = 4 << 10;
/// Looking at the clocks of some pulls.
pub(crate) const CLOCKS: i64 = 2 << 10;
/// Telling one board of another.
pub(crate) const NEWS: i64 = 1 << 10;

/// How a turn of work went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Progress {
    /// There was nothing to do.
    #[default]
    Idle,
    /// There is something to do, but the outgoing side is full.
    Blocked,
    /// Something was done; there may be more.
    Busy,
}

/// What a board or an endpoint may still spend; negative when it has spent too much.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Share {
    pub left: i64,
    /// It was interrupted: it goes on with what is left.
    pub goes_on: bool,
}

impl Share {
    /// Its turn begins, or goes on; whether it begins.
    #[inline]
    pub fn begin(&mut self, share: i64) -> bool {
        let begins = !core::mem::take(&mut self.goes_on);
        if begins {
            self.left = (self.left + share).min(share);
        }
        begins
    }

    /// Whether nothing is left.
    #[inline]
    pub const fn is_spent(self) -> bool {
        self.left <= 0
    }

    #[inline]
    pub const fn spend(&mut self, cost: i64) {
        self.left -= cost;
    }

    /// What is left is for the next turn.
    #[inline]
    pub const fn interrupt(&mut self) {
        self.goes_on = self.left > 0;
    }
}

/// What came of serving somebody.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Served {
    pub progress: Progress,
    pub cost: i64,
    /// The way out was full.
    pub full: bool,
    /// There is more to be done at once.
    pub more: bool,
}

impl Served {
    /// Something was done.
    pub fn did(&mut self, cost: i64) {
        self.progress = Progress::Busy;
        self.cost += cost;
    }

    /// Something is to be done, and there is no room for it.
    pub fn found_full(&mut self) {
        self.full = true;
        self.progress = self.progress.max(Progress::Blocked);
    }

    #[inline]
    pub fn add(&mut self, other: Self) {
        self.progress = self.progress.max(other.progress);
        self.cost += other.cost;
        self.full |= other.full;
    }
}

/// Who is served next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Order {
    /// Who waits for room on the way out, and is served before all others.
    pub first: Option<u16>,
    /// With whom the round goes on.
    pub cursor: u16,
}
