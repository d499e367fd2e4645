//! All the boards of a guest: what the module holds, behind one lock.

use crate::board::Board;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::pool::Pool;

/// Boards of a guest: device `omx/<n>` is board `n`.
pub const BOARDS: usize = 4;

/// What the module holds.
pub struct Frontend<K: Kernel> {
    /// What the boards share.
    pub pool: Pool<K>,
    boards: [Board<K>; BOARDS],
    incarnation: u32,
}

impl<K: Kernel> Frontend<K> {
    /// No board has a home.
    pub const fn new(kernel: K) -> Self {
        Self {
            pool: Pool::new(kernel),
            boards: [Board::new(0), Board::new(1), Board::new(2), Board::new(3)],
            incarnation: 0,
        }
    }

    /// A board, and what it shares with the others. `NO_DEVICE` beyond the last.
    pub fn board(&mut self, number: usize) -> Result<(&mut Board<K>, &mut Pool<K>), Errno> {
        let board = self.boards.get_mut(number).ok_or(Errno::NO_DEVICE)?;
        Ok((board, &mut self.pool))
    }

    /// One more than the number of the last connected board.
    pub fn board_count(&self) -> u32 {
        let last = self
            .boards
            .iter()
            .rposition(|board| board.connected().is_ok());
        last.map_or(0, |last| last as u32 + 1)
    }

    /// A number that no endpoint has had.
    pub fn next_incarnation(&mut self) -> u32 {
        self.incarnation = self.incarnation.wrapping_add(1);
        self.incarnation
    }
}
