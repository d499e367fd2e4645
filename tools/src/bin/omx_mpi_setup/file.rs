//! A file that is replaced as a whole: whoever reads it meanwhile, or is left with it when something fails, has the old one.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use tempfile::Builder;

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaced {
    /// Nothing: it was so already, or it is not there and need not be.
    Same,
    New,
    /// Nothing was left to stand in it.
    Removed,
}

/// What cannot be done with which file.
#[derive(Debug, thiserror::Error)]
#[error("{path} cannot be {what}: {error}")]
pub struct Failed {
    path: String,
    what: &'static str,
    error: io::Error,
}

/// Replaces what a file holds by what is made of it. A file that is not there holds nothing; a symbolic link stays, and the
/// file behind it keeps its owner and mode.
pub fn replace<E: From<Failed>>(
    path: &Path,
    make: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<Replaced, E> {
    let failed = |what| {
        move |error| Failed {
            path: path.display().to_string(),
            what,
            error,
        }
    };
    let old = read(path).map_err(failed("read"))?;
    let held = old.as_ref().map_or(&[][..], |old| &old.bytes);
    let new = make(held)?;
    if new == held {
        return Ok(Replaced::Same);
    }
    match old {
        Some(old) if new.is_empty() && !path.is_symlink() => {
            fs::remove_file(old.path).map_err(failed("removed"))?;
            Ok(Replaced::Removed)
        }
        Some(old) => {
            write(&old.path, &new, Some(&old.data)).map_err(failed("written"))?;
            Ok(Replaced::New)
        }
        None => {
            write(path, &new, None).map_err(failed("written"))?;
            Ok(Replaced::New)
        }
    }
}

/// A file that is there.
struct Old {
    /// Where it really is.
    path: PathBuf,
    data: Metadata,
    bytes: Vec<u8>,
}

fn read(path: &Path) -> io::Result<Option<Old>> {
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) if error.kind() == ErrorKind::NotFound && !path.is_symlink() => return Ok(None),
        Err(error) => return Err(error),
    };
    // Opening something else might wait for ever.
    if !fs::metadata(&real)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(Some(Old {
        data: fs::metadata(&real)?,
        bytes: fs::read(&real)?,
        path: real,
    }))
}

fn write(path: &Path, bytes: &[u8], old: Option<&Metadata>) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // The umask takes its part of it.
    let mode = Permissions::from_mode(0o666);
    let mut file = Builder::new().permissions(mode).tempfile_in(folder)?;
    file.write_all(bytes)?;
    if let Some(old) = old {
        keep(file.as_file(), old)?;
    }
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Gives a new file the owner and mode of the old one.
fn keep(file: &File, old: &Metadata) -> io::Result<()> {
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file, Some(old.uid()), Some(old.gid()))?;
    }
    // After its owner, whose change takes bits of the mode away.
    file.set_permissions(old.permissions())
}
