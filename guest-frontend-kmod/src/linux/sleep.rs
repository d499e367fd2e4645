//! Waiting for events.

use core::ffi::{c_int, c_void};

use mx_ring::control::{ArmedCounters, ENDPOINTS};
use mx_ring::sleep::EndpointWatch;

use super::file::StateWord;
use super::kernel::{Linux, STATISTICS, count};
use super::page::HeldPage;
use super::shim;
use super::sleepers::{returns, wakes};
use super::state;
use crate::endpoint::GrantedEndpoint;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::kernel::Kernel;
use crate::returns::Returns;
use crate::wakes::Wakes;

/// What a process passes to a wait.
pub struct Wait {
    /// Its consumer index of the unexpected queue.
    pub unexpected: u32,
    /// Its consumer index of the expected queue.
    pub expected: u32,
    /// CLOCK_MONOTONIC in ns, `u64::MAX` for none.
    pub deadline: u64,
    /// Kick the backend first.
    pub kick: bool,
}

/// What a sleeper looks at.
struct SleepContext {
    watch: EndpointWatch,
    armed: ArmedCounters,
    endpoint: u8,
    unexpected: u32,
    expected: u32,
    returns: &'static Returns,
    wakes: &'static Wakes,
    begun: u32,
    slept: bool,
    _pages: [HeldPage; 2],
}

impl SleepContext {
    fn something_new(&self) -> bool {
        let found = self.watch.has_events(self.unexpected, self.expected)
            || self.returns.is_told(self.begun);
        self.wakes.looked(found);
        found
    }

    /// Arms only when there is nothing, so that a backend that is not slept on sends no event; then looks once more.
    fn ready(&mut self) -> bool {
        if self.something_new() {
            return true;
        }
        self.armed.arm(self.endpoint);
        if self.something_new() {
            return true;
        }
        if !self.slept {
            self.slept = true;
            count(&STATISTICS.sleeps);
        }
        false
    }
}

/// # Safety
/// `context` is the [`SleepContext`] that its only user passed to `shim_sleep`.
extern "C" fn ready(context: *mut c_void) -> bool {
    // SAFETY: `sleep` passes its own context, which outlives the call and which nobody else touches meanwhile.
    unsafe { &mut *context.cast::<SleepContext>() }.ready()
}

/// Sleeps until the backend has published events beyond the indices, or somebody wakes the endpoint's sleepers.
pub fn sleep(board: usize, id: EndpointId, wait: &Wait) -> Result<(), Errno> {
    let space = shim::shim_current_space();
    let (board_of, _) = state::board(board)?;
    let mut context = board_of.usable(id, space, |endpoint| {
        if wait.kick {
            kick(board, id, endpoint);
        }
        let r0 = HeldPage::new(endpoint.r0().ok_or(Errno::INVALID)?);
        let d2 = HeldPage::new(endpoint.bell.armed);
        let returns = returns(board, id.index)?;
        let wakes = wakes(board, id.index)?;
        Ok::<_, Errno>(SleepContext {
            watch: EndpointWatch::new(r0.slice()).map_err(|_| Errno::INVALID)?,
            armed: ArmedCounters::new(d2.slice()).map_err(|_| Errno::INVALID)?,
            endpoint: id.index,
            unexpected: wait.unexpected,
            expected: wait.expected,
            returns,
            wakes,
            begun: returns.begin(),
            slept: false,
            _pages: [r0, d2],
        })
    })??;
    let returns = context.returns;
    let context: *mut SleepContext = &raw mut context;
    // SAFETY: the context lives until `shim_sleep` returns, and only `ready` touches it until then.
    let slept = unsafe {
        shim::shim_sleep(
            board as u32,
            id.index.into(),
            ready,
            context.cast(),
            wait.deadline,
        )
    };
    let slept = Errno::check(slept);
    // What a signal interrupts may begin anew.
    if matches!(slept, Ok(_) | Err(Errno::TIMED_OUT)) {
        returns.take();
    }
    slept?;
    board_of.usable(id, space, |_| ())
}

/// Which endpoint a file is, for those who poll several: its board times 256, and its index. Negative when it is none.
///
/// # Safety
/// `file_state` is the word of an open file.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_endpoint_place(file_state: *mut u64) -> c_int {
    // SAFETY: promised by the caller.
    match unsafe { StateWord::new(file_state) }.endpoint() {
        Ok((board, id)) => (board * ENDPOINTS + usize::from(id.index)) as c_int,
        Err(error) => error.negative(),
    }
}

/// Whether there are events beyond those that the process has told to have consumed: 1; 0 when the backend will send an
/// event for the next one; negative when the caller may not use the endpoint, or it has ended.
///
/// # Safety
/// `file_state` is the word of an open file.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_endpoint_waits(file_state: *mut u64) -> c_int {
    // SAFETY: promised by the caller.
    let file_state = unsafe { StateWord::new(file_state) };
    match file_state
        .endpoint()
        .and_then(|(board, id)| waits(board, id))
    {
        Ok(waits) => c_int::from(waits),
        Err(error) => error.negative(),
    }
}

fn waits(board: usize, id: EndpointId) -> Result<bool, Errno> {
    let space = shim::shim_current_space();
    state::board(board)?.0.usable(id, space, |endpoint| {
        let r0 = HeldPage::new(endpoint.r0().ok_or(Errno::INVALID)?);
        let w0 = HeldPage::new(endpoint.w0().ok_or(Errno::INVALID)?);
        let d2 = HeldPage::new(endpoint.bell.armed);
        let watch = EndpointWatch::new(r0.slice()).map_err(|_| Errno::INVALID)?;
        let armed = ArmedCounters::new(d2.slice()).map_err(|_| Errno::INVALID)?;
        let wakes = wakes(board, id.index)?;
        let something_new = || {
            let found = watch.has_unconsumed(&w0.slice());
            let found = found.map_err(|_| Errno::INVALID)?;
            wakes.looked(found);
            Ok(found)
        };
        if something_new()? {
            return Ok(true);
        }
        armed.arm(id.index);
        something_new()
    })?
}

/// Rings the doorbell of an endpoint's backend; the endpoint is locked.
pub fn kick(board: usize, id: EndpointId, endpoint: &GrantedEndpoint<Linux>) {
    endpoint.bell.doorbells.ring(id.index);
    Linux.notify(board);
}
