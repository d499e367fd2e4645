//! What messages between guests take where processes that poll need the processors of others: two guests of one virtual
//! processor each, whose processes, one, two or four of each guest, play with those of the other one, under the deterministic
//! clock.
//!
//! With one processor for all, who polls keeps the driver domain from it; with one for each domain, only the guest's own
//! processes. Both as it is by default, so the driver domain learns how long to look for work.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use serde::Deserialize;

use super::stage;
use crate::build::Built;
use crate::error::Error;
use crate::host::{self, HostSpec};
use crate::image::{self, Scripts};
use crate::place;
use crate::prepare::Machine;

/// Five times what a quiet machine needs.
const LIMIT: Duration = Duration::from_secs(900);
/// Processors of the host: one for all, and one for each domain.
const PROCESSORS: [u32; 2] = [1, 4];
const WAYS: [&str; 2] = ["polling", "asleep"];
/// Processes of each guest.
const PROCESSES: [u32; 3] = [1, 2, 4];

/// What omx_perf prints.
#[derive(Deserialize)]
struct Line {
    /// Mean time one way.
    us: f64,
}

/// Microseconds one way, the mean of all pairs, by processes of each guest and how they wait.
type Times = BTreeMap<(u32, String), f64>;

/// Measures and prints a table.
pub fn run(machine: &Machine, built: &Built) -> Result<ExitCode, Error> {
    let mut table = String::from(
        "| processors of the host | processes of each guest | polling, us | asleep, us |\n|---|---|---|---|\n",
    );
    for cpus in PROCESSORS {
        let times = measure(machine, built, cpus)?;
        for processes in PROCESSES {
            let [polling, asleep] = WAYS.map(|way| times[&(processes, way.to_owned())]);
            table += &format!("| {cpus} | {processes} | {polling:.1} | {asleep:.1} |\n");
        }
    }
    println!("1 byte from guest to guest, one way:\n{table}");
    Ok(ExitCode::SUCCESS)
}

fn measure(machine: &Machine, built: &Built, cpus: u32) -> Result<Times, Error> {
    let pinned = if cpus > 1 { "yes" } else { "no" };
    let scripts = Scripts {
        dom0: include_str!("../../image/crowd-dom0.sh"),
        guest: include_str!("../../image/crowd-guest.sh"),
        parameters: format!("pinned={pinned}\n"),
    };
    let images = image::make_scripted(machine, built, &scripts)?;
    let mut spec = HostSpec::new(images, place::work().join("host"));
    spec.icount = true;
    spec.scripted = true;
    spec.cpus = cpus;
    let title = format!("processes that poll in guests, processors of the host: {cpus}");
    let console = stage(&title, || host::run_to_end(&spec, LIMIT))?;
    let times = times(&console);
    match times.len() == PROCESSES.len() * WAYS.len() {
        true => Ok(times),
        false => Err(Error::Judged(format!(
            "the guests did not measure everything; the console says:\n{console}"
        ))),
    }
}

/// The lines `way processes {…}` among others, each pair's own.
fn times(console: &str) -> Times {
    let mut found: BTreeMap<(u32, String), Vec<f64>> = BTreeMap::new();
    for line in console.lines() {
        let mut words = line.trim().splitn(3, ' ');
        let way = words.next().filter(|way| WAYS.contains(way));
        let processes = words.next().and_then(|count| count.parse().ok());
        let line: Option<Line> = words
            .next()
            .and_then(|json| serde_json::from_str(json).ok());
        if let (Some(way), Some(processes), Some(line)) = (way, processes, line) {
            let pairs = found.entry((processes, way.to_owned())).or_default();
            pairs.push(line.us);
        }
    }
    let mean = |pairs: &Vec<f64>| pairs.iter().sum::<f64>() / pairs.len() as f64;
    let rows = found
        .iter()
        .filter(|((processes, _), pairs)| pairs.len() == *processes as usize);
    rows.map(|(row, pairs)| (row.clone(), mean(pairs)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_the_mean_of_all_its_pairs_and_none_without_one_of_them() {
        let console = "guest2: ready\r\n\
                       polling 1 {\"length\":1,\"us\":20.5,\"MBps\":0.1}\r\n\
                       polling 2 {\"length\":1,\"us\":30,\"MBps\":0.1}\r\n\
                       polling 2 {\"length\":1,\"us\":50,\"MBps\":0.1}\r\n\
                       asleep 2 {\"length\":1,\"us\":50,\"MBps\":0.1}\r\n\
                       asleep 2 \r\n";
        let found: Vec<_> = times(console).into_iter().collect();
        let row = |processes, us| ((processes, "polling".to_owned()), us);
        assert_eq!(found, [row(1, 20.5), row(2, 40.0)]);
    }
}
