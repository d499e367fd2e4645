//! Nodes that do not fit together, or cannot start: what is wrong is said, with the way out, to whoever can know it.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{NODE, open};
use mx_ring::warning::Warning;
use nodes::{Child, KEY, Node, TIMEOUT, wait_for};
use open_mx::{Board, Buffer, Endpoint, EndpointOptions, Error};

/// Two nodes joined by a pair of datagram sockets, which are told different things.
fn joined(options: [&[&str]; 2]) -> ([Node; 2], tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: String| directory.path().join(name);
    let node = |own: usize| {
        let wire = [own, 1 - own].map(|end| at(format!("{end}.wire")));
        let wire = format!("{},{}", wire[0].display(), wire[1].display());
        let options = [&["--dgram", &wire][..], options[own]].concat();
        Node::start(NODE, at(format!("{own}.sock")), &options)
    };
    ([node(0), node(1)], directory)
}

fn wait_for_warning(nodes: &[Node; 2], warning: Warning) {
    wait_for(&format!("{} at both", warning.word()), || {
        nodes.iter().all(|node| has(node, warning))
    });
}

fn has(node: &Node, warning: Warning) -> bool {
    let board = Board::attach(&node.backend(), 0).unwrap();
    board.description().unwrap().notices.has(warning)
}

#[test]
fn two_nodes_of_one_name_say_so_and_the_name_leads_to_neither() {
    let (nodes, _directory) = joined([&["--name", "same"], &["--name", "same"]]);
    wait_for_warning(&nodes, Warning::OwnName);
    let macs = nodes.each_ref().map(|node| {
        let board = Board::attach(&node.backend(), 0).unwrap();
        board.description().unwrap().mac.nic_id()
    });
    let board = Board::attach(&nodes[0].backend(), 0).unwrap();
    let found = board.nic_id_by_hostname("same:0");
    assert!(
        matches!(&found, Err(Error::NameTwice(_, both)) if *both == macs),
        "{found:?}"
    );
    // By its address the other is reached all the same.
    assert!(board.peer_by_nic_id(macs[1]).is_ok());
}

#[test]
fn two_nodes_of_one_address_say_so() {
    let mac = ["--mac", "02:00:00:00:0a:01"];
    let [first, second] = ["first", "second"].map(|name| [&mac[..], &["--name", name]].concat());
    let (nodes, _directory) = joined([&first, &second]);
    wait_for_warning(&nodes, Warning::OwnAddress);
}

/// Sends until the receiver has found something wrong with the sender's frames.
fn sends_until_noticed(from: &Node, to: &Node, peer: &str, length: usize) {
    let sender = open(from, 0);
    let options = EndpointOptions {
        board: Some(0),
        endpoint: Some(3),
        ..EndpointOptions::new(KEY)
    };
    let receiver = Endpoint::open(&to.backend(), &options).unwrap();
    let nic = sender.with_board(|board| board.nic_id_by_hostname(peer));
    let connected = std::thread::scope(|scope| {
        let connecting = scope.spawn(|| sender.connect(nic.unwrap(), 3, KEY, None));
        while !connecting.is_finished() {
            receiver.progress().unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
        connecting.join().unwrap().unwrap()
    });
    let buffer = Buffer::new(length).unwrap();
    let part = buffer.part(0, length).unwrap();
    let _lost = sender.isend(part, connected, 1, 0, false).unwrap();
    wait_for("what the receiver finds", || {
        sender.progress().unwrap();
        receiver.progress().unwrap();
        has(to, Warning::OtherFormat)
    });
}

#[test]
fn nodes_of_different_frame_size_or_wire_format_are_told_apart_by_the_first_long_message() {
    for (ours, theirs) in [
        (&["--mtu", "9000"][..], &["--mtu", "1500"][..]),
        (&["--mtu", "9000"], &["--wire", "mx"]),
    ] {
        for turned in [false, true] {
            let left = [ours, &["--name", "left"]].concat();
            let right = [theirs, &["--name", "right"]].concat();
            let (nodes, _directory) = joined([&left, &right]);
            nodes[0].wait_for_peers(0, &["right"]);
            nodes[1].wait_for_peers(0, &["left"]);
            let [left, right] = &nodes;
            if turned {
                sends_until_noticed(right, left, "left:0", 10_000);
            } else {
                sends_until_noticed(left, right, "right:0", 10_000);
            }
        }
    }
}

fn refused(options: &[&str]) -> String {
    let directory = tempfile::tempdir().unwrap();
    let mut node = Command::new(NODE)
        .arg("--socket")
        .arg(directory.path().join("sock"))
        .args(options)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let start = Instant::now();
    while node.try_wait().unwrap().is_none() {
        if start.elapsed() > TIMEOUT {
            node.kill().unwrap();
            panic!("a node starts with {options:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = node.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{options:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn names_that_cannot_be_are_refused_at_the_start_with_the_way_out() {
    let long = "n".repeat(78);
    for name in ["", "two words", "tab\t", "\u{1b}[2J", "é", &long] {
        let said = refused(&["--alone", "--name", name]);
        assert!(said.contains("cannot be the name of a board"), "{said}");
        assert!(!said.contains('\u{1b}'), "{said}");
    }
    for name in ["", "sixteen-letters!", "a/b"] {
        let said = refused(&["--interface", name]);
        assert!(
            said.contains("cannot be the name of an interface"),
            "{said}"
        );
    }
    let twice = refused(&[
        "--alone", "--name", "one", "--board", "two", "--board", "one",
    ]);
    assert!(twice.contains("two boards are called 'one'"), "{twice}");
}

#[test]
fn a_strict_umask_bars_nobody_from_the_socket_and_directories_that_are_made_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let above = directory.path().join("above");
    let socket = above.join("below/sock");
    let log = directory.path().join("log");
    let line = "umask 077; log=$1; shift; exec \"$@\" 2>\"$log\"";
    let path = socket.to_str().unwrap();
    let arguments = [
        "-c",
        line,
        "sh",
        log.to_str().unwrap(),
        NODE,
        "--socket",
        path,
        "--alone",
        "--name",
        "one",
    ];
    let _node = Node::of(Child::start("sh", &arguments, &[]), socket.clone());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&above), 0o755);
    assert_eq!(mode(&above.join("below")), 0o755);
    assert_eq!(mode(&socket), 0o666);
    let said = std::fs::read_to_string(log).unwrap();
    for made in [&above, &above.join("below")] {
        let line = format!("{} was not there and is made", made.display());
        assert_eq!(said.matches(&line).count(), 1, "{said}");
    }
}
