//! The conformance programs in guests: with themselves, with another guest, and with the node outside.

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::scenario::judge::CONFORMANCE_LIMIT;
use crate::scenario::{admin, limits, queue_entries};

/// Short runs: every program, and every length, but less often than by itself.
const RUNS: [&str; 18] = [
    "loopback -N 1 -P 1",
    "vectors",
    "unexpected",
    "unexpected_handler",
    "truncated",
    "cancel -N 1",
    "wait_any -N 2",
    "wakeup -N 1",
    "address_context",
    "rails -N 1 -E 65536",
    "rails_waiting -N 1 -E 65536",
    "many -N 12 -P 4",
    "threads_endpoints",
    "threads_wait_any -N 30 -t 4 -p 2",
    "cache -N 2",
    "message_loop -I 33333",
    "wrong_pointers",
    "orphans",
];

/// With signals that interrupt every call: opening, registering, waiting, and RAW frames.
const UNDER_SIGNALS: [&str; 6] = [
    "loopback -N 1 -P 1",
    "vectors",
    "wakeup -N 1",
    "rails -N 1 -E 65536",
    "threads_wait_any -N 10 -t 2 -p 1",
    "cache -N 2",
];

/// What two nodes can do with each other.
const BETWEEN: [&str; 11] = [
    "loopback -N 1 -P 1",
    "vectors",
    "unexpected -c 10,10",
    "unexpected_handler",
    "truncated",
    "cancel -N 1",
    "wait_any -N 2",
    "address_context",
    "many -N 12 -P 4",
    "cache -N 2",
    "message_loop -I 33333",
];

/// What two nodes do with each other over a wire that loses frames.
const ON_A_LOSSY_WIRE: [&str; 4] = [
    "unexpected",
    "many -N 12 -P 4",
    "rails -N 1 -E 65536",
    "rails_waiting -N 2 -E 65536",
];
/// Frames of a hundred that it loses each way.
const LOSS: u8 = 5;

/// Boots a host and runs all of it; messages that were verified.
pub fn run(images: Images, programs: &Programs, nic: Nic) -> Result<u64, Error> {
    let shape = Shape {
        lossy: true,
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, programs, shape)?;
    stage(
        "who chooses the queue entries of guest1's endpoints",
        || queue_entries::run(&fabric),
    )?;
    let alone = stage("every program in guest1, with itself", || {
        sum(&fabric, "guest1", RUNS.map(str::to_owned))
    })?;
    let interrupted = stage("programs in guest1 under a storm of signals", || {
        sum(
            &fabric,
            "guest1",
            UNDER_SIGNALS.map(|run| format!("{run} --signals 5000")),
        )
    })?;
    let limited = stage(
        "programs of a user of guest1 under limits of resources",
        || limits::run(&fabric),
    )?;
    let within = between(&fabric, "guest1", "guest2")?;
    let outside = between(&fabric, "node1", "guest1")?;
    let raw = [
        ("guest1", "guest2"),
        ("node1", "guest1"),
        ("guest2", "node1"),
    ]
    .into_iter()
    .map(|(from, to)| raw(&fabric, from, to));
    let raw: u64 = raw.sum::<Result<_, _>>()?;
    stage("guest1's root administers its board", || {
        admin::run(&fabric)
    })?;
    let despite_loss = over_a_lossy_wire(&fabric)?;
    Ok(alone + interrupted + limited + within + outside + raw + despite_loss)
}

/// Programs of a guest whose peer is on the node, while frames between them are lost.
fn over_a_lossy_wire(fabric: &Fabric<'_>) -> Result<u64, Error> {
    let lost_before = fabric.lose(LOSS);
    let (from, to) = ("guest1", "node1");
    let verified = stage(
        &format!("programs in {from}, their peer in {to}: {LOSS} % of the frames are lost"),
        || converse(fabric, from, to, &ON_A_LOSSY_WIRE),
    )?;
    let lost = fabric.lose(0) - lost_before;
    println!("    {lost} frames were lost");
    if lost < 5 {
        return Err(Error::Judged(format!("only {lost} frames were lost")));
    }
    Ok(verified)
}

/// RAW frames between the raw endpoints of two members.
fn raw(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<u64, Error> {
    stage(&format!("RAW frames from {from} to {to} and back"), || {
        let peer = fabric.start_program(to, &["conformance", "raw_peer"])?;
        let verified = program(fabric, from, &format!("raw -d {to}:0"))?;
        peer.finish(CONFORMANCE_LIMIT)?;
        Ok(verified)
    })
}

/// Runs the programs against `conformance peer` on another member.
fn between(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<u64, Error> {
    stage(&format!("programs in {from}, their peer in {to}"), || {
        converse(fabric, from, to, &BETWEEN)
    })
}

fn converse(fabric: &Fabric<'_>, from: &str, to: &str, runs: &[&str]) -> Result<u64, Error> {
    let peer = fabric.start_answerer(to, &["conformance", "peer"])?;
    let runs = runs.iter().map(|run| format!("{run} -d {to}:0"));
    let verified = sum(fabric, from, runs)?;
    program(fabric, from, &format!("stop -d {to}:0"))?;
    peer.finish(CONFORMANCE_LIMIT)?;
    Ok(verified)
}

fn sum(
    fabric: &Fabric<'_>,
    member: &str,
    runs: impl IntoIterator<Item = String>,
) -> Result<u64, Error> {
    let verified = runs.into_iter().map(|run| program(fabric, member, &run));
    verified.sum()
}

/// Messages that a program has verified.
fn program(fabric: &Fabric<'_>, member: &str, run: &str) -> Result<u64, Error> {
    let command: Vec<&str> = std::iter::once("conformance")
        .chain(run.split(' '))
        .collect();
    let output = fabric
        .start_program(member, &command)?
        .finish(CONFORMANCE_LIMIT)?;
    conformance::verified(&output).ok_or_else(|| {
        Error::Judged(format!(
            "`conformance {run}` in {member} counts nothing; it says:\n{output}"
        ))
    })
}
