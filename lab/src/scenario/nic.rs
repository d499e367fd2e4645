//! A short run over one card: its link, messages each way, sleep, the page.

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::spec::free_port;
use crate::host::{Images, Nic};
use crate::scenario::judge::{exchange, expect};
use crate::scenario::{idle, link, page};

/// Boots a host with that card.
pub fn run(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let port = free_port()?;
    let shape = Shape {
        http: Some(port),
        options: page::OPTIONS,
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, programs, shape)?;
    stage("messages between the node and the guests, each way", || {
        exchange(&fabric, "node1", "guest1")?;
        exchange(&fabric, "guest2", "node1")
    })?;
    link::judge(&fabric)?;
    stage(
        "an idle driver domain sleeps, and the first message finds it",
        || idle::judge(&fabric),
    )?;
    page::judge(&fabric, port)?;
    // virtio has no MSI.
    if nic == Nic::Igb {
        stage(
            "another driver domain, which takes the card's interrupts by MSI",
            || by_msi(&fabric),
        )?;
    }
    Ok(())
}

fn by_msi(fabric: &Fabric<'_>) -> Result<(), Error> {
    fabric.renew_driver_domain("interrupt=msi")?;
    let log = fabric.log("driver-domain")?;
    let told = |line: &str| line.trim_end().ends_with("interrupts by MSI");
    expect(log.lines().any(told), || {
        format!("the log does not tell of interrupts by MSI:\n{log}")
    })?;
    exchange(fabric, "node1", "guest1")?;
    exchange(fabric, "guest2", "node1")
}
