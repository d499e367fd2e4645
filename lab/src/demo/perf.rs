//! omx_perf and omx_verify between two members.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fabric::Fabric;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(240);

/// Round trips of each length: emulation is slow.
const ITERATIONS: &str = "20";

/// What was measured at one length, as omx_perf prints it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Line {
    /// Bytes of a message.
    pub length: u64,
    /// Microseconds one way.
    pub us: f64,
    /// Megabytes a second.
    #[serde(rename = "MBps")]
    pub mbps: f64,
}

/// A run between two members.
#[derive(Clone, Debug, Serialize)]
pub struct Pair {
    /// Who sent.
    pub from: String,
    /// Who answered.
    pub to: String,
    /// What was measured.
    pub lines: Vec<Line>,
}

impl Pair {
    /// A line per length.
    pub fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| {
            format!(
                "    {:>8} bytes {:>12.1} us {:>9.2} MB/s\n",
                line.length, line.us, line.mbps
            )
        });
        lines.collect()
    }
}

/// Which endpoint the answering side opens.
const ENDPOINT: &str = "3";

/// Runs omx_perf from 0 bytes to 4 MiB. Both sides sleep while they wait: the emulated processors are few.
pub fn measure(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<Pair, Error> {
    let receiver = fabric.start_answerer(to, &["omx_perf", "-w", "-e", ENDPOINT])?;
    let peer = format!("{to}:0");
    let command = [
        "omx_perf", "-w", "-d", &peer, "-r", ENDPOINT, "-N", ITERATIONS, "-W", "2", "-P", "1",
        "--json",
    ];
    let output = fabric.start_program(from, &command)?.finish(LIMIT)?;
    receiver.finish(LIMIT)?;
    let lines: Vec<Line> = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect();
    match lines.last() {
        Some(last) if last.length == 4 << 20 => Ok(Pair {
            from: from.into(),
            to: to.into(),
            lines,
        }),
        _ => Err(Error::Judged(format!(
            "omx_perf did not reach 4 MiB:\n{output}"
        ))),
    }
}

/// Microseconds one way of five messages, each after a second of silence.
pub fn after_silence(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<Vec<f64>, Error> {
    let receiver = fabric.start_answerer(to, &["omx_perf", "-w", "-e", ENDPOINT])?;
    let peer = format!("{to}:0");
    let command = [
        "omx_perf", "-w", "-d", &peer, "-r", ENDPOINT, "-S", "1", "-E", "7", "-M", "1", "-I", "1",
        "-N", "1", "-W", "0", "-P", "1000", "--json",
    ];
    let output = fabric.start_program(from, &command)?.finish(LIMIT)?;
    receiver.finish(LIMIT)?;
    let lines = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Line>(line).ok());
    // There is no silence before the first one.
    Ok(lines.skip(1).map(|line| line.us).collect())
}

/// A run whose bytes were checked.
#[derive(Clone, Debug, Serialize)]
pub struct Verified {
    /// Who sent.
    pub from: String,
    /// Who answered.
    pub to: String,
    /// Messages in both directions.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there was no time for all that a quiet machine exchanges.
    pub cut: bool,
}

impl Verified {
    /// A sentence.
    pub fn text(&self) -> String {
        let cut = match self.cut {
            true => " (there was no time for more of each length)",
            false => "",
        };
        format!(
            "    {} messages with {} bytes between {} and {}: every byte was right{cut}",
            self.messages, self.bytes, self.from, self.to
        )
    }
}

#[derive(Deserialize)]
struct Length {
    ms: u64,
}

#[derive(Deserialize)]
struct Totals {
    total_messages: u64,
    total_bytes: u64,
    total_errors: u64,
}

/// How long omx_verify sends messages of one length, if it has sent a tenth of them: a quiet machine needs less.
const SECONDS_OF_A_LENGTH: u64 = 15;

/// Runs omx_verify over the lengths of omx_perf, a factor of 16 apart: 1000 messages each up to 4 KiB, 100 up to
/// 64 KiB, 10 above, or on a slow machine as many as there is time for, a tenth of them at least. Guests poll, each on its own processor; the node's process sleeps, to leave them theirs.
pub fn verify(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<Verified, Error> {
    let sleep: &[&str] = if from == "node1" { &["-w"] } else { &[] };
    let answer = [&["omx_verify", "-e", ENDPOINT], sleep].concat();
    let answerer = fabric.start_answerer(to, &answer)?;
    let peer = format!("{to}:0");
    let seconds = SECONDS_OF_A_LENGTH.to_string();
    let ask = [
        "omx_verify",
        "-d",
        &peer,
        "-r",
        ENDPOINT,
        "-M",
        "16",
        "--seconds",
        &seconds,
        "--json",
    ];
    let command = [&ask, sleep].concat();
    let output = fabric.start_program(from, &command)?.finish(LIMIT)?;
    answerer.finish(LIMIT)?;
    let totals: Option<Totals> = output
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok());
    let cut = output
        .lines()
        .filter_map(|line| serde_json::from_str::<Length>(line).ok())
        .any(|length| length.ms >= 1000 * SECONDS_OF_A_LENGTH);
    match totals {
        Some(Totals {
            total_messages: messages,
            total_bytes: bytes,
            total_errors: 0,
        }) => Ok(Verified {
            from: from.into(),
            to: to.into(),
            messages,
            bytes,
            cut,
        }),
        _ => Err(Error::Judged(format!(
            "omx_verify found errors or did not end:\n{output}"
        ))),
    }
}
