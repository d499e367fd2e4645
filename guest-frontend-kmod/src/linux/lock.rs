//! The kernel's mutexes around values.

use core::cell::UnsafeCell;

use super::shim::{self, KernelMutex};
use crate::lock::{Lock, LockName};

/// A value behind a mutex of the shim, which is initialised before the module has a [`super::state`] and outlives it.
pub struct Mutex<T> {
    mutex: *mut KernelMutex,
    value: UnsafeCell<T>,
}

impl<T> Mutex<T> {
    /// Puts a value behind the mutex of that name, which no other value has.
    pub fn new(name: LockName, value: T) -> Self {
        let mutex = match name {
            LockName::Endpoint { board, index } => {
                shim::shim_endpoint_mutex(board as u32, index.into())
            }
            LockName::Link { board } => shim::shim_link_mutex(board as u32),
            LockName::Shared => shim::shim_shared_mutex(),
        };
        Self {
            mutex,
            value: UnsafeCell::new(value),
        }
    }
}

impl<T> Lock<T> for Mutex<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: the mutex is one of the shim's, initialised.
        unsafe { shim::shim_lock(self.mutex) };
        // SAFETY: the mutex is held until `work` has returned, and this is the only way to the value; the same thread
        // cannot come here again without deadlock, so the reference is exclusive.
        let result = work(unsafe { &mut *self.value.get() });
        // SAFETY: locked above, by this thread.
        unsafe { shim::shim_unlock(self.mutex) };
        result
    }
}
