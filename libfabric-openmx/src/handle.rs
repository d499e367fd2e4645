//! Objects as libfabric holds them: what C sees comes first, ours behind it.

use core::ffi::{c_int, c_void};
use std::sync::Arc;

use crate::abi::objects::{Fid, FidOperations};

/// `C` begins with a [`Fid`]; `T` is shared with whatever else needs it, and lives until the last of them lets go.
#[repr(C)]
pub struct Handle<C, T> {
    object: C,
    inner: Arc<T>,
}

impl<C, T> Handle<C, T> {
    /// Makes an object, and tells where it is.
    ///
    /// # Safety
    /// `place` is valid for a write.
    pub unsafe fn give(object: C, inner: Arc<T>, place: *mut *mut Fid) -> c_int {
        let handle = Box::into_raw(Box::new(Self { object, inner }));
        // SAFETY: promised by the caller; the object begins with its `Fid`.
        unsafe { place.write(handle.cast()) };
        0
    }

    /// Ours of an object.
    ///
    /// # Safety
    /// `fid` is of a handle of this type that is not closed for as long as `'a`.
    pub unsafe fn of<'a>(fid: *mut Fid) -> &'a Arc<T> {
        // SAFETY: promised by the caller.
        unsafe { &(*fid.cast::<Self>()).inner }
    }

    /// Frees an object.
    ///
    /// # Safety
    /// `fid` is of a handle of this type, and nobody uses it any more.
    pub unsafe extern "C" fn close(fid: *mut Fid) -> c_int {
        // SAFETY: it was made by `give`; nobody uses it any more.
        drop(unsafe { Box::from_raw(fid.cast::<Self>()) });
        0
    }
}

/// What every object begins with.
pub fn fid(class: usize, context: *mut c_void, operations: &'static FidOperations) -> Fid {
    Fid {
        class,
        context,
        operations,
    }
}
