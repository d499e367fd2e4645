//! The cable of the card is pulled and plugged in again while guests have endpoints: they are told, they reach each other
//! meanwhile, and what was under way goes on by itself.

use std::time::Duration;

use crate::demo::fabric::{Fabric, Program};
use crate::demo::stage;
use crate::error::Error;
use crate::scenario::judge::{exchange, expect, wait_for_log, wait_until};

/// How long it may take until all know: the driver domain looks at its card every second.
const TOLD: Duration = Duration::from_secs(30);
/// How long messages may take to flow again: each repetition waits longer than the one before.
const RESUMED: Duration = Duration::from_secs(60);
const LIMIT: Duration = Duration::from_secs(120);
/// Frames that are messages: beacons are fewer.
const SOME: u64 = 20;
/// More round trips than there is time for.
const WITHOUT_END: &str = "10000000";

/// Pulls the cable under messages between the node and a guest, each way.
pub fn judge(fabric: &Fabric<'_>) -> Result<(), Error> {
    for (asker, answerer) in [("node1", "guest1"), ("guest2", "node1")] {
        let title = format!("the cable is pulled while {asker} sends to {answerer}");
        stage(&title, || interrupt(fabric, asker, answerer))?;
    }
    Ok(())
}

fn interrupt(fabric: &Fabric<'_>, asker: &str, answerer: &str) -> Result<(), Error> {
    let peer = format!("{answerer}:0");
    let answering = fabric.start_answerer(answerer, &["omx_perf", "-w", "-e", "4"])?;
    let ask = [
        "omx_perf",
        "-w",
        "-d",
        &peer,
        "-r",
        "4",
        "-S",
        "64",
        "-E",
        "65",
        "-N",
        WITHOUT_END,
    ];
    let asking = fabric.start_program(asker, &ask)?;
    flows(fabric)?;

    fabric.set_link(false)?;
    told(fabric, false)?;
    wait_for_log(fabric, "driver-domain", "the link is down")?;
    let before = frames(fabric)?;
    exchange(fabric, "guest1", "guest2")?;
    expect(frames(fabric)? == before, || {
        "frames came in although the cable was pulled".into()
    })?;
    // Begun without a link, and to be finished with one.
    let (verifying, verified) = begun(fabric, asker, answerer)?;

    fabric.set_link(true)?;
    told(fabric, true)?;
    let waited = flows(fabric)?;
    println!(
        "    messages flow again {:.1} s after the guests were told",
        waited.as_secs_f64()
    );
    verifying.finish(LIMIT)?;
    verified.finish(LIMIT)?;
    asking.kill()?;
    answering.kill()
}

/// Begins a verified exchange.
fn begun(fabric: &Fabric<'_>, asker: &str, answerer: &str) -> Result<(Program, Program), Error> {
    let answering = fabric.start_answerer(answerer, &["omx_verify", "-w", "-e", "6"])?;
    let peer = format!("{answerer}:0");
    let ask = [
        "omx_verify",
        "-w",
        "-d",
        &peer,
        "-r",
        "6",
        "-M",
        "64",
        "--iterations",
        "5",
    ];
    Ok((fabric.start_program(asker, &ask)?, answering))
}

/// Waits until both guests' boards and the driver domain's own directory tell the link's state.
fn told(fabric: &Fabric<'_>, up: bool) -> Result<(), Error> {
    let word = if up { "up" } else { "down" };
    for guest in ["guest1", "guest2"] {
        wait_until(
            TOLD,
            &format!("{guest} is told that the link is {word}"),
            || {
                let command = ["omx_info", "--json"];
                let info = fabric.start_program(guest, &command)?.finish(LIMIT)?;
                Ok(info.contains(&format!("\"link\": {up}")))
            },
        )?;
    }
    wait_until(
        TOLD,
        &format!("xenstore tells that the link is {word}"),
        || Ok(fabric.driver_domain_node("data/omx/link")?.as_deref() == Some(word)),
    )?;
    // What people see.
    let warned = fabric
        .start_program("guest1", &["omx_info"])?
        .output(LIMIT)?;
    let warning = String::from_utf8_lossy(&warned.stderr).contains("interface is currently DOWN");
    expect(warning != up, || {
        format!("omx_info in guest1 does not say that the link is {word}")
    })
}

/// Waits until messages come in through the card.
fn flows(fabric: &Fabric<'_>) -> Result<Duration, Error> {
    let before = frames(fabric)?;
    wait_until(RESUMED, "messages come in through the card", || {
        Ok(frames(fabric)? > before + SOME)
    })
}

/// Frames that the card has received so far.
fn frames(fabric: &Fabric<'_>) -> Result<u64, Error> {
    fabric.counter("frames-in")
}
