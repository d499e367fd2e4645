//! The one [`Frontend`] of the module, and the way to wait for a backend's answer.

use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::task::Poll;

use super::kernel::Linux;
use super::shim;
use crate::board::Board;
use crate::errno::Errno;
use crate::frontend::Frontend;
use crate::shared::Shared;

struct Place(UnsafeCell<Option<Frontend<Linux>>>);

// SAFETY: written by `omx_start` and `omx_stop` alone, which nothing else of the module runs beside; what is inside may be
// used by many threads, since its locks are real ones (`super::lock`) and it points to what belongs to no thread.
unsafe impl Sync for Place {}

static FRONTEND: Place = Place(UnsafeCell::new(None));

/// The module begins: before anything else, once.
///
/// # Safety
/// Nothing else of the module runs; the shim's mutexes are initialised.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_start() -> c_int {
    match Frontend::new(Linux) {
        Ok(frontend) => {
            // SAFETY: promised by the caller.
            unsafe { *FRONTEND.0.get() = Some(frontend) };
            0
        }
        Err(error) => error.negative(),
    }
}

/// The module goes: pages that another domain still maps are left to the kernel.
///
/// # Safety
/// No file is open, no board is attached, no work runs but that of notifiers.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_give_up() {
    if let Ok(frontend) = frontend() {
        frontend.shared.give_up();
    }
}

/// The module ends: after everything else.
///
/// # Safety
/// Nothing else of the module runs, nor will.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_stop() {
    // SAFETY: promised by the caller.
    drop(unsafe { (*FRONTEND.0.get()).take() });
}

/// What the module holds. `NO_DEVICE` before it begins.
pub fn frontend() -> Result<&'static Frontend<Linux>, Errno> {
    // SAFETY: not written while anything but `omx_start` and `omx_stop` runs.
    unsafe { &*FRONTEND.0.get() }
        .as_ref()
        .ok_or(Errno::NO_DEVICE)
}

/// A board, and what it shares with the others.
pub fn board(number: usize) -> Result<(&'static Board<Linux>, &'static Shared<Linux>), Errno> {
    frontend()?.board(number)
}

/// How long a caller waits when there is no other limit.
pub const FOR_EVER: u32 = 0;

/// Asks `work`, and again after each answer of the board's backend, until it is ready; holds nothing while it waits.
/// `INTERRUPTED` when the caller was killed, `BUSY` when `milliseconds` have passed without any answer.
pub fn until_ready<R>(
    board: usize,
    milliseconds: u32,
    mut work: impl FnMut() -> Poll<R>,
) -> Result<R, Errno> {
    loop {
        let seen = shim::shim_answers_seen(board as u32);
        if let Poll::Ready(result) = work() {
            return Ok(result);
        }
        Errno::check(shim::shim_wait_for_answer(board as u32, seen, milliseconds))?;
    }
}
