//! The `ioctl`: every request of [`mx_ring::uapi`].

use alloc::vec::Vec;
use core::ffi::{c_long, c_ulong, c_void};
use core::sync::atomic::Ordering;

use mx_ring::admin::Change;
use mx_ring::control::{ENDPOINTS, STAGING_REFS};
use mx_ring::registration::RESERVE_MAX;
use mx_ring::uapi::{ANY_ENDPOINT, Call, CallReply, CallRequest, RAW_ENDPOINT};
use mx_ring::{EndpointLayout, Geometry, PAGE_SIZE, RegionKey};

use super::file::StateWord;
use super::kernel::{Linux, STATISTICS, count};
use super::page::HeldPage;
use super::raw;
use super::shim::{self, Mm, Page};
use super::sleep::{self, Wait};
use super::sleepers;
use super::state::{self, FOR_EVER, until_ready};
use super::watch::Watch;
use crate::board::Opening;
use crate::endpoint::Opener;
use crate::endpoint_id::EndpointId;
use crate::errno::Errno;
use crate::file_state::FileState;
use crate::page_set::{PageSet, Pinned};
use crate::quota::{Limits, User};
use crate::region::Extent;

/// How long an index that is still being closed is waited for (interfaces §9).
const REOPEN_MILLISECONDS: u32 = 1000;
/// Pages of a region, 256 MiB.
const REGION_PAGES: usize = 65_536;

/// An `ioctl` on a file. Its answer takes the place of the call.
///
/// # Safety
/// `file` is the shim's open file, `file_state` its word; `call` may be read and written.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_call(file: *mut c_void, file_state: *mut u64, call: *mut Call) -> c_long {
    count(&STATISTICS.calls);
    // SAFETY: promised by the caller.
    let (file_state, call) = unsafe { (StateWord::new(file_state), &mut *call) };
    let reply = match CallRequest::decode(call) {
        // SAFETY: promised by the caller.
        Ok(request) => unsafe { answer(file, file_state, request) },
        Err(_) => Err(Errno::NOT_A_CALL),
    };
    match reply {
        Ok(reply) => {
            *call = reply.encode(call);
            0
        }
        Err(error) => error.negative().into(),
    }
}

/// The space that opened the endpoint of a file has ended, or the file is closed.
///
/// # Safety
/// `file_state` is the word of an open file.
#[unsafe(no_mangle)]
unsafe extern "C" fn omx_end(file_state: *mut u64) {
    // SAFETY: promised by the caller.
    let file_state = unsafe { StateWord::new(file_state) };
    if let Ok((board, id)) = file_state.endpoint() {
        close(board, id);
    }
    if let Ok((board, number)) = file_state.raw() {
        raw::close(board, number);
    }
}

/// # Safety
/// As for [`omx_call`].
unsafe fn answer(
    file: *mut c_void,
    file_state: StateWord<'_>,
    request: CallRequest,
) -> Result<CallReply, Errno> {
    match request {
        CallRequest::Hello { .. } => Ok(CallReply::Hello {
            version: mx_ring::ABI_VERSION,
            boards: state::frontend()?.board_count(),
            user_memory: true,
            queue_entries: shim::shim_queue_entries(),
        }),
        CallRequest::AttachBoard { board } => {
            let board = board as usize;
            state::board(board)?.0.shows()?;
            file_state
                .become_(FileState::Board(board))
                .map(|()| CallReply::Done)
        }
        CallRequest::OpenEndpoint {
            board,
            endpoint,
            geometry,
        } => {
            file_state.become_(FileState::Opening)?;
            // First: a signal that has come by the time makes it fail, and opening takes longer than the time between two.
            // SAFETY: promised by the caller; this thread alone has taken `FileState::Opening`.
            let bound = Errno::check(unsafe { shim::shim_bind_to_space(file) });
            let opened = bound.and_then(|_| open(board as usize, endpoint, geometry));
            match opened {
                Ok((id, session)) => {
                    file_state.opened(FileState::Endpoint(board as usize, id));
                    Ok(CallReply::Opened {
                        endpoint: id.index.into(),
                        session,
                    })
                }
                Err(error) => {
                    file_state.opened(FileState::Fresh);
                    Err(error)
                }
            }
        }
        CallRequest::Register {
            address,
            length,
            writable,
            reserve,
        } => {
            let (board, id) = file_state.endpoint()?;
            let extent = Extent {
                offset: (address % PAGE_SIZE as u64) as u16,
                length,
                writable,
                reserve,
            };
            register(board, id, address, extent).map(|region| CallReply::Registered { region })
        }
        CallRequest::Deregister { region } => {
            let (board, id) = file_state.endpoint()?;
            deregister(board, id, region).map(|()| CallReply::Done)
        }
        CallRequest::Wait {
            unexpected,
            expected,
            deadline,
            kick,
        } => {
            let (board, id) = file_state.endpoint()?;
            let wait = Wait {
                unexpected,
                expected,
                deadline,
                kick,
            };
            sleep::sleep(board, id, &wait).map(|()| CallReply::Done)
        }
        CallRequest::Kick => {
            let (board, id) = file_state.endpoint()?;
            let space = shim::shim_current_space();
            let kick = |endpoint: &mut _| sleep::kick(board, id, endpoint);
            state::board(board)?.0.usable(id, space, kick)?;
            Ok(CallReply::Done)
        }
        CallRequest::Wakeup => {
            let (board, id) = file_state.endpoint()?;
            let space = shim::shim_current_space();
            state::board(board)?.0.usable(id, space, |_| ())?;
            sleepers::make_return(board, id.index);
            Ok(CallReply::Done)
        }
        CallRequest::Statistics => {
            let load = |counter: &core::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            Ok(CallReply::Statistics {
                calls: load(&STATISTICS.calls),
                sleeps: load(&STATISTICS.sleeps),
                events_sent: load(&STATISTICS.events_sent),
                events_received: load(&STATISTICS.events_received),
                grants: load(&STATISTICS.grants),
                grants_ended: load(&STATISTICS.grants_ended),
            })
        }
        CallRequest::OpenRaw { board } => {
            file_state.become_(FileState::Opening)?;
            // SAFETY: promised by the caller; this thread alone has taken `FileState::Opening`.
            let bound = Errno::check(unsafe { shim::shim_bind_to_space(file) });
            let opened = bound.and_then(|_| raw::open(board as usize));
            file_state.opened(match opened {
                Ok(number) => FileState::Raw(board as usize, number),
                Err(_) => FileState::Fresh,
            });
            opened.map(|_| CallReply::Done)
        }
        CallRequest::Close => {
            if let Ok((board, number)) = file_state.raw() {
                raw::close(board, number);
            } else {
                let (board, id) = file_state.endpoint()?;
                let space = shim::shim_current_space();
                state::board(board)?.0.usable(id, space, |_| ())?;
                close(board, id);
            }
            Ok(CallReply::Done)
        }
        CallRequest::Change { board, change } => {
            self::change(board as usize, &change).map(|()| CallReply::Done)
        }
        CallRequest::EndpointInfo { board, endpoint } => {
            let (board, _) = state::board(board as usize)?;
            board.shows()?;
            let found = match endpoint {
                RAW_ENDPOINT => board.raw_opener().map(|process| (process, 0)),
                endpoint => board.opener(endpoint_index(endpoint)?),
            };
            let (process, entries) = found.unzip();
            Ok(CallReply::EndpointInfo {
                open: process.is_some(),
                pid: process.map_or(0, |process| process.pid),
                command: process.map_or([0; 16], |process| process.command),
                queue_entries: entries.unwrap_or(0),
            })
        }
    }
}

fn endpoint_index(endpoint: u32) -> Result<u8, Errno> {
    u8::try_from(endpoint).map_err(|_| Errno::INVALID)
}
const _: () = assert!(ENDPOINTS == 1 << u8::BITS);

/// What the caller may hold: nothing limits who may lift resource limits.
fn limits() -> Option<Limits> {
    if shim::shim_current_is_unlimited() {
        return None;
    }
    let (mut endpoints, mut pages) = (0, 0);
    // SAFETY: both may be written.
    unsafe { shim::shim_limits(&raw mut endpoints, &raw mut pages) };
    Some(Limits {
        endpoints: endpoints as usize,
        pages: pages as usize,
    })
}

fn open(board: usize, endpoint: u32, geometry: Geometry) -> Result<(EndpointId, u32), Errno> {
    let endpoint = match endpoint {
        ANY_ENDPOINT => None,
        index => Some(endpoint_index(index)?),
    };
    let layout = EndpointLayout::new(geometry).map_err(|_| Errno::INVALID)?;
    let pages = (layout.w_size() + layout.r_size()) / PAGE_SIZE;
    if pages > STAGING_REFS {
        return Err(Errno::INVALID);
    }
    let (backend, shared) = state::board(board)?;
    backend.exists()?;
    let opener = Opener {
        user: shim::shim_current_user(),
        space: shim::shim_current_space(),
        process: shim::current_process(),
    };
    let opening = Opening {
        endpoint,
        opener,
        limits: limits(),
        layout,
        session: shim::shim_random(),
        incarnation: state::frontend()?.next_incarnation(),
    };
    // The page of the notes about regions comes last.
    let singles = core::iter::repeat_n(1, pages + 1);
    let allocated = PageSet::allocate(&Linux, opener.user, singles)?;
    let mut queues = Some(backend.grant_queues(shared, &opening, allocated)?);
    let begun = until_ready(board, REOPEN_MILLISECONDS, || {
        backend.open(shared, &opening, &mut queues)
    });
    if let Some(unused) = queues {
        shared.give_back(unused);
    }
    let id = begun??;
    let opened = until_ready(board, FOR_EVER, || backend.opened(shared, id));
    let session = opened.inspect_err(|_| backend.close(shared, id))??;
    Ok((id, session))
}

/// Changes a board, for who administers the guest's network.
fn change(board: usize, change: &Change) -> Result<(), Errno> {
    if !shim::shim_current_administers_network() {
        return Err(Errno::NOT_PERMITTED);
    }
    let number = state::frontend()?.next_incarnation();
    let (backend, shared) = state::board(board)?;
    let changed = until_ready(board, FOR_EVER, || backend.change(shared, number, change));
    changed.inspect_err(|_| backend.abandon_change(shared, number))?
}

fn close(board: usize, id: EndpointId) {
    if let Ok((board, shared)) = state::board(board) {
        board.close(shared, id);
    }
}

fn register(
    board: usize,
    id: EndpointId,
    address: u64,
    extent: Extent,
) -> Result<RegionKey, Errno> {
    let length = extent.length;
    let end = address.checked_add(length.into()).ok_or(Errno::INVALID)?;
    let count = (usize::from(extent.offset) + length as usize).div_ceil(PAGE_SIZE);
    if length == 0 || end > isize::MAX as u64 || (extent.reserve && length > RESERVE_MAX) {
        return Err(Errno::INVALID);
    }
    if count > REGION_PAGES {
        return Err(Errno::TOO_LONG);
    }
    let space = shim::shim_current_space();
    let (backend, shared) = state::board(board)?;
    let notes = backend.usable(id, space, |endpoint| endpoint.notes().map(HeldPage::new))?;
    let notes = notes.ok_or(Errno::INVALID)?;
    let user = shim::shim_current_user();
    let limits = match extent.reserve {
        true => limits().map(Limits::for_reserves),
        false => limits(),
    };
    if !shared.has_room(user, count, limits) {
        return Err(Errno::AGAIN);
    }
    let first = address - u64::from(extent.offset);
    let watch = Watch::begin(board, id, notes, first, (count * PAGE_SIZE) as u64)?;
    let pinned = pin(user, watch, first, count, extent)?;
    let admitted = shared.admit(pinned, limits)?;
    let granted = backend.grant(shared, admitted, count, |_| extent.access())?;
    let mut pages = Some(granted);
    let begun = backend.register(shared, id, space, extent, &mut pages);
    if let Some(unused) = pages {
        shared.give_back(unused);
    }
    let region = begun?;
    let registered = until_ready(board, FOR_EVER, || backend.registered(shared, id, region));
    registered.inspect_err(|_| backend.abandon(shared, id, region))??;
    Ok(region)
}

/// Accounts and pins memory of the caller, which is watched.
fn pin(
    user: User,
    watch: Watch,
    first: u64,
    count: usize,
    extent: Extent,
) -> Result<PageSet<Linux>, Errno> {
    let writable = extent.writable;
    match pin_watched(&watch, first, count, extent) {
        Ok((space, pages)) => {
            let pinned = Pinned {
                space,
                writable,
                watch,
            };
            PageSet::pinned(&Linux, user, pinned, pages)
        }
        Err(error) => {
            watch.end();
            Err(error)
        }
    }
}

fn pin_watched(
    watch: &Watch,
    first: u64,
    count: usize,
    extent: Extent,
) -> Result<(*mut Mm, Vec<*mut Page>), Errno> {
    let mut pages: Vec<*mut Page> = Vec::new();
    pages
        .try_reserve_exact(count)
        .map_err(|_| Errno::NO_MEMORY)?;
    let into = pages.as_mut_ptr();
    let mut space = core::ptr::null_mut();
    let limited = !extent.reserve;
    // SAFETY: `space` may be written.
    let accounted = unsafe { shim::shim_account_pinned(count as c_ulong, limited, &raw mut space) };
    Errno::check(accounted)?;
    let writable = extent.writable;
    // SAFETY: the vector has room for `count` pages.
    let pin = || unsafe { shim::shim_pin(first as c_ulong, count as c_ulong, writable, into) };
    // SAFETY: only called after `shim_pin` has written and pinned all of them.
    let unpin = || (0..count).for_each(|page| unsafe { shim::shim_unpin(*into.add(page), false) });
    if let Err(error) = watch.pin(pin, unpin) {
        // SAFETY: accounted above.
        unsafe { shim::shim_unaccount_pinned(space, count as c_ulong) };
        return Err(error);
    }
    // SAFETY: `shim_pin` has written all of them.
    unsafe { pages.set_len(count) };
    Ok((space, pages))
}

fn deregister(board: usize, id: EndpointId, region: RegionKey) -> Result<(), Errno> {
    let space = shim::shim_current_space();
    let (backend, shared) = state::board(board)?;
    backend.deregister(shared, id, space, region)?;
    let left = until_ready(board, FOR_EVER, || backend.deregistered(id, region));
    // Here, not on the list: the caller gets its RLIMIT_MEMLOCK back before it goes on.
    if let Some(pages) = left.inspect_err(|_| backend.abandon(shared, id, region))? {
        shared.give_back(pages);
    }
    Ok(())
}
