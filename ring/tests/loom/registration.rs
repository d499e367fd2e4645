//! Registered memory that becomes stale while it is used, or looked at.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use mx_ring::RegionKey;
use mx_ring::registration::{RegionNotes, UseBits};

use super::*;

/// Region 0 of an endpoint, its notes and its use bit.
fn region() -> (Box<ModelMemory>, Box<ModelMemory>, RegionNotes, UseBits) {
    let notes_page = Box::new(ModelMemory::default().words([0]));
    let w = Box::new(model::w_memory(&layout(), &[]));
    // SAFETY: the tests join their threads before they drop the memory.
    let (notes, uses) = unsafe {
        (
            VolatileSlice::of_model(&notes_page, mx_ring::PAGE_SIZE),
            VolatileSlice::of_model(&w, layout().w_size()),
        )
    };
    let notes = RegionNotes::new(notes).unwrap();
    let uses = UseBits::new(uses).unwrap();
    (notes_page, w, notes, uses)
}

const REGION: RegionKey = RegionKey {
    slot: 0,
    generation: 3,
};

#[test]
fn a_region_that_is_used_while_it_becomes_stale_is_seen_by_one_side_at_least() {
    explore(3, || {
        let (_notes, _w, notes, uses) = region();
        notes.note_valid(REGION);
        let kernel = thread::spawn(move || {
            notes.invalidate(REGION);
            uses.in_use(REGION.slot)
        });
        let used = uses.begin(&notes, REGION);
        let seen = kernel.join().unwrap();
        assert!(seen || !used, "given back under a message that uses it");
        assert!(!notes.is_valid(REGION));
        assert!(!uses.begin(&notes, REGION), "no later use");
    });
}

#[test]
fn a_change_while_a_region_is_registered_leaves_it_stale() {
    explore(3, || {
        let (_notes, _w, notes, _) = region();
        let changed = Arc::new(AtomicU32::new(0));
        let notifier = {
            let changed = changed.clone();
            thread::spawn(move || {
                changed.store(1, Ordering::SeqCst);
                loom::sync::atomic::fence(Ordering::SeqCst);
                notes.invalidate(REGION);
            })
        };
        notes.note_valid(REGION);
        if changed.load(Ordering::SeqCst) != 0 {
            notes.invalidate(REGION);
        }
        notifier.join().unwrap();
        assert!(!notes.is_valid(REGION));
    });
}

/// The region that had the slot before.
const BEFORE: RegionKey = RegionKey {
    generation: 2,
    ..REGION
};

#[test]
fn a_look_at_a_stale_region_does_not_hide_the_use_of_the_one_in_its_slot() {
    explore(3, || {
        let (_notes, _w, notes, uses) = region();
        notes.note_valid(BEFORE);
        notes.invalidate(BEFORE);
        notes.note_valid(REGION);
        assert!(uses.begin(&notes, REGION));
        let kernel = thread::spawn(move || {
            notes.invalidate(REGION);
            uses.in_use(REGION.slot)
        });
        assert!(!uses.begin(&notes, BEFORE));
        assert!(
            kernel.join().unwrap(),
            "given back under a message that uses it"
        );
    });
}
