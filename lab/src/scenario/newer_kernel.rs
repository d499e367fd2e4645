//! Guests whose kernel is newer than the one that everything else runs on: it loads the module, and messages within a guest
//! and between two are verified.

use std::time::Duration;

use super::judge::expect;
use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::{perf, stage};
use crate::error::Error;
use crate::host::Images;

/// Five times what the longest program needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What registers, sends each length, sleeps, and is interrupted.
const RUNS: [&str; 4] = ["loopback -N 1 -P 1", "cache -N 2", "wakeup -N 1", "orphans"];

const ENDPOINT: &str = "3";

/// A few lengths, a few times.
const PERF: [&str; 16] = [
    "omx_perf", "-w", "-d", "guest2:0", "-r", ENDPOINT, "-S", "1", "-E", "1048577", "-M", "32",
    "-N", "5", "-W", "1",
];

/// Boots a host without a card, whose guests have a kernel of that release.
pub fn run(images: Images, programs: &Programs, release: &str) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(None))?;
    let runs = fabric.start_program("guest1", &["uname", "-r"])?;
    let runs = runs.finish(LIMIT)?;
    expect(runs.trim() == release, || {
        format!("guest1 does not run Linux {release}, but {runs}")
    })?;
    println!("    guest1 runs Linux {release}");
    stage("conformance programs in guest1, with itself", || {
        for run in RUNS {
            let command: Vec<&str> = ["conformance"].into_iter().chain(run.split(' ')).collect();
            fabric.start_program("guest1", &command)?.finish(LIMIT)?;
        }
        Ok(())
    })?;
    let printed = stage("omx_perf from guest1 to guest2, 1 byte to 1 MiB", || {
        let answerer = fabric.start_answerer("guest2", &["omx_perf", "-w", "-e", ENDPOINT])?;
        let asked = fabric.start_program("guest1", &PERF)?.finish(LIMIT)?;
        answerer.finish(LIMIT)?;
        Ok(asked)
    })?;
    print!("{printed}");
    let verified = stage("omx_verify between guest2 and guest1, every byte", || {
        perf::verify(&fabric, "guest2", "guest1")
    })?;
    println!("{}", verified.text());
    fabric.end()
}
