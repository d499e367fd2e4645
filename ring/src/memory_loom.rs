//! [`VolatileSlice`] for loom: the same checked accesses, to memory whose words loom watches.
//!
//! A word is either an atomic, of which loom explores all orders, or a cell, whose accesses must not race: so a queue
//! descriptor that could be read while it is written, or before it is visible as a whole, fails the test.

use loom::cell::UnsafeCell;
use std::collections::BTreeMap;

use crate::sync::{AtomicU32, AtomicU64};

/// Memory for a model: only the words that it uses exist.
#[derive(Debug, Default)]
pub struct ModelMemory {
    words: BTreeMap<usize, AtomicU32>,
    words64: BTreeMap<usize, AtomicU64>,
    cells: BTreeMap<usize, UnsafeCell<u32>>,
}

impl ModelMemory {
    /// Makes the atomic words at these offsets, zeroed.
    pub fn words(mut self, offsets: impl IntoIterator<Item = usize>) -> Self {
        self.words
            .extend(offsets.into_iter().map(|at| (at, AtomicU32::new(0))));
        self
    }

    /// Makes the 64-bit atomic words at these offsets, zeroed.
    pub fn words64(mut self, offsets: impl IntoIterator<Item = usize>) -> Self {
        self.words64
            .extend(offsets.into_iter().map(|at| (at, AtomicU64::new(0))));
        self
    }

    /// Makes `length` bytes of plain memory at `offset`, zeroed; both are multiples of 4.
    pub fn plain(mut self, offset: usize, length: usize) -> Self {
        self.cells.extend(
            (offset..offset + length)
                .step_by(4)
                .map(|at| (at, UnsafeCell::new(0))),
        );
        self
    }
}

impl ModelMemory {
    /// This memory, and behind so many bytes the other one.
    pub(crate) fn and(mut self, offset: usize, other: Self) -> Self {
        fn moved<T>(words: BTreeMap<usize, T>, by: usize) -> impl Iterator<Item = (usize, T)> {
            words.into_iter().map(move |(at, word)| (at + by, word))
        }
        self.words.extend(moved(other.words, offset));
        self.words64.extend(moved(other.words64, offset));
        self.cells.extend(moved(other.cells, offset));
        self
    }
}

/// A span of model memory.
#[derive(Clone, Copy, Debug)]
pub struct VolatileSlice {
    memory: *const ModelMemory,
    base: usize,
    length: usize,
}

// SAFETY: all access goes through loom's atomics, and its cells, which report races.
unsafe impl Send for VolatileSlice {}
// SAFETY: see `Send`.
unsafe impl Sync for VolatileSlice {}

/// An access outside of a [`VolatileSlice`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an access outside of the shared memory")]
pub struct VolatileSliceError;

impl VolatileSlice {
    /// Names `length` bytes of model memory.
    ///
    /// # Safety
    /// The memory outlives this value and its copies and parts.
    pub const unsafe fn of_model(memory: &ModelMemory, length: usize) -> Self {
        Self {
            memory,
            base: 0,
            length,
        }
    }

    fn memory(&self) -> &ModelMemory {
        // SAFETY: promised to `of_model`.
        unsafe { &*self.memory }
    }

    /// Bytes of the slice.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether the slice has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The part `offset .. offset + length`.
    pub fn part(&self, offset: usize, length: usize) -> Result<Self, VolatileSliceError> {
        let end = offset.checked_add(length).ok_or(VolatileSliceError)?;
        if end > self.length {
            return Err(VolatileSliceError);
        }
        Ok(Self {
            memory: self.memory,
            base: self.base + offset,
            length,
        })
    }

    /// As [`Self::part`]: offsets of models are aligned.
    pub(crate) fn line_part(
        &self,
        offset: usize,
        length: usize,
    ) -> Result<Self, VolatileSliceError> {
        self.part(offset, length)
    }

    fn cell(&self, offset: usize) -> &UnsafeCell<u32> {
        let at = self.base + offset;
        let cell = self.memory().cells.get(&at);
        cell.unwrap_or_else(|| panic!("the model has no plain memory at {at}"))
    }

    /// Copies out of the slice at `offset` into private memory.
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), VolatileSliceError> {
        self.part(offset, into.len())?;
        for (i, chunk) in into.chunks_mut(4).enumerate() {
            // SAFETY: loom reports a concurrent writer before the access.
            let word = self.cell(offset + i * 4).with(|word| unsafe { *word });
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }

    /// Copies private memory into the slice at `offset`.
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), VolatileSliceError> {
        self.part(offset, from.len())?;
        for (i, chunk) in from.chunks(4).enumerate() {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            let cell = self.cell(offset + i * 4);
            // SAFETY: loom reports a concurrent access before this one.
            cell.with_mut(|place| unsafe { *place = u32::from_le_bytes(word) });
        }
        Ok(())
    }

    /// The 32-bit word at `offset`.
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        let at = self.base + offset;
        let word = self.memory().words.get(&at);
        word.unwrap_or_else(|| panic!("the model has no word at {at}"))
    }

    /// The 64-bit word at `offset`.
    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        let at = self.base + offset;
        let word = self.memory().words64.get(&at);
        word.unwrap_or_else(|| panic!("the model has no 64-bit word at {at}"))
    }
}
