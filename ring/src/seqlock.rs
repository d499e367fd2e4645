//! A record that one party rewrites now and then while others read it, without making the writer wait.
//!
//! The lock word is odd while the record changes. A reader that saw the same even word before and after has seen one
//! record, whole.

use crate::memory::VolatileSlice;
use crate::sync::{Ordering, fence};

/// Tries of a reader: a writer that died in the middle must not hang it.
const TRIES: u32 = if cfg!(loom) { 3 } else { 10_000 };

/// Writes a record of whole words at `at`, with its lock word at `lock`. There is one writer.
pub fn write(slice: &VolatileSlice, lock: usize, at: usize, record: &[u8]) {
    let lock = slice.word(lock);
    let version = lock.load(Ordering::Relaxed) & !1;
    lock.store(version | 1, Ordering::Relaxed);
    fence(Ordering::Release);
    for (i, word) in record.as_chunks().0.iter().enumerate() {
        let place = slice.word(at + i * 4);
        place.store(u32::from_le_bytes(*word), Ordering::Relaxed);
    }
    lock.store(version.wrapping_add(2), Ordering::Release);
}

/// Reads a record of whole words; `None` when the writer did not finish in all that time.
pub fn read(slice: &VolatileSlice, lock: usize, at: usize, record: &mut [u8]) -> Option<()> {
    let lock = slice.word(lock);
    for _ in 0..TRIES {
        let before = lock.load(Ordering::Acquire);
        if before & 1 == 0 {
            for (i, word) in record.as_chunks_mut().0.iter_mut().enumerate() {
                let place = slice.word(at + i * 4);
                *word = place.load(Ordering::Relaxed).to_le_bytes();
            }
            fence(Ordering::Acquire);
            if lock.load(Ordering::Relaxed) == before {
                return Some(());
            }
        }
        core::hint::spin_loop();
    }
    None
}
