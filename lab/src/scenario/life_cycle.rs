//! The life of devices, guests and driver domains under load, on a real Xen. After each scenario everything is as it was
//! before ([`super::leaks`]), and no log holds what it may not ([`super::logs`]).

use std::time::{Duration, Instant};

use clap::Args;

use super::judge::{exchange, expect, wait_until};
use super::leaks::Holdings;
use super::logs;
use super::module::{end_load, load, told};
use crate::build::Programs;
use crate::demo::fabric::{Fabric, Program, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};

/// Five times what the slowest step needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Devices that a test asks for at most, for a guest that refuses one at last.
const DEVICES: usize = 40;

/// The configuration of which `xl-omx watch` makes driver domains: the one of the repository, on the processor that the
/// lab's first one has, and with a watchdog that a test can wait for.
const CONFIGURATION: &str = "/etc/xen/omx.d/driver-domain.cfg";
const MAKE_CONFIGURATION: &str = "{ cat /etc/xen/driver-domain.cfg; \
    echo 'cpus = \"1\"'; echo 'extra = \"mtu=9000 log=info watchdog=20\"'; } \
    > /etc/xen/omx.d/driver-domain.cfg";
const WATCH: &str = "exec xl-omx watch > /tmp/watch.log 2>&1";

/// Options of `cargo lab life-cycle` and `cargo lab takeover`.
#[derive(Args)]
pub struct LifeCycleArgs {
    /// How often a device is detached and attached, a driver domain replaced; a guest is saved half as often.
    #[arg(long, default_value_t = 50)]
    pub times: usize,
    /// The driver domain's card.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
    /// Only those scenarios whose title holds this text.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub only: String,
}

/// Boots a host and runs all of it.
pub fn run(images: Images, programs: &Programs, args: &LifeCycleArgs) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(args.nic)))?;
    let mut life = Life::begin(&fabric, &args.only, || Ok(()))?;
    let times = args.times;
    life.scenario(
        &format!("a device is detached under load and attached again, {times} times"),
        0,
        || (0..times).try_for_each(|_| detached(&fabric)),
    );
    life.scenario("a guest is destroyed under load and made again", 0, || {
        destroyed_guest(&fabric)
    });
    life.scenario("a guest has as many devices as it takes", 0, || {
        devices(&fabric)
    });
    let watch = watch(&fabric)?;
    for (title, crashes, end) in [
        ("the driver domain crashes under load", 1, crash as End),
        ("the driver domain is destroyed under load", 0, destroy),
        ("the driver domain hangs under load", 0, hang),
    ] {
        life.scenario(title, crashes, || {
            let programs = load(&fabric)?;
            another_driver_domain(&fabric, end)?;
            end_load(&fabric, programs)
        });
    }
    life.scenario(
        &format!("the driver domain is replaced under load, {times} times"),
        0,
        || {
            (0..times).try_for_each(|_| {
                let programs = load(&fabric)?;
                let pauses = replace(&fabric)?;
                println!("{}", pauses.text());
                end_load(&fabric, programs)
            })
        },
    );
    watch.kill()?;
    life.end()?;
    fabric.end()
}

/// A way in which a driver domain ends.
pub(super) type End = fn(&Fabric<'_>) -> Result<String, Error>;

/// Starts what makes driver domains again.
pub(super) fn watch(fabric: &Fabric<'_>) -> Result<Program, Error> {
    fabric.dom0(&["sh", "-c", MAKE_CONFIGURATION])?;
    fabric.start_program("dom0", &["sh", "-c", WATCH])
}

/// The host, what it held when nothing went on, and the first scenario that failed: the others go on.
pub(super) struct Life<'a, 'f> {
    fabric: &'a Fabric<'f>,
    /// What the titles of the scenarios hold that are wanted.
    only: &'a str,
    before: Holdings,
    /// Crashes of driver domains that were asked for.
    crashes: usize,
    failed: Option<Error>,
}

impl<'a, 'f> Life<'a, 'f> {
    /// What is made once, by whoever first needs it, is made before one looks; `once` does what else the scenarios do.
    pub(super) fn begin(
        fabric: &'a Fabric<'f>,
        only: &'a str,
        once: impl FnOnce() -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let before = stage("everything once, then what is held", || {
            once()?;
            detached(fabric)?;
            exchange(fabric, "node1", "guest1")?;
            exchange(fabric, "guest2", "node1")?;
            Holdings::take(fabric)
        })?;
        Ok(Self {
            fabric,
            only,
            before,
            crashes: 0,
            failed: None,
        })
    }

    /// `work` asks for this many crashes of driver domains.
    pub(super) fn scenario(
        &mut self,
        title: &str,
        crashes: usize,
        work: impl FnOnce() -> Result<(), Error>,
    ) {
        if !title.contains(self.only) {
            return;
        }
        self.crashes += crashes;
        let done = stage(title, || {
            work()?;
            self.fabric.wait_for_names()?;
            exchange(self.fabric, "node1", "guest1")?;
            exchange(self.fabric, "guest1", "guest2")?;
            self.before.judge(self.fabric)?;
            println!("{}", self.before.text());
            logs::judge(self.fabric, self.fabric.guests(), self.crashes)
        });
        if let Err(error) = done {
            println!("    {error}");
            self.failed.get_or_insert(error);
        }
    }

    /// Whether all went well.
    pub(super) fn end(self) -> Result<(), Error> {
        self.failed.map_or(Ok(()), Err)
    }
}

fn detached(fabric: &Fabric<'_>) -> Result<(), Error> {
    let [sender, receiver] = load(fabric)?;
    fabric.dom0(&["xl-omx", "detach", "guest1", "0"])?;
    told(receiver)?;
    fabric.dom0(&["xl-omx", "attach", "guest1"])?;
    fabric.wait_for_names()?;
    end_load(fabric, [sender])
}

fn destroyed_guest(fabric: &Fabric<'_>) -> Result<(), Error> {
    let [sender, _] = load(fabric)?;
    fabric.dom0(&["xl", "destroy", "guest1"])?;
    sender.kill()?;
    fabric.create_guest("guest1")?;
    fabric.wait_for_guest("guest1")?;
    fabric.dom0(&["xl-omx", "attach", "guest1"]).map(drop)
}

/// Attaches devices until the guest refuses one; the operator reads why, and all go again.
fn devices(fabric: &Fabric<'_>) -> Result<(), Error> {
    let attach = ["xl-omx", "attach", "guest1"];
    let mut made = 1;
    let refused = loop {
        let output = fabric.try_dom0(&attach)?;
        if output.status != 0 || made > DEVICES {
            break output;
        }
        made += 1;
    };
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    println!("    {made} devices, then: {}", said.trim());
    expect(
        refused.status != 0 && said.contains("the guest says:"),
        || format!("device {made} of a guest was not refused with its reason, but: {said}"),
    )?;
    for index in 1..=made {
        let index = index.to_string();
        fabric.dom0(&["xl-omx", "detach", "guest1", &index])?;
    }
    Ok(())
}

/// Ends the driver domain in some way, and waits until another one serves all guests.
pub(super) fn another_driver_domain(
    fabric: &Fabric<'_>,
    end: impl FnOnce(&Fabric<'_>) -> Result<String, Error>,
) -> Result<(), Error> {
    let before = fabric.driver_domain()?;
    let begun = Instant::now();
    end(fabric)?;
    let what = "another driver domain is there";
    wait_until(LIMIT, what, || {
        let now = fabric.driver_domain()?;
        Ok(now.is_some() && now != before)
    })?;
    let created = begun.elapsed();
    wait_until(LIMIT, "it serves all guests", || served_by_it(fabric))?;
    println!(
        "    there after {:.1} s, serves all guests after {:.1} s",
        created.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

pub(super) fn crash(fabric: &Fabric<'_>) -> Result<String, Error> {
    fabric.dom0(&["xl", "sysrq", "driver-domain", "c"])
}

/// A domain that is paused does not tell Xen's watchdog that it goes on.
pub(super) fn hang(fabric: &Fabric<'_>) -> Result<String, Error> {
    fabric.dom0(&["xl", "pause", "driver-domain"])
}

/// The driver domain runs, so it gives its card up when libxl asks: for one that does not answer libxl waits ten seconds, and
/// leaves nodes.
pub(super) fn destroy(fabric: &Fabric<'_>) -> Result<String, Error> {
    let begun = Instant::now();
    let said = fabric.dom0(&["xl", "destroy", "driver-domain"])?;
    println!("    xl destroy took {:.1} s", begun.elapsed().as_secs_f64());
    Ok(said)
}

fn served_by_it(fabric: &Fabric<'_>) -> Result<bool, Error> {
    let Some(driver_domain) = fabric.driver_domain()? else {
        return Ok(false);
    };
    let list = [&["xl-omx", "list", "--json"][..], fabric.guests()].concat();
    let text = fabric.dom0(&list)?;
    let listed: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let is_served = |guest: &str| {
        let device = &listed[guest][0];
        let connected = ["state", "frontend_state"].map(|side| device[side] == "connected");
        device["backend_id"] == driver_domain && connected == [true; 2]
    };
    Ok(fabric.guests().iter().all(|guest| is_served(guest)))
}

/// Replaces the driver domain by one of the same configuration.
pub(super) fn replace(fabric: &Fabric<'_>) -> Result<Pauses, Error> {
    let command = [
        "xl-omx",
        "replace",
        "driver-domain",
        CONFIGURATION,
        "--json",
    ];
    let text = fabric.dom0(&command)?;
    let report: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    let pauses = Pauses::of(&report);
    pauses.ok_or_else(|| Error::Judged(format!("xl-omx replace says: {text}")))
}

/// Seconds in which guests have no driver domain.
pub(super) struct Pauses {
    destroyed: f64,
    created: f64,
    connected: f64,
}

impl Pauses {
    /// Of what `xl-omx replace` reports: the last device counts.
    fn of(report: &serde_json::Value) -> Option<Self> {
        let devices = report["devices"].as_array()?;
        let connected: Option<Vec<f64>> = devices.iter().map(|d| d["connected"].as_f64()).collect();
        Some(Self {
            destroyed: report["destroyed"].as_f64()?,
            created: report["created"].as_f64()?,
            connected: connected?.into_iter().fold(0.0, f64::max),
        })
    }

    pub(super) fn text(&self) -> String {
        format!(
            "    connected {:.1} s after the destroy began, {:.1} s after the creation ended; the destroy took {:.1} s, \
             the creation {:.1} s",
            self.connected,
            self.connected - self.created,
            self.destroyed,
            self.created - self.destroyed
        )
    }
}
