//! What an open file is: nothing yet, a board's, or an endpoint's. One word, changed atomically, since several threads
//! of a process may use a file at the same time.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::board::EndpointId;
use crate::errno::Errno;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Just opened.
    Fresh,
    /// A thread is opening an endpoint on it.
    Opening,
    /// A view of a board.
    Board(usize),
    /// An endpoint.
    Endpoint(usize, EndpointId),
}

impl Role {
    fn pack(self) -> u64 {
        match self {
            Self::Fresh => 0,
            Self::Opening => 1,
            Self::Board(board) => 2 | (board as u64 & 0xff) << 8,
            Self::Endpoint(board, id) => {
                3 | (board as u64 & 0xff) << 8
                    | u64::from(id.index) << 16
                    | u64::from(id.incarnation) << 32
            }
        }
    }

    fn unpack(word: u64) -> Self {
        let board = (word >> 8 & 0xff) as usize;
        match word & 0xff {
            0 => Self::Fresh,
            1 => Self::Opening,
            2 => Self::Board(board),
            _ => Self::Endpoint(
                board,
                EndpointId {
                    index: (word >> 16) as u8,
                    incarnation: (word >> 32) as u32,
                },
            ),
        }
    }
}

/// The word of a file.
#[derive(Clone, Copy)]
pub struct FileRole<'a>(&'a AtomicU64);

impl FileRole<'_> {
    /// Takes the shim's word.
    ///
    /// # Safety
    /// `word` belongs to a file that stays open while the value lives, and only this type touches it.
    pub unsafe fn new(word: *mut u64) -> Self {
        // SAFETY: promised by the caller; aligned as a u64 of a C structure.
        Self(unsafe { AtomicU64::from_ptr(word) })
    }

    /// What the file is.
    pub fn get(self) -> Role {
        Role::unpack(self.0.load(Ordering::Acquire))
    }

    /// Changes a fresh file. `BUSY` when it is something already.
    pub fn become_(self, role: Role) -> Result<(), Errno> {
        self.0
            .compare_exchange(
                Role::Fresh.pack(),
                role.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .map(|_| ())
            .map_err(|_| Errno::BUSY)
    }

    /// Ends [`Role::Opening`], which the caller has taken.
    pub fn opened(self, role: Role) {
        self.0.store(role.pack(), Ordering::Release);
    }

    /// The endpoint. `INVALID` when the file has none.
    pub fn endpoint(self) -> Result<(usize, EndpointId), Errno> {
        match self.get() {
            Role::Endpoint(board, id) => Ok((board, id)),
            _ => Err(Errno::INVALID),
        }
    }
}
