//! Processes and nodes that die at a bad time, and who goes on.

mod common;

use std::time::{Duration, Instant};

use common::{connect, echo, exchange, open, pair, process};
use nodes::wait_for;
use open_mx::Error;

#[test]
fn a_sender_killed_in_the_middle_of_4_mib_disturbs_nobody() {
    let pair = pair(&[]);
    let _receiver = echo(&pair.right, 3);
    let own = open(&pair.left, 0);
    let to = connect(&own, "right", 3);
    for round in 0..3 {
        let mut victim = process(&["pour", pair.left.socket(), "right", "3"]);
        victim.wait_for_word("busy");
        std::thread::sleep(Duration::from_millis(3 * round));
        victim.kill();
        // The receiver, its node, and the victim's node serve others at once.
        exchange(&own, to, 100_000);
        let again = open(&pair.left, 0);
        let to = connect(&again, "right", 3);
        exchange(&again, to, 1 << 20);
    }
}

#[test]
fn a_receiver_killed_in_the_middle_of_4_mib_disturbs_nobody() {
    let pair = pair(&[]);
    let _other = echo(&pair.right, 4);
    let own = open(&pair.left, 0);
    let to = connect(&own, "right", 4);
    for round in 0..3 {
        let victim = echo(&pair.right, 3);
        let mut sender = process(&["pour", pair.left.socket(), "right", "3"]);
        sender.wait_for_word("busy");
        std::thread::sleep(Duration::from_millis(3 * round));
        victim.kill();
        exchange(&own, to, 1 << 20);
        // Its endpoint can be opened again, and used.
        let _successor = echo(&pair.right, 3);
        let another = open(&pair.left, 0);
        let to = connect(&another, "right", 3);
        exchange(&another, to, 1 << 20);
    }
}

#[test]
fn a_node_that_is_asked_to_end_ends_well_and_its_processes_see_it() {
    let mut pair = pair(&[]);
    let _receiver = echo(&pair.right, 3);
    let own = open(&pair.left, 0);
    let to = connect(&own, "right", 3);
    exchange(&own, to, 100_000);
    assert!(pair.left.terminate().success());
    assert!(!pair.left.socket.exists());
    wait_for("the notice of the node's end", || {
        matches!(own.progress(), Err(Error::BackendGone | Error::Closed(_)))
    });
    let said = own.progress().expect_err("it has ended").to_string();
    assert!(
        said.contains("omxd") && said.contains("has ended"),
        "{said}"
    );
}

#[test]
fn an_idle_node_ends_as_soon_as_it_is_asked() {
    let mut pair = pair(&[]);
    std::thread::sleep(Duration::from_millis(500));
    let asked = Instant::now();
    assert!(pair.left.terminate().success());
    assert!(asked.elapsed() < Duration::from_secs(1));
}
