//! Addresses that the processes of a user on a machine share under a name.
//!
//! They lie in a file of `/dev/shm` that has no more bytes than this, all of which have memory from the beginning: a folder that is full
//! is an error when the vector is opened, and not a fault when an address is added.
//!
//! | words | what |
//! |---|---|
//! | 0..65536 | each address's number, which the application may read |
//! | from there, two of each address | its board, with a bit that says that it is there, or will be; its endpoint |
//!
//! Whoever has it open holds a lock that all can hold. Who finds nobody else empties it, as somebody may have ended without a
//! word; who leaves it last takes it away.

use core::sync::atomic::{AtomicU64, Ordering};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use mx_ring::VolatileSlice;
use mx_ring::mapping::{Access, Mapping};
use rustix::fs::{
    FallocateFlags, FlockOperation, Mode, OFlags, fallocate, flock, fstat, ftruncate, open, stat,
    unlink,
};
use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};

use crate::abi::flags::code;
use crate::address::Name;

/// Addresses at most.
pub const COUNT_MAX: usize = 1 << 16;

const WORD: usize = size_of::<u64>();
const LENGTH: usize = 3 * COUNT_MAX * WORD;

/// The address is there.
const THERE: u64 = 1 << 63;
/// Somebody writes it.
const TAKEN: u64 = 1 << 62;

/// The longest name: the file's must fit into its folder.
const NAME_MAX: usize = 200;

/// An open one.
#[derive(Debug)]
pub struct SharedVector {
    path: PathBuf,
    file: OwnedFd,
    mapping: Mapping,
    pub read_only: bool,
}

impl SharedVector {
    /// Opens it, and makes it unless it is only to be read: then it has to be there.
    pub fn open(name: &str, read_only: bool) -> Result<Self, i32> {
        if name.is_empty() || name.len() > NAME_MAX || name.contains('/') {
            return Err(code::EINVAL);
        }
        let user = rustix::process::geteuid().as_raw();
        let path = PathBuf::from(format!("/dev/shm/openmx-av-{user}-{name}"));
        let opened = loop {
            if let Some(file) = locked(&path, user, read_only).map_err(Errno::raw_os_error)? {
                break file;
            }
        };
        let access = match read_only {
            true => Access::Read,
            false => Access::ReadWrite,
        };
        let mapping = Mapping::of(&opened, 0, LENGTH, access).map_err(|_| code::ENOMEM)?;
        Ok(Self {
            path,
            file: opened,
            mapping,
            read_only,
        })
    }

    /// Where the numbers of addresses lie.
    pub fn numbers(&self) -> usize {
        self.mapping.slice().address()
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        let slice: VolatileSlice = self.mapping.slice().part(index * WORD, WORD).ok()?;
        let at = core::ptr::with_exposed_provenance_mut(slice.address());
        // SAFETY: it lies within what is mapped for as long as this value lives, at a multiple of its size, and all change it
        // as such a word; what is mapped for reading alone nobody writes here.
        Some(unsafe { AtomicU64::from_ptr(at) })
    }

    fn words(&self, index: usize) -> Option<[&AtomicU64; 2]> {
        let at = COUNT_MAX + index.checked_mul(2)?;
        Some([self.word(at)?, self.word(at + 1)?])
    }

    /// The address of that number, if there is one.
    pub fn get(&self, index: usize) -> Option<Name> {
        let [board, endpoint] = self.words(index)?;
        let nic_id = board.load(Ordering::Acquire);
        (nic_id & THERE != 0).then(|| Name {
            nic_id: nic_id & !THERE,
            endpoint: endpoint.load(Ordering::Relaxed) as u32,
        })
    }

    /// Gives an address that number; whether nobody else has taken it. Nothing when there is none such.
    pub fn put(&self, index: usize, name: Name) -> Option<bool> {
        let [board, endpoint] = self.words(index).filter(|_| !self.read_only)?;
        let taken = board.compare_exchange(0, TAKEN, Ordering::Relaxed, Ordering::Relaxed);
        if taken.is_ok() {
            endpoint.store(name.endpoint.into(), Ordering::Relaxed);
            self.word(index)?.store(index as u64, Ordering::Relaxed);
            let nic_id = name.nic_id & !(THERE | TAKEN);
            board.store(nic_id | THERE, Ordering::Release);
        }
        Some(taken.is_ok())
    }
}

/// The file with a lock that all can hold; nothing when it was taken away meanwhile.
fn locked(path: &PathBuf, user: u32, read_only: bool) -> Result<Option<OwnedFd>, Errno> {
    let made = if read_only {
        OFlags::empty()
    } else {
        OFlags::CREATE
    };
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | made;
    let file = open(path, flags, Mode::RUSR | Mode::WUSR)?;
    let opened = fstat(&file)?;
    // Anybody may have put a file there.
    if opened.st_uid != user {
        return Err(Errno::ACCESS);
    }
    let alone = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => false,
        Err(errno) => return Err(errno),
    };
    if alone && read_only {
        return Err(Errno::NOENT);
    }
    if alone {
        // More than the process's files may be long would be a signal, for which programs have no handler.
        let most = getrlimit(Resource::Fsize).current;
        if most.is_some_and(|most| most < LENGTH as u64) {
            return Err(Errno::FBIG);
        }
        ftruncate(&file, 0)?;
        fallocate(&file, FallocateFlags::empty(), 0, LENGTH as u64)?;
    }
    flock(&file, FlockOperation::LockShared)?;
    let is_there = stat(path).is_ok_and(|there| there.st_ino == opened.st_ino);
    let is_whole = fstat(&file)?.st_size == LENGTH as i64;
    Ok((is_there && is_whole).then_some(file))
}

impl Drop for SharedVector {
    fn drop(&mut self) {
        if flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // It may be gone already.
            let _ = unlink(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(endpoint: u32) -> Name {
        Name {
            nic_id: 0xffff_ffff_ffff,
            endpoint,
        }
    }

    fn unique(test: &str) -> String {
        format!("{test}-{}", std::process::id())
    }

    #[test]
    fn what_one_puts_there_others_see_until_the_last_has_left() {
        let called = unique("seen");
        assert_eq!(SharedVector::open(&called, true).err(), Some(code::ENOENT));
        let first = SharedVector::open(&called, false).unwrap();
        assert_eq!(first.put(0, name(7)), Some(true));
        let second = SharedVector::open(&called, false).unwrap();
        assert_eq!(second.put(0, name(8)), Some(false));
        assert_eq!(second.put(1, name(9)), Some(true));
        let reader = SharedVector::open(&called, true).unwrap();
        assert_eq!(
            [0, 1, 2].map(|at| reader.get(at)),
            [Some(name(7)), Some(name(9)), None]
        );
        assert_eq!(reader.put(2, name(1)), None);
        assert_eq!(reader.word(1).unwrap().load(Ordering::Relaxed), 1);
        drop((first, second));
        assert_eq!(reader.get(1), Some(name(9)));
        assert!(SharedVector::open(&called, true).is_ok());
        drop(reader);
        assert_eq!(SharedVector::open(&called, true).err(), Some(code::ENOENT));
    }

    #[test]
    fn what_somebody_has_left_who_is_gone_is_not_taken_over() {
        let called = unique("left");
        let left = SharedVector::open(&called, false).unwrap();
        left.put(0, name(7));
        let path = left.path.clone();
        std::fs::copy(&path, path.with_extension("old")).unwrap();
        drop(left);
        std::fs::rename(path.with_extension("old"), &path).unwrap();
        assert_eq!(SharedVector::open(&called, true).err(), Some(code::ENOENT));
        let new = SharedVector::open(&called, false).unwrap();
        assert_eq!(new.get(0), None);
        assert_eq!(new.put(COUNT_MAX, name(1)), None);
        assert_eq!(new.put(COUNT_MAX - 1, name(1)), Some(true));
    }

    #[test]
    fn names_are_of_one_file_each() {
        for wrong in ["", "a/b", &"a".repeat(NAME_MAX + 1)] {
            assert_eq!(SharedVector::open(wrong, false).err(), Some(code::EINVAL));
        }
    }
}
