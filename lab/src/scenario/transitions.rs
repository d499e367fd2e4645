//! From idle to busy and back, very often: a driver domain that sleeps whenever there is nothing to do is woken by every
//! message, by doorbells of guests and by its card's interrupt, and none of these wake-ups is lost.
//!
//! A lost one would leave its message lying until a timer runs out: a second, or as long as a repetition takes.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::scenario::judge::expect;

/// Transitions of the run that is part of the tests.
pub const SHORT: u64 = 100_000;
/// Who asks whom by turns, and how often in one turn: two guests that wake each other take ten times as long as a guest
/// and the node outside, whose messages wake the driver domain by its card's interrupt and by a doorbell in turn.
const TURNS: [(&str, &str, u64); 3] = [
    ("node1", "guest1", 2_000),
    ("guest2", "node1", 2_000),
    ("guest2", "guest1", 200),
];
/// How long a turn may take: a millisecond each time is usual under emulation, a hundred on a very busy machine.
const LIMIT: Duration = Duration::from_secs(300);
/// Milliseconds of a round trip that a lost wake-up explains, since then nobody moves before a timer of a second.
const STALL: f64 = 500.0;
/// As many times the mean are allowed beyond that: on a machine that is busy otherwise, everything waits.
const MEANS: f64 = 20.0;
/// How long the tests try for all of [`SHORT`] before they are content with a tenth: a busy machine is slow.
pub const TIMEOUT: Duration = Duration::from_secs(150);

/// What `lab-wakes` prints.
#[derive(Debug, Deserialize)]
struct Asked {
    round_trips: u64,
    seconds: f64,
    longest_ms: f64,
    stood_still_ms: f64,
}

/// Boots a host whose driver domain never waits awake, and lets messages go until it has slept so often.
/// After `timeout`, a tenth of it is enough.
pub fn run(
    images: Images,
    programs: &Programs,
    nic: Nic,
    wanted: u64,
    timeout: Duration,
) -> Result<(), Error> {
    let shape = Shape {
        options: "idle=0",
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, programs, shape)?;
    let title = format!("{wanted} times from idle to busy, and every message arrives");
    stage(&title, || until_slept(&fabric, wanted, timeout))
}

/// Exchanges messages by turns, through the card and between guests.
fn until_slept(fabric: &Fabric<'_>, wanted: u64, timeout: Duration) -> Result<(), Error> {
    let before = fabric.counter("sleeps")?;
    let begun = Instant::now();
    let mut messages = 0;
    for (from, to, count) in TURNS.into_iter().cycle() {
        let asked = exchange(fabric, from, to, count)?;
        messages += 2 * asked.round_trips;
        let slept = fabric.counter("sleeps")?.saturating_sub(before);
        println!(
            "    {from} and {to}: {} round trips in {:.1} s, the longest {:.1} ms; asleep {slept} times so far, {messages} messages",
            asked.round_trips, asked.seconds, asked.longest_ms
        );
        let stalled = asked.longest_ms - asked.stood_still_ms;
        let mean = asked.seconds * 1e3 / asked.round_trips as f64;
        expect(stalled < STALL + MEANS * mean, || {
            format!(
                "a message between {from} and {to} waited for {stalled:.0} ms, {mean:.1} ms is usual: a wake-up was lost"
            )
        })?;
        // Who is woken by every message sleeps about once for each.
        expect(slept * 2 >= messages, || {
            format!(
                "the driver domain slept {slept} times beside {messages} messages: it was not idle between them"
            )
        })?;
        if slept >= wanted {
            return Ok(());
        }
        if begun.elapsed() > timeout && slept >= wanted / 10 {
            println!("    this machine is slow: {slept} of {wanted} times are enough for now");
            return Ok(());
        }
    }
    Ok(())
}

fn exchange(fabric: &Fabric<'_>, from: &str, to: &str, count: u64) -> Result<Asked, Error> {
    let answering = fabric.start_answerer(to, &["lab-wakes", "answer"])?;
    let (peer, count) = (format!("{to}:0"), count.to_string());
    let command = ["lab-wakes", "ask", &peer, &count];
    let output = fabric.start_program(from, &command)?.finish(LIMIT)?;
    answering.finish(LIMIT)?;
    let said = serde_json::from_str(&output);
    said.map_err(|error| Error::Judged(format!("lab-wakes says: {error}\n{output}")))
}
