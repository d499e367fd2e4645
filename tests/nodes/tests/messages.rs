//! Messages of all sizes between processes: over a wire, between boards of a node, within a board.

mod common;

use common::bounded::{conformance, run_within};
use common::{LENGTHS, NODE, connect, echo, exchange, open, pair};
use nodes::{Namespace, Node, TIMEOUT};
use open_mx::{Buffer, Code, Endpoint};

#[test]
fn messages_of_every_size_pass_between_two_nodes_in_both_directions() {
    for options in [
        &["--mtu", "9000"][..],
        &["--mtu", "1500"],
        &["--wire", "mx"],
    ] {
        let pair = pair(options);
        let _left = echo(&pair.left, 3);
        let _right = echo(&pair.right, 3);
        for (node, peer) in [(&pair.left, "right"), (&pair.right, "left")] {
            let own = open(node, 0);
            let to = connect(&own, peer, 3);
            for length in LENGTHS {
                exchange(&own, to, length);
            }
        }
    }
}

#[test]
fn boards_and_processes_of_one_node_reach_each_other_without_a_wire() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--alone", "--name", "one", "--board", "two"];
    let node = Node::start(NODE, directory.path().join("sock"), &options);
    node.wait_for_peers(0, &["one", "two"]);
    node.wait_for_peers(1, &["one", "two"]);
    let _echo = echo(&node, 3);
    for board in [0, 1] {
        let own = open(&node, board);
        let to = connect(&own, "one", 3);
        for length in LENGTHS {
            exchange(&own, to, length);
        }
    }
}

#[test]
fn messages_of_every_size_pass_over_an_interface() {
    let directory = tempfile::tempdir().unwrap();
    let network = Namespace::new();
    network.run("ip link add left type veth peer name right");
    let node = |name: &str| {
        network.run(&format!("ip link set {name} mtu 8986 up"));
        let at = |what: &str| directory.path().join(name).with_extension(what);
        let options = ["--interface", name, "--name", name];
        network.node(NODE, &at("sock"), &at("log"), &options)
    };
    let (left, right) = (node("left"), node("right"));
    left.wait_for_peers(0, &["right"]);
    right.wait_for_peers(0, &["left"]);
    let _echo = echo(&right, 3);
    let own = open(&left, 0);
    let to = connect(&own, "right", 3);
    for length in LENGTHS {
        exchange(&own, to, length);
    }
}

#[test]
fn a_buffer_passes_messages_of_two_endpoints_and_of_one_that_is_opened_later() {
    const LENGTH: usize = 300_000;
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(
        NODE,
        directory.path().join("sock"),
        &["--alone", "--name", "one"],
    );
    node.wait_for_peers(0, &["one"]);
    let _echo = echo(&node, 3);
    let buffer = Buffer::new(2 * LENGTH).unwrap();
    let pass = |own: &Endpoint, seed: u8| {
        let to = connect(own, "one", 3);
        let pattern: Vec<u8> = (0..LENGTH).map(|i| (i / 7) as u8 ^ seed).collect();
        buffer.write(0, &pattern).unwrap();
        let back = buffer.part(LENGTH, LENGTH).unwrap();
        let receive = own.irecv(back, 1, u64::MAX, 0).unwrap();
        let out = buffer.part(0, LENGTH).unwrap();
        let send = own.isend(out, to, 1, 0, false).unwrap();
        for request in [send, receive] {
            let status = own.wait(request, Some(TIMEOUT)).unwrap().expect("in time");
            assert_eq!(status.code, Code::Success);
        }
        let mut came = vec![0; LENGTH];
        buffer.read(LENGTH, &mut came).unwrap();
        assert!(came == pattern, "changed on the way");
    };
    let (first, second) = (open(&node, 0), open(&node, 0));
    for seed in [1, 2] {
        pass(&first, seed);
        pass(&second, seed + 16);
    }
    drop((first, second));
    pass(&open(&node, 0), 3);
}

#[test]
fn what_happens_to_messages_is_told_on_standard_error_to_whoever_asks() {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--alone", "--name", "one", "--board", "two"];
    let node = Node::start(NODE, directory.path().join("sock"), &options);
    let told = |filter: &str| {
        let around = ["env", filter];
        let ended = run_within(&around, conformance(), "vectors", &node.socket);
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.success(), "{said}");
        said
    };
    assert_eq!(told("OMX_LOG=warn"), "", "nothing went wrong");
    let all = told("OMX_LOG=trace");
    for word in ["command: ", "event: ", "sent: ", "received: "] {
        assert!(all.contains(word), "no '{word}' in {all}");
    }
    let engine = told("OMX_LOG=warn,mx_engine=trace");
    assert!(engine.contains("sent: "), "{engine}");
    assert!(!engine.contains("event: "), "{engine}");
}
