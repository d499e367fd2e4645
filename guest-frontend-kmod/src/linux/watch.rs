//! Watches of this kernel: MMU interval notifiers, and which endpoints have stale regions.

use alloc::alloc::{Layout, alloc, dealloc};
use core::ffi::{c_int, c_ulong, c_void};
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use mx_ring::control::ENDPOINTS;
use mx_ring::registration::RegionNotes;

use super::page::HeldPage;
use super::shim;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::frontend::BOARDS;
use crate::watch::Watched;

/// Endpoints with a change that the work has not looked at, a bit each.
pub static CHANGED: [[AtomicU64; ENDPOINTS / 64]; BOARDS] =
    [const { [const { AtomicU64::new(0) }; ENDPOINTS / 64] }; BOARDS];

struct Watching {
    watched: Watched,
    board: usize,
    endpoint: u8,
    /// The shim's notifier.
    notifier: *mut c_void,
    _notes: HeldPage,
}

/// A watch over a span of the caller's addresses.
pub struct Watch(NonNull<Watching>);

// SAFETY: the notifier and the notes are reached through atomics alone, from any thread.
unsafe impl Send for Watch {}

impl AsRef<Watched> for Watch {
    fn as_ref(&self) -> &Watched {
        // SAFETY: allocated until `end`; only shared references are made.
        &unsafe { self.0.as_ref() }.watched
    }
}

impl Watch {
    /// Watches whole pages of the caller. `NO_MEMORY` when there is no memory for it.
    pub fn begin(
        board: usize,
        id: EndpointId,
        notes: HeldPage,
        address: u64,
        length: u64,
    ) -> Result<Self, Errno> {
        let watched = Watched::new(RegionNotes::new(notes.slice()).map_err(|_| Errno::INVALID)?);
        let layout = Layout::new::<Watching>();
        // SAFETY: the layout has a size.
        let memory = unsafe { alloc(layout) }.cast::<Watching>();
        let place = NonNull::new(memory).ok_or(Errno::NO_MEMORY)?;
        let watching = Watching {
            watched,
            board,
            endpoint: id.index,
            notifier: core::ptr::null_mut(),
            _notes: notes,
        };
        // SAFETY: allocated with this layout.
        unsafe { place.write(watching) };
        // SAFETY: the context stays allocated until `end` has ended the notifier; `notifier` may be written, and is
        // looked at by `Watch` alone.
        let begun = unsafe {
            shim::shim_watch(
                address as c_ulong,
                length as c_ulong,
                place.as_ptr().cast(),
                &raw mut (*place.as_ptr()).notifier,
            )
        };
        let watch = Self(place);
        match Errno::check(begun) {
            Ok(_) => Ok(watch),
            Err(error) => {
                watch.free();
                Err(error)
            }
        }
    }

    fn notifier(&self) -> *mut c_void {
        // SAFETY: allocated until `end`.
        unsafe { self.0.as_ref() }.notifier
    }

    /// Runs `pin`, again if the span changed meanwhile; then a later change is one that the notifier tells. `AGAIN` when
    /// it never holds still.
    pub fn pin(
        &self,
        mut pin: impl FnMut() -> c_int,
        mut unpin: impl FnMut(),
    ) -> Result<(), Errno> {
        const TRIES: u32 = 8;
        for _ in 0..TRIES {
            // SAFETY: the notifier has begun and not ended.
            let seen = unsafe { shim::shim_watch_begin(self.notifier()) };
            Errno::check(pin())?;
            // SAFETY: as above.
            if !unsafe { shim::shim_watch_missed(self.notifier(), seen) } {
                return Ok(());
            }
            unpin();
        }
        Err(Errno::AGAIN)
    }

    /// Ends it. May sleep.
    pub fn end(self) {
        // SAFETY: begun, and ended once: here.
        unsafe { shim::shim_unwatch(self.notifier()) };
        self.free();
    }

    fn free(self) {
        // SAFETY: allocated and written by `begin`; the notifier, if there was one, has ended.
        unsafe {
            self.0.drop_in_place();
            dealloc(self.0.as_ptr().cast(), Layout::new::<Watching>());
        }
    }
}

/// The notifier, in any context; must not sleep.
///
/// # Safety
/// `context` is what [`Watch::begin`] gave to `shim_watch`, whose notifier has not ended.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_changed(context: *const c_void) {
    // SAFETY: promised by the caller; only shared references are made while the notifier lives.
    let watching = unsafe { &*context.cast::<Watching>() };
    watching.watched.change();
    let endpoint = usize::from(watching.endpoint);
    let group = CHANGED
        .get(watching.board)
        .and_then(|board| board.get(endpoint / 64));
    if let Some(group) = group {
        group.fetch_or(1 << (endpoint % 64), Ordering::SeqCst);
    }
    shim::shim_schedule_sweep();
}
