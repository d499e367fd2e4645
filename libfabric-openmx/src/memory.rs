//! Memory of applications as the library takes it, and memory of the provider's own.

use core::ptr::NonNull;
use std::sync::Arc;

use mx_ring::VolatileSlice;
use open_mx::Memory;

use crate::abi::flags::code;
use crate::abi::operations::IoVector;

/// Parts of a message at most.
pub const PARTS_MAX: usize = 8;

/// Bytes that a send may have whose memory is the application's again at once.
pub const INJECT_SIZE: usize = 128;

/// The memory of a message.
///
/// # Safety
/// Each part is memory of the application that is left alone, and mapped, until its operation is complete.
pub unsafe fn memory(parts: &[IoVector]) -> Result<Memory, i32> {
    let span = |part: &IoVector| {
        let base = match NonNull::new(part.base.cast::<u8>()) {
            Some(base) => base,
            None if part.length == 0 => NonNull::dangling(),
            None => return Err(code::EINVAL),
        };
        // SAFETY: promised by the caller.
        Ok(unsafe { VolatileSlice::new(base, part.length) })
    };
    let memory = match parts {
        [part] => Memory::new(span(part)?),
        parts if parts.len() <= PARTS_MAX => {
            Memory::several(parts.iter().map(span).collect::<Result<_, _>>()?)
        }
        _ => return Err(code::EINVAL),
    };
    memory.map_err(|_| code::EMSGSIZE)
}

/// A copy of a short message, which is the library's.
///
/// # Safety
/// The parts are readable memory.
pub unsafe fn copied(parts: &[IoVector]) -> Result<Memory, i32> {
    let length = parts.iter().map(|part| part.length).sum::<usize>();
    if length > INJECT_SIZE {
        return Err(code::EINVAL);
    }
    // SAFETY: promised by the caller for as long as this function needs it.
    let from = unsafe { memory(parts) }?;
    let mut bytes = vec![0; length];
    from.copy_out(0, &mut bytes);
    own(bytes)
}

/// The memory of a message without bytes.
pub fn nothing() -> Result<Memory, i32> {
    // SAFETY: it has no bytes.
    let span = unsafe { VolatileSlice::new(NonNull::dangling(), 0) };
    Memory::new(span).map_err(|_| code::EMSGSIZE)
}

/// Memory of these bytes, which is its own.
pub fn own(mut bytes: Vec<u8>) -> Result<Memory, i32> {
    let length = bytes.len();
    bytes.reserve_exact(1);
    let owner = Arc::new(std::sync::Mutex::new(bytes));
    let base = {
        let mut bytes = owner.lock().map_err(|_| code::EIO)?;
        NonNull::new(bytes.as_mut_ptr()).ok_or(code::EIO)?
    };
    // SAFETY: the bytes are on the heap, and stay there for as long as their owner, which the memory keeps, does; nobody
    // but the memory uses them.
    let span = unsafe { VolatileSlice::new(base, length) };
    Memory::owned(span, owner).map_err(|_| code::EMSGSIZE)
}
