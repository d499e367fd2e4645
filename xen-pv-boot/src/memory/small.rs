//! Small objects: taken and given back in a time that depends neither on how many there are nor on the holes between them.
//!
//! Objects of one size come from runs of 64 KiB, aligned to their size, so that an object's address leads to its run. A run
//! whose last object is given back serves objects of any size again, so what a guest once had many of is not lost to others.

use core::alloc::Layout;
use core::ptr::{NonNull, null_mut};

/// Bytes of a run, and its alignment.
pub(crate) const RUN: usize = 64 << 10;
/// Where the first object of a run is: what lies before describes it.
const HEAD: usize = 64;
/// The largest object that is small, and the smallest.
const LARGEST: usize = 16 << 10;
const SMALLEST: usize = 16;
/// Sizes: two for each power of two.
const CLASSES: usize = 2 * (LARGEST.ilog2() - SMALLEST.ilog2()) as usize + 1;

/// The beginning of a run.
struct Run {
    /// Objects that were given back, each with the address of the next one in it.
    free: *mut *mut u8,
    /// Bytes from the run's start that were handed out at least once.
    touched: u32,
    /// Objects that are in use.
    used: u32,
    /// Its neighbours in the list of runs of its class that have room; of free runs only `next`.
    next: *mut Run,
    previous: *mut Run,
}
const _: () = assert!(size_of::<Run>() <= HEAD);

/// Small objects of all sizes.
pub(crate) struct Small {
    /// Runs with room, by class.
    with_room: [*mut Run; CLASSES],
    /// Runs without objects.
    empty: *mut Run,
    empty_runs: usize,
    /// Bytes of objects that can be had of runs with some.
    room: usize,
}

// SAFETY: the runs are this value's alone, and it has no tie to a thread.
unsafe impl Send for Small {}

/// The class of a layout, and the size of its objects; none for what is large or has to be aligned more than they are.
fn class(layout: Layout) -> Option<(usize, usize)> {
    let mut wanted = layout.size().max(layout.align()).max(SMALLEST);
    if wanted > LARGEST || layout.align() > HEAD {
        return None;
    }
    loop {
        let above = wanted.next_power_of_two();
        let between = above / 4 * 3;
        let half = wanted > SMALLEST && wanted <= between;
        let size = if half { between } else { above };
        // Objects lie at multiples of their size behind the head.
        if size.is_multiple_of(layout.align()) {
            let class = 2 * (above / SMALLEST).ilog2() as usize - usize::from(half);
            return Some((class, size));
        }
        wanted = size + 1;
    }
}

/// Bytes of the objects of a run.
const fn capacity(size: usize) -> usize {
    (RUN - HEAD) / size * size
}

/// Whether objects of that layout are small.
pub(crate) fn is_small(layout: Layout) -> bool {
    class(layout).is_some()
}

impl Small {
    pub(crate) const fn new() -> Self {
        Self {
            with_room: [null_mut(); CLASSES],
            empty: null_mut(),
            empty_runs: 0,
            room: 0,
        }
    }

    /// An object, if its layout is small. `more` gives another run.
    ///
    /// # Safety
    /// What `more` gives is [`RUN`] bytes, aligned to as many, writable, and this value's until [`Self::take_empty`] gives
    /// it back.
    pub(crate) unsafe fn take(
        &mut self,
        layout: Layout,
        more: impl FnOnce() -> Option<NonNull<u8>>,
    ) -> Option<NonNull<u8>> {
        let (class, size) = class(layout)?;
        if self.with_room[class].is_null() {
            let run = self.take_empty().or_else(more)?.cast::<Run>();
            // SAFETY: a run that nobody uses.
            unsafe {
                run.write(Run {
                    free: null_mut(),
                    touched: HEAD as u32,
                    used: 0,
                    next: null_mut(),
                    previous: null_mut(),
                });
            }
            self.with_room[class] = run.as_ptr();
            self.room += capacity(size);
        }
        let place = self.with_room[class];
        // SAFETY: a run of the list, and nobody else refers to its head.
        let run = unsafe { &mut *place };
        let object = if run.free.is_null() {
            // SAFETY: the run has room, so what follows what was touched is an object within it.
            let object = unsafe { place.cast::<u8>().add(run.touched as usize) };
            run.touched += size as u32;
            object
        } else {
            let object = run.free;
            // SAFETY: an object that was given back holds the next one.
            run.free = unsafe { object.read() }.cast();
            object.cast()
        };
        run.used += 1;
        self.room -= size;
        if run.free.is_null() && run.touched as usize + size > RUN {
            let next = run.next;
            self.unlink(class, place, next, null_mut());
        }
        NonNull::new(object)
    }

    /// An object comes back.
    ///
    /// # Safety
    /// It came from [`Self::take`] with this layout, and nobody uses it any more.
    pub(crate) unsafe fn give(&mut self, object: NonNull<u8>, layout: Layout) {
        let Some((class, size)) = class(layout) else {
            return;
        };
        let inside = object.as_ptr() as usize % RUN;
        // SAFETY: runs are aligned to their size, so the head lies so far before.
        let place = unsafe { object.as_ptr().sub(inside) }.cast::<Run>();
        // SAFETY: the head of a run of which an object was in use; nobody else refers to it.
        let run = unsafe { &mut *place };
        let was_full = run.free.is_null() && run.touched as usize + size > RUN;
        let object = object.as_ptr().cast::<*mut u8>();
        // SAFETY: the object is at least 16 bytes, aligned to 8, and nobody's.
        unsafe { object.write(run.free.cast()) };
        run.free = object;
        run.used -= 1;
        self.room += size;
        if run.used == 0 {
            self.room -= capacity(size);
            self.empty_runs += 1;
            if !was_full {
                let (next, previous) = (run.next, run.previous);
                self.unlink(class, place, next, previous);
            }
            // SAFETY: as above; the run is in no list now.
            unsafe { (*place).next = self.empty };
            self.empty = place;
        } else if was_full {
            let first = self.with_room[class];
            run.previous = null_mut();
            run.next = first;
            if !first.is_null() {
                // SAFETY: a run of the list, another one than this.
                unsafe { (*first).previous = place };
            }
            self.with_room[class] = place;
        }
    }

    /// Takes a run with these neighbours out of the list of its class.
    fn unlink(&mut self, class: usize, run: *mut Run, next: *mut Run, previous: *mut Run) {
        if self.with_room[class] == run {
            self.with_room[class] = next;
        } else if !previous.is_null() {
            // SAFETY: neighbours are runs of the same list.
            unsafe { (*previous).next = next };
        }
        if !next.is_null() {
            // SAFETY: as above.
            unsafe { (*next).previous = previous };
        }
    }

    /// Bytes that can be had without another run: of objects of some sizes, and of runs without any.
    pub(crate) const fn free(&self) -> usize {
        self.room + self.empty_runs * RUN
    }

    /// Gives a run back that has no objects.
    pub(crate) fn take_empty(&mut self) -> Option<NonNull<u8>> {
        let run = NonNull::new(self.empty)?;
        // SAFETY: a run of the list.
        self.empty = unsafe { run.as_ref() }.next;
        self.empty_runs -= 1;
        Some(run.cast())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::alloc::{alloc, dealloc};
    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    fn run_layout() -> Layout {
        Layout::from_size_align(RUN, RUN).unwrap()
    }

    /// Small objects over the process's heap; how many runs there are.
    struct World {
        small: Small,
        runs: usize,
    }

    impl World {
        fn new() -> Self {
            Self {
                small: Small::new(),
                runs: 0,
            }
        }

        fn take(&mut self, layout: Layout) -> NonNull<u8> {
            let runs = &mut self.runs;
            let more = || {
                *runs += 1;
                // SAFETY: the layout is not empty.
                NonNull::new(unsafe { alloc(run_layout()) })
            };
            // SAFETY: `more` gives runs.
            unsafe { self.small.take(layout, more) }.unwrap()
        }

        /// Gives all runs back, which must be empty.
        fn end(mut self) {
            while let Some(run) = self.small.take_empty() {
                self.runs -= 1;
                // SAFETY: it came from `alloc` with this layout.
                unsafe { dealloc(run.as_ptr(), run_layout()) };
            }
            assert_eq!(self.runs, 0, "every run is empty again");
        }
    }

    #[test]
    fn every_small_layout_fits_its_class_and_wastes_at_most_a_third() {
        for align in [1, 2, 4, 8, 16, 32, 64] {
            for size in 1..=LARGEST {
                let layout = Layout::from_size_align(size, align).unwrap();
                let Some((number, whole)) = class(layout) else {
                    panic!("{layout:?}");
                };
                assert!(number < CLASSES && whole >= size && whole.is_multiple_of(align));
                assert!(
                    size < 32 || align > 16 || whole <= size * 3 / 2,
                    "{layout:?}: {whole}"
                );
            }
        }
        for (size, align) in [(LARGEST + 1, 8), (8, 128)] {
            assert!(!is_small(Layout::from_size_align(size, align).unwrap()));
        }
    }

    #[test]
    fn memory_that_was_of_one_size_serves_any_other_when_it_is_given_back() {
        let mut world = World::new();
        for size in [24, 100, 3000, 16384] {
            let layout = Layout::from_size_align(size, 8).unwrap();
            let objects: Vec<_> = (0..(1 << 20) / size).map(|_| world.take(layout)).collect();
            for object in objects {
                // SAFETY: it was taken with this layout.
                unsafe { world.small.give(object, layout) };
            }
        }
        assert!(world.runs <= 24, "{} runs for 1 MiB", world.runs);
        world.end();
    }

    proptest! {
        #[test]
        fn objects_are_aligned_and_never_overlap_in_any_order(
            steps in proptest::collection::vec((1usize..5000, 0u32..5, any::<proptest::sample::Index>(), any::<bool>()), 1..400),
        ) {
            let mut world = World::new();
            let mut held: Vec<(NonNull<u8>, Layout, u8)> = Vec::new();
            for (step, (size, align, which, gives)) in steps.into_iter().enumerate() {
                if gives && !held.is_empty() {
                    let (object, layout, mark) = held.swap_remove(which.index(held.len()));
                    for at in [0, layout.size() - 1] {
                        // SAFETY: within the object.
                        prop_assert_eq!(unsafe { object.add(at).read() }, mark);
                    }
                    // SAFETY: it was taken with this layout.
                    unsafe { world.small.give(object, layout) };
                    continue;
                }
                let layout = Layout::from_size_align(size, 1 << align).unwrap();
                let object = world.take(layout);
                prop_assert!((object.as_ptr() as usize).is_multiple_of(layout.align()));
                let mark = step as u8;
                // SAFETY: the object has so many bytes.
                unsafe { object.write_bytes(mark, size) };
                held.push((object, layout, mark));
            }
            for (object, layout, mark) in held {
                for at in 0..layout.size() {
                    // SAFETY: within the object.
                    prop_assert_eq!(unsafe { object.add(at).read() }, mark);
                }
                // SAFETY: it was taken with this layout.
                unsafe { world.small.give(object, layout) };
            }
            world.end();
        }
    }
}
