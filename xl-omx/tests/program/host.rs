//! A host: domains, those who serve and those who are served, and `xl-omx` in dom0.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use xl_omx::xenstore::tree::{Permission, Tree};

use crate::waiting::LIMIT;
use crate::xenstored::Xenstored;
use crate::xl::Xl;

pub struct Host {
    place: TempDir,
    pub xenstored: Xenstored,
}

/// How a program has ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    pub fn succeeded(self) -> Self {
        assert_eq!(self.status, Some(0), "{self:?}");
        self
    }

    pub fn failed(self, status: i32, words: &[&str]) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "'{word}' is not in {self:?}");
        }
        self
    }
}

/// A program that runs.
pub struct Running {
    child: Child,
    texts: [Arc<Mutex<String>>; 2],
    readers: Vec<thread::JoinHandle<()>>,
}

impl Running {
    /// What it has written to standard output and standard error so far.
    pub fn said(&self) -> String {
        let texts = self.texts.iter().map(|text| text.lock().unwrap().clone());
        texts.collect()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn end(mut self) -> Ended {
        let begun = Instant::now();
        while self.runs() {
            assert!(begun.elapsed() < LIMIT, "it does not end: {}", self.said());
            thread::sleep(Duration::from_millis(1));
        }
        let status = self.child.wait().unwrap().code();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        let [stdout, stderr] = self
            .texts
            .each_ref()
            .map(|text| text.lock().unwrap().clone());
        assert!(!stderr.contains("panicked"), "{stderr}");
        Ended {
            status,
            stdout,
            stderr,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(mut from: impl Read + Send + 'static) -> (Arc<Mutex<String>>, thread::JoinHandle<()>) {
    let text = Arc::new(Mutex::new(String::new()));
    let own = text.clone();
    let reader = thread::spawn(move || {
        let mut part = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut part) {
            own.lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&part[..count]));
        }
    });
    (text, reader)
}

pub fn uuid(number: u32) -> String {
    format!("00000000-0000-4000-8000-{number:012x}")
}

pub fn value(tree: &Tree, path: &str) -> Option<String> {
    let node = tree.node(path)?;
    Some(String::from_utf8_lossy(&node.value).into_owned())
}

impl Host {
    /// Only dom0.
    pub fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let xenstored = Xenstored::start(&place.path().join("socket"));
        let host = Self { place, xenstored };
        host.create(0, "Domain-0", &uuid(0));
        host
    }

    /// With a driver domain 1 that serves.
    pub fn served() -> Self {
        let host = Self::new();
        host.driver_domain(1, "driver-domain");
        host
    }

    /// As xl creates a domain: its directory is dom0's, which it reads, and parts are its own.
    pub fn create(&self, id: u32, name: &str, uuid: &str) {
        let root = format!("/local/domain/{id}");
        self.xenstored.act(|tree| {
            let who = |access, domain| Permission { access, domain };
            tree.write(0, &root, b"").unwrap();
            let read = vec![who('n', 0), who('r', id)];
            tree.set_permissions(0, &root, read).unwrap();
            for own in ["data", "error"] {
                let path = format!("{root}/{own}");
                tree.write(0, &path, b"").unwrap();
                tree.set_permissions(0, &path, vec![who('n', id)]).unwrap();
            }
            tree.write(0, &format!("{root}/device"), b"").unwrap();
            tree.write(0, &format!("{root}/vm"), format!("/vm/{uuid}").as_bytes())
                .unwrap();
            tree.write(0, &format!("{root}/name"), name.as_bytes())
                .unwrap();
        });
        self.xenstored.fire("@introduceDomain");
    }

    pub fn destroy(&self, id: u32) {
        let root = format!("/local/domain/{id}");
        self.xenstored.act(|tree| tree.remove(0, &root).unwrap());
        self.xenstored.fire("@releaseDomain");
    }

    pub fn rename(&self, id: u32, name: &str) {
        self.write(0, &format!("/local/domain/{id}/name"), name);
    }

    /// A domain writes, as far as it may.
    pub fn write(&self, domain: u32, path: &str, value: &str) {
        let written = self
            .xenstored
            .act(|tree| tree.write(domain, path, value.as_bytes()));
        written.unwrap();
    }

    pub fn value(&self, path: &str) -> Option<String> {
        value(&self.xenstored.state().tree, path)
    }

    /// A guest whose module answers.
    pub fn guest(&self, id: u32, name: &str) {
        self.create(id, name, &uuid(id));
        self.module(id);
    }

    pub fn module(&self, id: u32) {
        let mut module = Module::new(id, "6");
        self.xenstored.join(Box::new(move |tree| module.act(tree)));
    }

    /// A driver domain that serves.
    pub fn driver_domain(&self, id: u32, name: &str) -> Arc<AtomicBool> {
        self.create(id, name, &uuid(id));
        let serves = Arc::new(AtomicBool::new(true));
        let own = serves.clone();
        self.xenstored.join(Box::new(move |tree| {
            if own.load(Ordering::Relaxed) {
                serve(tree, id);
            }
        }));
        serves
    }

    /// Whoever waits for a change looks again.
    pub fn nudge(&self) {
        self.xenstored.act(|_| ());
    }

    /// The `xl` that the program finds from now on.
    pub fn xl(&self) -> Xl {
        Xl::new(&self.programs())
    }

    fn programs(&self) -> PathBuf {
        self.place.path().join("bin")
    }

    fn search_path(&self) -> OsString {
        let paths = env::var_os("PATH").unwrap_or_default();
        let others = env::split_paths(&paths);
        env::join_paths([self.programs()].into_iter().chain(others)).unwrap()
    }

    /// Whether there is one in which devices are remembered.
    pub fn has_directory(&self) -> bool {
        self.directory().exists()
    }

    fn directory(&self) -> PathBuf {
        self.place.path().join("omx.d")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        fs::create_dir_all(self.directory()).unwrap();
        self.directory().join(name)
    }

    pub fn remember(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// The files in which devices are remembered, and what they say.
    pub fn remembered(&self) -> BTreeMap<String, String> {
        let Ok(entries) = fs::read_dir(self.directory()) else {
            return BTreeMap::new();
        };
        let files = entries.map(|entry| entry.unwrap().path());
        let named = files.map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(&path).unwrap_or_default())
        });
        named.filter(|(name, _)| !name.starts_with('.')).collect()
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self.spawn(arguments);
        let (stdout, out) = collect(child.stdout.take().unwrap());
        let (stderr, error) = collect(child.stderr.take().unwrap());
        Running {
            child,
            texts: [stdout, stderr],
            readers: vec![out, error],
        }
    }

    /// Nobody reads what it writes: its pipes are closed.
    pub fn start_unread(&self, arguments: &[&str]) -> Running {
        let mut child = self.spawn(arguments);
        drop((child.stdout.take(), child.stderr.take()));
        Running {
            child,
            texts: Default::default(),
            readers: Vec::new(),
        }
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_xl-omx"))
            .arg("--directory")
            .arg(self.directory())
            .args(arguments)
            .env("XENSTORED_PATH", self.place.path().join("socket"))
            .env("PATH", self.search_path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// The address that the backend's side has of a device.
    pub fn mac(&self, backend: u32, guest: u32, index: u32) -> Option<String> {
        self.value(&format!(
            "/local/domain/{backend}/backend/omx/{guest}/{index}/mac"
        ))
    }

    /// States of backend and frontend.
    pub fn states(&self, backend: u32, guest: u32, index: u32) -> [Option<String>; 2] {
        [
            format!("/local/domain/{backend}/backend/omx/{guest}/{index}/state"),
            format!("/local/domain/{guest}/device/omx/{index}/state"),
        ]
        .map(|path| self.value(&path))
    }
}

/// What a driver domain does, by what it may read and write.
fn serve(tree: &mut Tree, id: u32) {
    let root = format!("/local/domain/{id}/backend/omx");
    for guest in tree.children(&root) {
        for index in tree.children(&format!("{root}/{guest}")) {
            let own = format!("{root}/{guest}/{index}");
            let trace = format!("/local/domain/{id}/data/omx/devices/{guest}/{index}");
            let Ok(frontend) = tree.read(id, &format!("{own}/frontend")) else {
                continue;
            };
            let frontend = String::from_utf8(frontend).unwrap();
            let read = |tree: &Tree, directory: &str| {
                let state = tree.read(id, &format!("{directory}/state"));
                state.map(|state| String::from_utf8_lossy(&state).into_owned())
            };
            let next = match (
                read(tree, &own).as_deref(),
                read(tree, &frontend).as_deref(),
            ) {
                (_, Err(_)) => {
                    tree.remove(id, &own).unwrap();
                    let _ = tree.remove(id, &trace);
                    continue;
                }
                (Ok("1"), _) => "2",
                (Ok("2"), Ok("3")) => "4",
                (Ok("5"), _) => "6",
                _ => continue,
            };
            tree.write(id, &format!("{own}/state"), next.as_bytes())
                .unwrap();
            tree.write(id, &trace, b"").unwrap();
        }
    }
    // What dom0 has removed is given back.
    let traces = format!("/local/domain/{id}/data/omx/devices");
    for guest in tree.children(&traces) {
        for index in tree.children(&format!("{traces}/{guest}")) {
            if tree.node(&format!("{root}/{guest}/{index}")).is_none() {
                tree.remove(id, &format!("{traces}/{guest}/{index}"))
                    .unwrap();
            }
        }
    }
}

/// A guest's module: what it does, by what it may read and write.
pub struct Module {
    id: u32,
    /// That of the shared memory.
    version: &'static str,
    /// The backend's directory of each device, as it was when the module looked at the device first.
    backends: BTreeMap<String, String>,
}

impl Module {
    pub fn new(id: u32, version: &'static str) -> Self {
        let backends = BTreeMap::new();
        Self {
            id,
            version,
            backends,
        }
    }

    pub fn act(&mut self, tree: &mut Tree) {
        let id = self.id;
        let root = format!("/local/domain/{id}/device/omx");
        for index in tree.children(&root) {
            let own = format!("{root}/{index}");
            let Ok(backend) = tree.read(id, &format!("{own}/backend")) else {
                continue;
            };
            let read = |tree: &Tree, directory: &str| {
                let state = tree.read(id, &format!("{directory}/state"));
                state.map(|state| String::from_utf8_lossy(&state).into_owned())
            };
            let state = read(tree, &own);
            if state.as_deref() == Ok("1") {
                let backend = String::from_utf8_lossy(&backend).into_owned();
                self.backends.insert(own.clone(), backend);
            }
            let Some(backend) = self.backends.get(&own) else {
                continue;
            };
            let next = match (state.as_deref(), read(tree, backend).as_deref()) {
                (Ok("1"), Ok("2")) => "3",
                (Ok("3"), Ok("4")) => "4",
                (Ok("1" | "3" | "4"), Err(_) | Ok("5" | "6")) => "6",
                _ => continue,
            };
            let nodes = [("version", self.version), ("state", next)];
            for (key, value) in nodes {
                tree.write(id, &format!("{own}/{key}"), value.as_bytes())
                    .unwrap();
            }
        }
    }
}
