//! The guest-to-guest part under the deterministic clock: a tick is an instruction, and a nanosecond of the guests' time.
//!
//! Nothing outside of the emulated machine takes part, since it would bring its own time along: dom0 and the guests run
//! scripts from their images, and the figures are read from the console afterwards. The same images give the same
//! figures.

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

/// Five times what a quiet machine needs.
const LIMIT: Duration = Duration::from_secs(900);

/// One run's circumstances.
#[derive(Clone, Copy, Debug, Serialize)]
struct Case {
    /// Processors: one for all, or one for each domain.
    cpus: u32,
    /// How a process waits: asleep where domains share a processor, polling where each has its own.
    waiting: &'static str,
}

const CASES: [Case; 2] = [
    Case {
        cpus: 1,
        waiting: "sleep",
    },
    Case {
        cpus: 4,
        waiting: "poll",
    },
];

/// What the guests print for a length.
#[derive(Deserialize)]
struct Line {
    length: u64,
    ticks: Option<u64>,
    udp_ticks: Option<u64>,
}

/// Medians of ticks one way, at one length.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Ticks {
    open_mx: Option<u64>,
    udp: Option<u64>,
}

/// What one case gave, by length.
#[derive(Debug, Serialize)]
struct Found {
    case: Case,
    by_length: BTreeMap<u64, Ticks>,
}

/// Runs all cases, prints a table for each and keeps the figures.
pub fn run(machine: &Machine, built: &Built, json: bool) -> Result<ExitCode, Error> {
    let mut results = Vec::new();
    for case in CASES {
        let result = measure(machine, built, case)?;
        println!("{}", table(&result));
        results.push(result);
    }
    let directory = place::work().join("results");
    fs::create_dir_all(&directory).at("create", &directory)?;
    let text = serde_json::to_string_pretty(&results).unwrap_or_default();
    let figures = directory.join("demo-icount.json");
    fs::write(&figures, &text).at("write", &figures)?;
    println!("Figures: {}", figures.display());
    if json {
        println!("{text}");
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(machine: &Machine, built: &Built, case: Case) -> Result<Found, Error> {
    let Case { cpus, waiting } = case;
    let pinned = if cpus > 1 { "yes" } else { "no" };
    let scripts = Scripts {
        dom0: include_str!("../../image/icount-dom0.sh"),
        guest: include_str!("../../image/icount-guest.sh"),
        parameters: format!("wait={waiting}\npinned={pinned}\n"),
    };
    let images = image::make_scripted(machine, built, &scripts)?;
    let mut spec = HostSpec::new(images, place::work().join("host"));
    spec.icount = true;
    spec.scripted = true;
    spec.cpus = cpus;
    let title = format!("guest to guest under the deterministic clock, processors: {cpus}");
    let console = stage(&title, || host::run_to_end(&spec, LIMIT))?;
    let mut by_length: BTreeMap<u64, Ticks> = BTreeMap::new();
    for line in console.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line.trim()) else {
            continue;
        };
        let ticks = by_length.entry(line.length).or_default();
        ticks.open_mx = line.ticks.or(ticks.open_mx);
        ticks.udp = line.udp_ticks.or(ticks.udp);
    }
    let complete =
        |ticks: fn(&Ticks) -> Option<u64>| by_length.values().any(|t| ticks(t).is_some());
    if !complete(|ticks| ticks.open_mx) || !complete(|ticks| ticks.udp) {
        return Err(Error::Judged(format!(
            "the guests did not measure both ways; the console says:\n{console}"
        )));
    }
    Ok(Found { case, by_length })
}

fn table(found: &Found) -> String {
    let Case { cpus, waiting } = found.case;
    let mut text = format!(
        "    Ticks one way between guests, processors: {cpus}, waiting: {waiting}\n\
         {:>13} bytes {:>12} {:>24}\n",
        "", "Open-MX", "UDP by netfront/netback"
    );
    let cell = |ticks: Option<u64>| ticks.map_or_else(|| "-".to_owned(), |ticks| ticks.to_string());
    for (length, ticks) in &found.by_length {
        text += &format!(
            "{length:>13}       {:>12} {:>24}\n",
            cell(ticks.open_mx),
            cell(ticks.udp)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_shows_both_ways_and_what_is_missing() {
        let ticks = Ticks {
            open_mx: Some(5000),
            udp: None,
        };
        let found = Found {
            case: CASES[0],
            by_length: BTreeMap::from([(8, ticks)]),
        };
        let text = table(&found);
        let words: Vec<&str> = text
            .lines()
            .last()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        assert_eq!(words, ["8", "5000", "-"]);
    }
}
