//! What the xenbus driver of the shim calls: boards that come and go, the interrupt, the backend's answers.

use core::cell::UnsafeCell;
use core::ffi::{c_int, c_uint};
use core::sync::atomic::{AtomicBool, Ordering};

use super::kernel::{STATISTICS, count};
use super::runtime::{ERROR, log};
use super::shim;
use super::sleepers;
use super::state;
use crate::errno::Errno;
use crate::frontend::BOARDS;
use crate::link::InterruptView;

const PROTOCOL_SIZE: usize = mx_ring::control::PROTOCOL.len() + 1;

/// `protocol` in xenstore, as a C string for the shim.
#[unsafe(no_mangle)]
static omx_protocol: [u8; PROTOCOL_SIZE] = {
    let mut text = [0; PROTOCOL_SIZE];
    let (start, _) = text.split_at_mut(PROTOCOL_SIZE - 1);
    start.copy_from_slice(mx_ring::control::PROTOCOL.as_bytes());
    text
};

/// `version` in xenstore, for the shim.
#[unsafe(no_mangle)]
static omx_version: u32 = mx_ring::ABI_VERSION;

/// What the interrupt handler of a board looks at. Set before the channel is bound, cleared after it was unbound.
struct View(UnsafeCell<Option<InterruptView>>);

// SAFETY: written only while no handler of that board can run (see `View`), otherwise read.
unsafe impl Sync for View {}

static VIEWS: [View; BOARDS] = [const { View(UnsafeCell::new(None)) }; BOARDS];

/// Whether a fault of the backend has been reported, so that the log has it once.
static FAULTY: [AtomicBool; BOARDS] = [const { AtomicBool::new(false) }; BOARDS];

/// Grants a new backend the device pages of a board.
///
/// # Safety
/// No channel of the board is bound; `ring_ref` may be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_attach(board: c_uint, domain: u16, ring_ref: *mut u32) -> c_int {
    let attached = state::board(board as usize).and_then(|(board, shared)| {
        let reference = board.attach(shared, domain)?;
        Ok((reference, board.interrupt_view()))
    });
    let (reference, view) = match attached {
        Ok(attached) => attached,
        Err(error) => return error.negative(),
    };
    // SAFETY: promised by the caller.
    unsafe { *ring_ref = reference };
    if let Some(place) = VIEWS.get(board as usize) {
        // SAFETY: no channel of the board is bound, so no handler reads it.
        unsafe { *place.0.get() = view };
    }
    if let Some(faulty) = FAULTY.get(board as usize) {
        faulty.store(false, Ordering::Relaxed);
    }
    0
}

/// The backend serves the board.
#[unsafe(no_mangle)]
extern "C" fn omx_connected(board: c_uint) {
    if let Ok((board, shared)) = state::board(board as usize) {
        board.connect(shared);
    }
}

/// Grants the backend what could not be granted; false when something is left.
#[unsafe(no_mangle)]
extern "C" fn omx_catch_up(board: c_uint) -> bool {
    state::board(board as usize).is_ok_and(|(board, shared)| board.catch_up(shared))
}

/// The backend is gone; whether the board waits for another one. Idempotent.
///
/// # Safety
/// No channel of the board is bound.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_orphan(board: c_uint) -> bool {
    state::board(board as usize).is_ok_and(|(board, shared)| {
        board.orphan(shared);
        board.is_orphaned()
    })
}

/// Ends the grants to a backend that is gone; false when it maps something yet.
#[unsafe(no_mangle)]
extern "C" fn omx_end_grants(board: c_uint) -> bool {
    state::board(board as usize).is_ok_and(|(board, shared)| board.release(shared))
}

/// Ends all that a board has; idempotent.
///
/// # Safety
/// No channel of the board is bound.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_detach(board: c_uint) {
    if let Some(place) = VIEWS.get(board as usize) {
        // SAFETY: no channel of the board is bound, so no handler reads it.
        unsafe { *place.0.get() = None };
    }
    if let Ok((board, shared)) = state::board(board as usize) {
        board.detach(shared);
    }
}

/// The interrupt: wakes the sleepers that the backend names, has its answers looked at. False when it was for nothing.
#[unsafe(no_mangle)]
extern "C" fn omx_interrupt(board: c_uint) -> bool {
    count(&STATISTICS.events_received);
    let Some(place) = VIEWS.get(board as usize) else {
        return false;
    };
    // SAFETY: the view does not change while the channel is bound, and a bound channel is why this runs.
    let Some(view) = (unsafe { *place.0.get() }) else {
        return false;
    };
    let brought = view.interrupt(|endpoint, armed| {
        let wakes = sleepers::wakes(board as usize, endpoint);
        let useful = wakes.is_ok_and(|wakes| wakes.woken(armed));
        shim::shim_wake_sleepers(board, endpoint.into());
        useful
    });
    if brought.answers {
        shim::shim_schedule_answers(board);
    }
    brought.useful
}

/// Responses that one run of the work takes, so that a backend that never stops does not keep it for ever.
const RUN: usize = 64;

/// Takes the backend's answers: 1 when there may be more, 0 when all are taken, negative when the backend is not to be
/// trusted any more.
#[unsafe(no_mangle)]
extern "C" fn omx_answers(number: c_uint) -> c_int {
    let Ok((board, shared)) = state::board(number as usize) else {
        return 0;
    };
    for _ in 0..RUN {
        match board.respond(shared) {
            Ok(true) => {}
            Ok(false) => return 0,
            Err(fault) => {
                let reported = FAULTY.get(number as usize);
                if reported.is_some_and(|reported| !reported.swap(true, Ordering::Relaxed)) {
                    log(ERROR, format_args!("board {number} is closed: {fault}"));
                }
                return Errno::PROTOCOL.negative();
            }
        }
    }
    1
}

/// Gives back pages that backends have let go of; true when there are more that they have not.
#[unsafe(no_mangle)]
extern "C" fn omx_reap() -> bool {
    state::frontend().is_ok_and(|frontend| frontend.shared.reap())
}
