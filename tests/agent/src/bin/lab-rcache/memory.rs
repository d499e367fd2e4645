//! Memory of a process that comes, goes and changes under the library, as applications do it to theirs.

use std::ffi::c_void;
use std::io;
use std::ptr::{NonNull, null_mut};

use mx_ring::{VolatileSlice, VolatileSliceError};
use nix::sys::wait::waitpid;
use nix::unistd::{ForkResult, Pid, fork};
use open_mx::Memory;
use rustix::mm::{
    Advice, MapFlags, MremapFlags, ProtFlags, madvise, mmap_anonymous, mremap_fixed, munmap,
};

/// How a buffer gets another content without the library's knowledge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// munmap, then mmap at the same address.
    Unmap,
    /// madvise(MADV_DONTNEED).
    Discard,
    /// mremap of the pages to another address, then mmap at the old one.
    Move,
    /// fork, with the child alive while the parent writes and sends.
    Fork,
}

impl Change {
    /// One after the other.
    pub const ALL: [Self; 4] = [Self::Unmap, Self::Discard, Self::Move, Self::Fork];
}

/// Anonymous memory at an address that stays the same.
pub struct Buffer {
    address: *mut c_void,
    length: usize,
    child: Option<Pid>,
}

const WRITABLE: ProtFlags = ProtFlags::READ.union(ProtFlags::WRITE);

impl Buffer {
    /// Zeroed bytes, whole pages.
    pub fn new(length: usize) -> io::Result<Self> {
        // SAFETY: a new mapping at an address that the kernel chooses.
        let address = unsafe { mmap_anonymous(null_mut(), length, WRITABLE, MapFlags::PRIVATE) }?;
        Ok(Self {
            address,
            length,
            child: None,
        })
    }

    fn map_again(&self) -> io::Result<()> {
        let flags = MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE;
        // SAFETY: nothing is mapped there any more, or the call fails.
        let address = unsafe { mmap_anonymous(self.address, self.length, WRITABLE, flags) }?;
        assert_eq!(address, self.address, "FIXED_NOREPLACE");
        Ok(())
    }

    /// Takes the old bytes away; no request uses them.
    pub fn change(&mut self, change: Change) -> io::Result<()> {
        self.end_child()?;
        match change {
            Change::Unmap => {
                // SAFETY: the own mapping, of which nobody holds a reference.
                unsafe { munmap(self.address, self.length) }?;
                self.map_again()
            }
            Change::Discard => {
                // SAFETY: as above; its bytes become zeros.
                Ok(unsafe { madvise(self.address, self.length, Advice::LinuxDontNeed) }?)
            }
            Change::Move => {
                let elsewhere = Self::new(self.length)?;
                let (from, to) = (self.address, elsewhere.address);
                let flags = MremapFlags::MAYMOVE;
                // SAFETY: both are own mappings of that length, of which nobody holds a reference.
                unsafe { mremap_fixed(from, self.length, self.length, flags, to) }?;
                self.map_again()
            }
            Change::Fork => {
                // SAFETY: the child does nothing but wait for its end.
                match unsafe { fork() }? {
                    ForkResult::Parent { child } => self.child = Some(child),
                    ForkResult::Child => loop {
                        std::thread::sleep(std::time::Duration::from_secs(1));
                    },
                }
                Ok(())
            }
        }
    }

    fn end_child(&mut self) -> io::Result<()> {
        if let Some(child) = self.child.take() {
            nix::sys::signal::kill(child, nix::sys::signal::SIGKILL)?;
            waitpid(child, None)?;
        }
        Ok(())
    }

    /// Its bytes.
    pub fn slice(&self) -> VolatileSlice {
        let base = NonNull::new(self.address.cast()).unwrap_or(NonNull::dangling());
        // SAFETY: mapped as long as this lives, but for moments in `change`; areas are used between its calls.
        unsafe { VolatileSlice::new(base, self.length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // A child that has ended already is no matter.
        let _ = self.end_child();
        // SAFETY: the own mapping, of which nobody holds a reference.
        let _ = unsafe { munmap(self.address, self.length) };
    }
}

/// A piece of the heap, as malloc gives it: also one that another piece had before.
pub struct Piece(Vec<u8>);

impl Piece {
    /// Allocates it.
    pub fn new(length: usize) -> Self {
        Self(vec![0; length])
    }

    /// Its bytes.
    pub fn slice(&mut self) -> VolatileSlice {
        let length = self.0.len();
        let base = NonNull::new(self.0.as_mut_ptr()).unwrap_or(NonNull::dangling());
        // SAFETY: the vector is neither moved in the heap nor read while it lives here.
        unsafe { VolatileSlice::new(base, length) }
    }
}

/// Bytes that follow from a seed.
fn fill_chunk(chunk: &mut [u8], seed: u64, offset: usize) {
    for (at, place) in chunk.chunks_mut(8).enumerate() {
        let word = seed.wrapping_add((offset / 8 + at) as u64);
        let word = word.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes();
        place.copy_from_slice(&word[..place.len()]);
    }
}

const CHUNK: usize = 16 << 10;

/// Writes the bytes of a seed.
pub fn fill(slice: &VolatileSlice, seed: u64) -> Result<(), VolatileSliceError> {
    let mut chunk = vec![0; CHUNK];
    for offset in (0..slice.len()).step_by(CHUNK) {
        let length = CHUNK.min(slice.len() - offset);
        fill_chunk(&mut chunk[..length], seed, offset);
        slice.write(offset, &chunk[..length])?;
    }
    Ok(())
}

/// The first byte that is not the seed's.
pub fn first_wrong(slice: &VolatileSlice, seed: u64) -> Result<Option<usize>, VolatileSliceError> {
    let (mut expected, mut found) = (vec![0; CHUNK], vec![0; CHUNK]);
    for offset in (0..slice.len()).step_by(CHUNK) {
        let length = CHUNK.min(slice.len() - offset);
        let (expected, found) = (&mut expected[..length], &mut found[..length]);
        fill_chunk(expected, seed, offset);
        slice.read(offset, found)?;
        if expected != found {
            let wrong = expected.iter().zip(found.iter()).position(|(e, f)| e != f);
            return Ok(wrong.map(|at| offset + at));
        }
    }
    Ok(None)
}

/// A message of the first `length` bytes.
pub fn message(slice: &VolatileSlice, length: usize) -> Result<Memory, VolatileSliceError> {
    Memory::new(slice.part(0, length)?)
}
