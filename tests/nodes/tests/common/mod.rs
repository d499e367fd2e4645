//! What the tests of this folder share.
#![allow(dead_code, reason = "each test uses its part")]

pub mod bounded;
pub mod liar;

use std::path::PathBuf;
use std::process::Output;

use nodes::{Child, KEY, MESSAGE_MAX, Node, Pair, TIMEOUT, name_of};
use open_mx::{Address, Buffer, Code, Endpoint, EndpointOptions};

/// The programs under test.
pub const NODE: &str = env!("CARGO_BIN_EXE_node-under-test");
const PROCESS: &str = env!("CARGO_BIN_EXE_process-under-test");

/// The shared library that was built for these tests, which lies beside them.
pub fn library() -> PathBuf {
    let built = std::env::current_exe().expect("a path");
    let library = built.with_file_name("libopen_mx_c.so");
    assert!(library.exists(), "{} is not there", library.display());
    library
}

/// Fails with what a program said unless it ended well.
pub fn succeeded(what: &str, ended: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        ended.status.success(),
        "{what}: {}\n{}{}",
        ended.status,
        text(&ended.stdout),
        text(&ended.stderr)
    );
}

pub fn pair(options: &[&str]) -> Pair {
    Pair::start(NODE, options)
}

/// A process that has opened its endpoint.
pub fn process(arguments: &[&str]) -> Child {
    process_with(arguments, &[])
}

pub fn process_with(arguments: &[&str], variables: &[(&str, &str)]) -> Child {
    let mut child = Child::start(PROCESS, arguments, variables);
    child.wait_for_word("ready");
    child
}

pub fn echo(node: &Node, endpoint: u32) -> Child {
    process(&["echo", node.socket(), &endpoint.to_string()])
}

pub fn open(node: &Node, board: u32) -> Endpoint {
    let options = EndpointOptions {
        board: Some(board),
        ..EndpointOptions::new(KEY)
    };
    Endpoint::open(&node.backend(), &options).unwrap()
}

pub fn connect(own: &Endpoint, peer: &str, endpoint: u32) -> Address {
    let nic_id = own.with_board(|board| board.nic_id_by_hostname(&name_of(peer)));
    own.connect(nic_id.unwrap(), endpoint, KEY, Some(TIMEOUT))
        .unwrap()
}

/// Sends a message of this length to an echo, and compares what comes back, and what lies behind it.
pub fn exchange(own: &Endpoint, to: Address, length: usize) {
    let pattern: Vec<u8> = (0..length)
        .map(|i| (i * 7 + i / 251 + length) as u8)
        .collect();
    let out = Buffer::new(length).unwrap();
    out.write(0, &pattern).unwrap();
    let back = Buffer::new(length + 64).unwrap();
    back.write(length, &[0xa5; 64]).unwrap();
    // An echo sends back what has match info.
    let info = length as u64 + 1;
    let receive = own
        .irecv(back.part(0, length).unwrap(), info, u64::MAX, 0)
        .unwrap();
    let send = own
        .isend(out.part(0, length).unwrap(), to, info, 0, false)
        .unwrap();
    let sent = own.wait(send, Some(TIMEOUT)).unwrap().expect("in time");
    assert_eq!(sent.code, Code::Success);
    let received = own.wait(receive, Some(TIMEOUT)).unwrap().expect("in time");
    assert_eq!(received.code, Code::Success);
    assert_eq!(received.transferred as usize, length);
    let mut bytes = vec![0; length + 64];
    back.read(0, &mut bytes).unwrap();
    assert!(
        bytes[..length] == pattern,
        "{length} bytes came back changed"
    );
    assert_eq!(bytes[length..], [0xa5; 64]);
}

/// Lengths beside each limit of the protocol.
pub const LENGTHS: [usize; 21] = [
    0,
    1,
    31,
    32,
    33,
    127,
    128,
    129,
    1000,
    4096,
    8191,
    8192,
    8193,
    32767,
    32768,
    32769,
    65536,
    100_000,
    1 << 20,
    3_000_001,
    MESSAGE_MAX,
];
