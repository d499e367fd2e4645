//! `omxd --pcap`: every frame of a node, in a file that tshark reads.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use common::{NODE, connect, echo, exchange, open};
use mx_wire::{Format, Frame, Packet};
use nodes::tshark::{LUA_ERROR, PROBLEM, tshark};
use nodes::{Child, Node};
use omx_captures::Frames;

/// A length that goes as MEDIUM, and takes about as much of a capture.
const MEDIUM: usize = 32768;

/// The frames of a capture.
fn frames(capture: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(capture).expect("the capture");
    let frames = Frames::new(&bytes).expect("a capture");
    frames.map(|frame| frame.expect("whole").to_vec()).collect()
}

/// Messages there and back between two boards.
fn talk(left: &Node, board: u32, right: &Node, lengths: &[usize]) {
    let _echo = echo(right, 3);
    let own = open(left, board);
    let to = connect(&own, "right", 3);
    lengths
        .iter()
        .for_each(|length| exchange(&own, to, *length));
}

/// A node of two boards without a wire, `left` and `right`, within the limits that `around` sets.
fn alone(around: &[&str], directory: &Path, options: &[&str]) -> Node {
    let socket = directory.join("sock");
    let own = ["--alone", "--name", "right", "--board", "left", "--socket"];
    let own = [&own[..], &[socket.to_str().expect("a path")], options].concat();
    let words = [around, &[NODE], &own].concat();
    let node = Node::of(Child::start(words[0], &words[1..], &[]), socket);
    node.wait_for_peers(1, &["right"]);
    node
}

#[test]
fn packets_between_boards_of_a_node_are_in_its_capture_and_tshark_shows_each() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("pcap");
    let mut node = alone(&[], directory.path(), &["--pcap", path.to_str().unwrap()]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    talk(&node, 1, &node, &[5, 100, 20_000, 1 << 20]);
    assert!(node.terminate().success());
    let format = Format::native(9000).unwrap();
    let frames = frames(&path);
    let parsed: Vec<Frame<'_>> = frames
        .iter()
        .map(|frame| Frame::parse(&format, frame).unwrap())
        .collect();
    let kinds: BTreeSet<&str> = parsed.iter().map(|frame| frame.packet.name()).collect();
    for kind in [
        "RAW",
        "CONNECT request",
        "CONNECT reply",
        "TINY",
        "SMALL",
        "MEDIUM",
        "RNDV",
        "NOTIFY",
    ] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    let rows = tshark(&path, &[PROBLEM, LUA_ERROR]);
    let lines: Vec<String> = parsed.iter().map(ToString::to_string).collect();
    let expected: Vec<[&str; 3]> = lines
        .iter()
        .map(|line| ["", "", line.split_once(": ").unwrap().1])
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn what_passes_between_two_nodes_is_in_the_captures_of_both() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let start = |name: &str, other: &str| {
        let ends = format!(
            "{},{}",
            at(&format!("{name}.wire")),
            at(&format!("{other}.wire"))
        );
        let pcap = at(&format!("{name}.pcap"));
        let options = ["--dgram", &ends, "--name", name, "--pcap", &pcap];
        Node::start(NODE, at(&format!("{name}.sock")).into(), &options)
    };
    let (mut left, mut right) = (start("left", "right"), start("right", "left"));
    left.wait_for_peers(0, &["right"]);
    right.wait_for_peers(0, &["left"]);
    talk(&left, 0, &right, &[5, 100, 20_000, 1 << 20]);
    // The one that ends last has all that the other one saw.
    assert!(left.terminate().success());
    assert!(right.terminate().success());
    let format = Format::native(9000).unwrap();
    let of_libraries = |name: &str| {
        let mut frames = frames(at(name).as_ref());
        frames.retain(|frame| {
            let frame = Frame::parse(&format, frame).unwrap();
            !matches!(
                frame.packet,
                Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_)
            )
        });
        frames.into_iter().collect::<BTreeSet<_>>()
    };
    let (left, right) = (of_libraries("left.pcap"), of_libraries("right.pcap"));
    // A message of 1 MiB there and back is some 240 of them.
    assert!(
        left.len() > 240 && left.is_subset(&right),
        "{} of {}",
        left.len(),
        right.len()
    );
}

#[test]
fn a_capture_that_is_full_or_finds_no_room_ends_whole_and_the_node_goes_on() {
    for (around, options) in [
        (&[][..], &["--pcap-limit", "1"][..]),
        (&["prlimit", "--fsize=8000000"], &[]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pcap");
        let own = ["--pcap", path.to_str().unwrap()];
        let mut node = alone(around, directory.path(), &[&own[..], options].concat());
        talk(&node, 1, &node, &[MEDIUM; 200]);
        let length = fs::metadata(&path).unwrap().len();
        assert!((900_000..=8_000_000).contains(&length), "{length} bytes");
        assert!(frames(&path).len() > 100);
        assert!(node.terminate().success());
    }
}

#[test]
fn a_node_does_not_start_with_a_capture_in_the_place_of_a_link() {
    let directory = tempfile::tempdir().unwrap();
    let [target, link] = ["target", "link"].map(|name| directory.path().join(name));
    fs::write(&target, "precious").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let ended = Command::new(NODE)
        .args(["--alone", "--socket"])
        .arg(directory.path().join("sock"))
        .arg("--pcap")
        .arg(&link)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains("choose another name with --pcap"), "{said}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
}
