//! Endpoints that outlive their driver domain, and their guest's own stay on a disk, on a real Xen: messages whose every byte
//! is verified flow between three guests and the node outside while driver domains are replaced, crash and hang, and while a
//! guest is saved and restored. Nobody loses an endpoint.

use std::time::{Duration, Instant};

use super::judge::{exchange, expect, in_guest, wait_until};
use super::life_cycle::{self, End, Life, LifeCycleArgs};
use super::module::loaded_anew;
use crate::build::Programs;
use crate::demo::fabric::{Fabric, GUESTS, Program, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::Images;
use crate::stall_timeout;

/// Five times what the slowest step needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(180);

/// Where a guest lies while it does not run: dom0's own files have less room.
const SAVED: &str = "/tmp/saved/guest1";
const MAKE_ROOM: &str = "mkdir -p /tmp/saved && mount -t tmpfs -o size=400m tmpfs /tmp/saved";

/// Who sends to whom, and the endpoint that waits there.
type Pair = (&'static str, &'static str, u8);
const ALL: [Pair; 3] = [
    ("guest2", "guest1", 7),
    ("guest1", "guest2", 8),
    ("guest3", "node1", 9),
];
const BESIDE_GUEST3: &[Pair] = ALL.split_at(2).0;

/// Told to those who send, when they may end.
const STOP: &str = "/tmp/stop";

/// Boots a host and runs all of it.
pub fn run(images: Images, programs: &Programs, args: &LifeCycleArgs) -> Result<(), Error> {
    let shape = Shape {
        guests: &GUESTS,
        ..Shape::of(Some(args.nic))
    };
    let fabric = Fabric::start(images, programs, shape)?;
    fabric.dom0(&["sh", "-c", MAKE_ROOM])?;
    // libxl gives a restored guest other nodes than a new one.
    let mut life = Life::begin(&fabric, &args.only, || restored(&fabric))?;
    let title = "three guests and node1, all pairs, every byte verified";
    life.scenario(title, 0, || all_pairs(&fabric));
    let times = args.times;
    let saves = times.div_ceil(2);
    let title = format!("a guest is saved and restored while it is sent to, {saves} times");
    life.scenario(&title, 0, || {
        survived(&fabric, &ALL, || {
            (0..saves).try_for_each(|_| restored(&fabric))
        })
    });
    let watch = life_cycle::watch(&fabric)?;
    stage("xl-omx check in dom0 finds nothing to do", || {
        nothing_to_do(&fabric)
    })?;
    let title = format!("the driver domain is replaced and no endpoint ends, {times} times");
    life.scenario(&title, 0, || {
        survived(&fabric, &ALL, || {
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
            survived(&fabric, &ALL, || {
                life_cycle::another_driver_domain(&fabric, end)
            })
        });
    }
    let title = "a program that begins while there is no driver domain waits for one";
    life.scenario(title, 0, || begun_without(&fabric));
    let title = "a guest's module goes and comes beside others' messages";
    life.scenario(title, 0, || {
        survived(&fabric, BESIDE_GUEST3, || {
            loaded_anew(&fabric, "guest3")?;
            exchange(&fabric, "guest3", "node1")
        })
    });
    watch.kill()?;
    life.end()
}

/// Of each pair both send, and verify what they get.
fn all_pairs(fabric: &Fabric<'_>) -> Result<(), Error> {
    for (index, from) in fabric.members().enumerate() {
        for to in fabric.members().skip(index + 1) {
            exchange(fabric, from, to)?;
        }
    }
    Ok(())
}

/// A program of a guest that outlives the session that starts it, as sessions end when a guest is saved.
struct Detached {
    guest: &'static str,
    /// Of its files in the guest: what it says, and its exit status.
    name: String,
}

impl Detached {
    fn start(
        fabric: &Fabric<'_>,
        guest: &'static str,
        name: String,
        command: &str,
    ) -> Result<Self, Error> {
        let script = format!(
            "rm -f /tmp/{name}.*; \
             ( ({command}); echo $? > /tmp/{name}.status ) > /tmp/{name}.log 2>&1 < /dev/null &"
        );
        in_guest(fabric, guest, &script, LIMIT)?;
        Ok(Self { guest, name })
    }

    /// Waits for a good end.
    fn finish(self, fabric: &Fabric<'_>) -> Result<(), Error> {
        let Self { guest, name } = self;
        let read = format!("cat /tmp/{name}.status 2> /dev/null || true");
        let mut status = String::new();
        wait_until(LIMIT, &format!("{name} ends in {guest}"), || {
            status = in_guest(fabric, guest, &read, LIMIT)?;
            Ok(!status.is_empty())
        })?;
        let said = last_words(fabric, guest, &name)?;
        expect(status.trim() == "0", || {
            format!("{name} in {guest} ended with {status}{said}")
        })
    }
}

/// What a detached program of this name has said at last.
fn last_words(fabric: &Fabric<'_>, guest: &str, name: &str) -> Result<String, Error> {
    in_guest(fabric, guest, &format!("tail -n 20 /tmp/{name}.log"), LIMIT)
}

/// Verified messages without end, there and back, between a guest and another member, whose endpoint stays.
struct Exchange {
    sender: Detached,
    receiver: Receiver,
}

enum Receiver {
    /// Of a member that may be saved.
    Detached(Detached),
    /// Of one that never is.
    Attached(Program),
}

impl Exchange {
    fn start(
        fabric: &Fabric<'_>,
        from: &'static str,
        to: &'static str,
        endpoint: u8,
    ) -> Result<Self, Error> {
        let number = endpoint.to_string();
        let receive = ["omx_verify", "-w", "-s", "-e", &number];
        let receiver = if fabric.guests().contains(&to) {
            let name = format!("receiver{endpoint}");
            Receiver::Detached(Detached::start(fabric, to, name, &receive.join(" "))?)
        } else {
            Receiver::Attached(fabric.start_answerer(to, &receive)?)
        };
        let send = format!(
            "rm -f {STOP}; while [ ! -e {STOP} ]; do \
             omx_verify -w -d {to}:0 -r {endpoint} -M 64 --iterations 10 || exit 1; done"
        );
        let sender = Detached::start(fabric, from, format!("sender{endpoint}"), &send)?;
        Ok(Self { sender, receiver })
    }

    fn finish(self, fabric: &Fabric<'_>) -> Result<(), Error> {
        in_guest(fabric, self.sender.guest, &format!("touch {STOP}"), LIMIT)?;
        let sent = self.sender.finish(fabric);
        let heard = match self.receiver {
            Receiver::Attached(program) if sent.is_ok() => return program.kill(),
            Receiver::Attached(program) => program.last_words(LIMIT),
            Receiver::Detached(Detached { guest, name }) => last_words(fabric, guest, &name)?,
        };
        sent.map_err(|error| Error::Judged(format!("{error}\nThe receiver had said:\n{heard}")))
    }
}

/// The only program of its guest, whose board nobody used when its driver domain went.
fn begun_without(fabric: &Fabric<'_>) -> Result<(), Error> {
    let receiver = fabric.start_answerer("node1", &["omx_verify", "-w", "-s", "-e", "9"])?;
    let mut sender = None;
    life_cycle::another_driver_domain(fabric, |fabric| {
        let said = life_cycle::destroy(fabric)?;
        let send = "omx_verify -w -d node1:0 -r 9 -M 64 --iterations 10";
        sender = Some(Detached::start(fabric, "guest3", "early".into(), send)?);
        Ok(said)
    })?;
    if let Some(sender) = sender {
        sender.finish(fabric)?;
    }
    receiver.kill()
}

/// As soon as `xl-omx watch` has begun.
fn nothing_to_do(fabric: &Fabric<'_>) -> Result<(), Error> {
    let (said, _) = stall_timeout::wait_until(LIMIT, "nothing is to be done", || {
        let checked = fabric.try_dom0(&["xl-omx", "check"])?;
        let said = checked.text();
        Ok(if checked.status == 0 {
            Ok(said)
        } else {
            Err(said)
        })
    })?;
    for line in said.lines() {
        println!("    {line}");
    }
    Ok(())
}

/// Does this while messages flow both ways between these; all of them arrive, on the endpoints that were there.
fn survived(
    fabric: &Fabric<'_>,
    pairs: &[Pair],
    work: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Error> {
    let exchanges = pairs
        .iter()
        .map(|(from, to, endpoint)| Exchange::start(fabric, from, to, *endpoint));
    let exchanges = exchanges.collect::<Result<Vec<_>, _>>()?;
    work()?;
    exchanges
        .into_iter()
        .try_for_each(|exchange| exchange.finish(fabric))?;
    for guest in ["guest1", "guest2"] {
        in_guest(fabric, guest, "killall -9 omx_verify", LIMIT)?;
    }
    Ok(())
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
