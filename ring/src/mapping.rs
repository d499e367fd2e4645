//! Shared memory of a Linux process: memfds, and mappings of them or of the module's device.
//!
//! A [`VolatileSlice`] carries no lifetime, so a mapping must not leave a hole behind that the allocator or a thread's stack
//! could fill: addresses that once held shared memory hold nothing else for the life of the process. A dropped
//! [`Mapping`] is replaced by private zero pages, and its addresses are used again by the next mapping of that size.

use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::vec::Vec;

use rustix::fs::{FallocateFlags, MemfdFlags, SealFlags, Stat};
use rustix::io::{Errno, retry_on_intr};
use rustix::mm::{Advice, MapFlags, ProtFlags};
use rustix::process::{Resource, getrlimit};

use crate::layout::PAGE_SIZE;
use crate::memory::VolatileSlice;

/// Whether a mapping may be written through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only: a write through its [`VolatileSlice`] ends the process with a fault.
    Read,
    /// Reading and writing.
    ReadWrite,
}

/// Why memory cannot be shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MappingError {
    /// A length of 0, or one that no address space holds; the length.
    #[error("{0} bytes of shared memory cannot be mapped")]
    Length(usize),
    /// The file is not a memfd (only those have seals).
    #[error("the descriptor is not a memfd: send one of memfd_create")]
    NotMemfd,
    /// The memfd lacks the seal against shrinking: its owner could make every access to it fail.
    #[error("the memfd can shrink: seal it with F_SEAL_SHRINK first")]
    NotSealed,
    /// The memfd takes no seals against holes: its owner could make every access to it wait.
    #[error(
        "the memfd cannot be sealed against holes: send a descriptor that may be written, without F_SEAL_SEAL"
    )]
    NotToBeSealed,
    /// The memfd has fewer bytes than were to be mapped; the bytes that it has.
    #[error("the memfd has only {0} bytes: enlarge it first")]
    TooShort(u64),
    /// Not all bytes of the memfd have memory behind them: touching the others would take it from whoever maps it. The
    /// bytes that have.
    #[error(
        "only {0} bytes of the memfd have memory behind them: allocate all of it first (fallocate)"
    )]
    Sparse(u64),
    /// A system call failed.
    #[error("shared memory: {0}")]
    System(Errno),
}

impl From<Errno> for MappingError {
    fn from(errno: Errno) -> Self {
        Self::System(errno)
    }
}

/// Mapped shared memory; unmapped when dropped (see the module's text for what stays).
#[derive(Debug)]
pub struct Mapping {
    range: Range,
    length: usize,
}

impl Mapping {
    /// Maps `length` bytes at `offset` of a file that the caller trusts: an own memfd, one of the backend, the module's
    /// device. The file must not shrink.
    pub fn of(
        file: impl AsFd,
        offset: u64,
        length: usize,
        access: Access,
    ) -> Result<Self, MappingError> {
        let range = Range::take(length)?;
        let protection = match access {
            Access::Read => ProtFlags::READ,
            Access::ReadWrite => ProtFlags::READ | ProtFlags::WRITE,
        };
        // SAFETY: MAP_FIXED replaces pages of `range`, which is exclusively ours and holds nothing but retired zero
        // pages; no Rust object lies there.
        let mapped = unsafe {
            rustix::mm::mmap(
                range.base.as_ptr().cast(),
                length,
                protection,
                MapFlags::SHARED | MapFlags::FIXED,
                file,
                offset,
            )
        };
        // Built first, so that a failure gives the range back.
        let mapping = Self { range, length };
        mapped?;
        Ok(mapping)
    }

    /// Maps `length` zero bytes of no file, for whom memory is named by its address. As a memfd's, they are the same bytes
    /// in children of this process.
    pub fn anonymous(length: usize) -> Result<Self, MappingError> {
        let range = Range::take(length)?;
        // SAFETY: MAP_FIXED replaces pages of `range`, which is exclusively ours and holds nothing but retired zero
        // pages; no Rust object lies there.
        let mapped = unsafe {
            rustix::mm::mmap_anonymous(
                range.base.as_ptr().cast(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED | MapFlags::FIXED,
            )
        };
        // Built first, so that a failure gives the range back.
        let mapping = Self { range, length };
        mapped?;
        Ok(mapping)
    }

    /// Leaves the mapping out of children of this process, as the module's own are. A child that has a copy of this
    /// value must not drop it: something else may lie there by then.
    pub fn keep_from_children(&self) -> Result<(), MappingError> {
        let base = self.range.base.as_ptr().cast();
        // SAFETY: the range is exclusively ours, and no Rust object lies there that a child could have use of.
        unsafe { rustix::mm::madvise(base, self.length, Advice::LinuxDontFork) }?;
        Ok(())
    }

    /// Maps the first `length` bytes of a memfd that a stranger sent, after a check that the stranger cannot take the
    /// bytes away again: the memfd is ordinary memory, sealed against shrinking, long enough, and all of it is there, so that
    /// it counts as its maker's.
    pub fn of_stranger(
        memfd: impl AsFd,
        length: usize,
        access: Access,
    ) -> Result<Self, MappingError> {
        let memfd = memfd.as_fd();
        check_kind(memfd)?;
        check_sizes(memfd, length)?;
        Self::of(memfd, 0, length, access)
    }

    /// The same where bytes without memory behind them are meant to be: whoever uses them provides it first
    /// ([`provide`]).
    pub fn of_sparse(memfd: impl AsFd, length: usize) -> Result<Self, MappingError> {
        let memfd = memfd.as_fd();
        check_kind(memfd)?;
        check_length(memfd, length)?;
        Self::of(memfd, 0, length, Access::ReadWrite)
    }

    /// The same for memory that stays as it is from now on, whoever holds it: no hole can be made in it, for which whoever
    /// touches it would have to wait, and then to pay; and it does not grow. It cannot be mapped for writing again, except by
    /// those who have: a second attempt is `EPERM`.
    pub fn of_fixed(memfd: impl AsFd, length: usize, access: Access) -> Result<Self, MappingError> {
        let memfd = memfd.as_fd();
        let mapping = Self::of_stranger(memfd, length, access)?;
        let wanted = SealFlags::FUTURE_WRITE | SealFlags::GROW;
        let sealed = rustix::fs::fcntl_add_seals(memfd, wanted);
        if sealed.is_err() && !rustix::fs::fcntl_get_seals(memfd)?.contains(wanted) {
            return Err(MappingError::NotToBeSealed);
        }
        // There may have been time for a hole.
        check_sizes(memfd, length)?;
        Ok(mapping)
    }

    /// The mapped bytes, for as long as this value lives.
    pub fn slice(&self) -> VolatileSlice {
        // SAFETY: the addresses stay mapped for the life of the process (module's text) and page-aligned; `Range`
        // hands them to nobody else, and nobody makes a reference into them.
        unsafe { VolatileSlice::new(self.range.base, self.length) }
    }
}

/// Whether a memfd is ordinary memory that cannot shrink.
fn check_kind(memfd: BorrowedFd<'_>) -> Result<(), MappingError> {
    let seals = rustix::fs::fcntl_get_seals(memfd).map_err(|errno| match errno {
        Errno::INVAL => MappingError::NotMemfd,
        errno => MappingError::System(errno),
    })?;
    // Huge pages come from a pool that can be empty at the time of the access, which would be a fault here.
    if rustix::fs::fstatfs(memfd)?.f_type != TMPFS_MAGIC {
        return Err(MappingError::NotMemfd);
    }
    if !seals.contains(SealFlags::SHRINK) {
        return Err(MappingError::NotSealed);
    }
    Ok(())
}

/// Whether a memfd has so many bytes.
fn check_length(memfd: BorrowedFd<'_>, length: usize) -> Result<Stat, MappingError> {
    let file = rustix::fs::fstat(memfd)?;
    let has = u64::try_from(file.st_size).unwrap_or(0);
    if has < length as u64 {
        return Err(MappingError::TooShort(has));
    }
    Ok(file)
}

/// The same, with memory behind as many.
fn check_sizes(memfd: BorrowedFd<'_>, length: usize) -> Result<(), MappingError> {
    let file = check_length(memfd, length)?;
    let there = u64::try_from(file.st_blocks).unwrap_or(0) * BLOCK;
    if there < length as u64 {
        return Err(MappingError::Sparse(there));
    }
    Ok(())
}

/// Bytes of memory that whoever lets go of a memfd last frees at most, if it does not grow. Some of them may lie beyond its
/// end.
pub fn freed_at_last(memfd: impl AsFd) -> u64 {
    rustix::fs::fstat(memfd).map_or(0, |file| {
        let bytes = |count: i64| u64::try_from(count).unwrap_or(0);
        bytes(file.st_size).saturating_add(bytes(file.st_blocks).saturating_mul(BLOCK))
    })
}

impl Drop for Mapping {
    fn drop(&mut self) {
        self.range.retire();
    }
}

/// The unit of `st_blocks` (inode(7)).
const BLOCK: u64 = 512;

const TMPFS_MAGIC: rustix::fs::FsWord = 0x0102_1994;

/// Memory is taken by so many bytes at a time: a signal ends a longer request, which has done nothing then.
const TAKEN_AT_ONCE: usize = 256 << 10;

/// Memory of this process that can be sent to another: a memfd of fixed size and its mapping.
#[derive(Debug)]
pub struct Memfd {
    file: OwnedFd,
    mapping: Mapping,
}

impl Memfd {
    /// Makes `length` bytes of zeros, sealed against growing and shrinking. The name shows up in `/proc/<pid>/maps`.
    ///
    /// The memory is there from now on: what lacks is an error here, and not a fault when a byte is first touched. More
    /// than the process's files may be long (RLIMIT_FSIZE) is `EFBIG`, and not SIGXFSZ, for which programs have no handler.
    pub fn create(name: &str, length: usize) -> Result<Self, MappingError> {
        Self::sparse(name, length, length)
    }

    /// The same, of which only the first `head` bytes have memory behind them.
    pub fn sparse(name: &str, length: usize, head: usize) -> Result<Self, MappingError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        if getrlimit(Resource::Fsize)
            .current
            .is_some_and(|limit| length as u64 > limit)
        {
            return Err(Errno::FBIG.into());
        }
        let file = rustix::fs::memfd_create(name, flags)?;
        retry_on_intr(|| rustix::fs::ftruncate(&file, length as u64))?;
        provide(&file, 0, head)?;
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
        let mapping = Mapping::of(&file, 0, length, Access::ReadWrite)?;
        Ok(Self { file, mapping })
    }

    /// From now on nobody can map or write the memory anew except for reading, whoever holds the descriptor and
    /// however it is opened again. The existing mapping stays writable.
    pub fn bar_writers(&self) -> Result<(), MappingError> {
        let seals = SealFlags::FUTURE_WRITE | SealFlags::SEAL;
        Ok(rustix::fs::fcntl_add_seals(&self.file, seals)?)
    }

    /// The mapped bytes, for as long as this value lives.
    pub fn slice(&self) -> VolatileSlice {
        self.mapping.slice()
    }

    /// The descriptor to send.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// As [`Mapping::keep_from_children`].
    pub fn keep_from_children(&self) -> Result<(), MappingError> {
        self.mapping.keep_from_children()
    }

    /// The memory alone, without a descriptor: when it was sent to all who are to have it.
    pub fn into_mapping(self) -> Mapping {
        self.mapping
    }
}

/// Provides memory for `length` bytes of a memfd from `offset` on, where there is none.
pub fn provide(memfd: impl AsFd, offset: usize, length: usize) -> Result<(), MappingError> {
    for start in (offset..offset + length).step_by(TAKEN_AT_ONCE) {
        let taken = TAKEN_AT_ONCE.min(offset + length - start) as u64;
        let take = || rustix::fs::fallocate(&memfd, FallocateFlags::empty(), start as u64, taken);
        retry_on_intr(take)?;
    }
    Ok(())
}

/// A range of addresses that is, or once was, shared memory; its size is a power of two.
#[derive(Debug)]
struct Range {
    base: NonNull<u8>,
    size: usize,
}

// SAFETY: a range is an address and a size, touched only by system calls.
unsafe impl Send for Range {}
// SAFETY: see `Send`.
unsafe impl Sync for Range {}

/// Retired ranges by size, as addresses.
static RETIRED: Mutex<BTreeMap<usize, Vec<Range>>> = Mutex::new(BTreeMap::new());

impl Range {
    /// A retired range of a suitable size, or a new one.
    fn take(length: usize) -> Result<Self, MappingError> {
        let size = length
            .checked_next_power_of_two()
            .filter(|_| length > 0)
            .ok_or(MappingError::Length(length))?
            .max(PAGE_SIZE);
        let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(range) = retired.get_mut(&size).and_then(Vec::pop) {
            return Ok(range);
        }
        drop(retired);
        // SAFETY: without MAP_FIXED the kernel chooses addresses that nobody uses.
        let base = unsafe { Self::zero_pages(core::ptr::null_mut(), size, MapFlags::empty()) }?;
        let base = NonNull::new(base).ok_or(MappingError::Length(length))?;
        Ok(Self { base, size })
    }

    /// Replaces what is mapped by zero pages and keeps the addresses for the next [`Range::take`].
    fn retire(&self) {
        // SAFETY: the range is ours alone, and only `VolatileSlice`s point into it, which tolerate any change of the bytes.
        let replaced = unsafe { Self::zero_pages(self.base.as_ptr(), self.size, MapFlags::FIXED) };
        // A refusal (no memory for the kernel's bookkeeping) leaves the old mapping in place: a leak, and no hole.
        if replaced.is_ok() {
            let mut retired = RETIRED.lock().unwrap_or_else(PoisonError::into_inner);
            let range = Self {
                base: self.base,
                size: self.size,
            };
            retired.entry(self.size).or_default().push(range);
        }
    }

    /// # Safety
    /// With MAP_FIXED, `at .. at + size` is a range of ours.
    unsafe fn zero_pages(at: *mut u8, size: usize, flags: MapFlags) -> Result<*mut u8, Errno> {
        let flags = flags | MapFlags::PRIVATE | MapFlags::NORESERVE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: promised by the caller.
        let base = unsafe { rustix::mm::mmap_anonymous(at.cast(), size, protection, flags) }?;
        Ok(base.cast())
    }
}
