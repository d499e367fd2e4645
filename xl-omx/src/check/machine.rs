//! Where dom0 itself is looked at: what `xl` says, and files.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::xl;

/// Bytes of a file at most.
const FILE_MAX: u64 = 64 << 10;

type Ask = dyn Fn(&[&str]) -> Result<String, Error>;

/// A machine; tests have others than this one.
pub struct Machine {
    root: PathBuf,
    ask: Box<Ask>,
}

impl Machine {
    /// This one.
    pub fn here() -> Self {
        Self::new("/", xl::answer)
    }

    /// One whose files are below a directory, and whose `xl` answers like this.
    pub fn new(
        root: impl Into<PathBuf>,
        ask: impl Fn(&[&str]) -> Result<String, Error> + 'static,
    ) -> Self {
        Self {
            root: root.into(),
            ask: Box::new(ask),
        }
    }

    /// What `xl` prints.
    pub fn xl(&self, arguments: &[&str]) -> Result<String, Error> {
        (self.ask)(arguments)
    }

    /// Where a file of the machine lies.
    pub fn path(&self, absolute: &str) -> PathBuf {
        self.root.join(absolute.trim_start_matches('/'))
    }

    /// Names in a directory, in order; none where there is no directory.
    pub fn names(&self, absolute: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(absolute)).into_iter().flatten();
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<String> = names.collect();
        names.sort_unstable();
        names
    }

    /// The name of what a link leads to.
    pub fn target(&self, absolute: &str) -> Option<String> {
        let target = fs::read_link(self.path(absolute)).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }
}

/// The text of a file that may be anything.
pub fn text(path: &Path) -> io::Result<String> {
    // A pipe would keep the reader for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?
        .take(FILE_MAX + 1)
        .read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {FILE_MAX} bytes"
        )));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
