//! Places of what calls of several threads use and one of them closes: entering and leaving take no lock, and who leaves
//! last drops what was closed.

use core::cell::UnsafeCell;
use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering};

/// Calls that are within.
const INSIDE: u64 = (1 << 24) - 1;
/// Calls may enter.
const OPEN: u64 = 1 << 24;
/// Calls may not enter any more; the last that leaves drops what is there.
const CLOSED: u64 = 1 << 25;
/// It is being dropped.
const LEAVING: u64 = 1 << 26;
/// What is there is a parent's: it is neither used nor dropped.
const LOST: u64 = 1 << 27;
/// Where the number of the use begins.
const GENERATION: u32 = 32;

/// A place, on a cache line of its own.
#[repr(align(64))]
pub struct Place<T> {
    /// Which use of it this is, one of the states above or none, and the calls within.
    state: AtomicU64,
    content: UnsafeCell<Option<T>>,
}

// SAFETY: the content is written by who fills an empty place, of whom there is one at a time, and by the one call that turns
// CLOSED with nobody inside into LEAVING. Between the two, calls that have entered share it.
unsafe impl<T: Send + Sync> Sync for Place<T> {}

/// A call that is within. What it sees stays until it leaves, which is when this is dropped.
pub struct Inside<'a, T> {
    place: &'a Place<T>,
    generation: u32,
}

impl<T> Place<T> {
    /// An empty one.
    pub const fn new() -> Self {
        Self {
            state: AtomicU64::new(0),
            content: UnsafeCell::new(None),
        }
    }

    /// Whether something can be put there.
    pub fn is_empty(&self) -> bool {
        self.state.load(Ordering::Acquire) & (OPEN | CLOSED | LEAVING | LOST) == 0
    }

    /// Opens an empty place: the number of this use, which is not 0.
    ///
    /// # Safety
    /// It is empty, and no other thread fills it.
    pub unsafe fn fill(&self, content: T) -> u32 {
        // SAFETY: nobody reads or writes the content of an empty place but who fills it.
        unsafe { *self.content.get() = Some(content) };
        let before = self.state.load(Ordering::Relaxed);
        let generation = ((before >> GENERATION) as u32).wrapping_add(1).max(1);
        // Added, as calls that find it not open come and go.
        let number = u64::from(generation) << GENERATION;
        let more = number.wrapping_sub(before >> GENERATION << GENERATION);
        self.state
            .fetch_add(more.wrapping_add(OPEN), Ordering::Release);
        generation
    }

    /// Enters what is open there, if the number of its use is wanted.
    #[inline(always)]
    pub fn enter(&self, wanted: impl FnOnce(u32) -> bool) -> Option<Inside<'_, T>> {
        let before = self.state.fetch_add(1, Ordering::Acquire);
        let generation = (before >> GENERATION) as u32;
        let inside = Inside {
            place: self,
            generation,
        };
        if before & OPEN != 0 && wanted(generation) {
            Some(inside)
        } else {
            inside.in_vain()
        }
    }

    /// A child of this process has all places, and none of the threads that were within: what is there is the parent's.
    pub fn lose(&self) {
        let state = self.state.load(Ordering::Relaxed);
        let number = state >> GENERATION << GENERATION;
        let lost = match state & (OPEN | CLOSED | LEAVING | LOST) {
            0 => number,
            // The forking thread may be within, and leave.
            _ => number | LOST | state & INSIDE,
        };
        self.state.store(lost, Ordering::Relaxed);
    }

    #[cold]
    fn empty(&self, state: u64) {
        let leaving = state ^ CLOSED ^ LEAVING;
        let changed =
            self.state
                .compare_exchange(state, leaving, Ordering::Acquire, Ordering::Relaxed);
        // If not, another call has come: it leaves later.
        if changed.is_ok() {
            // SAFETY: who was within has left, who comes finds it not open and does not look.
            drop(unsafe { (*self.content.get()).take() });
            self.state.fetch_xor(LEAVING, Ordering::Release);
        }
    }
}

impl<T> Inside<'_, T> {
    /// The number of this use of the place.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    #[cold]
    fn in_vain(self) -> Option<Self> {
        None
    }

    /// Lets nobody enter any more. False when another call was faster.
    pub fn close(&self) -> bool {
        let close = |state| (state & OPEN != 0).then_some(state ^ OPEN ^ CLOSED);
        self.place
            .state
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, close)
            .is_ok()
    }
}

impl<T> Deref for Inside<'_, T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        // SAFETY: it was open when this call entered, so it was filled before, and is emptied when nobody is within.
        let content = unsafe { &*self.place.content.get() };
        // SAFETY: as above.
        unsafe { content.as_ref().unwrap_unchecked() }
    }
}

impl<T> Drop for Inside<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        let before = self.place.state.fetch_sub(1, Ordering::AcqRel);
        if before & (CLOSED | INSIDE) == CLOSED | 1 {
            self.place.empty(before - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicU32;
    use std::thread;

    use super::*;

    /// Counts how often it was dropped, and is worthless then.
    struct Content {
        dropped: Arc<AtomicU32>,
        whole: Box<u64>,
    }

    impl Drop for Content {
        fn drop(&mut self) {
            *self.whole = 0;
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn fill(place: &Place<Content>, dropped: &Arc<AtomicU32>) -> u32 {
        let content = Content {
            dropped: dropped.clone(),
            whole: Box::new(7),
        };
        assert!(place.is_empty());
        // SAFETY: it is empty, and this thread alone fills it.
        unsafe { place.fill(content) }
    }

    #[test]
    fn what_was_closed_is_there_until_the_last_call_leaves_and_no_other_enters() {
        let (place, dropped) = (Place::<Content>::new(), Arc::<AtomicU32>::default());
        let first = fill(&place, &dropped);
        let inside = place.enter(|number| number == first).unwrap();
        let other = place.enter(|_| true).unwrap();
        assert!(inside.close() && !other.close());
        assert!(place.enter(|_| true).is_none());
        drop(inside);
        assert_eq!((*other.whole, dropped.load(Ordering::Relaxed)), (7, 0));
        assert!(!place.is_empty());
        drop(other);
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
        assert_ne!(fill(&place, &dropped), first);
        assert!(place.enter(|number| number == first).is_none());
    }

    #[test]
    fn calls_of_many_threads_see_only_what_is_whole_and_each_content_is_dropped_once() {
        let (place, dropped) = (Place::<Content>::new(), Arc::<AtomicU32>::default());
        let rounds = 2000;
        let done = || dropped.load(Ordering::Relaxed) == rounds;
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done() {
                        if let Some(inside) = place.enter(|_| true) {
                            assert_eq!(*inside.whole, 7);
                        }
                    }
                });
            }
            for round in 0..rounds {
                let number = fill(&place, &dropped);
                let inside = place.enter(|wanted| wanted == number).unwrap();
                assert!(inside.close());
                drop(inside);
                while !place.is_empty() {
                    thread::yield_now();
                }
                assert_eq!(dropped.load(Ordering::Relaxed), round + 1);
            }
        });
    }

    #[test]
    fn a_child_neither_enters_nor_drops_nor_fills_what_is_its_parents() {
        let (place, dropped) = (Place::<Content>::new(), Arc::<AtomicU32>::default());
        fill(&place, &dropped);
        let forking = place.enter(|_| true).unwrap();
        place.lose();
        assert!(place.enter(|_| true).is_none() && !place.is_empty());
        drop(forking);
        assert!(!place.is_empty());
        assert_eq!(dropped.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn a_call_of_a_thread_that_a_child_has_not_does_not_keep_what_the_child_opens() {
        let (place, dropped) = (Place::<Content>::new(), Arc::<AtomicU32>::default());
        // It found the place empty, and never leaves.
        place.state.fetch_add(1, Ordering::Relaxed);
        place.lose();
        fill(&place, &dropped);
        assert!(place.enter(|_| true).unwrap().close());
        assert_eq!(dropped.load(Ordering::Relaxed), 1);
    }
}
