//! A host of the tests: files in a directory, an `xl` that answers what it is told to, and a xenstore in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::rc::Rc;

use tempfile::TempDir;

use super::{Machine, Report, check};
use crate::attachments::Attachments;
use crate::error::Error;
use crate::locks::Lock;
use crate::xenstore::StoreError;
use crate::xenstore::fake::Fake;
use crate::xenstore::tree::Tree;

/// The form of what `xl info` prints, with what is read in it.
pub const INFO: &str = "\
host                   : dom0
release                : 6.1.0-41-amd64
nr_cpus                : 2
virt_caps              : pv hvm hvm_directio pv_directio hap gnttab-v1 gnttab-v2
total_memory           : 4096
free_memory            : 1024
xen_major              : 4
xen_version            : 4.17.3
xen_caps               : xen-3.0-x86_64 hvm-3.0-x86_32 hvm-3.0-x86_64
xen_commandline        : placeholder
";

/// Where the kernel shows the card.
pub const CARD: &str = "/sys/bus/pci/devices/0000:00:05.0";

/// Nodes that are written by others than dom0, and some of its own.
pub const OTHERS_NODES: [&str; 10] = [
    "/local/domain/1/data/omx/state",
    "/local/domain/1/data/omx/card",
    "/local/domain/1/data/omx/wire",
    "/local/domain/1/backend/omx/2/0/state",
    "/local/domain/1/backend/omx/2/0/reason",
    "/local/domain/2/device/omx/0/state",
    "/local/domain/2/device/omx/0/error",
    "/local/domain/2/error/device/omx/0/error",
    "/local/domain/2/name",
    "/local/domain/0/backend/pci/1/0/dev-0",
];

pub struct Trial {
    place: TempDir,
    answers: Rc<RefCell<BTreeMap<String, String>>>,
    remembered: Attachments,
    /// What xenstore holds, if it can be reached.
    pub store: Option<Tree>,
    /// Held by an `xl-omx watch`.
    pub watch: Option<Lock>,
}

impl Trial {
    /// A driver domain with a card serves a guest.
    pub fn fine() -> Self {
        let place = tempfile::tempdir().unwrap();
        let remembered = Attachments::new(place.path().join("etc/xen/omx.d"));
        let watch = Some(remembered.lock_watch().unwrap());
        let store = Fake::with(&[
            ("/local/domain/0/name", "Domain-0"),
            ("/local/domain/0/backend/pci/1/0/dev-0", "0000:00:05.00"),
            ("/local/domain/0/backend/pci/1/0/num_devs", "1"),
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/1/data/omx/version", "0.1.0"),
            ("/local/domain/1/data/omx/state", "ready"),
            ("/local/domain/1/data/omx/wire", "native 9000"),
            ("/local/domain/1/data/omx/card", "igb 02:00:00:00:00:05"),
            ("/local/domain/1/data/omx/link", "up"),
            ("/local/domain/1/backend/omx/2/0/mac", "00:16:3e:00:00:01"),
            ("/local/domain/1/backend/omx/2/0/state", "4"),
            ("/local/domain/2/name", "guest1"),
            ("/local/domain/2/device/omx/0/state", "4"),
        ]);
        let mut trial = Self {
            place,
            answers: Rc::default(),
            remembered,
            store: Some(store.tree),
            watch,
        };
        trial.answers("info", INFO);
        trial.answers("pci-assignable-list", "");
        trial.file("/boot/driver-domain", "an image");
        trial.file(&format!("{CARD}/class"), "0x020000\n");
        trial.file(&format!("{CARD}/net/eth1/address"), "");
        trial.link(&format!("{CARD}/driver"), "/nowhere/drivers/igb");
        fs::create_dir_all(trial.at("/sys/bus/pci/drivers/pciback")).unwrap();
        let text = trial.configuration();
        trial.configure("driver-domain", &text);
        trial.remember("guest1.0", "backend=driver-domain mac=00:16:3e:00:00:01\n");
        trial
    }

    pub fn check(&self) -> Report {
        let machine = self.machine();
        let mut copy = Fake::default();
        let store = match &self.store {
            Some(tree) => {
                copy.tree = tree.clone();
                Ok(&mut copy)
            }
            None => Err(StoreError::Unreachable(std::io::ErrorKind::NotFound.into())),
        };
        check(&machine, store, &self.remembered)
    }

    /// What is said, as if the host were this machine.
    pub fn text(&self) -> String {
        let place = self.place.path().to_string_lossy();
        self.check().text().replace(&*place, "")
    }

    pub fn machine(&self) -> Machine {
        let answers = self.answers.clone();
        Machine::new(self.place.path(), move |arguments| {
            let command = arguments.join(" ");
            let answer = answers.borrow().get(&command).cloned();
            answer.ok_or_else(|| Error::NoXl {
                command: format!("xl {command}"),
                source: std::io::ErrorKind::NotFound.into(),
            })
        })
    }

    /// From now on `xl` says this.
    pub fn answers(&mut self, command: &str, text: &str) {
        self.answers
            .borrow_mut()
            .insert(command.into(), text.into());
    }

    pub fn refuses(&mut self, command: &str) {
        self.answers.borrow_mut().remove(command);
    }

    pub fn set(&mut self, path: &str, value: &str) {
        let tree = self.store.as_mut().unwrap();
        tree.write(0, path, value.as_bytes()).unwrap();
    }

    pub fn remove(&mut self, path: &str) {
        self.store.as_mut().unwrap().remove(0, path).unwrap();
    }

    fn at(&self, absolute: &str) -> PathBuf {
        self.place.path().join(absolute.trim_start_matches('/'))
    }

    pub fn file(&mut self, absolute: &str, text: &str) {
        let path = self.at(absolute);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn link(&self, absolute: &str, to: &str) {
        symlink(to, self.at(absolute)).unwrap();
    }

    pub fn unfile(&self, absolute: &str) {
        let path = self.at(absolute);
        let gone = match path.symlink_metadata().unwrap().is_dir() {
            true => fs::remove_dir_all(path),
            false => fs::remove_file(path),
        };
        gone.unwrap();
    }

    /// What the driver domain's configuration says.
    pub fn configuration(&self) -> String {
        let image = self.at("/boot/driver-domain");
        format!(
            "type = \"pv\"\nmemory = 64\nkernel = \"{}\"\npci = [\"00:05.0\"]\nextra = \"mtu=9000\"\n",
            image.display()
        )
    }

    pub fn configure(&mut self, name: &str, text: &str) {
        self.file(&format!("/etc/xen/omx.d/{name}.cfg"), text);
    }

    pub fn link_configuration(&mut self, name: &str, to: &str) {
        self.link(&format!("/etc/xen/omx.d/{name}.cfg"), to);
    }

    pub fn unconfigure(&mut self, name: &str) {
        self.unfile(&format!("/etc/xen/omx.d/{name}.cfg"));
    }

    pub fn remember(&mut self, file: &str, text: &str) {
        self.file(&format!("/etc/xen/omx.d/{file}"), text);
    }

    pub fn forget(&mut self, file: &str) {
        self.unfile(&format!("/etc/xen/omx.d/{file}"));
    }
}
