//! A watch over registered memory: has the process put something else at its addresses?
//!
//! The kernel's notifier begins before the pages are pinned, so that no change falls in between; it only writes down
//! that there was one (here, and in the notes that the process reads), and never waits. What is to be done about it is
//! in [`mx_ring::registration`].

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering, fence};

use mx_ring::RegionKey;
use mx_ring::registration::RegionNotes;

/// What a notifier and a registration share.
#[derive(Debug)]
pub struct Watched {
    changed: AtomicBool,
    /// The region once it has a key, else [`UNBOUND`].
    key: AtomicU32,
    notes: RegionNotes,
}

/// No slot has this number.
const UNBOUND: u32 = u32::MAX;

impl Watched {
    /// Nothing has changed. `notes` stay mapped as long as this is used.
    pub fn new(notes: RegionNotes) -> Self {
        Self {
            changed: AtomicBool::new(false),
            key: AtomicU32::new(UNBOUND),
            notes,
        }
    }

    /// The region that it is about.
    pub fn bind(&self, key: RegionKey) {
        let word = u32::from(key.slot) | u32::from(key.generation) << 16;
        self.key.store(word, Ordering::SeqCst);
    }

    fn key(&self) -> RegionKey {
        let word = self.key.load(Ordering::SeqCst);
        RegionKey {
            slot: word as u16,
            generation: (word >> 16) as u16,
        }
    }

    /// The region is registered: the process is told that it is valid, unless there was a change meanwhile.
    pub fn settle(&self) {
        let key = self.key();
        self.notes.note_valid(key);
        if self.changed() {
            self.notes.invalidate(key);
        }
    }

    /// The notifier, in any context: the addresses have changed, or are about to. The notes are written before the call
    /// that makes the change returns.
    pub fn change(&self) {
        self.changed.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.notes.invalidate(self.key());
    }

    /// Whether there was a change since the watch began.
    pub fn changed(&self) -> bool {
        self.changed.load(Ordering::SeqCst)
    }
}
