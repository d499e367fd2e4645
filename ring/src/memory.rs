//! A piece of shared memory, and the checked ways to touch it.

use crate::copy;
use crate::sync::{AtomicU32, AtomicU64};
use core::ptr::NonNull;

/// A span of mapped memory that another party may change at any time. Cheap to copy; every access is checked.
#[derive(Clone, Copy, Debug)]
pub struct VolatileSlice {
    base: NonNull<u8>,
    length: usize,
}

// SAFETY: a `VolatileSlice` is only a pointer and a length; all access goes through atomics or racing byte copies that
// tolerate concurrent change, and `VolatileSlice::new` obliges its caller to keep the memory mapped.
unsafe impl Send for VolatileSlice {}
// SAFETY: see `Send`.
unsafe impl Sync for VolatileSlice {}

/// An access outside of a [`VolatileSlice`], or a slice for words that does not start on a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an access outside of the shared memory, or a span for words that does not start on a cache line"
)]
pub struct VolatileSliceError;

impl VolatileSlice {
    /// Names `length` bytes at `base`.
    ///
    /// # Safety
    /// The bytes are mapped (readable, and writable if anything is to be written) for as long as this value or a copy
    /// or part of it is used; no Rust reference covers them.
    pub const unsafe fn new(base: NonNull<u8>, length: usize) -> Self {
        Self { base, length }
    }

    /// Bytes of the slice.
    pub const fn len(&self) -> usize {
        self.length
    }

    /// Whether the slice has no bytes.
    pub const fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Address of the first byte, for a caller that translates it for a device.
    pub fn address(&self) -> usize {
        self.base.as_ptr() as usize
    }

    /// The part `offset .. offset + length`.
    #[inline]
    pub fn part(&self, offset: usize, length: usize) -> Result<Self, VolatileSliceError> {
        let end = offset.checked_add(length).ok_or(VolatileSliceError)?;
        if end > self.length {
            return Err(VolatileSliceError);
        }
        // SAFETY: offset lies within the slice, whose mapping the creator promised.
        let base = unsafe { self.base.add(offset) };
        Ok(Self { base, length })
    }

    /// The part `offset .. offset + length` for the use of words: it must start on a cache line.
    pub(crate) fn line_part(
        &self,
        offset: usize,
        length: usize,
    ) -> Result<Self, VolatileSliceError> {
        let part = self.part(offset, length)?;
        if part.address().is_multiple_of(64) {
            Ok(part)
        } else {
            Err(VolatileSliceError)
        }
    }

    /// Copies out of the slice at `offset` into private memory. The bytes may change meanwhile: check the copy.
    #[inline]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> Result<(), VolatileSliceError> {
        let part = self.part(offset, into.len())?;
        // SAFETY: `part` checked the span; the destination is a private exclusive slice.
        unsafe { copy::from_shared(part.base.as_ptr(), into) };
        Ok(())
    }

    /// Copies private memory into the slice at `offset`.
    #[inline]
    pub fn write(&self, offset: usize, from: &[u8]) -> Result<(), VolatileSliceError> {
        let part = self.part(offset, from.len())?;
        // SAFETY: `part` checked the span; the caller of `new` promised that it is writable.
        unsafe { copy::to_shared(from, part.base.as_ptr()) };
        Ok(())
    }

    /// Copies the whole of `from` into this slice at `offset`.
    pub fn write_slice(
        &self,
        offset: usize,
        from: &VolatileSlice,
    ) -> Result<(), VolatileSliceError> {
        let part = self.part(offset, from.length)?;
        // SAFETY: both spans are checked and mapped.
        unsafe { copy::between(from.base.as_ptr(), part.base.as_ptr(), from.length) };
        Ok(())
    }

    /// The 32-bit word at `offset`, a constant of the layout, in a slice that came from [`Self::line_part`].
    #[inline]
    pub(crate) fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(
            offset.is_multiple_of(4) && offset + 4 <= self.length,
            "word offsets are constants of the layout"
        );
        // SAFETY: in bounds and aligned (checked above and by `line_part`); atomics tolerate sharing.
        unsafe { AtomicU32::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }

    /// The 64-bit word at `offset`; as for [`Self::word`].
    #[inline]
    pub(crate) fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(
            offset.is_multiple_of(8) && offset + 8 <= self.length,
            "word offsets are constants of the layout"
        );
        // SAFETY: as for `word`.
        unsafe { AtomicU64::from_ptr(self.base.as_ptr().add(offset).cast()) }
    }
}
