//! A driver domain with nothing to do: it sleeps, and the first message after silence is delivered at once.

use std::thread;
use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::demo::perf;
use crate::error::Error;

/// How long it is watched. `xl list` shows tenths of a second.
const WATCHED: Duration = Duration::from_secs(20);
/// How often, at most.
const TRIES: usize = 3;
/// How often a second it may be woken: it looks at its card each second, and nodes announce themselves.
const WAKES: u64 = 20;
/// Its share of a processor at most, with connected guests.
const SHARE: f64 = 0.01;
/// Microseconds that a first message may take under emulation, the median of five: one that only a timer delivers
/// takes longer.
const FIRST_MESSAGE: f64 = 500_000.0;

/// Watches the driver domain while nobody asks anything of it, then sends messages with a second of silence before each.
pub fn judge(fabric: &Fabric<'_>) -> Result<(), Error> {
    // What an emulated processor is kept waiting for one of this machine counts as its own time: of that the same part is
    // taken off as the emulated machine has waited. One quiet spell is enough.
    let mut share = 1.0;
    for _ in 0..TRIES {
        let (before, slept) = (processor_time(fabric)?, fabric.counter("sleeps")?);
        let (ran_before, waited_before) = fabric.ran_and_waited();
        thread::sleep(WATCHED);
        let (ran, waited) = fabric.ran_and_waited();
        let (ran, waited) = (ran - ran_before, waited - waited_before);
        let own = ran / (ran + waited).max(f64::MIN_POSITIVE);
        let used = processor_time(fabric)? - before;
        let woken = fabric.counter("sleeps")? - slept;
        let shown = used / WATCHED.as_secs_f64();
        share = shown * own;
        println!(
            "    idle for {} s: {used:.1} s of its processor, {:.1} %, on a quiet machine {:.1} %; woken {woken} times",
            WATCHED.as_secs(),
            shown * 100.0,
            share * 100.0
        );
        // This does not depend on how busy this machine is.
        if woken > WAKES * WATCHED.as_secs() {
            return Err(Error::Judged(format!(
                "an idle driver domain woke {woken} times in {} s",
                WATCHED.as_secs()
            )));
        }
        if share < SHARE {
            break;
        }
    }
    if share >= SHARE {
        return Err(Error::Judged(format!(
            "an idle driver domain used {:.1} % of its processor",
            share * 100.0
        )));
    }
    for (from, to) in [("guest1", "guest2"), ("guest1", "node1")] {
        let mut times = perf::after_silence(fabric, from, to)?;
        let text: Vec<String> = times.iter().map(|us| format!("{us:.0}")).collect();
        println!(
            "    first messages after 1 s of silence, {from} to {to}: {} us",
            text.join(", ")
        );
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied();
        if median.is_none_or(|us| us > FIRST_MESSAGE) {
            return Err(Error::Judged(format!(
                "first messages from {from} to {to} after silence are not delivered at once"
            )));
        }
    }
    Ok(())
}

/// Seconds that the driver domain has run, as `xl list` tells.
fn processor_time(fabric: &Fabric<'_>) -> Result<f64, Error> {
    let list = fabric.dom0(&["xl", "list", "driver-domain"])?;
    list.lines()
        .last()
        .and_then(|line| line.split_whitespace().last()?.parse().ok())
        .ok_or_else(|| Error::Judged(format!("xl list shows no time:\n{list}")))
}
