//! Completion queues.

use core::ffi::{c_char, c_int, c_void};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use open_mx::Sleep;

use crate::abi::completion::{
    Entry, ErrorEntry, QueueAttributes, WAIT_FD, entry_size, is_own_wait,
};
use crate::abi::flags::{ADDRESS_UNSPECIFIED, class, code, control};
use crate::abi::objects::{CompletionQueueObject, CompletionQueueOperations, Fid, FidOperations};
use crate::endpoints::{Advance, Endpoints};
use crate::handle::{Handle, fid};
use crate::wait::WaitDescriptor;

/// An application that reads in vain so often gives way: the node that serves it may need its processor.
const EMPTY_READS: u32 = 16;

/// What has completed, and whose endpoints make progress when one looks.
#[derive(Debug)]
pub struct CompletionQueue {
    /// Bytes of an entry in the format that the application has chosen.
    entry_size: usize,
    endpoints: Endpoints,
    filled: Mutex<Filled>,
    empty_reads: AtomicU32,
    signalled: AtomicBool,
    /// What the application may sleep on by itself.
    wait: Option<WaitDescriptor>,
}

#[derive(Debug, Default)]
struct Filled {
    done: VecDeque<(Entry, u64)>,
    errors: VecDeque<ErrorEntry>,
}

/// What read of a queue found.
enum Found {
    Some(usize),
    Error,
    Nothing,
}

impl CompletionQueue {
    /// Appends a completion, with its sender's number.
    pub fn complete(&self, entry: Entry, from: Option<u64>) {
        let from = from.unwrap_or(ADDRESS_UNSPECIFIED);
        self.filled().done.push_back((entry, from));
        self.ring();
    }

    /// Appends an operation that failed.
    pub fn fail(&self, entry: ErrorEntry) {
        self.filled().errors.push_back(entry);
        self.ring();
    }

    fn ring(&self) {
        if let Some(wait) = &self.wait {
            wait.ring();
        }
    }

    /// An endpoint completes here.
    pub fn add(&self, endpoint: &Arc<impl Advance + 'static>) -> Result<(), c_int> {
        if let Some(wait) = &self.wait {
            endpoint.add_to_poll(wait.poll())?;
        }
        self.endpoints.add(endpoint);
        Ok(())
    }

    /// Whether the application may sleep on the queue's descriptor: what has come until then would not make it readable.
    pub fn try_wait(&self) -> Result<(), c_int> {
        let wait = self.wait.as_ref().ok_or(code::EINVAL)?;
        wait.arm();
        self.endpoints.advance();
        let is_empty = || {
            let filled = self.filled();
            filled.done.is_empty() && filled.errors.is_empty()
        };
        if is_empty()
            && let Sleep::Until(until) = self.endpoints.prepare_sleep()
            && is_empty()
        {
            wait.ring_at(until);
            return Ok(());
        }
        Err(code::EAGAIN)
    }

    fn filled(&self) -> MutexGuard<'_, Filled> {
        self.filled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Safety
    /// There is room for `count` entries of the queue's format at `place`, and for as many numbers at `from` unless it is
    /// null.
    unsafe fn take(&self, place: *mut Entry, count: usize, from: *mut u64) -> Found {
        let mut filled = self.filled();
        let count = count.min(filled.done.len());
        for (index, (entry, sender)) in filled.done.drain(..count).enumerate() {
            // SAFETY: promised by the caller; an entry of each format is the beginning of the largest.
            unsafe {
                let to = place.cast::<u8>().add(index * self.entry_size);
                let bytes = (&raw const entry).cast::<u8>();
                core::ptr::copy_nonoverlapping(bytes, to, self.entry_size);
                if !from.is_null() {
                    from.add(index).write(sender);
                }
            }
        }
        match count {
            0 if !filled.errors.is_empty() => Found::Error,
            0 => Found::Nothing,
            count => Found::Some(count),
        }
    }

    /// # Safety
    /// As for `take`.
    unsafe fn read(&self, place: *mut Entry, count: usize, from: *mut u64) -> isize {
        // SAFETY: promised by the caller.
        let mut found = unsafe { self.take(place, count, from) };
        if let Found::Nothing = found {
            self.endpoints.advance();
            // SAFETY: promised by the caller.
            found = unsafe { self.take(place, count, from) };
        }
        match found {
            Found::Some(count) => {
                self.empty_reads.store(0, Ordering::Relaxed);
                count as isize
            }
            Found::Error => -(code::EAVAIL as isize),
            Found::Nothing => {
                let empty = self.empty_reads.fetch_add(1, Ordering::Relaxed) + 1;
                if empty.is_multiple_of(EMPTY_READS) {
                    if let Err(code) = self.endpoints.are_usable() {
                        return self.last(code);
                    }
                    rustix::thread::sched_yield();
                }
                -(code::EAGAIN as isize)
            }
        }
    }

    /// The endpoints are of no use any more: what has failed with them is told first.
    fn last(&self, code: c_int) -> isize {
        self.endpoints.advance();
        match self.filled().errors.is_empty() {
            true => -(code as isize),
            false => -(code::EAVAIL as isize),
        }
    }

    /// # Safety
    /// As for `take`.
    unsafe fn read_until(
        &self,
        place: *mut Entry,
        count: usize,
        from: *mut u64,
        milliseconds: c_int,
    ) -> isize {
        let end = u64::try_from(milliseconds)
            .ok()
            .and_then(|wait| Instant::now().checked_add(Duration::from_millis(wait)));
        loop {
            // SAFETY: promised by the caller.
            let read = unsafe { self.read(place, count, from) };
            if read != -(code::EAGAIN as isize) || self.signalled.swap(false, Ordering::Relaxed) {
                return read;
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return read;
            }
            if let Err(code) = self.endpoints.wait(left) {
                return self.last(code);
            }
        }
    }
}

type Object = Handle<CompletionQueueObject, CompletionQueue>;

static OBJECT: FidOperations = FidOperations {
    control: command,
    ..FidOperations::closing(Object::close)
};
static OPERATIONS: CompletionQueueOperations = CompletionQueueOperations {
    size: size_of::<CompletionQueueOperations>(),
    read,
    read_from,
    read_error,
    read_waiting,
    read_from_waiting,
    signal,
    error_text,
};

/// # Safety
/// As libfabric's `fi_cq_open`.
pub unsafe extern "C" fn open(
    _: *mut Fid,
    attributes: *mut QueueAttributes,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes attributes, or none.
    let attributes = unsafe { attributes.as_ref() };
    let format = attributes.map_or(0, |attributes| attributes.format);
    let wait = match attributes.map_or(0, |attributes| attributes.wait_object) {
        WAIT_FD => match WaitDescriptor::new() {
            Ok(wait) => Some(wait),
            Err(errno) => return -errno.raw_os_error(),
        },
        object if is_own_wait(object) => None,
        _ => return -code::ENOSYS,
    };
    let object = CompletionQueueObject {
        fid: fid(class::COMPLETION_QUEUE, context, &OBJECT),
        operations: &OPERATIONS,
    };
    let queue = CompletionQueue {
        entry_size: entry_size(format),
        endpoints: Endpoints::default(),
        filled: Mutex::default(),
        empty_reads: AtomicU32::new(0),
        signalled: AtomicBool::new(false),
        wait,
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::new(queue), place) }
}

/// Ours of a completion queue.
///
/// # Safety
/// `fid` is of an open completion queue of this provider for as long as `'a`.
pub unsafe fn of<'a>(fid: *mut Fid) -> &'a Arc<CompletionQueue> {
    // SAFETY: promised by the caller.
    unsafe { Object::of(fid) }
}

unsafe extern "C" fn read(queue: *mut Fid, place: *mut Entry, count: usize) -> isize {
    // SAFETY: libfabric passes an open queue, and room for `count` entries.
    unsafe { of(queue).read(place, count, core::ptr::null_mut()) }
}

unsafe extern "C" fn read_from(
    queue: *mut Fid,
    place: *mut Entry,
    count: usize,
    from: *mut u64,
) -> isize {
    // SAFETY: libfabric passes an open queue, and room for `count` entries and numbers.
    unsafe { of(queue).read(place, count, from) }
}

unsafe extern "C" fn read_waiting(
    queue: *mut Fid,
    place: *mut Entry,
    count: usize,
    _: *const c_void,
    milliseconds: c_int,
) -> isize {
    // SAFETY: libfabric passes an open queue, and room for `count` entries.
    unsafe { of(queue).read_until(place, count, core::ptr::null_mut(), milliseconds) }
}

unsafe extern "C" fn read_from_waiting(
    queue: *mut Fid,
    place: *mut Entry,
    count: usize,
    from: *mut u64,
    _: *const c_void,
    milliseconds: c_int,
) -> isize {
    // SAFETY: libfabric passes an open queue, and room for `count` entries and numbers.
    unsafe { of(queue).read_until(place, count, from, milliseconds) }
}

unsafe extern "C" fn read_error(queue: *mut Fid, place: *mut ErrorEntry, _: u64) -> isize {
    // SAFETY: libfabric passes an open queue.
    let error = unsafe { of(queue) }.filled().errors.pop_front();
    match error {
        Some(error) => {
            // SAFETY: and a place for one entry. Where the application would keep more of an error is its own to say.
            unsafe {
                let own = (&raw const (*place).error_data).read();
                place.write(ErrorEntry {
                    error_data: own,
                    error_data_size: 0,
                    ..error
                });
            }
            1
        }
        None => -(code::EAGAIN as isize),
    }
}

unsafe extern "C" fn signal(queue: *mut Fid) -> c_int {
    // SAFETY: libfabric passes an open queue.
    let queue = unsafe { of(queue) };
    queue.signalled.store(true, Ordering::Relaxed);
    queue.endpoints.wake();
    queue.ring();
    0
}

unsafe extern "C" fn command(queue: *mut Fid, command: c_int, place: *mut c_void) -> c_int {
    // SAFETY: libfabric passes an open queue.
    let queue = unsafe { of(queue) };
    match (&queue.wait, command) {
        (Some(wait), control::GET_WAIT) => {
            // SAFETY: and a place for a descriptor.
            unsafe { place.cast::<c_int>().write(wait.number()) };
            0
        }
        _ => -code::ENOSYS,
    }
}

unsafe extern "C" fn error_text(
    _: *mut Fid,
    provider_error: c_int,
    _: *const c_void,
    place: *mut c_char,
    room: usize,
) -> *const c_char {
    let code = u32::try_from(provider_error)
        .ok()
        .and_then(open_mx::Code::from_number);
    let text = code.map_or_else(|| "unknown".to_owned(), |code| code.to_string());
    if place.is_null() || room == 0 {
        return c"".as_ptr();
    }
    let length = text.len().min(room - 1);
    // SAFETY: the caller's place has `room` bytes.
    unsafe {
        core::ptr::copy_nonoverlapping(text.as_ptr(), place.cast(), length);
        place.add(length).write(0);
    }
    place
}
