//! The [`FileState`] of an open file, changed atomically, since several threads of a process may use a file at the same time.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::file_state::FileState;

/// The word of a file.
#[derive(Clone, Copy)]
pub struct StateWord<'a>(&'a AtomicU64);

impl StateWord<'_> {
    /// Takes the shim's word.
    ///
    /// # Safety
    /// `word` belongs to a file that stays open while the value lives, and only this type touches it.
    pub unsafe fn new(word: *mut u64) -> Self {
        // SAFETY: promised by the caller; aligned as a u64 of a C structure.
        Self(unsafe { AtomicU64::from_ptr(word) })
    }

    /// What the file is.
    pub fn get(self) -> FileState {
        FileState::unpack(self.0.load(Ordering::Acquire))
    }

    /// Changes a fresh file. `BUSY` when it is something already.
    pub fn become_(self, file_state: FileState) -> Result<(), Errno> {
        self.0
            .compare_exchange(
                FileState::Fresh.pack(),
                file_state.pack(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .map(|_| ())
            .map_err(|_| Errno::BUSY)
    }

    /// Ends [`FileState::Opening`], which the caller has taken.
    pub fn opened(self, file_state: FileState) {
        self.0.store(file_state.pack(), Ordering::Release);
    }

    /// The raw endpoint. `INVALID` when the file is none.
    pub fn raw(self) -> Result<(usize, u32), Errno> {
        match self.get() {
            FileState::Raw(board, number) => Ok((board, number)),
            _ => Err(Errno::INVALID),
        }
    }

    /// The endpoint. `INVALID` when the file has none.
    pub fn endpoint(self) -> Result<(usize, EndpointId), Errno> {
        match self.get() {
            FileState::Endpoint(board, id) => Ok((board, id)),
            _ => Err(Errno::INVALID),
        }
    }
}
