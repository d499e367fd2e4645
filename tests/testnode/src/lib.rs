#![forbid(unsafe_code)]
//! A node in the process of a test: what `omxd` does, in a thread that ends with the process.
//!
//! Its neighbours are `omx-node`, which it runs, and the tests of whatever talks with a node. It refuses to know what they
//! say: a test that kills, traces or starves a node needs one of its own process (`tests/nodes`).

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

use clap::Parser;
use omx_node::Node;
use omx_node::cli::NodeOptions;

/// How long a start may take on a busy machine before it counts as hung.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Starts a node with these options of `omxd`. When this returns it listens at the socket.
///
/// # Panics
/// When it does not start; its error says why.
pub fn start(socket: &Path, options: impl IntoIterator<Item = impl Into<OsString>>) {
    let own = ["omxd".into(), "--socket".into(), socket.into()];
    let line = own.into_iter().chain(options.into_iter().map(Into::into));
    let options = NodeOptions::try_parse_from(line).unwrap_or_else(|error| panic!("{error}"));
    let (tell, started) = sync_channel(1);
    // The signals that end a node are blocked in its thread alone.
    thread::spawn(move || {
        let node = Node::start(&options);
        let failure = node.as_ref().err().map(ToString::to_string);
        tell.send(failure).expect("the test waits");
        node.and_then(Node::run)
    });
    let failure = started.recv_timeout(TIMEOUT).expect("it starts in time");
    assert_eq!(failure, None, "the node does not start");
}

/// The node of the boards `left` and `right`, for all tests of a process: where it listens. The first caller says where
/// that is.
///
/// # Panics
/// When it does not start, or the callers disagree.
pub fn of_two_boards(socket: &Path) {
    static SOCKET: OnceLock<PathBuf> = OnceLock::new();
    let started = SOCKET.get_or_init(|| {
        start(socket, ["--alone", "--name", "left", "--board", "right"]);
        socket.to_owned()
    });
    assert_eq!(started, socket, "one node for all tests");
}
