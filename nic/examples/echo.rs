//! Receives frames and sends each one back to its sender: all that a user of a card does, in one loop.
//!
//! `cargo run -p mx-nic --example echo`: the card is one of a pair in memory, and the other one asks.

use mx_nic::fake;
use mx_nic::{Armed, Nic, Token};
use mx_testnet::Faults;

/// Sends back what has come; how many frames.
fn echo(nic: &mut dyn Nic) -> usize {
    let own = nic.capabilities().mac;
    let mut answers = Vec::new();
    nic.receive(0, 32, &mut |frame| {
        let mut answer = frame.to_vec();
        answer.copy_within(6..12, 0);
        answer[6..12].copy_from_slice(&own);
        answers.push(answer);
    });
    for answer in &answers {
        // The head is copied: the token says nothing that is of interest here.
        if let Err(error) = nic.transmit(0, &[answer], &[], Token(0)) {
            eprintln!("an answer is lost: {error}");
        }
    }
    nic.flush(0);
    while nic.completed(0, &mut [Token(0); 32]) > 0 {}
    answers.len()
}

/// Works while there is work; then asks for an interrupt, looks once more, and only then sleeps.
fn serve(nic: &mut dyn Nic, sleep: impl Fn()) {
    while echo(nic) > 0 {}
    if nic.arm(0) == Armed::Quiet {
        sleep();
    }
    nic.disarm(0);
}

fn main() {
    let (wire, mut asker, mut card) = fake::pair(1, Faults::NONE);
    let mut question = [0x5a; 60];
    question[..6].copy_from_slice(&card.capabilities().mac);
    question[6..12].copy_from_slice(&asker.capabilities().mac);
    asker
        .transmit(0, &[&question], &[], Token(1))
        .expect("the ring is empty");
    asker.flush(0);
    let time_passes = || {
        if let Some(arrival) = wire.next_arrival() {
            wire.advance(arrival);
        }
    };
    for _ in 0..2 {
        serve(&mut card, time_passes);
    }
    time_passes();
    let answered = asker.receive(0, 1, &mut |frame| {
        println!("back from {:02x?}", &frame[6..12])
    });
    assert_eq!(answered, 1, "the answer came");
}
