//! The guests' module on a real Xen, in guests with two processors: processes side by side, processes that die at any
//! moment, a device that is taken away under load. Nothing may hang.

use std::thread;
use std::time::Duration;

use super::judge::{expect, wait_until};
use crate::build::Programs;
use crate::demo::fabric::{Fabric, Program, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::Images;

/// Five times what the slowest step needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// The last state of a device (`io/xenbus.h`).
const CLOSED: &str = "6";

const GUESTS: [&str; 2] = ["guest1", "guest2"];

/// Boots a host without a card and runs all of it.
pub fn run(images: Images, programs: &Programs) -> Result<(), Error> {
    let shape = Shape {
        guest_processors: 2,
        ..Shape::of(None)
    };
    let fabric = Fabric::start(images, programs, shape)?;
    stage("two processes of each guest at the same time", || {
        side_by_side(&fabric)
    })?;
    stage("processes die at any moment", || die_at_any_moment(&fabric))?;
    stage(
        "a device is detached under load, and attached again",
        || detached(&fabric),
    )?;
    stage(
        "a detach that was given up is done by the next one, and the module goes",
        || detached_late(&fabric),
    )
}

/// Two verified exchanges, in each guest two processes.
fn side_by_side(fabric: &Fabric<'_>) -> Result<(), Error> {
    let answer = |endpoint| fabric.start_answerer("guest1", &["omx_verify", "-w", "-e", endpoint]);
    let answerers = [answer("4")?, answer("5")?];
    let ask = |endpoint| {
        let command = ["omx_verify", "-w", "-d", "guest1:0", "-M", "64"];
        let rest = ["--iterations", "5", "-r", endpoint];
        fabric.start_program("guest2", &[&command[..], &rest].concat())
    };
    let askers = [ask("4")?, ask("5")?];
    for program in askers.into_iter().chain(answerers) {
        program.finish(LIMIT)?;
    }
    Ok(())
}

/// Messages of 4 MiB without end between the guests: sender and receiver.
pub(super) fn load(fabric: &Fabric<'_>) -> Result<[Program; 2], Error> {
    let receiver = fabric.start_answerer("guest1", &["omx_perf", "-w", "-e", "6"])?;
    let command = ["omx_perf", "-w", "-d", "guest1:0", "-r", "6", "-P", "0"];
    let lengths = ["-S", "4194304", "-E", "4194305", "-N", "100000"];
    let sender = fabric.start_program("guest2", &[&command[..], &lengths].concat())?;
    thread::sleep(Duration::from_secs(2));
    Ok([sender, receiver])
}

/// Kills sender and receiver while the module registers memory, waits for answers, sleeps.
fn die_at_any_moment(fabric: &Fabric<'_>) -> Result<(), Error> {
    for milliseconds in [0, 170] {
        let programs = load(fabric)?;
        thread::sleep(Duration::from_millis(milliseconds));
        end_load(fabric, programs)?;
    }
    Ok(())
}

fn kill_all(fabric: &Fabric<'_>) -> Result<(), Error> {
    for guest in GUESTS {
        let killed = fabric.start_program(guest, &["killall", "-9", "omx_perf"])?;
        killed.output(LIMIT)?;
    }
    Ok(())
}

/// Kills the load, of which these programs are left.
pub(super) fn end_load<const N: usize>(
    fabric: &Fabric<'_>,
    programs: [Program; N],
) -> Result<(), Error> {
    kill_all(fabric)?;
    programs.into_iter().try_for_each(ended)
}

/// A program that was killed has ended; it hangs nowhere.
fn ended(program: Program) -> Result<(), Error> {
    program.output(LIMIT).map(drop)
}

fn detached(fabric: &Fabric<'_>) -> Result<(), Error> {
    for force in [false, true] {
        let [sender, receiver] = load(fabric)?;
        let mut command = vec!["xl-omx", "detach", "guest1", "0"];
        command.extend(force.then_some("--force"));
        fabric.dom0(&command)?;
        // Its endpoint is lost, and it says so; its peer may go on trying for minutes.
        told(receiver)?;
        end_load(fabric, [sender])?;
        fabric.dom0(&["xl-omx", "attach", "guest1"])?;
        fabric.wait_for_names()?;
    }
    Ok(())
}

/// Nothing keeps a module whose device was detached, in however many attempts; and it can be loaded anew.
fn detached_late(fabric: &Fabric<'_>) -> Result<(), Error> {
    let hasty = ["xl-omx", "detach", "guest1", "0", "--timeout", "1"];
    fabric.dom0(&["xl", "pause", "driver-domain"])?;
    let given_up = fabric.try_dom0(&hasty)?;
    fabric.dom0(&["xl", "unpause", "driver-domain"])?;
    expect(given_up.status != 0, || {
        "a device was detached from a driver domain that did not run".to_owned()
    })?;
    let guest = fabric.dom0(&["xl", "domid", "guest1"])?;
    let state = format!("backend/omx/{}/0/state", guest.trim());
    let what = "the driver domain closes a device that is detached";
    wait_until(LIMIT, what, || {
        Ok(fabric.driver_domain_node(&state)?.as_deref() == Some(CLOSED))
    })?;
    loaded_anew(fabric, "guest1")
}

/// Takes a guest's only device away and removes its module; loads it again and attaches a device.
pub(super) fn loaded_anew(fabric: &Fabric<'_>, guest: &str) -> Result<(), Error> {
    fabric.dom0(&["xl-omx", "detach", guest, "0"])?;
    // The device's directory is gone; its guest's kernel unbinds it a moment later.
    let what = "the guest's kernel lets go of the module";
    wait_until(LIMIT, what, || {
        let removed = fabric.start_program(guest, &["rmmod", "open_mx_frontend"])?;
        Ok(removed.output(LIMIT)?.status == 0)
    })?;
    let loaded = fabric.start_program(guest, &["modprobe", "open-mx-frontend"])?;
    loaded.finish(LIMIT)?;
    fabric.dom0(&["xl-omx", "attach", guest])?;
    fabric.wait_for_names()
}

/// A program whose backend has gone ends by itself and says why.
pub(super) fn told(program: Program) -> Result<(), Error> {
    let output = program.output(LIMIT)?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    expect(output.status != 0 && !text.is_empty(), || {
        format!(
            "a program whose backend has gone ended with status {} and said:\n{text}",
            output.status
        )
    })
}
