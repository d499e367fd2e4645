//! Endpoints that outlive their driver domain, and their guest's own stay on a disk, on a real Xen: messages whose every byte
//! is verified flow between guests and from the node outside while driver domains are replaced, crash and hang, and while a
//! guest is saved and restored. Nobody loses an endpoint.

use std::time::{Duration, Instant};

use super::life_cycle::{self, End, Life, LifeCycleArgs};
use crate::build::Programs;
use crate::demo::fabric::{Fabric, Program, Shape};
use crate::error::Error;
use crate::host::Images;

/// Five times what the slowest step needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Where a guest lies while it does not run: dom0's own files have less room.
const SAVED: &str = "/tmp/saved/guest1";
const MAKE_ROOM: &str = "mkdir -p /tmp/saved && mount -t tmpfs -o size=400m tmpfs /tmp/saved";

/// Told to those who send, when they may end.
const STOP: &str = "/tmp/stop";

/// Boots a host and runs all of it.
pub fn run(images: Images, programs: &Programs, args: &LifeCycleArgs) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(args.nic)))?;
    fabric.dom0(&["sh", "-c", MAKE_ROOM])?;
    let mut life = Life::begin(&fabric, &args.only)?;
    let times = args.times;
    let title = format!("a guest is saved and restored while it is sent to, {times} times");
    life.scenario(&title, 0, || {
        survived(&fabric, || (0..times).try_for_each(|_| restored(&fabric)))
    });
    let watch = life_cycle::watch(&fabric)?;
    let title = format!("the driver domain is replaced and no endpoint ends, {times} times");
    life.scenario(&title, 0, || {
        survived(&fabric, || {
            (0..times).try_for_each(|_| {
                let pauses = life_cycle::replace(&fabric)?;
                println!("{}", pauses.text());
                Ok(())
            })
        })
    });
    for (title, crashes, end) in [
        (
            "the driver domain crashes and no endpoint ends",
            1,
            life_cycle::crash as End,
        ),
        (
            "the driver domain hangs and no endpoint ends",
            0,
            life_cycle::hang,
        ),
    ] {
        life.scenario(title, crashes, || {
            survived(&fabric, || life_cycle::another_driver_domain(&fabric, end))
        });
    }
    watch.kill()?;
    life.end()
}

/// Verified messages without end from one member to another, whose endpoint stays.
struct Exchange {
    from: &'static str,
    sender: Program,
    receiver: Program,
}

impl Exchange {
    fn start(
        fabric: &Fabric<'_>,
        from: &'static str,
        to: &'static str,
        endpoint: &str,
    ) -> Result<Self, Error> {
        let receiver = fabric.start_answerer(to, &["omx_verify", "-w", "-s", "-e", endpoint])?;
        let again = format!(
            "rm -f {STOP}; while [ ! -e {STOP} ]; do \
             omx_verify -w -d {to}:0 -r {endpoint} -M 64 --iterations 10 || exit 1; done"
        );
        let sender = fabric.start_program(from, &["sh", "-c", &again])?;
        Ok(Self {
            from,
            sender,
            receiver,
        })
    }

    fn finish(self, fabric: &Fabric<'_>) -> Result<(), Error> {
        fabric
            .start_program(self.from, &["touch", STOP])?
            .finish(LIMIT)?;
        self.sender.finish(LIMIT)?;
        self.receiver.kill()
    }
}

/// Does this while messages flow both ways between the guests; all of them arrive, on the endpoints that were there.
fn survived(fabric: &Fabric<'_>, work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    let exchanges = [
        Exchange::start(fabric, "guest2", "guest1", "7")?,
        Exchange::start(fabric, "guest1", "guest2", "8")?,
    ];
    work()?;
    exchanges
        .into_iter()
        .try_for_each(|exchange| exchange.finish(fabric))
}

/// Writes guest1 to a file and brings it back from there: another domain, with the same memory.
fn restored(fabric: &Fabric<'_>) -> Result<(), Error> {
    let begun = Instant::now();
    fabric.dom0(&["xl", "save", "guest1", SAVED])?;
    let saved = begun.elapsed();
    fabric.dom0(&["xl", "restore", SAVED])?;
    let restored = begun.elapsed();
    fabric.dom0(&["rm", SAVED])?;
    fabric.wait_for_guest("guest1")?;
    fabric.dom0(&["xl-omx", "attach", "guest1"])?;
    println!(
        "    saved in {:.1} s, restored in {:.1} s, connected {:.1} s later",
        saved.as_secs_f64(),
        (restored - saved).as_secs_f64(),
        (begun.elapsed() - restored).as_secs_f64()
    );
    Ok(())
}
