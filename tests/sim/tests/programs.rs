//! Random programs keep the promises of MX on bad networks. More of them: `cargo run --release -p sim --bin programs`.

use sim::program;

/// Programs of each test: some seconds without optimisation.
const COUNT: u64 = 8;

#[test]
fn messages_match_in_order_once_and_whole_and_nothing_is_left_however_partners_come_and_go() {
    let mut messages = 0;
    for seed in 1..=COUNT {
        match program::run(seed, false) {
            Ok(summary) => messages += summary.received,
            Err(error) => panic!("seed {seed}: {error}"),
        }
    }
    assert!(messages > 20 * COUNT as usize, "only {messages} messages");
}

#[test]
fn programs_end_and_nothing_is_written_beside_when_bits_flip_and_frames_are_cut() {
    for seed in 1..=COUNT {
        if let Err(error) = program::run(seed, true) {
            panic!("seed {seed}: {error}");
        }
    }
}
