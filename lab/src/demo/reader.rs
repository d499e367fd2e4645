//! What a reader of /metrics costs the guests' messages, under the deterministic clock: a tick is an instruction of the
//! emulated machine, on whichever of its processors, and a nanosecond of its time.
//!
//! Two guests exchange messages without data at full rate, each on a processor of its own, through a driver domain on
//! another one: while nobody reads, while somebody outside reads /metrics several times in a second of that time, and
//! again while nobody does. The reader is no part of the emulated machine, so what it costs is the driver domain's.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::stage;
use crate::build::Built;
use crate::error::{At, Error};
use crate::host::spec::{MANAGEMENT, free_port};
use crate::host::{self, HostSpec};
use crate::image::{self, Scripts};
use crate::place;
use crate::prepare::Machine;

/// Five times what a quiet machine needs.
const LIMIT: Duration = Duration::from_secs(1200);
/// Round trips in each phase: a second and a half of the emulated machine's time.
const ROUNDS: u64 = 100_000;
/// Reads in a second of that time that are aimed at, and the least that count.
const READS: f64 = 8.0;
const FEWEST: f64 = 4.0;
/// By how much the rate may fall.
const LOSS: f64 = 0.02;

/// What omx_perf prints.
#[derive(Deserialize)]
struct Line {
    /// Mean time one way.
    us: f64,
    /// Median of ticks one way.
    ticks: u64,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Found {
    /// Mean ticks one way: without a reader, with one, without.
    ticks: [f64; 3],
    /// Medians of the same.
    medians: [u64; 3],
    /// Reads, and the seconds of the emulated machine's time from the first to the last.
    reads: u64,
    seconds: f64,
    /// By which part the rate falls.
    loss: f64,
}

/// Measures and judges; `json` prints the figures as JSON too.
pub fn run(machine: &Machine, built: &Built, json: bool) -> Result<ExitCode, Error> {
    let found = stage(
        "guest to guest under the deterministic clock, with a reader of /metrics and without",
        || measure(machine, built),
    )?;
    let rate = found.reads as f64 / found.seconds;
    println!(
        "    Ticks one way, 0 bytes, mean (median): {:.1} ({}) while nobody reads, {:.1} ({}) while /metrics is read, {:.1} ({}) again\n\
         \x20   {} reads in {:.2} s of the emulated machine's time, {rate:.1} in a second; the rate falls by {:.2} %",
        found.ticks[0],
        found.medians[0],
        found.ticks[1],
        found.medians[1],
        found.ticks[2],
        found.medians[2],
        found.reads,
        found.seconds,
        found.loss * 100.0
    );
    let directory = place::work().join("results");
    fs::create_dir_all(&directory).at("create", &directory)?;
    let text = serde_json::to_string_pretty(&found).unwrap_or_default();
    let figures = directory.join("demo-reader.json");
    fs::write(&figures, &text).at("write", &figures)?;
    if json {
        println!("{text}");
    }
    if rate < FEWEST {
        return Err(Error::Judged(format!(
            "only {rate:.1} reads in a second were made, which says too little"
        )));
    }
    if found.loss > LOSS {
        return Err(Error::Judged(format!(
            "the rate falls by {:.2} %, more than {:.0} %",
            found.loss * 100.0,
            LOSS * 100.0
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn measure(machine: &Machine, built: &Built) -> Result<Found, Error> {
    let scripts = Scripts {
        dom0: include_str!("../../image/reader-dom0.sh"),
        guest: include_str!("../../image/reader-guest.sh"),
        parameters: format!("manage=manage={MANAGEMENT}/24\nmessages={ROUNDS}\n"),
    };
    let images = image::make_scripted(machine, built, &scripts)?;
    let mut spec = HostSpec::new(images, place::work().join("host"));
    spec.icount = true;
    spec.scripted = true;
    spec.cpus = 4;
    let port = free_port()?;
    spec.http = Some(port);
    // What an earlier host wrote says nothing of this one.
    let log = spec.console_log();
    fs::write(&log, "").at("write", &log)?;
    let over = AtomicBool::new(false);
    let (console, times) = thread::scope(|scope| {
        let reader = scope.spawn(|| read_while_told(port, &log, &over));
        let console = host::run_to_end(&spec, LIMIT);
        over.store(true, Ordering::Relaxed);
        (console, reader.join().unwrap_or_default())
    });
    let console = console?;
    let lines: Vec<Line> = console
        .lines()
        .filter_map(|line| serde_json::from_str(line.trim()).ok())
        .collect();
    let ([quiet, read, again], Some((first, last))) =
        (lines.as_slice(), times.first().zip(times.last()))
    else {
        return Err(Error::Judged(format!(
            "{} phases were measured, /metrics was read {} times; the console says:\n{console}",
            lines.len(),
            times.len()
        )));
    };
    let ticks = [quiet, read, again].map(|line| line.us * 1000.0);
    let without = (ticks[0] + ticks[2]) / 2.0;
    Ok(Found {
        ticks,
        medians: [quiet, read, again].map(|line| line.ticks),
        reads: times.len() as u64,
        seconds: last - first,
        loss: 1.0 - without / ticks[1],
    })
}

/// Reads from the word to read until the next one; the emulated machine's time of each reading, in seconds.
fn read_while_told(port: u16, log: &Path, over: &AtomicBool) -> Vec<f64> {
    let mut times: Vec<f64> = Vec::new();
    let mut pause = Duration::from_millis(100);
    while !over.load(Ordering::Relaxed) {
        let console = fs::read(log).unwrap_or_default();
        let console = String::from_utf8_lossy(&console);
        if console.contains("phase: quiet-again") {
            break;
        }
        if !console.contains("phase: read") {
            thread::sleep(Duration::from_millis(20));
            continue;
        }
        let begun = Instant::now();
        if let Some(time) = running_seconds(port) {
            if let Some(last) = times.last() {
                // How fast the emulated machine's time goes by is known only from what it says itself.
                let real = begun.elapsed() + pause;
                let speed = (time - last).max(1e-3) / real.as_secs_f64();
                let wanted = Duration::from_secs_f64((1.0 / READS / speed).min(5.0));
                pause = wanted.saturating_sub(begun.elapsed());
            }
            times.push(time);
        }
        thread::sleep(pause);
    }
    times
}

/// Reads /metrics; the time that the driver domain says it has run.
fn running_seconds(port: u16) -> Option<f64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .ok()?;
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: xen2mx\r\n\r\n")
        .ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix("xen2mx_running_seconds_total "))?
        .parse()
        .ok()
}
