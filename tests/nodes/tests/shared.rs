//! Processes of one user at one board: their messages go through memory that they share, or by the node, and arrive.

mod common;

use std::fs;
use std::path::Path;

use common::{LENGTHS, NODE, connect, echo, exchange, open, process_with};
use mx_wire::{Format, Frame};
use nodes::{Child, Node, TIMEOUT};
use omx_captures::Frames;
use open_mx::{Address, Buffer, Code, Endpoint};

/// A node of one board, `here`, with a capture.
fn alone(directory: &Path) -> Node {
    let (socket, pcap) = (directory.join("sock"), directory.join("pcap"));
    let [socket_name, pcap] = [&socket, &pcap].map(|path| path.to_str().expect("a path"));
    let options = [
        "--alone",
        "--name",
        "here",
        "--socket",
        socket_name,
        "--pcap",
        pcap,
    ];
    let node = Node::of(Child::start(NODE, &options, &[]), socket.clone());
    node.wait_for_peers(0, &["here"]);
    node
}

/// Ends the node: how many frames of short messages it has seen.
fn short_messages(mut node: Node, directory: &Path) -> usize {
    assert!(node.terminate().success());
    let bytes = fs::read(directory.join("pcap")).expect("the capture");
    let format = Format::native(9000).unwrap();
    let frames = Frames::new(&bytes).expect("a capture");
    let is_short = |frame: &[u8]| {
        let frame = Frame::parse(&format, frame).expect("a frame");
        ["TINY", "SMALL"].contains(&frame.packet.name())
    };
    frames
        .filter(|frame| is_short(frame.as_ref().expect("whole")))
        .count()
}

/// Sends messages of 100 bytes to an echo, and looks for each answer without ever sleeping.
fn poll_answers(own: &Endpoint, to: Address, count: u64) {
    let buffer = Buffer::new(200).unwrap();
    for number in 1..=count {
        let receive = own.irecv(buffer.part(0, 100).unwrap(), number, u64::MAX, 0);
        let receive = receive.unwrap();
        let send = own.isend(buffer.part(100, 100).unwrap(), to, number, 0, false);
        own.wait(send.unwrap(), Some(TIMEOUT))
            .unwrap()
            .expect("in time");
        loop {
            if let Some(status) = own.test(receive).unwrap() {
                assert_eq!((status.code, status.transferred), (Code::Success, 100));
                break;
            }
            std::hint::spin_loop();
        }
    }
}

#[test]
fn messages_of_all_lengths_reach_a_neighbour_and_come_back_whole() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let _echo = echo(&node, 3);
    let own = open(&node, 0);
    let to = connect(&own, "here", 3);
    for _ in 0..3 {
        LENGTHS
            .iter()
            .for_each(|length| exchange(&own, to, *length));
    }
}

#[test]
fn a_node_does_not_see_what_a_neighbour_sends_to_one_that_looks_for_it() {
    const COUNT: u64 = 200;
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let _echo = echo(&node, 3);
    let own = open(&node, 0);
    let to = connect(&own, "here", 3);
    poll_answers(&own, to, COUNT);
    drop(own);
    let seen = short_messages(node, directory.path());
    // The echo may sleep whenever it likes, and on a busy machine this process may lack a processor for long.
    assert!(seen < 2 * COUNT as usize, "{seen}");
}

#[test]
fn a_process_that_shares_nothing_sends_and_gets_all_by_the_node() {
    const COUNT: u64 = 50;
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let arguments = ["echo", node.socket(), "3"];
    let _echo = process_with(&arguments, &[("OMX_DISABLE_SHARED", "1")]);
    let own = open(&node, 0);
    let to = connect(&own, "here", 3);
    poll_answers(&own, to, COUNT);
    drop(own);
    let seen = short_messages(node, directory.path());
    assert!(seen >= 2 * COUNT as usize, "{seen}");
}

#[test]
fn the_end_of_a_neighbour_is_told_and_its_successors_are_reached() {
    let directory = tempfile::tempdir().unwrap();
    let node = alone(directory.path());
    let own = open(&node, 0);
    // More than an inbox has lanes.
    for round in 0..70 {
        let endpoint = 3 + round % 20;
        let echo = echo(&node, endpoint);
        let to = connect(&own, "here", endpoint);
        exchange(&own, to, 100);
        exchange(&own, to, 9000);
        echo.kill();
        if round % 10 == 0 {
            let bytes = Buffer::new(100).unwrap();
            let send = own.isend(bytes.part(0, 100).unwrap(), to, 1, 0, true);
            let told = own
                .wait(send.unwrap(), Some(TIMEOUT))
                .unwrap()
                .expect("in time");
            assert_ne!(told.code, Code::Success);
        }
    }
}
