//! Faults on a real Xen: a process killed in the middle of 4 MiB, a guest destroyed in the middle of 4 MiB, a driver
//! domain without a card. Each leaves a clear message, and a system that goes on.

use std::thread;
use std::time::Duration;

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Program, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::scenario::judge::{exchange, expect, wait_for_log};
use crate::scenario::{example, idle, link, rcache};
use crate::stall_timeout;

const LIMIT: Duration = Duration::from_secs(120);

/// A driver domain with a card: processes and guests die.
pub fn deaths(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(nic)))?;
    stage(
        "memory that is unmapped and used again carries its new content",
        || rcache::judge(&fabric),
    )?;
    stage(
        "messages longer than what their processes may register",
        || rcache::judge_long(&fabric),
    )?;
    stage("the example greets from node to guest, and back", || {
        example::judge(&fabric)
    })?;
    stage(
        "an idle driver domain sleeps, and the first message finds it",
        || idle::judge(&fabric),
    )?;
    link::judge(&fabric)?;
    stage("a process is killed in the middle of 4 MiB", || {
        killed_process(&fabric)
    })?;
    stage("a guest is destroyed in the middle of 4 MiB", || {
        destroyed_guest(&fabric)
    })?;
    stage("the other guest and the node go on", || {
        exchange(&fabric, "node1", "guest1")
    })
}

/// A driver domain without a card serves its guests among each other.
pub fn no_nic(images: Images, programs: &Programs) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(None))?;
    stage(
        "its log says that there is no card, and that it goes on",
        || wait_for_log(&fabric, "driver-domain", "without a network card"),
    )?;
    stage("its guests reach each other", || {
        exchange(&fabric, "guest1", "guest2")
    })
}

/// Starts messages of 4 MiB without end from `from` to guest1; returns both programs once they flow.
fn stream(fabric: &Fabric<'_>, from: &str) -> Result<(Program, Program), Error> {
    let receiver = fabric.start_answerer("guest1", &["omx_perf", "-w", "-e", "6"])?;
    let command = [
        "omx_perf", "-w", "-d", "guest1:0", "-r", "6", "-S", "4194304", "-E", "4194305", "-N",
        "100000", "-P", "0",
    ];
    let sender = fabric.start_program(from, &command)?;
    thread::sleep(Duration::from_secs(4));
    Ok((sender, receiver))
}

/// Kills the sender; the receiver is told, the memory comes back, and both guests go on.
fn killed_process(fabric: &Fabric<'_>) -> Result<(), Error> {
    let (sender, receiver) = stream(fabric, "guest2")?;
    fabric
        .start_program("guest2", &["killall", "-9", "omx_perf"])?
        .finish(LIMIT)?;
    let ended = sender.output(LIMIT)?;
    expect(ended.status == 137, || {
        format!("the killed process ended with status {}", ended.status)
    })?;
    told(receiver)?;
    wait_for_grants(fabric, "guest2")?;
    exchange(fabric, "guest2", "guest1")
}

/// Destroys the sending guest; the receiver is told, the driver domain gives everything back.
fn destroyed_guest(fabric: &Fabric<'_>) -> Result<(), Error> {
    let (_lost, receiver) = stream(fabric, "guest2")?;
    fabric.dom0(&["xl", "destroy", "guest2"])?;
    told(receiver)?;
    wait_for_log(fabric, "driver-domain", "all of its memory is given back")
}

/// A receiver whose sender has gone hears of it by a nack when it answers, or is ended here when it has nothing to say:
/// either way it ends, and its endpoint closes.
fn told(receiver: Program) -> Result<(), Error> {
    if let Program::Inside(session, ..) = &receiver {
        thread::sleep(Duration::from_secs(3));
        session.kill()?;
    }
    let output = receiver.output(LIMIT)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let clear = output.status == 137 || text.contains("has ended before the run did");
    expect(clear, || {
        format!(
            "the receiver ended with status {} and said:\n{text}",
            output.status
        )
    })
}

/// Waits until the module of a guest has got back all pages that it had granted, but the device's own 17.
fn wait_for_grants(fabric: &Fabric<'_>, guest: &str) -> Result<(), Error> {
    let what = format!("{guest} gets its pages back");
    stall_timeout::wait_until(LIMIT, &what, || {
        let text = fabric
            .start_program(guest, &["lab-agent", "statistics"])?
            .finish(LIMIT)?;
        let count = |name: &str| -> Option<u64> {
            text.split_whitespace()
                .find_map(|word| word.strip_prefix(name))?
                .parse()
                .ok()
        };
        let back = matches!((count("grants="), count("grants-ended=")),
            (Some(made), Some(ended)) if made - ended <= 17);
        Ok(if back { Ok(()) } else { Err(text) })
    })?;
    Ok(())
}
