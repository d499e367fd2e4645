//! Locks beside what is remembered: who changes what is attached, who creates a driver domain, and whether an
//! `xl-omx watch` runs. The kernel lets go of a lock when its holder ends, however that ends.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::attachments::Attachments;
use crate::error::Error;
use crate::escape;

/// A lock, as long as it lives.
pub struct Lock {
    _file: File,
}

impl Attachments {
    /// Waits until no other `xl-omx` changes what is attached; no other does while it is held.
    pub fn lock(&self) -> Result<Lock, Error> {
        take(self.directory().join(".lock"), File::lock)
    }

    /// Keeps others from creating a driver domain of that name; `None` while another one does.
    pub fn lock_creation(&self, backend: &str) -> Result<Option<Lock>, Error> {
        let name = format!(".{}.creation", escape::encode(backend));
        let path = self.directory().join(name);
        let lock = || {
            let file = open(&path)?;
            Ok(try_lock(&file)?.then_some(Lock { _file: file }))
        };
        lock().map_err(|source| Error::File {
            path: path.clone(),
            source,
        })
    }

    /// Shows others that an `xl-omx watch` runs, beside other ones. Whoever asks has it for a moment.
    pub fn lock_watch(&self) -> Result<Lock, Error> {
        take(self.watch_path(), File::lock_shared)
    }

    /// Whether an `xl-omx watch` runs. Nothing is made to find that out.
    pub fn is_watched(&self) -> Result<bool, Error> {
        let path = self.watch_path();
        let watched = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            file => file.and_then(|file| Ok(!try_lock(&file)?)),
        };
        watched.map_err(|source| Error::File { path, source })
    }

    fn watch_path(&self) -> PathBuf {
        self.directory().join(".watch")
    }
}

fn take(path: PathBuf, how: fn(&File) -> io::Result<()>) -> Result<Lock, Error> {
    let lock = || {
        let file = open(&path)?;
        how(&file)?;
        Ok(Lock { _file: file })
    };
    lock().map_err(|source| Error::File {
        path: path.clone(),
        source,
    })
}

fn open(path: &Path) -> io::Result<File> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut options = File::options();
    // Whoever may open a file for reading may lock it, for ever.
    options.mode(0o600).create(true).truncate(false);
    options.write(true).open(path)
}

/// Whether it was free.
fn try_lock(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn no_other_user_of_dom0_may_open_a_lock_and_keep_it() {
        let place = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(place.path());
        remembered.lock().unwrap();
        remembered.lock_creation("driver-domain").unwrap();
        remembered.lock_watch().unwrap();
        for name in [".lock", ".driver-domain.creation", ".watch"] {
            let mode = fs::metadata(place.path().join(name))
                .unwrap()
                .permissions()
                .mode();
            assert_eq!(mode & 0o077, 0, "{name}");
        }
    }

    #[test]
    fn watchers_are_seen_until_the_last_of_them_has_ended() {
        let place = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(place.path().join("omx.d"));
        assert!(!remembered.is_watched().unwrap());
        assert!(!remembered.directory().exists(), "nothing is made");
        let first = remembered.lock_watch().unwrap();
        let second = remembered.lock_watch().unwrap();
        assert!(remembered.is_watched().unwrap());
        drop(first);
        assert!(remembered.is_watched().unwrap());
        drop(second);
        assert!(!remembered.is_watched().unwrap());
    }
}
