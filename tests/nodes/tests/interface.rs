//! What may become of a node's interface while it runs, and what the node makes of it.

mod common;

use std::path::PathBuf;

use common::{NODE, connect, echo, exchange, open};
use mx_ring::Counter;
use mx_ring::board_page::BoardDescription;
use mx_ring::warning::Warning;
use mx_wire::{Beacon, Format, MacAddress};
use nodes::{Child, Namespace, Node, wait_for};
use open_mx::Board;
use open_mx::board::text;

const LEFT: &str = "02:00:00:00:0a:01";
const RIGHT: &str = "02:00:00:00:0b:02";

/// Two nodes of one network namespace, on the two ends of a cable.
struct Cable {
    left: Node,
    right: Node,
    _echo: Child,
    network: Namespace,
    directory: tempfile::TempDir,
}

/// The lines that make the cable.
fn plug() -> String {
    format!(
        "ip link add left address {LEFT} type veth peer name right address {RIGHT}
         for end in left right; do ip link set $end mtu 9000 up; done"
    )
}

impl Cable {
    fn new() -> Self {
        let network = Namespace::new();
        network.run(&plug());
        let directory = tempfile::tempdir().unwrap();
        let [left, right] = ["left", "right"].map(|name| node(&network, &directory, name, name));
        left.wait_for_peers(0, &["right"]);
        right.wait_for_peers(0, &["left"]);
        Self {
            _echo: echo(&right, 3),
            left,
            right,
            network,
            directory,
        }
    }

    /// How often the left node has said this.
    fn said(&self, what: &str) -> usize {
        said(&self.directory, "left", what)
    }

    fn messages_pass(&self) {
        let own = open(&self.left, 0);
        let to = connect(&own, "right", 3);
        for length in [0, 100, 4096, 100_000] {
            exchange(&own, to, length);
        }
    }
}

fn node(network: &Namespace, directory: &tempfile::TempDir, name: &str, interface: &str) -> Node {
    let at = |what: &str| -> PathBuf { directory.path().join(name).with_extension(what) };
    let options = ["--interface", interface, "--name", name];
    network.node(NODE, &at("sock"), &at("log"), &options)
}

fn said(directory: &tempfile::TempDir, name: &str, what: &str) -> usize {
    let log = std::fs::read_to_string(directory.path().join(name).with_extension("log")).unwrap();
    log.matches(what).count()
}

fn board(node: &Node) -> BoardDescription {
    let board = Board::attach(&node.backend(), 0).unwrap();
    board.description().unwrap()
}

fn count(node: &Node, counter: Counter) -> u32 {
    let board = Board::attach(&node.backend(), 0).unwrap();
    board.counter(counter.index())
}

fn wait_for_fault(node: &Node, fault: Warning, there: bool) {
    let what = format!("{} to become {there}", fault.word());
    wait_for(&what, || board(node).notices.has(fault) == there);
}

fn wait_for_link(node: &Node, up: bool) {
    wait_for(&format!("a link that is up: {up}"), || {
        board(node).link_up == up
    });
}

#[test]
fn an_interface_that_was_removed_and_is_made_again_is_used_again() {
    let cable = Cable::new();
    cable.network.run("ip link del left");
    for node in [&cable.left, &cable.right] {
        wait_for_fault(node, Warning::Gone, true);
        assert!(!board(node).link_up);
    }
    cable.network.run(&plug());
    for node in [&cable.left, &cable.right] {
        wait_for_link(node, true);
        assert!(!board(node).notices.has(Warning::Gone));
    }
    cable.messages_pass();
    assert_eq!(cable.said("WARN left: the interface is gone"), 1);
    assert_eq!(cable.said("left is there again"), 1);
}

#[test]
fn an_interface_that_is_renamed_goes_on_under_its_new_name() {
    let cable = Cable::new();
    cable
        .network
        .run("ip link set left down; ip link set left name west; ip link set west up");
    wait_for("the new name", || {
        text(&board(&cable.left).interface) == "west"
    });
    wait_for_link(&cable.left, true);
    cable.messages_pass();
    // Another interface gets the old name: it is another.
    cable.network.run("ip link add left type bridge");
    cable.network.run("ip link set west mtu 9001");
    cable.messages_pass();
    assert_eq!(text(&board(&cable.left).interface), "west");
    assert_eq!(cable.said("left is called west now"), 1);
}

#[test]
fn frames_that_a_lowered_mtu_does_not_take_are_told_and_not_counted_as_sent() {
    let cable = Cable::new();
    let own = open(&cable.left, 0);
    let to = connect(&own, "right", 3);
    cable.network.run("ip link set left mtu 1400");
    wait_for_fault(&cable.left, Warning::ShortMtu, true);
    assert_eq!(board(&cable.left).interface_mtu, 1400);
    // Counters are published now and then: no other message is in fragments.
    exchange(&own, to, 100);
    let (sent, failed) = (Counter::SendMediumSqFrag, Counter::SendSkbuffAllocFailed);
    let network = &cable.network;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            wait_for("a frame that is refused", || count(&cable.left, failed) > 0);
            let lost = count(&cable.left, sent);
            network.run("ip link set left mtu 9000");
            assert_eq!(lost, 0);
        });
        exchange(&own, to, 4096);
    });
    wait_for_fault(&cable.left, Warning::ShortMtu, false);
    assert_eq!(board(&cable.left).interface_mtu, 0);
    exchange(&own, to, 100_000);
    assert_eq!(
        cable.said("has an MTU of 1400 bytes, the frames need 8986"),
        1
    );
}

#[test]
fn an_interface_that_is_moved_to_another_namespace_is_gone_until_it_comes_back() {
    let cable = Cable::new();
    let elsewhere = cable.network.another();
    let move_to = |to: &Namespace| format!("ip link set left netns {}", to.pid());
    cable.network.run(&move_to(&elsewhere));
    wait_for_fault(&cable.left, Warning::Gone, true);
    elsewhere.run(&move_to(&cable.network));
    cable.network.run("ip link set left up");
    wait_for_link(&cable.left, true);
    cable.messages_pass();
}

#[test]
fn an_interface_with_another_address_than_its_board_is_told_until_it_has_it_again() {
    let cable = Cable::new();
    cable
        .network
        .run("ip link set left address 02:00:00:00:0a:99");
    wait_for_fault(&cable.left, Warning::Moved, true);
    cable.network.run("ip link set left promisc on");
    wait_for_fault(&cable.left, Warning::Moved, false);
    cable.messages_pass();
    cable
        .network
        .run(&format!("ip link set left promisc off address {LEFT}"));
    wait_for("the address", || {
        !board(&cable.left).notices.has(Warning::Moved)
    });
    cable.messages_pass();
}

#[test]
fn an_interface_that_becomes_a_port_of_a_bridge_is_told_and_used_again_when_it_is_none() {
    let cable = Cable::new();
    let network = &cable.network;
    network.run("ip link add bridge type bridge; ip link set left master bridge");
    wait_for_fault(&cable.left, Warning::Bridged, true);
    assert!(!board(&cable.left).link_up);
    network.run("ip link set left nomaster");
    wait_for_fault(&cable.left, Warning::Bridged, false);
    cable.messages_pass();
}

#[test]
fn a_link_that_goes_down_and_up_is_shown_and_said_each_time() {
    let cable = Cable::new();
    for times in 1..=2 {
        cable.network.run("ip link set right down");
        for node in [&cable.left, &cable.right] {
            wait_for_link(node, false);
        }
        cable.network.run("ip link set right up");
        for node in [&cable.left, &cable.right] {
            wait_for_link(node, true);
        }
        assert_eq!(cable.said("left is down"), times);
    }
    cable.messages_pass();
}

#[test]
fn an_interface_that_is_down_at_the_start_is_said_and_used_when_it_is_up() {
    let network = Namespace::new();
    network.run(&plug());
    network.run("ip link set left down");
    let directory = tempfile::tempdir().unwrap();
    let [left, right] = ["left", "right"].map(|name| node(&network, &directory, name, name));
    assert!(!board(&left).link_up);
    assert_eq!(said(&directory, "left", "left is down"), 1);
    network.run("ip link set left up");
    left.wait_for_peers(0, &["right"]);
    right.wait_for_peers(0, &["left"]);
}

/// A beacon of a machine that is not there, with a tag for this VLAN.
fn beacon(mac: [u8; 6], vlan: Option<u16>) -> Vec<u8> {
    let board = MacAddress(mac);
    let payload = Beacon { board, serial: 1 }.payload();
    let mut bytes = [0; 64];
    let format = Format::native(9000).unwrap();
    let length = Beacon::frame(board, &payload).emit(&format, &mut bytes);
    let (addresses, rest) = bytes[..length.unwrap()].split_at(12);
    let tag = vlan.map(|vlan| [[0x81, 0], vlan.to_be_bytes()].concat());
    [addresses, &tag.unwrap_or_default(), rest].concat()
}

#[test]
fn frames_that_are_longer_than_any_of_a_node_are_told_and_keep_no_other_back() {
    let cable = Cable::new();
    cable
        .network
        .run("ip link set left mtu 20000; ip link set right mtu 20000");
    let mut long = beacon([2, 0, 0, 0, 0x0c, 1], None);
    long.resize(20_000, 0xff);
    // To the right node.
    long[..6].copy_from_slice(&[2, 0, 0, 0, 0x0b, 2]);
    cable.network.send("left", &long, 100);
    wait_for_fault(&cable.right, Warning::OtherFormat, true);
    cable.messages_pass();
}

#[test]
fn frames_of_another_vlan_are_not_heard() {
    let network = Namespace::new();
    network.run(&plug());
    let directory = tempfile::tempdir().unwrap();
    let right = node(&network, &directory, "right", "right");
    let [tagged, urgent, plain] = [1, 2, 3].map(|last| [2, 0, 0, 0, 0x0c, last]);
    // A tag of VLAN 0 is a priority alone.
    for (mac, vlan) in [
        (tagged, Some(5)),
        (tagged, Some(0x7005)),
        (urgent, Some(0x7000)),
        (plain, None),
    ] {
        network.send("left", &beacon(mac, vlan), 1);
    }
    let known = |mac: [u8; 6]| {
        let board = Board::attach(&right.backend(), 0).unwrap();
        board.peers().any(|(_, peer)| peer.mac.0 == mac)
    };
    wait_for("what was sent last", || known(plain));
    assert!(known(urgent), "it came before");
    assert!(!known(tagged));
}
