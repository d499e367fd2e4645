#![forbid(unsafe_code)]
//! Nodes and their processes as real processes of one Linux, for tests that kill, trace and lie.
//!
//! Neighbours: `omx-node` and `open-mx`, which it runs, and `trace`, which counts their system calls. It refuses to look inside of either.

mod child;
mod namespace;
pub mod tshark;

use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use child::Child;
use lossy::{End, LossyWire};
pub use namespace::Namespace;
use open_mx::{Backend, Board};

/// Lets processes of the same user trace this one, where the kernel restricts that to parents.
pub fn let_anyone_trace() {
    // Where nothing restricts it, there is nothing to set.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
}

/// What peers of these tests present to connect.
pub const KEY: u32 = 0x6e6f_6465;
/// The largest message of these tests.
pub const MESSAGE_MAX: usize = 4 << 20;
/// How long something may take on a busy machine before it counts as hung.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The name under which peers see a board that was given this name.
pub fn name_of(board: &str) -> String {
    format!("{board}:0")
}

/// Waits until a condition holds.
///
/// # Panics
/// When it does not within [`TIMEOUT`].
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < TIMEOUT, "{what} has not happened");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A running node.
pub struct Node {
    child: Child,
    /// Where its processes find it.
    pub socket: PathBuf,
}

impl Node {
    /// Starts a node and waits until it listens.
    pub fn start(program: &str, socket: PathBuf, options: &[&str]) -> Self {
        let path = socket.to_string_lossy().into_owned();
        let child = Child::start(program, &[&["--socket", &path][..], options].concat(), &[]);
        Self::of(child, socket)
    }

    /// The node that a process is, or becomes. Waits until it listens.
    ///
    /// # Panics
    /// When the process ends before, or takes too long.
    pub fn of(mut child: Child, socket: PathBuf) -> Self {
        let backend = Backend::Socket(socket.clone());
        wait_for("a node's start", || {
            assert!(!child.has_ended(), "the node ended before it listened");
            Board::all(&backend).is_ok()
        });
        Self { child, socket }
    }

    /// Asks it to end, and waits.
    pub fn terminate(&mut self) -> std::process::ExitStatus {
        self.child.terminate()
    }

    /// Number of its process.
    pub fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// For the library.
    pub fn backend(&self) -> Backend {
        Backend::Socket(self.socket.clone())
    }

    /// The node's socket as an argument.
    pub fn socket(&self) -> &str {
        self.socket.to_str().expect("a path made by these tests")
    }

    /// Waits until a board of this node knows the boards of these names.
    pub fn wait_for_peers(&self, board: u32, names: &[&str]) {
        wait_for("the discovery of peers", || {
            Board::attach(&self.backend(), board).is_ok_and(|board| {
                let known = |name: &&str| board.nic_id_by_hostname(&name_of(name)).is_ok();
                names.iter().all(known)
            })
        });
    }
}

/// Two nodes, `left` and `right`, joined by a pair of datagram sockets.
pub struct Pair {
    /// One.
    pub left: Node,
    /// The other.
    pub right: Node,
    /// What lies between them, if it loses frames.
    pub wire: Option<LossyWire>,
    _directory: tempfile::TempDir,
}

impl Pair {
    /// Starts both and waits until they know each other.
    pub fn start(program: &str, options: &[&str]) -> Self {
        Self::over(program, options, 0)
    }

    /// The same with a wire that loses so many frames of a hundred each way.
    ///
    /// # Panics
    /// When the wire cannot be made.
    pub fn over(program: &str, options: &[&str], percent: u8) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        let [left, right] = ["left", "right"];
        let wire = (percent > 0).then(|| {
            let end = |name: &str| End::Unix {
                local: at(&format!("{name}.far")),
                remote: at(&format!("{name}.wire")),
            };
            LossyWire::start([&end(left), &end(right)], percent, 1).expect("a wire")
        });
        let start = |name: &str, other: &str| {
            let far = match wire {
                Some(_) => at(&format!("{name}.far")),
                None => at(&format!("{other}.wire")),
            };
            let near = at(&format!("{name}.wire"));
            let ends = format!("{},{}", near.display(), far.display());
            let own = ["--dgram", &ends, "--name", name];
            let socket = at(name).with_extension("sock");
            Node::start(program, socket, &[&own[..], options].concat())
        };
        let (left, right) = (start(left, right), start(right, left));
        left.wait_for_peers(0, &["right"]);
        right.wait_for_peers(0, &["left"]);
        Self {
            left,
            right,
            wire,
            _directory: directory,
        }
    }
}
