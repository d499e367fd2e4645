//! Conformance programs of a guest's user under limits of resources: what is too small is told by a code, what is enough works.

use crate::demo::fabric::{Fabric, Program};
use crate::error::Error;
use crate::scenario::judge::CONFORMANCE_LIMIT;

/// A limit of busybox's `ulimit`, the values that are walked, and the first of them that have to be too small.
struct Walk {
    option: &'static str,
    values: &'static [&'static str],
    too_small: usize,
}

/// One long message, of which the last value of each limit lets pass all.
const RUN: &str = "loopback -N 1 -P 1 -l 3000000";
const WALKS: [Walk; 4] = [
    // Descriptors: the loader needs one to find libraries by, the library one for its endpoint.
    Walk {
        option: "-n",
        values: &["3", "4", "8"],
        too_small: 1,
    },
    // Blocks of a file: at the module nothing is one.
    Walk {
        option: "-f",
        values: &["0"],
        too_small: 0,
    },
    // KiB of addresses. Where not even a list of programs is printed, none has begun.
    Walk {
        option: "-v",
        values: &["4096", "8192", "12288", "16384", "24576", "65536"],
        too_small: 1,
    },
    // KiB of pinned memory: buffers of last resort are not counted.
    Walk {
        option: "-l",
        values: &["0", "1024"],
        too_small: 0,
    },
];

/// Programs that need something of each kind.
const RUNS: [&str; 5] = [
    "loopback -N 1 -P 1",
    "vectors",
    "rails -N 1 -E 65536",
    "rails_waiting -N 1 -E 65536",
    "cache -N 2",
];
/// The least of everything for them, all at once.
const LEAST: &str = "ulimit -n 12; ulimit -f 0; ulimit -v 65536; ulimit -l 64";

/// Walks all limits in guest1; messages that were verified.
pub fn run(fabric: &Fabric<'_>) -> Result<u64, Error> {
    for walk in &WALKS {
        for (place, value) in walk.values.iter().enumerate() {
            let limit = format!("ulimit {} {value}", walk.option);
            let ended_well = judge(fabric, &limit)?;
            if place < walk.too_small && ended_well {
                return Err(Error::Judged(format!("`{limit}` limits nothing")));
            }
            if place + 1 == walk.values.len() && !ended_well {
                return Err(Error::Judged(format!("`{limit}` is not enough")));
            }
        }
    }
    let verified = RUNS.into_iter().map(|run| {
        let program = under(fabric, LEAST, run)?;
        let said = program.finish(CONFORMANCE_LIMIT)?;
        conformance::verified(&said).ok_or_else(|| {
            Error::Judged(format!("`conformance {run}` under `{LEAST}` says:\n{said}"))
        })
    });
    verified.sum()
}

/// Whether the long message passed; else the program must have said why, unless it could not even begin.
fn judge(fabric: &Fabric<'_>, limit: &str) -> Result<bool, Error> {
    let ended = under(fabric, limit, RUN)?.output(CONFORMANCE_LIMIT)?;
    let told = match ended.status {
        0 => return Ok(true),
        1 | 255 => !ended.stderr.is_empty(),
        _ => {
            under(fabric, limit, "--list")?
                .output(CONFORMANCE_LIMIT)?
                .status
                != 0
        }
    };
    if told {
        return Ok(false);
    }
    Err(Error::Judged(format!(
        "`conformance {RUN}` under `{limit}` ended with status {} and these words:\n{}{}",
        ended.status,
        ended.text(),
        String::from_utf8_lossy(&ended.stderr)
    )))
}

/// Starts a program of a user of guest1.
fn under(fabric: &Fabric<'_>, limit: &str, run: &str) -> Result<Program, Error> {
    let line = format!("{limit}; exec lab-agent user conformance {run}");
    fabric.start_program("guest1", &["sh", "-c", &line])
}
