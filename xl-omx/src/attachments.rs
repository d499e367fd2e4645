//! What was attached, remembered in files: libxl does not know this device class and would forget it when a guest
//! reboots, is restored or migrates.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use mx_wire::MacAddress;

use crate::domain::{self, Uuid};
use crate::error::Error;
use crate::escape;
use crate::limits::{self, Limits};
use crate::plain;

/// Where the files lie: `<guest>.<number>`, each with one line `backend=<domain> mac=<address> uuid=<of the guest>`.
pub const DIRECTORY: &str = "/etc/xen/omx.d";

/// Bytes of a name in a file's name at most: with number and ending it stays below what a file system takes.
const NAME_MAX: usize = 200;
/// Bytes of a file at most.
const FILE_MAX: u64 = 4096;

/// A remembered device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The guest's name when it was attached.
    pub guest: String,
    /// The guest's UUID then. Files of earlier versions have none.
    pub uuid: Option<Uuid>,
    /// Number of the device.
    pub index: u32,
    /// The backend's name.
    pub backend: String,
    /// The device's address.
    pub mac: MacAddress,
    /// What its guest may have, where that is not what all may.
    pub limits: Limits,
}

/// A file that cannot be understood: it costs only its own device.
#[derive(Debug)]
pub struct Broken {
    /// The guest's name, as the file's name has it.
    pub guest: String,
    /// Number of the device.
    pub index: u32,
    /// What is wrong.
    pub why: Error,
}

/// All that is remembered.
#[derive(Debug, Default)]
pub struct Remembered {
    /// In order of names and numbers.
    pub whole: Vec<Attachment>,
    /// The files that make no sense.
    pub broken: Vec<Broken>,
}

/// The directory of files.
pub struct Attachments {
    directory: PathBuf,
}

/// A file that is written and not yet in its place. Without [`Prepared::commit`] it goes.
pub struct Prepared<'a> {
    directory: &'a Path,
    part: PathBuf,
    path: PathBuf,
}

impl Attachments {
    /// Uses a directory; it is made when something is remembered.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    fn path(&self, guest: &str, index: u32) -> PathBuf {
        self.directory
            .join(format!("{}.{index}", escape::encode(guest)))
    }

    /// The configuration from which a driver domain of that name is to be created, if there is one: a file or a link.
    pub fn configuration(&self, backend: &str) -> Option<PathBuf> {
        let path = self.configuration_path(backend);
        path.is_file().then_some(path)
    }

    /// Where the configuration of a driver domain of that name is looked for.
    pub fn configuration_path(&self, backend: &str) -> PathBuf {
        self.directory
            .join(format!("{}.cfg", escape::encode(backend)))
    }

    /// The configurations of driver domains that lie there: the name that each would get, and the file or link.
    pub fn configurations(&self) -> Result<Vec<(String, PathBuf)>, Error> {
        let mut found = Vec::new();
        for path in self.files()? {
            let name = path.file_name().and_then(|name| name.to_str());
            let word = name.and_then(|name| name.strip_suffix(".cfg"));
            // Hidden ones are none of ours, and no driver domain has a name that is written otherwise.
            let word = word.filter(|word| !word.is_empty() && !word.starts_with('.'));
            if let Some(name) = word.and_then(escape::decode) {
                found.push((name, path));
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Where the files lie.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// All files and links; none where nothing was ever remembered.
    fn files(&self) -> Result<Vec<PathBuf>, Error> {
        let whole = |source| Error::File {
            path: self.directory.clone(),
            source,
        };
        match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            entries => {
                let paths = entries.map_err(whole)?.map(|entry| Ok(entry?.path()));
                paths.collect::<io::Result<_>>().map_err(whole)
            }
        }
    }

    /// Writes what is to be remembered to the disk, so that [`Prepared::commit`] has only to give it its name.
    pub fn prepare(&self, attachment: &Attachment) -> Result<Prepared<'_>, Error> {
        let path = self.path(&attachment.guest, attachment.index);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let prepared = Prepared {
            directory: &self.directory,
            part: self.directory.join(format!(".{name}.part")),
            path: path.clone(),
        };
        let mut line = format!(
            "backend={} mac={}",
            escape::encode(&attachment.backend),
            attachment.mac
        );
        if let Some(uuid) = &attachment.uuid {
            line.push_str(&format!(" uuid={uuid}"));
        }
        for (name, value) in &attachment.limits {
            line.push_str(&format!(" {name}={value}"));
        }
        let store = || {
            fs::create_dir_all(&self.directory)?;
            let mut file = File::create(&prepared.part)?;
            writeln!(file, "{line}")?;
            file.sync_all()
        };
        store().map_err(|source| Error::File { path, source })?;
        Ok(prepared)
    }

    /// Forgets a device; nothing happens when it was not remembered.
    pub fn forget(&self, guest: &str, index: u32) -> Result<(), Error> {
        let path = self.path(guest, index);
        let removed = match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
            Ok(()) => sync(&self.directory),
        };
        removed.map_err(|source| Error::File { path, source })
    }

    /// All that is remembered.
    pub fn all(&self) -> Result<Remembered, Error> {
        let mut found = Remembered::default();
        for path in self.files()? {
            let name = path.file_name().and_then(|name| name.to_str());
            // Hidden ones, and what an editor leaves behind, are none of ours.
            let Some((word, index)) = name.and_then(|name| name.rsplit_once('.')) else {
                continue;
            };
            let Some(index) = domain::number(index) else {
                continue;
            };
            if word.is_empty() || word.starts_with('.') {
                continue;
            }
            match entry_of(&path, word, index) {
                Ok(attachment) => found.whole.push(attachment),
                // It was forgotten since the directory was read.
                Err(Error::File { source, .. }) if source.kind() == ErrorKind::NotFound => {}
                Err(why) => found.broken.push(Broken {
                    guest: escape::decode(word).unwrap_or_else(|| word.into()),
                    index,
                    why,
                }),
            }
        }
        found
            .whole
            .sort_by(|a, b| (&a.guest, a.index).cmp(&(&b.guest, b.index)));
        found
            .broken
            .sort_by(|a, b| (&a.guest, a.index).cmp(&(&b.guest, b.index)));
        Ok(found)
    }
}

impl Attachment {
    /// Refuses a guest or a backend whose name cannot be remembered.
    pub fn check_name(name: &str, id: u32) -> Result<(), Error> {
        if name.is_empty() || escape::encode(name).len() > NAME_MAX {
            return Err(Error::Nameless(id));
        }
        Ok(())
    }
}

impl Prepared<'_> {
    /// From now on it is remembered, whatever happens to the machine.
    pub fn commit(self) -> Result<(), Error> {
        let done = fs::rename(&self.part, &self.path).and_then(|()| sync(self.directory));
        done.map_err(|source| Error::File {
            path: self.path.clone(),
            source,
        })
    }
}

impl Drop for Prepared<'_> {
    fn drop(&mut self) {
        // After a commit there is none; otherwise the next one of that name is written over it.
        let _ = fs::remove_file(&self.part);
    }
}

fn sync(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn entry_of(path: &Path, word: &str, index: u32) -> Result<Attachment, Error> {
    let bad = |reason: &str| Error::BadFile {
        path: path.into(),
        reason: reason.into(),
    };
    let guest =
        escape::decode(word).ok_or_else(|| bad("its name is none that xl-omx gives a file"))?;
    let text = contents(path).map_err(|source| Error::File {
        path: path.into(),
        source,
    })?;
    parse(&text, guest, index).map_err(|reason| bad(&reason))
}

fn contents(path: &Path) -> io::Result<String> {
    // A pipe would keep the reader for ever.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut text = String::new();
    let count = File::open(path)?
        .take(FILE_MAX + 1)
        .read_to_string(&mut text)?;
    if count as u64 > FILE_MAX {
        return Err(io::Error::other(format!(
            "it is longer than {FILE_MAX} bytes"
        )));
    }
    Ok(text)
}

/// What a file says of a guest's device.
pub fn parse(text: &str, guest: String, index: u32) -> Result<Attachment, String> {
    let (mut backend, mut mac, mut uuid) = (None, None, None);
    let mut wanted = Limits::new();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').unwrap_or((word, ""));
        let unfit = |why: &str| format!("'{}': {why}", plain::shown(word));
        let twice = match key {
            "backend" => {
                let name = escape::decode(value).filter(|name| !name.is_empty());
                let name = name.ok_or_else(|| unfit("no name of a domain"))?;
                backend.replace(name).is_some()
            }
            "mac" => {
                let parsed = MacAddress::of_station(value);
                let parsed = parsed.map_err(|error| unfit(&error.to_string()))?;
                mac.replace(parsed).is_some()
            }
            "uuid" => {
                let parsed = Uuid::parse(value).ok_or_else(|| unfit("no UUID"))?;
                uuid.replace(parsed).is_some()
            }
            name if name.starts_with("limit-") => {
                let (name, number) = limits::parse(name, value).map_err(|why| unfit(&why))?;
                wanted.insert(name, number).is_some()
            }
            _ => return Err(unfit("neither backend= nor mac= nor uuid= nor limit-…=")),
        };
        if twice {
            return Err(unfit("a second one"));
        }
    }
    match (backend, mac) {
        (Some(backend), Some(mac)) => Ok(Attachment {
            guest,
            uuid,
            index,
            backend,
            mac,
            limits: wanted,
        }),
        _ => Err("backend= or mac= is missing".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac;
    use proptest::prelude::*;

    fn attachment(guest: &str, index: u32) -> Attachment {
        Attachment {
            guest: guest.into(),
            uuid: Uuid::parse("4a0eb83f-6c44-40a2-b1bb-92cbf3a1fd16"),
            index,
            backend: "driver domain".into(),
            mac: mac::generate([0, 0, index as u8]),
            limits: Limits::from([("limit-heap", 2048), ("limit-pages", 77)]),
        }
    }

    fn remember(attachments: &Attachments, attachment: &Attachment) {
        attachments.prepare(attachment).unwrap().commit().unwrap();
    }

    #[test]
    fn what_is_remembered_is_found_until_it_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path().join("omx.d"));
        assert_eq!(attachments.all().unwrap().whole, []);
        let [zero, one] = [0, 1].map(|index| attachment("web.server", index));
        for remembered in [&one, &zero] {
            remember(&attachments, remembered);
        }
        assert_eq!(attachments.all().unwrap().whole, [zero, one.clone()]);
        attachments.forget("web.server", 0).unwrap();
        attachments.forget("web.server", 0).unwrap();
        assert_eq!(attachments.all().unwrap().whole, [one]);
    }

    #[test]
    fn what_is_prepared_and_not_committed_leaves_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path());
        let before = attachment("guest", 0);
        remember(&attachments, &before);
        let mut other = before.clone();
        other.mac = mac::generate([9, 9, 9]);
        drop(attachments.prepare(&other).unwrap());
        assert_eq!(attachments.all().unwrap().whole, [before]);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn one_creates_a_driver_domain_of_a_name_and_its_configuration_is_no_device() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path().join("omx.d"));
        assert_eq!(attachments.configuration("a/b"), None);
        let first = attachments.lock_creation("a/b").unwrap();
        assert!(first.is_some());
        assert!(attachments.lock_creation("a/b").unwrap().is_none());
        assert!(attachments.lock_creation("other").unwrap().is_some());
        drop(first);
        assert!(attachments.lock_creation("a/b").unwrap().is_some());
        let path = attachments.configuration_path("a/b");
        fs::write(&path, "").unwrap();
        assert_eq!(attachments.configuration("a/b"), Some(path));
        let all = attachments.all().unwrap();
        assert!(all.whole.is_empty() && all.broken.is_empty());
    }

    #[test]
    fn names_that_differ_by_case_or_by_a_stroke_are_different_guests() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path());
        let mut names = [
            "Guest",
            "guest",
            "a/b",
            "a%2Fb",
            "..",
            ".hidden",
            "two words",
            "l\nf",
        ];
        for name in names {
            remember(&attachments, &attachment(name, 0));
        }
        names.sort();
        let found = attachments.all().unwrap();
        let found: Vec<&str> = found.whole.iter().map(|a| a.guest.as_str()).collect();
        assert_eq!(found, names);
    }

    #[test]
    fn a_file_of_an_earlier_version_is_understood() {
        let read = parse(
            "backend=driver-domain mac=00:16:3e:00:00:01\n",
            "g".into(),
            0,
        )
        .unwrap();
        assert_eq!((read.backend.as_str(), read.uuid), ("driver-domain", None));
    }

    #[test]
    fn a_file_that_makes_no_sense_is_named_and_costs_only_itself() {
        let directory = tempfile::tempdir().unwrap();
        let attachments = Attachments::new(directory.path());
        let good = attachment("good", 0);
        remember(&attachments, &good);
        let address = "mac=00:16:3e:00:00:01";
        let long = "x".repeat(5000);
        let texts = [
            "",
            "backend=x",
            "mac=zz backend=x",
            "hello",
            &format!("backend=a backend=b {address}"),
            &format!("backend= {address}"),
            &format!("backend=x {address} uuid=1"),
            &long,
        ];
        for (n, text) in texts.iter().enumerate() {
            fs::write(directory.path().join(format!("guest.{n}")), text).unwrap();
        }
        fs::write(directory.path().join("guest.8"), b"backend=\xff").unwrap();
        fs::create_dir(directory.path().join("guest.9")).unwrap();
        for word in ["a%zz.0", "guest.0~", "guest.00", "notes", ".guest.0.part"] {
            fs::write(directory.path().join(word), "").unwrap();
        }
        let found = attachments.all().unwrap();
        assert_eq!(found.whole, [good]);
        let names: Vec<String> = found.broken.iter().map(|b| b.why.to_string()).collect();
        assert_eq!(names.len(), texts.len() + 3, "{names:?}");
        assert!(names[0].contains("a%zz.0"), "{names:?}");
        for n in 0..10 {
            let name = format!("guest.{n}");
            assert!(names[n + 1].contains(&name), "{names:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_stands_in_a_file_is_understood_or_refused_in_one_line(text in any::<String>()) {
            if let Err(why) = parse(&text, "guest".into(), 0) {
                prop_assert!(why.chars().all(plain::is_plain));
            }
        }
    }
}
