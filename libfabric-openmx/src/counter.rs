//! Counters of completions.

use core::ffi::{c_int, c_void};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::abi::completion::{CounterAttributes, is_own_wait};
use crate::abi::flags::{class, code};
use crate::abi::objects::{CounterObject, CounterOperations, Fid, FidOperations};
use crate::endpoints::Endpoints;
use crate::handle::{Handle, fid};

/// How many operations have completed, and how many have failed.
#[derive(Debug, Default)]
pub struct Counter {
    done: AtomicU64,
    failed: AtomicU64,
    endpoints: Endpoints,
}

impl Counter {
    /// Counts one.
    pub fn count(&self, done: bool) {
        let counter = if done { &self.done } else { &self.failed };
        counter.fetch_add(1, Ordering::Release);
    }

    /// The endpoints that count here.
    pub fn endpoints(&self) -> &Endpoints {
        &self.endpoints
    }

    /// Waits until so many have completed; an error when one fails meanwhile, or when the time is over.
    fn wait(&self, threshold: u64, milliseconds: c_int) -> Result<(), c_int> {
        let end = u64::try_from(milliseconds)
            .ok()
            .and_then(|wait| Instant::now().checked_add(Duration::from_millis(wait)));
        let failed = self.failed.load(Ordering::Acquire);
        loop {
            self.endpoints.advance();
            if self.done.load(Ordering::Acquire) >= threshold {
                return Ok(());
            }
            if self.failed.load(Ordering::Acquire) != failed {
                return Err(code::EAVAIL);
            }
            let left = end.map(|end| end.saturating_duration_since(Instant::now()));
            if left == Some(Duration::ZERO) {
                return Err(code::ETIMEDOUT);
            }
            self.endpoints.wait(left)?;
        }
    }
}

type Object = Handle<CounterObject, Counter>;

static OBJECT: FidOperations = FidOperations::closing(Object::close);
static OPERATIONS: CounterOperations = CounterOperations {
    size: size_of::<CounterOperations>(),
    read,
    read_errors,
    add,
    set,
    wait,
    add_errors,
    set_errors,
};

/// # Safety
/// As libfabric's `fi_cntr_open`.
pub unsafe extern "C" fn open(
    _: *mut Fid,
    attributes: *mut CounterAttributes,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes attributes, or none.
    let attributes = unsafe { attributes.as_ref() };
    if !attributes.is_none_or(|attributes| is_own_wait(attributes.wait_object)) {
        return -code::ENOSYS;
    }
    let object = CounterObject {
        fid: fid(class::COUNTER, context, &OBJECT),
        operations: &OPERATIONS,
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::default(), place) }
}

/// Ours of a counter.
///
/// # Safety
/// `fid` is of an open counter of this provider for as long as `'a`.
pub unsafe fn of<'a>(fid: *mut Fid) -> &'a Arc<Counter> {
    // SAFETY: promised by the caller.
    unsafe { Object::of(fid) }
}

unsafe extern "C" fn read(counter: *mut Fid) -> u64 {
    // SAFETY: libfabric passes an open counter.
    let counter = unsafe { of(counter) };
    counter.endpoints.advance();
    counter.done.load(Ordering::Acquire)
}

unsafe extern "C" fn read_errors(counter: *mut Fid) -> u64 {
    // SAFETY: libfabric passes an open counter.
    unsafe { of(counter) }.failed.load(Ordering::Acquire)
}

unsafe extern "C" fn add(counter: *mut Fid, value: u64) -> c_int {
    // SAFETY: libfabric passes an open counter.
    unsafe { of(counter) }
        .done
        .fetch_add(value, Ordering::Release);
    0
}

unsafe extern "C" fn set(counter: *mut Fid, value: u64) -> c_int {
    // SAFETY: libfabric passes an open counter.
    unsafe { of(counter) }.done.store(value, Ordering::Release);
    0
}

unsafe extern "C" fn wait(counter: *mut Fid, threshold: u64, milliseconds: c_int) -> c_int {
    // SAFETY: libfabric passes an open counter.
    let waited = unsafe { of(counter) }.wait(threshold, milliseconds);
    waited.map_or_else(|code| -code, |()| 0)
}

unsafe extern "C" fn add_errors(counter: *mut Fid, value: u64) -> c_int {
    // SAFETY: libfabric passes an open counter.
    unsafe { of(counter) }
        .failed
        .fetch_add(value, Ordering::Release);
    0
}

unsafe extern "C" fn set_errors(counter: *mut Fid, value: u64) -> c_int {
    // SAFETY: libfabric passes an open counter.
    unsafe { of(counter) }
        .failed
        .store(value, Ordering::Release);
    0
}
