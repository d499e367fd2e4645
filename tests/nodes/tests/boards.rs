//! What a message costs beside boards that have nothing to do: instructions of everything on its way but the card, as
//! valgrind counts them. The same program counts the same again.

use std::process::Command;

/// Boards besides those of the two endpoints.
const IDLE: [u32; 3] = [0, 62, 198];
/// How much more a message may cost beside more of them.
const AT_MOST: f64 = 1.2;

fn cost(way: &str, idle_boards: u32) -> f64 {
    let output = Command::new(env!("CARGO_BIN_EXE_cost-under-test"))
        .args(["--way", way, "--messages", "128"])
        .args(["--idle-boards", &idle_boards.to_string()])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let said = String::from_utf8(output.stdout).unwrap();
    let number = said.split_whitespace().next().unwrap();
    number.parse().unwrap()
}

#[test]
fn a_message_costs_no_more_beside_idle_boards() {
    for way in ["local", "wire"] {
        let [alone, beside_62, beside_198] = IDLE.map(|boards| cost(way, boards));
        let (first, second) = (beside_62 / alone, beside_198 / beside_62);
        println!(
            "{way}: {alone:.0} instructions a message; beside 62 idle boards {first:.3} times as many, \
             beside 198 {second:.3} times as many as that"
        );
        assert!(first <= AT_MOST && second <= AT_MOST, "{way}");
    }
}
