//! No system call per message while both sides are awake.

mod common;

use std::time::Duration;

use common::{pair, process_with};
use mx_ring::Counter;
use nodes::Node;
use open_mx::Board;
use trace::system_calls;

/// Messages that a node's board has received from other boards so far.
fn received(node: &Node) -> u32 {
    let board = Board::attach(&node.home(), 0).unwrap();
    board.counter(Counter::RecvTiny as usize)
}

#[test]
fn processes_that_poll_exchange_messages_without_system_calls() {
    // Awake for the whole test, however seldom this machine lets the nodes run.
    let pair = pair(&["--poll", "60000000"]);
    let polls = [("OMX_WAITSPIN", "1")];
    let echo = process_with(&["echo", pair.right.socket(), "3"], &polls);
    let mut player = process_with(&["play", pair.left.socket(), "right", "3"], &polls);
    player.wait_for_word("busy");
    for process in [&player, &echo] {
        let before = received(&pair.left);
        let calls = system_calls(process.pid(), Duration::from_secs(1)).unwrap();
        let messages = received(&pair.left) - before;
        assert!(messages > 10, "only {messages} messages in a second");
        assert!(
            calls.is_empty(),
            "system calls during {messages} messages: {calls:?}"
        );
    }
}

#[test]
fn a_process_that_sleeps_is_seen_to_make_system_calls() {
    let pair = pair(&[]);
    let _echo = process_with(&["echo", pair.right.socket(), "3"], &[]);
    // Nobody sends to it: it sleeps, and looks for life now and then.
    let idle = process_with(&["echo", pair.left.socket(), "4"], &[]);
    let calls = system_calls(idle.pid(), Duration::from_secs(3)).unwrap();
    assert!(!calls.is_empty());
}
