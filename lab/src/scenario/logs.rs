//! What no log may hold, whatever a scenario does.

use std::time::Duration;

use super::judge::expect;
use crate::demo::fabric::Fabric;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(60);

/// Words of a Linux kernel that has found something wrong with itself.
const OF_LINUX: [&str; 8] = [
    "BUG",
    "WARNING:",
    "Oops",
    "Call Trace",
    "general protection",
    "refcount_t",
    "Kernel panic",
    "blocked for more than",
];

/// Words of the last moment of a program on bare Xen.
const OF_PROGRAMS: [&str; 2] = ["PANIC", "TRAP"];

/// Holds the kernels' logs of the guests that run, and the console of all driver domains so far, against these words.
/// `crashes` of the driver domain were asked for.
pub fn judge(fabric: &Fabric<'_>, guests: &[&str], crashes: usize) -> Result<(), Error> {
    for guest in guests {
        let log = fabric.start_program(guest, &["dmesg"])?.finish(LIMIT)?;
        let bad = lines_with(&log, &OF_LINUX);
        expect(bad.is_empty(), || {
            format!("the kernel of {guest} says:\n{}", bad.join("\n"))
        })?;
    }
    judge_program(fabric, "driver-domain", crashes)
}

/// Holds the console of a program on bare Xen against these words.
pub fn judge_program(fabric: &Fabric<'_>, domain: &str, crashes: usize) -> Result<(), Error> {
    let log = fabric.log(domain)?;
    let bad = lines_with(&log, &OF_PROGRAMS);
    expect(bad.len() == crashes, || {
        format!(
            "{crashes} crashes of {domain} were asked for, and it says:\n{}",
            bad.join("\n")
        )
    })
}

/// The lines that hold one of these words.
pub fn lines_with<'a>(log: &'a str, words: &[&str]) -> Vec<&'a str> {
    let has_one = |line: &&str| words.iter().any(|word| line.contains(word));
    log.lines().filter(has_one).collect()
}
