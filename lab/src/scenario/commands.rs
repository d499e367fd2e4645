//! What an operator asks of a driver domain by `xl`: `sysrq`, `trigger`, `reboot`, `pci-detach`, `shutdown`, and a frame size that its
//! card does not take; and of `xl-omx`, when a guest is made again. Each is answered in words, and what is to go on goes
//! on.

use std::time::Duration;

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::scenario::judge::{exchange, expect, wait_for_log, wait_until};

/// An MTU between those that others use: a virtio card is told to take this and no more.
const PACKET: u16 = 4000;
/// How long a driver domain may take to end and to come back: libxl gives its card ten seconds.
const REBOOT: Duration = Duration::from_secs(90);
/// How long a message in a log, or a node of xenstore, may take.
const SOON: Duration = Duration::from_secs(30);

/// Boots a host, and asks.
pub fn run(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let shape = Shape {
        mtu: PACKET,
        longest_packet: Some(PACKET),
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, programs, shape)?;
    stage(
        "xl sysrq driver-domain s: its counters are in its log",
        || {
            fabric.dom0(&["xl", "sysrq", "driver-domain", "s"])?;
            wait_for_log(&fabric, "driver-domain", "request=sysrq time-us=")
        },
    )?;
    stage(
        "xl trigger driver-domain nmi: its registers are in its log",
        || {
            fabric.dom0(&["xl", "trigger", "driver-domain", "nmi"])?;
            wait_for_log(&fabric, "driver-domain", "NMI: the registers")
        },
    )?;
    stage(
        "xl trigger with what a PV domain does not have: it goes on",
        || other_triggers(&fabric),
    )?;
    stage(
        "xl reboot driver-domain: it comes back, xl-omx apply, messages flow",
        || reboot(&fabric),
    )?;
    stage(
        "a guest is destroyed and created again: xl-omx attach gives it the address that others know",
        || made_again(&fabric),
    )?;
    stage(
        "xl pci-detach driver-domain: it gives its card up, its guests go on with each other",
        || card_taken(&fabric),
    )?;
    stage(
        "xl shutdown driver-domain: its guests are told, it goes",
        || shutdown(&fabric),
    )?;
    if nic == Nic::Virtio {
        stage(
            "a frame size that the card does not take: xl-omx attach says so",
            || too_long(&fabric),
        )?;
    }
    Ok(())
}

/// Buttons of a machine that a PV domain is not: `xl` may refuse them, the driver domain must not mind.
fn other_triggers(fabric: &Fabric<'_>) -> Result<(), Error> {
    let before = fabric.driver_domain()?;
    for trigger in ["reset", "init", "power", "sleep"] {
        let output = fabric.try_dom0(&["xl", "trigger", "driver-domain", trigger])?;
        println!(
            "    xl trigger driver-domain {trigger}: status {}",
            output.status
        );
    }
    exchange(fabric, "node1", "guest1")?;
    expect(fabric.driver_domain()? == before, || {
        "the driver domain is another one than before".into()
    })
}

fn reboot(fabric: &Fabric<'_>) -> Result<(), Error> {
    let before = fabric.driver_domain()?;
    fabric.dom0(&["xl", "reboot", "driver-domain"])?;
    let waited = wait_until(REBOOT, "the driver domain is ready again", || {
        let now = fabric.driver_domain()?;
        Ok(now.is_some() && now != before && is(fabric, "state", "ready")?)
    })?;
    println!("    ready again after {:.1} s", waited.as_secs_f64());
    wait_for_log(fabric, "driver-domain", "reboot was requested")?;
    fabric.dom0(&["xl-omx", "apply"])?;
    fabric.wait_for_names()?;
    for (from, to) in [
        ("guest1", "guest2"),
        ("node1", "guest1"),
        ("guest2", "node1"),
    ] {
        exchange(fabric, from, to)?;
    }
    Ok(())
}

/// The new guest has another number and another UUID, and the node still knows the old one's address.
fn made_again(fabric: &Fabric<'_>) -> Result<(), Error> {
    let before = address(fabric, "guest2")?;
    fabric.dom0(&["xl", "destroy", "guest2"])?;
    fabric.create_guest("guest2")?;
    fabric.wait_for_guest("guest2")?;
    fabric.dom0(&["xl-omx", "attach", "guest2"])?;
    let after = address(fabric, "guest2")?;
    expect(after == before, || {
        format!("guest2 had the address {before}, and has {after} now")
    })?;
    fabric.wait_for_names()?;
    exchange(fabric, "node1", "guest2")
}

/// The address of a guest's first device.
fn address(fabric: &Fabric<'_>, guest: &str) -> Result<String, Error> {
    let text = fabric.dom0(&["xl-omx", "list", "--json", guest])?;
    let listed: Option<serde_json::Value> = serde_json::from_str(&text).ok();
    let mac = listed.and_then(|all| Some(all[guest][0]["mac"].as_str()?.to_owned()));
    mac.ok_or_else(|| Error::Judged(format!("xl-omx list shows no address of {guest}: {text}")))
}

fn card_taken(fabric: &Fabric<'_>) -> Result<(), Error> {
    fabric.dom0(&["xl", "pci-detach", "driver-domain", "00:05.0"])?;
    for (node, value) in [("card", "none"), ("link", "none")] {
        wait_until(SOON, &format!("xenstore tells {node} {value}"), || {
            is(fabric, node, value)
        })?;
    }
    let id = fabric.driver_domain()?.unwrap_or_default();
    let left = fabric.try_dom0(&["xenstore-ls", &format!("/local/domain/0/backend/pci/{id}")])?;
    expect(left.status != 0, || {
        format!("pciback has nodes left: {}", left.text())
    })?;
    exchange(fabric, "guest1", "guest2")
}

fn shutdown(fabric: &Fabric<'_>) -> Result<(), Error> {
    fabric.dom0(&["xl", "shutdown", "driver-domain"])?;
    wait_for_log(fabric, "driver-domain", "poweroff was requested")?;
    for guest in ["guest1", "guest2"] {
        wait_until(SOON, &format!("omx_info in {guest} finds no board"), || {
            Ok(fabric
                .info(guest)
                .is_ok_and(|info| info.contains("Found 0 boards")))
        })?;
    }
    fabric.wait_for_no_driver_domain()
}

fn too_long(fabric: &Fabric<'_>) -> Result<(), Error> {
    fabric.create_driver_domain(9000, "")?;
    wait_for_log(
        fabric,
        "driver-domain",
        "option mtu: frames of 9000 bytes are wanted",
    )?;
    wait_until(SOON, "xenstore tells that it failed", || {
        is(fabric, "state", "failed")
    })?;
    let output = fabric.try_dom0(&["xl-omx", "attach", "guest1"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    print!("    xl-omx: {said}");
    expect(output.status != 0 && said.contains("4014 at most"), || {
        format!(
            "xl-omx attach ended with status {} and said:\n{said}",
            output.status
        )
    })?;
    fabric.dom0(&["xl", "shutdown", "driver-domain"])?;
    fabric.wait_for_no_driver_domain()
}

/// Whether a node of the driver domain below `data/omx` has this value.
fn is(fabric: &Fabric<'_>, node: &str, value: &str) -> Result<bool, Error> {
    let found = fabric.driver_domain_node(&format!("data/omx/{node}"))?;
    Ok(found.as_deref() == Some(value))
}
