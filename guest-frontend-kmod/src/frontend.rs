//! All the boards of a guest: what the module holds.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::board::Board;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::shared::Shared;

/// Boards of a guest: device `omx/<n>` is board `n`.
pub const BOARDS: usize = 4;

/// What the module holds; any thread may use it ([`crate::lock`]).
pub struct Frontend<K: Kernel> {
    /// What the boards share.
    pub shared: Shared<K>,
    boards: [Board<K>; BOARDS],
    incarnation: AtomicU32,
}

impl<K: Kernel> Frontend<K> {
    /// No board has a backend. `NO_MEMORY` when there is none for the tables of endpoints.
    pub fn new(kernel: K) -> Result<Self, Errno> {
        let board = |number| Board::new(&kernel, number);
        let boards = [board(0)?, board(1)?, board(2)?, board(3)?];
        Ok(Self {
            shared: Shared::new(kernel),
            boards,
            incarnation: AtomicU32::new(0),
        })
    }

    /// A board, and what it shares with the others. `NO_DEVICE` beyond the last.
    pub fn board(&self, number: usize) -> Result<(&Board<K>, &Shared<K>), Errno> {
        let board = self.boards.get(number).ok_or(Errno::NO_DEVICE)?;
        Ok((board, &self.shared))
    }

    /// One more than the number of the last board that a backend serves, or is to serve again.
    pub fn board_count(&self) -> u32 {
        let last = self.boards.iter().rposition(|board| board.exists().is_ok());
        last.map_or(0, |last| last as u32 + 1)
    }

    /// A number that no endpoint has had.
    pub fn next_incarnation(&self) -> u32 {
        self.incarnation
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
    }
}
