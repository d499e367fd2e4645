//! Address vectors: an application's numbers for the endpoints that it talks to.

use core::ffi::{c_char, c_int, c_void};
use std::collections::HashMap;
use std::ffi::CStr;
use std::sync::{Arc, PoisonError, RwLock};

use open_mx::{Backend, Board};

use crate::abi::flags::{ADDRESS_UNSPECIFIED, READ, class, code};
use crate::abi::objects::{
    AddressVectorAttributes, AddressVectorObject, AddressVectorOperations, Fid, FidOperations,
    unsupported,
};
use crate::address::{LENGTH, Name};
use crate::handle::{Handle, fid};
use crate::shared_vector::SharedVector;
use crate::{board, error};

/// The addresses by their numbers, and the other way round. A number stays what it is, also when it was removed.
#[derive(Debug, Default)]
pub struct AddressVector {
    names: RwLock<Names>,
    /// What other processes have, too.
    shared: Option<SharedVector>,
}

#[derive(Debug, Default)]
struct Names {
    by_number: Vec<Name>,
    numbers: HashMap<Name, u64>,
}

impl AddressVector {
    /// The address of that number.
    pub fn name(&self, number: u64) -> Option<Name> {
        let index = usize::try_from(number).ok()?;
        self.found(|names| names.by_number.get(index).copied())
    }

    /// The first number of that address.
    pub fn number(&self, name: Name) -> Option<u64> {
        self.found(|names| names.numbers.get(&name).copied())
    }

    /// What is found, also after what others have added.
    fn found<T>(&self, find: impl Fn(&Names) -> Option<T>) -> Option<T> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let found = find(&names);
        let shared = match (&self.shared, &found) {
            (Some(shared), None) if shared.get(names.by_number.len()).is_some() => shared,
            _ => return found,
        };
        drop(names);
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.follow(shared);
        find(&names)
    }

    /// Adds an address; its number. Nothing when others have filled what they share, or when it is only to be read.
    pub fn add(&self, name: Name) -> Option<u64> {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let Some(shared) = &self.shared else {
            return Some(names.add(name));
        };
        loop {
            names.follow(shared);
            if shared.put(names.by_number.len(), name)? {
                return Some(names.add(name));
            }
        }
    }

    /// Whether addresses can be added.
    fn is_writable(&self) -> bool {
        self.shared.as_ref().is_none_or(|shared| !shared.read_only)
    }

    /// Takes a number out, for this process alone: completions do not name it any more.
    pub fn remove(&self, number: u64) -> bool {
        let Some(name) = self.name(number) else {
            return false;
        };
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.numbers.get(&name) == Some(&number) {
            names.numbers.remove(&name);
        }
        true
    }
}

impl Names {
    fn add(&mut self, name: Name) -> u64 {
        let number = self.by_number.len() as u64;
        self.by_number.push(name);
        self.numbers.entry(name).or_insert(number);
        number
    }

    /// Takes over what others have added.
    fn follow(&mut self, shared: &SharedVector) {
        while let Some(name) = shared.get(self.by_number.len()) {
            self.add(name);
        }
    }
}

type Object = Handle<AddressVectorObject, AddressVector>;

static OBJECT: FidOperations = FidOperations {
    bind,
    ..FidOperations::closing(Object::close)
};
static OPERATIONS: AddressVectorOperations = AddressVectorOperations {
    size: size_of::<AddressVectorOperations>(),
    insert,
    insert_service,
    insert_symmetric: unsupported,
    remove,
    look_up,
    text,
    set: unsupported,
};

/// # Safety
/// As libfabric's `fi_av_open`.
pub unsafe extern "C" fn open(
    _: *mut Fid,
    attributes: *mut AddressVectorAttributes,
    place: *mut *mut Fid,
    context: *mut c_void,
) -> c_int {
    let mut vector = AddressVector::default();
    // SAFETY: libfabric passes attributes, or none.
    if let Some(attributes) = unsafe { attributes.as_mut() } {
        let read_only = attributes.flags & READ != 0;
        // SAFETY: the name is a C string, or missing.
        match unsafe { board::text(attributes.name) } {
            Some(name) => match SharedVector::open(name, read_only) {
                Ok(shared) => {
                    if attributes.map_address.is_null() {
                        let numbers = shared.numbers();
                        attributes.map_address = core::ptr::with_exposed_provenance_mut(numbers);
                    }
                    vector.shared = Some(shared);
                }
                Err(code) => return -code,
            },
            None if read_only || !attributes.name.is_null() => return -code::EINVAL,
            None => {}
        }
    }
    let object = AddressVectorObject {
        fid: fid(class::ADDRESS_VECTOR, context, &OBJECT),
        operations: &OPERATIONS,
    };
    // SAFETY: promised by the caller.
    unsafe { Object::give(object, Arc::new(vector), place) }
}

/// Ours of an address vector.
///
/// # Safety
/// `fid` is of an open address vector of this provider for as long as `'a`.
pub unsafe fn of<'a>(fid: *mut Fid) -> &'a Arc<AddressVector> {
    // SAFETY: promised by the caller.
    unsafe { Object::of(fid) }
}

/// An event queue would hear of insertions: they are all over when their call returns.
unsafe extern "C" fn bind(_: *mut Fid, _: *mut Fid, _: u64) -> c_int {
    0
}

unsafe extern "C" fn insert(
    vector: *mut Fid,
    addresses: *const c_void,
    count: usize,
    numbers: *mut u64,
    _: u64,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes an open vector.
    let vector = unsafe { of(vector) };
    if !vector.is_writable() {
        return -code::EACCES;
    }
    let mut added = 0;
    for index in 0..count {
        // SAFETY: the caller names `count` addresses of 16 bytes.
        let bytes = unsafe { addresses.cast::<[u8; LENGTH]>().add(index).read_unaligned() };
        let number = vector.add(Name::from_bytes(bytes));
        added += c_int::from(number.is_some());
        if !numbers.is_null() {
            // SAFETY: and room for as many numbers.
            unsafe {
                numbers
                    .add(index)
                    .write(number.unwrap_or(ADDRESS_UNSPECIFIED))
            };
        }
    }
    added
}

/// The address of a host's endpoint: the host by its name, the endpoint by its number, 0 without one.
///
/// # Safety
/// Both are null or C strings.
pub unsafe fn resolve(node: *const c_char, service: *const c_char) -> Result<Name, c_int> {
    if node.is_null() {
        return Err(code::EINVAL);
    }
    // SAFETY: promised by the caller.
    let node = unsafe { CStr::from_ptr(node) };
    let node = node.to_str().map_err(|_| code::EINVAL)?;
    let endpoint = if service.is_null() {
        0
    } else {
        // SAFETY: promised by the caller.
        let service = unsafe { CStr::from_ptr(service) }.to_str();
        let number = service.ok().and_then(|service| service.parse().ok());
        number.ok_or(code::EINVAL)?
    };
    let resolved = Backend::find().and_then(|backend| {
        let boards = Board::all(&backend)?;
        let found = boards
            .iter()
            .map(|(_, board)| board.nic_id_by_hostname(node));
        let mut failed = open_mx::Error::NoPeerName(node.to_owned());
        for found in found {
            match found {
                Ok(nic_id) => return Ok(nic_id),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    });
    let nic_id = resolved.map_err(|error| error::of_call(&error))?;
    Ok(Name { nic_id, endpoint })
}

unsafe extern "C" fn insert_service(
    vector: *mut Fid,
    node: *const c_char,
    service: *const c_char,
    number: *mut u64,
    _: u64,
    _: *mut c_void,
) -> c_int {
    // SAFETY: libfabric passes an open vector.
    let vector = unsafe { of(vector) };
    // SAFETY: and C strings.
    match unsafe { resolve(node, service) } {
        Ok(name) => {
            let Some(added) = vector.add(name) else {
                return if vector.is_writable() {
                    0
                } else {
                    -code::EACCES
                };
            };
            if !number.is_null() {
                // SAFETY: and a place for the number.
                unsafe { number.write(added) };
            }
            1
        }
        Err(code) => -code,
    }
}

unsafe extern "C" fn remove(vector: *mut Fid, numbers: *mut u64, count: usize, _: u64) -> c_int {
    // SAFETY: libfabric passes an open vector.
    let vector = unsafe { of(vector) };
    for index in 0..count {
        // SAFETY: the caller names `count` numbers.
        if !vector.remove(unsafe { numbers.add(index).read() }) {
            return -code::EINVAL;
        }
    }
    0
}

unsafe extern "C" fn look_up(
    vector: *mut Fid,
    number: u64,
    place: *mut c_void,
    room: *mut usize,
) -> c_int {
    // SAFETY: libfabric passes an open vector.
    let Some(name) = (unsafe { of(vector) }).name(number) else {
        return -code::EINVAL;
    };
    // SAFETY: the caller's place has as much room as it says.
    unsafe { put(name, place, room) };
    0
}

/// Writes an address, as much of it as there is room for, and its length; whether there was room.
///
/// # Safety
/// `place` has `*room` bytes.
pub unsafe fn put(name: Name, place: *mut c_void, room: *mut usize) -> bool {
    // SAFETY: promised by the caller.
    let given = unsafe { room.replace(LENGTH) };
    let bytes = name.to_bytes();
    // SAFETY: no more than there is room for.
    unsafe {
        core::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), LENGTH.min(given));
    }
    given >= LENGTH
}

unsafe extern "C" fn text(
    _: *mut Fid,
    address: *const c_void,
    place: *mut c_char,
    room: *mut usize,
) -> *const c_char {
    // SAFETY: the caller names an address, and a place with its size.
    unsafe {
        let name = Name::from_bytes(address.cast::<[u8; LENGTH]>().read_unaligned());
        let text = format!("{name}\0");
        let given = room.replace(text.len());
        if let Some(last) = given.checked_sub(1) {
            let length = last.min(text.len() - 1);
            core::ptr::copy_nonoverlapping(text.as_ptr(), place.cast(), length);
            place.add(length).write(0);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stays_what_it_is_and_is_told_until_it_is_removed() {
        let vector = AddressVector::default();
        let name = |endpoint| Name {
            nic_id: 7,
            endpoint,
        };
        assert_eq!([1, 2, 1].map(|e| vector.add(name(e))), [0, 1, 2].map(Some));
        assert_eq!(vector.number(name(1)), Some(0));
        assert!(vector.remove(0) && !vector.remove(3));
        assert_eq!(vector.number(name(1)), None);
        assert_eq!(vector.name(2), Some(name(1)));
        assert_eq!(vector.name(u64::MAX), None);
    }

    #[test]
    fn numbers_of_a_shared_vector_are_the_same_for_all_who_have_it_open() {
        let called = format!("numbers-{}", std::process::id());
        let opened = |read_only| AddressVector {
            names: RwLock::default(),
            shared: Some(SharedVector::open(&called, read_only).unwrap()),
        };
        let name = |endpoint| Name {
            nic_id: 7,
            endpoint,
        };
        let [first, second] = [opened(false), opened(false)];
        let reader = opened(true);
        assert_eq!(first.add(name(1)), Some(0));
        assert_eq!(second.add(name(2)), Some(1));
        assert_eq!(first.add(name(3)), Some(2));
        assert_eq!(reader.add(name(4)), None);
        assert!(first.is_writable() && !reader.is_writable());
        for vector in [&first, &second, &reader] {
            assert_eq!(
                [0, 1, 2, 3].map(|at| vector.name(at)),
                [Some(name(1)), Some(name(2)), Some(name(3)), None]
            );
            assert_eq!(vector.number(name(3)), Some(2));
        }
    }
}
