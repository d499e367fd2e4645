//! Memory that an application lets others read and write, by keys of its own.

use core::ffi::{c_int, c_void};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use open_mx::Memory;

use crate::abi::completion::Pointer;
use crate::abi::flags::{REMOTE_READ, REMOTE_WRITE, class, code};
use crate::abi::memory::{MemoryAttributes, MemoryObject, MemoryOperations};
use crate::abi::objects::{DomainObject, Fid, FidOperations, bind_nothing};
use crate::abi::operations::IoVector;
use crate::handle::{Handle, fid};
use crate::memory::memory;

/// All of a domain.
#[derive(Debug, Default)]
pub struct Regions(Mutex<HashMap<u64, Span>>);

#[derive(Clone, Copy, Debug)]
struct Span {
    base: Pointer,
    length: usize,
    /// What the first byte is called by others.
    begin: u64,
    /// [`REMOTE_READ`], [`REMOTE_WRITE`] or both.
    access: u64,
}

/// A region, until it is closed.
#[derive(Debug)]
pub struct Region {
    key: u64,
    of: Weak<Regions>,
}

impl Regions {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, key: u64, span: Span) -> Result<(), i32> {
        match self.lock().entry(key) {
            std::collections::hash_map::Entry::Occupied(_) => Err(code::ENOKEY),
            std::collections::hash_map::Entry::Vacant(free) => {
                free.insert(span);
                Ok(())
            }
        }
    }

    /// The memory that another process names, which it may read or write as it wants to: all of it lies in one region.
    pub fn find(&self, key: u64, begin: u64, length: u64, access: u64) -> Result<Memory, i32> {
        let part = self.locate(key, begin, length, access)?;
        // SAFETY: who has registered the region leaves it there until it closes it, and closes it only when nobody reads or
        // writes it any more.
        unsafe { memory(&[part]) }
    }

    /// Where that memory is.
    pub fn locate(&self, key: u64, begin: u64, length: u64, access: u64) -> Result<IoVector, i32> {
        let span = *self.lock().get(&key).ok_or(code::EKEYREJECTED)?;
        if span.access & access != access {
            return Err(code::EACCES);
        }
        let offset = begin.checked_sub(span.begin).ok_or(code::EINVAL)?;
        let end = offset.checked_add(length).ok_or(code::EINVAL)?;
        if end > span.length as u64 {
            return Err(code::EINVAL);
        }
        Ok(IoVector {
            base: span.base.0.wrapping_byte_add(offset as usize),
            length: length as usize,
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        if let Some(regions) = self.of.upgrade() {
            regions.lock().remove(&self.key);
        }
    }
}

/// A domain as libfabric holds it.
pub type Domain = Handle<DomainObject, Regions>;

/// The memory that a domain's owner has registered.
///
/// # Safety
/// `fid` is of an open domain of this provider for as long as `'a`.
pub unsafe fn of_domain<'a>(fid: *mut Fid) -> &'a Arc<Regions> {
    // SAFETY: promised by the caller.
    unsafe { Domain::of(fid) }
}

type Object = Handle<MemoryObject, Region>;

static OBJECT: FidOperations = FidOperations {
    bind: bind_nothing,
    control: enable,
    ..FidOperations::closing(Object::close)
};
pub static OPERATIONS: MemoryOperations = MemoryOperations {
    size: size_of::<MemoryOperations>(),
    register,
    register_parts,
    register_attributes,
};

/// A region can be used as soon as it is there.
unsafe extern "C" fn enable(_: *mut Fid, _: c_int, _: *mut c_void) -> c_int {
    0
}

/// # Safety
/// `domain` is an open domain; `place` is valid for a write.
unsafe fn add(
    domain: *mut Fid,
    part: IoVector,
    attributes: &MemoryAttributes,
    place: *mut *mut Fid,
) -> c_int {
    // SAFETY: promised by the caller.
    let regions = unsafe { of_domain(domain) };
    let span = Span {
        base: Pointer(part.base),
        length: part.length,
        begin: attributes.offset,
        access: attributes.access & (REMOTE_READ | REMOTE_WRITE),
    };
    let key = attributes.requested_key;
    // What nobody else may touch needs no key: applications register it by habit.
    let of = match span.access {
        0 => Weak::new(),
        _ => match regions.add(key, span) {
            Ok(()) => Arc::downgrade(regions),
            Err(code) => return -code,
        },
    };
    let object = MemoryObject {
        fid: fid(class::MEMORY, attributes.context, &OBJECT),
        descriptor: core::ptr::null_mut(),
        key,
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::new(Region { key, of }), place) }
}

unsafe extern "C" fn register(
    domain: *mut Fid,
    base: *const c_void,
    length: usize,
    access: u64,
    offset: u64,
    requested_key: u64,
    _: u64,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    let base = base.cast_mut();
    let attributes = MemoryAttributes {
        parts: core::ptr::null(),
        count: 1,
        access,
        offset,
        requested_key,
        context,
    };
    // SAFETY: libfabric passes an open domain, and a place for the region.
    unsafe { add(domain, IoVector { base, length }, &attributes, place) }
}

unsafe extern "C" fn register_parts(
    domain: *mut Fid,
    parts: *const IoVector,
    count: usize,
    access: u64,
    offset: u64,
    requested_key: u64,
    flags: u64,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    let attributes = MemoryAttributes {
        parts,
        count,
        access,
        offset,
        requested_key,
        context,
    };
    // SAFETY: as libfabric's caller has promised.
    unsafe { register_attributes(domain, &attributes, flags, place) }
}

unsafe extern "C" fn register_attributes(
    domain: *mut Fid,
    attributes: *const MemoryAttributes,
    _: u64,
    place: *mut *mut Fid,
) -> c_int {
    // SAFETY: libfabric passes attributes.
    let attributes = unsafe { &*attributes };
    if attributes.count != 1 {
        return -code::EINVAL;
    }
    // SAFETY: and as many parts as they say, an open domain, and a place for the region.
    unsafe { add(domain, attributes.parts.read(), attributes, place) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_in_a_region_is_found_and_only_for_what_it_allows() {
        let mut bytes = [0_u8; 64];
        let regions = Regions::default();
        let span = Span {
            base: Pointer(bytes.as_mut_ptr().cast()),
            length: 64,
            begin: 1000,
            access: REMOTE_READ,
        };
        regions.add(7, span).unwrap();
        assert_eq!(regions.add(7, span), Err(code::ENOKEY));
        let found = |key, begin, length, access| {
            let found = regions.find(key, begin, length, access);
            found.map(|memory| memory.length())
        };
        assert_eq!(found(7, 1000, 64, REMOTE_READ), Ok(64));
        assert_eq!(found(7, 1064, 0, REMOTE_READ), Ok(0));
        assert_eq!(found(7, 1001, 64, REMOTE_READ), Err(code::EINVAL));
        assert_eq!(found(7, 999, 1, REMOTE_READ), Err(code::EINVAL));
        assert_eq!(found(7, u64::MAX, u64::MAX, REMOTE_READ), Err(code::EINVAL));
        assert_eq!(found(7, 1001, u64::MAX, REMOTE_READ), Err(code::EINVAL));
        assert_eq!(found(7, 1000, 1, REMOTE_WRITE), Err(code::EACCES));
        let both = REMOTE_READ | REMOTE_WRITE;
        assert_eq!(found(7, 1000, 1, both), Err(code::EACCES));
        assert_eq!(found(8, 1000, 1, REMOTE_READ), Err(code::EKEYREJECTED));
        drop(Region {
            key: 7,
            of: Weak::new(),
        });
        assert!(found(7, 1000, 1, REMOTE_READ).is_ok());
        let regions = Arc::new(regions);
        drop(Region {
            key: 7,
            of: Arc::downgrade(&regions),
        });
        assert!(regions.find(7, 1000, 1, REMOTE_READ).is_err());
    }
}
