//! A node in the test's own process.

use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::Parser;
use omx_node::Node;
use omx_node::cli::Options;
use open_mx::{Board, Home};

/// The node of the boards `left` and `right`, for all tests of this process: where it listens. The first caller says
/// where that is.
pub fn of_two_boards(socket: &Path) -> Home {
    static SOCKET: OnceLock<Home> = OnceLock::new();
    let home = SOCKET.get_or_init(|| {
        let line = "omxd --alone --name left --board right --socket";
        let arguments = line.split(' ').map(AsRef::as_ref);
        let options = Options::parse_from(arguments.chain([socket.as_os_str()]));
        std::thread::spawn(move || Node::start(&options).and_then(Node::run));
        let home = Home::Socket(socket.to_owned());
        let start = Instant::now();
        while Board::all(&home).is_err() {
            assert!(start.elapsed() < Duration::from_secs(10), "no node");
            std::thread::sleep(Duration::from_millis(10));
        }
        home
    });
    home.clone()
}
