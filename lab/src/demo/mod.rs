//! `cargo lab demo`: the main job, from `xl create` to verified messages, on a real Xen.
//!
//! | file | what |
//! |---|---|
//! | `fabric` | the host, its driver domain and guests, and the node outside |
//! | `perf` | omx_perf and omx_verify between two of them |
//! | `calls` | the node's system calls in a steady phase |
//! | `cost` | what a message costs besides: calls, hypercalls, events, grants |
//! | `dom0` | dom0's time over few and over many messages |
//! | `deterministic` | guest to guest under the deterministic clock, beside netfront and netback |
//! | `crowd` | processes that poll where processors are shared, under the same clock |
//! | `boards` | messages beside many guests that have nothing to do, under the same clock |
//! | `reader` | what a reader of /metrics costs, under the same clock |
//! | `plot` | latency and bandwidth as a picture |

pub mod boards;
mod calls;
mod cost;
pub mod crowd;
pub mod deterministic;
mod dom0;
pub mod fabric;
pub mod perf;
mod plot;
pub mod reader;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use serde::Serialize;

use crate::build::{self, Programs};
use crate::error::{At, Error};
use crate::host::{Images, Nic};
use crate::stage::Stage;
use calls::NodeCalls;
use cost::MessageCost;
use dom0::Dom0Cost;
use fabric::{Fabric, Shape};
use perf::{Pair, Verified};

/// Options of `cargo lab demo`.
#[derive(Args)]
pub struct DemoArgs {
    /// The frame size of the whole fabric: 1500 to 9000 bytes, Ethernet header included.
    #[arg(long, default_value_t = 9000)]
    pub mtu: u16,
    /// The driver domain's card.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
    /// Use KVM where Xen really boots under it; otherwise say so and emulate.
    #[arg(long)]
    pub kvm: bool,
    /// Measure guest to guest under the deterministic clock instead (a tick per instruction), with one processor for all
    /// and with one for each domain, beside UDP by netfront and netback in the same boot.
    #[arg(long)]
    pub icount: bool,
    /// Measure what a reader of the driver domain's /metrics costs the guests' messages instead, under the same clock.
    /// Exit status 1 means that their rate falls by more than 2 %.
    #[arg(long, conflicts_with = "icount")]
    pub reader: bool,
    /// Measure one and two processes of each guest, polling and asleep, instead, under the same clock: where they share a
    /// processor with the driver domain, and where each domain has its own.
    #[arg(long, conflicts_with_all = ["icount", "reader", "json"])]
    pub crowd: bool,
    /// Measure a message beside 0, 64 and 200 guests that have nothing to do instead, under the same clock. Exit status 1
    /// means that one takes more than 1.2 times as much as beside fewer.
    #[arg(long, conflicts_with_all = ["icount", "reader", "crowd"])]
    pub boards: bool,
    /// Print the figures as JSON too.
    #[arg(long)]
    pub json: bool,
}

/// What the demo found.
#[derive(Debug, Serialize)]
struct Results {
    mtu: u16,
    /// Seconds from the start of QEMU to the end.
    seconds: f64,
    driver_domain_bytes: u64,
    pairs: Vec<Pair>,
    verified: Vec<Verified>,
    dom0: Dom0Cost,
    cost: MessageCost,
    node_calls: NodeCalls,
}

/// Runs the demo; `json` prints the results as JSON too.
pub fn run(images: Images, programs: &Programs, args: &DemoArgs) -> Result<ExitCode, Error> {
    let begun = Instant::now();
    let shape = Shape {
        mtu: args.mtu,
        kvm: args.kvm,
        ..Shape::of(Some(args.nic))
    };
    let mut fabric = Fabric::start(images, programs, shape)?;
    say("dom0: xl list", &fabric.dom0(&["xl", "list"])?);
    say(
        "dom0: xl-omx list guest1 guest2",
        &fabric.dom0(&["xl-omx", "list", "guest1", "guest2"])?,
    );
    for member in fabric.members() {
        say(&format!("{member}: omx_info"), &fabric.info(member)?);
    }

    let mut pairs = Vec::new();
    for (from, to) in [
        ("node1", "guest1"),
        ("guest1", "node1"),
        ("guest1", "guest2"),
    ] {
        let pair = stage(
            &format!("omx_perf from {from} to {to}, 0 bytes to 4 MiB"),
            || perf::measure(&fabric, from, to),
        )?;
        print!("{}", pair.text());
        pairs.push(pair);
    }
    let mut verified = Vec::new();
    for (from, to) in [("node1", "guest1"), ("guest2", "guest1")] {
        let title = format!("omx_verify between {from} and {to}, every byte");
        let result = stage(&title, || perf::verify(&fabric, from, to))?;
        println!("{}", result.text());
        verified.push(result);
    }
    // Under emulation a step takes long, so a driver domain that is to stay awake between two must be patient.
    stage(
        "another driver domain, which polls for longer before it sleeps",
        || fabric.renew_driver_domain("idle=100000"),
    )?;
    let cost = stage("what a message between the guests costs besides", || {
        cost::message(&fabric)
    })?;
    println!("{}", cost.text());
    let dom0 = stage("dom0's time over few and over many messages", || {
        dom0::measure(&fabric)
    })?;
    println!("{}", dom0.text());
    stage("another omxd, which polls for ever", || fabric.renew_node())?;
    let node_calls = stage(
        "the node's system calls while it exchanges messages",
        || calls::watch(&fabric),
    )?;
    println!("{}", node_calls.text());

    let bytes = std::fs::metadata(build::driver_domain_image())
        .at("read", build::driver_domain_image())?
        .len();
    println!(
        "The driver domain's image has {} KiB.",
        bytes.div_ceil(1024)
    );
    fabric.end()?;
    let results = Results {
        mtu: args.mtu,
        seconds: begun.elapsed().as_secs_f64(),
        driver_domain_bytes: bytes,
        pairs,
        verified,
        dom0,
        cost,
        node_calls,
    };
    keep(&results, args.json)?;
    println!(
        "The demo took {:.0} s from the start of QEMU.",
        results.seconds
    );
    Ok(ExitCode::SUCCESS)
}

/// Writes picture and figures.
fn keep(results: &Results, json: bool) -> Result<(), Error> {
    let directory: PathBuf = crate::place::work().join("results");
    std::fs::create_dir_all(&directory).at("create", &directory)?;
    let name = format!("demo-mtu{}", results.mtu);
    let picture = directory.join(format!("{name}.svg"));
    plot::draw(&results.pairs, &picture)?;
    let text = serde_json::to_string_pretty(results).unwrap_or_default();
    let figures = directory.join(format!("{name}.json"));
    std::fs::write(&figures, &text).at("write", &figures)?;
    println!(
        "Picture: {}\nFigures: {}",
        picture.display(),
        figures.display()
    );
    if json {
        println!("{text}");
    }
    Ok(())
}

/// Runs a stretch of work under a title.
pub fn stage<T>(title: &str, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    let stage = Stage::begin(title);
    let result = work();
    match &result {
        Ok(_) => stage.done(""),
        Err(_) => stage.failed(),
    }
    result
}

fn say(what: &str, output: &str) {
    println!("\n$ {what}\n{}", output.trim_end());
}
