//! What a message costs beside boards that have nothing to do: instructions of everything on its way but the card, as
//! valgrind counts them. The same program counts the same again.

use std::process::Command;

/// Boards besides those of the two endpoints. More make the test long without optimisation: `cost --beside`, a step of
/// `cargo lab test`, has 200.
const IDLE: [u32; 2] = [1, 64];
/// How much more a message may cost beside them.
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
fn a_message_costs_no_more_beside_64_idle_boards_than_beside_one() {
    for way in ["local", "wire"] {
        let [alone, beside] = IDLE.map(|boards| cost(way, boards));
        let times = beside / alone;
        println!(
            "{way}: {alone:.0} instructions a message beside one idle board, beside {} {times:.3} times as many",
            IDLE[1]
        );
        assert!(times <= AT_MOST, "{way}: {times:.3}");
    }
}
