//! The one [`Frontend`] of the module, behind its lock, and the way to wait for a home's answer.

use core::cell::UnsafeCell;
use core::task::Poll;

use super::kernel::Linux;
use super::shim;
use crate::errno::Errno;
use crate::frontend::Frontend;

struct Locked(UnsafeCell<Frontend<Linux>>);

// SAFETY: only `with` reaches the content, under the module's mutex.
unsafe impl Sync for Locked {}

static FRONTEND: Locked = Locked(UnsafeCell::new(Frontend::new(Linux)));

/// Runs `work` under the module's lock. It must not wait for a process or the home. What it left to linger is looked at
/// soon.
pub fn with<R>(work: impl FnOnce(&mut Frontend<Linux>) -> R) -> R {
    shim::shim_lock();
    // SAFETY: the mutex is held; `work` cannot call `with` again without deadlock, so the reference is exclusive.
    let frontend = unsafe { &mut *FRONTEND.0.get() };
    let result = work(frontend);
    let fresh = frontend.pool.lingering.take_fresh();
    shim::shim_unlock();
    if fresh {
        shim::shim_schedule_reaper();
    }
    result
}

/// How long a caller waits when there is no other limit.
pub const FOR_EVER: u32 = 0;

/// Asks `work` under the lock, and again after each answer of the board's home, until it is ready. `INTERRUPTED` when
/// the caller was killed, `BUSY` when `milliseconds` have passed without any answer.
pub fn until_ready<R>(
    board: usize,
    milliseconds: u32,
    mut work: impl FnMut(&mut Frontend<Linux>) -> Poll<R>,
) -> Result<R, Errno> {
    loop {
        let seen = shim::shim_answers_seen(board as u32);
        if let Poll::Ready(result) = with(&mut work) {
            return Ok(result);
        }
        Errno::check(shim::shim_wait_for_answer(board as u32, seen, milliseconds))?;
    }
}

/// Gives back what homes have let go of; false when nothing is left. Outside of the lock, since it may sleep.
pub fn reap() -> bool {
    for _ in 0..with(|frontend| frontend.pool.lingering.len()) {
        let Some(mut batch) = with(|frontend| frontend.pool.lingering.take()) else {
            break;
        };
        let (user, pages) = (batch.user(), batch.total());
        let empty = batch.give_back(&Linux);
        with(|frontend| match empty {
            true => frontend.pool.dismiss(user, pages),
            false => frontend.pool.lingering.put_back(batch),
        });
    }
    with(|frontend| !frontend.pool.lingering.is_empty())
}
