//! What was attached, remembered in files: libxl does not know this device class and would forget it when a guest
//! reboots, is restored or migrates.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::mac::Mac;

/// Where the files lie: `<domain>.<number>`, each with one line `backend=<domain> mac=<address>`.
pub const DIRECTORY: &str = "/etc/xen/omx.d";

/// A remembered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The guest's name.
    pub guest: String,
    /// Number of the device.
    pub index: u32,
    /// The backend's name.
    pub backend: String,
    /// The device's address.
    pub mac: Mac,
}

/// The directory of files.
pub struct Attachments {
    directory: PathBuf,
}

impl Attachments {
    /// Uses a directory; it is made when something is remembered.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    fn path(&self, guest: &str, index: u32) -> PathBuf {
        self.directory.join(format!("{guest}.{index}"))
    }

    /// Remembers a device. The file appears whole or not at all.
    pub fn remember(&self, attachment: &Attachment) -> Result<(), Error> {
        let path = self.path(&attachment.guest, attachment.index);
        let part = self
            .directory
            .join(format!(".{}.{}.part", attachment.guest, attachment.index));
        let store = || {
            fs::create_dir_all(&self.directory)?;
            let mut file = fs::File::create(&part)?;
            writeln!(
                file,
                "backend={} mac={}",
                attachment.backend, attachment.mac
            )?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        store().map_err(|source| Error::File {
            path: path.clone(),
            source,
        })
    }

    /// Forgets a device; nothing happens when it was not remembered.
    pub fn forget(&self, guest: &str, index: u32) -> Result<(), Error> {
        let path = self.path(guest, index);
        match fs::remove_file(&path) {
            Err(source) if source.kind() != ErrorKind::NotFound => {
                Err(Error::File { path, source })
            }
            _ => Ok(()),
        }
    }

    /// All remembered devices, in order of their numbers.
    pub fn all(&self) -> Result<Vec<Attachment>, Error> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(Error::File {
                    path: self.directory.clone(),
                    source,
                });
            }
            Ok(entries) => entries,
        };
        let mut found = Vec::new();
        for entry in entries {
            let path = entry
                .map_err(|source| Error::File {
                    path: self.directory.clone(),
                    source,
                })?
                .path();
            let name = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            let Some((guest, index)) = name
                .rsplit_once('.')
                .filter(|(guest, _)| !guest.starts_with('.'))
            else {
                continue;
            };
            let Ok(index) = index.parse() else { continue };
            found.push(read(&path, guest, index)?);
        }
        found.sort_by(|a, b| (&a.guest, a.index).cmp(&(&b.guest, b.index)));
        Ok(found)
    }
}

fn read(path: &Path, guest: &str, index: u32) -> Result<Attachment, Error> {
    let text = fs::read_to_string(path).map_err(|source| Error::File {
        path: path.into(),
        source,
    })?;
    let bad = |reason: String| Error::BadFile {
        path: path.into(),
        reason,
    };
    let (mut backend, mut mac) = (None, None);
    for word in text.split_whitespace() {
        match word.split_once('=') {
            Some(("backend", name)) => backend = Some(name.to_owned()),
            Some(("mac", address)) => {
                mac = Some(
                    address
                        .parse()
                        .map_err(|error| bad(format!("'{address}': {error}")))?,
                );
            }
            _ => return Err(bad(format!("'{word}' is neither backend= nor mac="))),
        }
    }
    match (backend, mac) {
        (Some(backend), Some(mac)) => Ok(Attachment {
            guest: guest.into(),
            index,
            backend,
            mac,
        }),
        _ => Err(bad("backend= or mac= is missing".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(index: u32) -> Attachment {
        let mac = Mac::generate([0, 0, index as u8]);
        Attachment {
            guest: "web.server".into(),
            index,
            backend: "driver-domain".into(),
            mac,
        }
    }

    #[test]
    fn what_is_remembered_is_found_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path().join("omx.d"));
        assert_eq!(attachments.all().unwrap(), []);
        for index in [1, 0] {
            attachments.remember(&attachment(index)).unwrap();
        }
        assert_eq!(attachments.all().unwrap(), [attachment(0), attachment(1)]);
        attachments.forget("web.server", 0).unwrap();
        attachments.forget("web.server", 0).unwrap();
        assert_eq!(attachments.all().unwrap(), [attachment(1)]);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named() {
        let directory = tempfile::tempdir().unwrap();
        for (n, text) in ["", "backend=x", "mac=zz backend=x", "hello"]
            .iter()
            .enumerate()
        {
            let path = directory.path().join(format!("guest.{n}"));
            fs::write(&path, text).unwrap();
            let error = Attachments::new(directory.path())
                .all()
                .unwrap_err()
                .to_string();
            assert!(error.contains(&format!("guest.{n}")), "{error}");
            fs::remove_file(path).unwrap();
        }
    }
}
