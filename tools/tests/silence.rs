//! A receiver that cannot be heard for a while. Alone in its process: a wait of any thread lets all endpoints of the process
//! go on, and then none is silent.

mod peers;

use std::time::Duration;

use peers::{Peer, tool};

const VERIFY: &str = env!("CARGO_BIN_EXE_omx_verify");
const KEY: u32 = 0x1234_5678;

#[test]
fn a_receiver_that_could_not_be_heard_has_its_time_to_answer_once_it_is_heard_again() {
    let endpoint = 16;
    let number = endpoint.to_string();
    let peer = Peer::open(1, endpoint, KEY);
    let run = ["-w", "-d", "right:0", "-e", &number, "-r", &number];
    let asker = tool(VERIFY, &run);
    peer.hears_something();
    // It says nothing at all for longer than the asker takes for silence.
    std::thread::sleep(Duration::from_secs(8));
    // Its network comes and goes, for less time than would be told.
    for _ in 0..4 {
        std::thread::sleep(Duration::from_secs(3));
        peer.idle_for(Duration::from_millis(400));
    }
    // More than 10 s after the begin it is there, and has not answered.
    peer.idle_for(Duration::from_millis(5500));
    drop(peer);
    let said = asker.fails();
    assert!(said.contains("has not been heard of"), "{said}");
    assert!(said.contains("right:0 has ended"), "{said}");
}
