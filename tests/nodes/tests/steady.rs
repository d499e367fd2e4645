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
    let board = Board::attach(&node.backend(), 0).unwrap();
    board.counter(Counter::RecvTiny as usize)
}

/// What a process that polls calls now and then while it finds nothing: it gives the processor away, and looks whether
/// anybody wanted it.
const GIVING_AWAY: [&str; 3] = ["sched_yield", "clock_gettime", "clock_nanosleep"];

#[test]
fn processes_that_poll_make_no_system_call_but_to_give_the_processor_away() {
    // Awake for the whole test, however seldom this machine lets the nodes run.
    let pair = pair(&["--poll", "60000000"]);
    let polls = [("OMX_WAITSPIN", "1")];
    let echo = process_with(&["echo", pair.right.socket(), "3"], &polls);
    let mut player = process_with(&["play", pair.left.socket(), "right", "3"], &polls);
    player.wait_for_word("busy");
    for process in [&player, &echo] {
        let before = received(&pair.left);
        let mut calls = system_calls(process.pid(), Duration::from_secs(1)).unwrap();
        assert!(
            calls.contains_key("sched_yield"),
            "it keeps the processor: {calls:?}"
        );
        calls.retain(|name, _| !GIVING_AWAY.contains(&name.as_str()));
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
