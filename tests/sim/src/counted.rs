//! Instructions of a message, as valgrind counts them in a program that only sends so many of them.

use std::process::Command;

/// Messages of the shorter of two runs, whose difference is told: what is done once does not count.
const FEW: u32 = 64;

/// Instructions of one of so many messages: this program runs itself with these arguments and `--messages=NUMBER`. An
/// error says what failed.
pub fn of_a_message(arguments: &[String], messages: u32) -> Result<f64, String> {
    let few = of_a_run(arguments, FEW)?;
    let all = of_a_run(arguments, FEW + messages)?;
    Ok((all as f64 - few as f64) / f64::from(messages))
}

fn of_a_run(arguments: &[String], messages: u32) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(arguments)
        .arg(format!("--messages={messages}"))
        .output()
        .map_err(|error| format!("valgrind does not start ({error}): install its package"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    let total = words
        .lines()
        .find_map(|line| line.split_once("Collected : "));
    let total = total.and_then(|(_, total)| total.trim().parse().ok());
    match total {
        Some(total) if output.status.success() => Ok(total),
        _ => Err(format!("the counted run failed:\n{words}")),
    }
}
