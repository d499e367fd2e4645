//! Other sides that cannot be heard for a while. In tests of one process that run one after the other: a wait of any thread lets
//! all endpoints of the process go on, and then none is silent.

mod peers;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::Duration;

use peers::{Peer, receiver, tool, words};

const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");
const KEY: u32 = 0x1234_5678;
/// Match info of a sender's first message, and of its answer.
const FIRST: u64 = 1;

/// Held by the test that runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn a_receiver_that_could_not_be_heard_has_its_time_to_answer_once_it_is_heard_again() {
    let _alone = alone();
    let endpoint = 16;
    let number = endpoint.to_string();
    let peer = Peer::open(1, endpoint, KEY);
    let run = ["-w", "-d", "right:0", "-e", &number, "-r", &number];
    let asker = tool(VERIFY, &run);
    peer.hears_something();
    // It says nothing at all for longer than the asker takes for silence.
    sleep(Duration::from_secs(8));
    // Its network comes and goes, for less time than would be told.
    for _ in 0..4 {
        sleep(Duration::from_secs(3));
        peer.idle_for(Duration::from_millis(400));
    }
    // More than 10 s after the begin it is there, and has not answered.
    peer.idle_for(Duration::from_millis(5500));
    drop(peer);
    let said = asker.fails();
    assert!(said.contains("has not been heard of"), "{said}");
    assert!(said.contains("right:0 has ended"), "{said}");
}

/// As one of a guest that is saved to a disk just then.
#[test]
fn a_sender_that_cannot_be_heard_after_its_first_message_is_answered_when_it_is_heard_again() {
    let _alone = alone();
    let waiting = receiver(VERIFY, 17, &["-w"]);
    let sender = Peer::open(0, 17, KEY);
    let to = sender.connect("right", 17);
    sender.send(to, FIRST, &words(&[64]), false);
    sleep(Duration::from_secs(14));
    let answer = sender.post(FIRST, 0);
    assert!(sender.take(answer).1.is_empty());
    drop(sender);
    let said = waiting.fails();
    assert!(said.contains("has not been heard of"), "{said}");
}

#[test]
fn a_sender_that_cannot_be_heard_after_its_first_message_gives_way_to_another() {
    let _alone = alone();
    let _waiting = receiver(VERIFY, 18, &["-w", "-s"]);
    let silent = Peer::open(0, 18, KEY);
    let to = silent.connect("right", 18);
    silent.send(to, FIRST, &words(&[64]), false);
    let run = [
        "-w",
        "-d",
        "right:0",
        "-r",
        "18",
        "-E",
        "65",
        "--iterations",
        "3",
    ];
    tool(VERIFY, &run).succeeds();
}
