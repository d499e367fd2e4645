//! What a message between guests takes beside many guests that have nothing to do, under the deterministic clock: a tick is
//! an instruction.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stage;
use crate::build::Built;
use crate::error::{At, Error};
use crate::host::{self, HostSpec};
use crate::image::{self, Scripts};
use crate::place;
use crate::prepare::Machine;

/// Mini guests beside the two that talk.
const COUNTS: [u32; 3] = [0, 64, 200];
/// How much more a message may take than beside the number before.
const MORE: f64 = 1.2;
/// MiB of the host: each of them has six.
const MEMORY: u32 = 4608;
/// Five times what a quiet machine needs.
const LIMIT: Duration = Duration::from_secs(7200);

/// Processors of the host, and how a process waits: asleep where domains share one, polling where each has its own.
const CASES: [(u32, &str); 2] = [(1, "sleep"), (4, "poll")];

/// What omx_perf prints.
#[derive(Deserialize)]
struct Line {
    ticks: u64,
}

/// Medians of ticks one way, by mini guests beside.
#[derive(Debug, Serialize)]
struct Found {
    cpus: u32,
    waiting: &'static str,
    ticks: BTreeMap<u32, u64>,
}

/// Measures, prints, and judges.
pub fn run(machine: &Machine, built: &Built, json: bool) -> Result<ExitCode, Error> {
    let mut all = Vec::new();
    for (cpus, waiting) in CASES {
        let found = measure(machine, built, cpus, waiting)?;
        println!("{}", found.text());
        all.push(found);
    }
    let directory = place::work().join("results");
    fs::create_dir_all(&directory).at("create", &directory)?;
    let text = serde_json::to_string_pretty(&all).unwrap_or_default();
    let figures = directory.join("demo-boards.json");
    fs::write(&figures, &text).at("write", &figures)?;
    println!("Figures: {}", figures.display());
    if json {
        println!("{text}");
    }
    match all
        .iter()
        .flat_map(Found::ratios)
        .find(|ratio| *ratio > MORE)
    {
        Some(ratio) => Err(Error::Judged(format!(
            "a message takes {ratio:.2} times as much beside more guests that have nothing to do"
        ))),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn measure(
    machine: &Machine,
    built: &Built,
    cpus: u32,
    waiting: &'static str,
) -> Result<Found, Error> {
    let pinned = if cpus > 1 { "yes" } else { "no" };
    let counts = COUNTS.map(|count| count.to_string()).join(" ");
    let scripts = Scripts {
        dom0: include_str!("../../image/boards-dom0.sh"),
        guest: include_str!("../../image/boards-guest.sh"),
        parameters: format!("wait={waiting}\npinned={pinned}\ncounts=\"{counts}\"\n"),
    };
    let images = image::make_scripted(machine, built, &scripts)?;
    let mut spec = HostSpec::new(images, place::work().join("host"));
    spec.icount = true;
    spec.scripted = true;
    spec.cpus = cpus;
    spec.memory = MEMORY;
    let title = format!(
        "guest to guest beside {counts} idle guests under the deterministic clock, processors: {cpus}"
    );
    let console = stage(&title, || host::run_to_end(&spec, LIMIT))?;
    let ticks = ticks(&console);
    match COUNTS.iter().all(|count| ticks.contains_key(count)) {
        true => Ok(Found {
            cpus,
            waiting,
            ticks,
        }),
        false => Err(Error::Judged(format!(
            "the guests did not measure everything; the console says:\n{console}"
        ))),
    }
}

/// The lines `beside count {…}` among others.
fn ticks(console: &str) -> BTreeMap<u32, u64> {
    let lines = console.lines().filter_map(|line| {
        let mut words = line.trim().strip_prefix("beside ")?.splitn(2, ' ');
        let count = words.next()?.parse().ok()?;
        let line: Line = serde_json::from_str(words.next()?).ok()?;
        Some((count, line.ticks))
    });
    lines.collect()
}

impl Found {
    /// What a message takes, of what it takes beside the number before.
    fn ratios(&self) -> impl Iterator<Item = f64> {
        let ticks: Vec<f64> = self.ticks.values().map(|ticks| *ticks as f64).collect();
        (1..ticks.len()).map(move |at| ticks[at] / ticks[at - 1])
    }

    fn text(&self) -> String {
        let Self { cpus, waiting, .. } = self;
        let mut text =
            format!("    Ticks one way, 8 bytes, processors: {cpus}, waiting: {waiting}\n");
        let ratios = std::iter::once(1.0).chain(self.ratios());
        for ((count, ticks), ratio) in self.ticks.iter().zip(ratios) {
            text += &format!(
                "    beside {count:>3} mini guests {ticks:>8}, {ratio:.3} of the number before\n"
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_of_guests_has_its_ticks_and_is_held_against_the_one_before() {
        let console = "guest2: ready\r\n\
                       beside 0 {\"length\":8,\"us\":20.5,\"ticks\":5000}\r\n\
                       beside 64 {\"length\":8,\"us\":20.5,\"ticks\":5500}\r\n\
                       beside 200 \r\n";
        let found = Found {
            cpus: 1,
            waiting: "sleep",
            ticks: ticks(console),
        };
        assert_eq!(found.ticks, BTreeMap::from([(0, 5000), (64, 5500)]));
        assert_eq!(found.ratios().collect::<Vec<_>>(), [1.1]);
    }
}
