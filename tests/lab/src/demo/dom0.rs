//! What dom0 does beside messages: its processor time over few and over many of them.

use std::time::Duration;

use serde::Serialize;

use super::fabric::Fabric;
use super::perf::Line;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(120);

/// dom0's time beside messages.
#[derive(Debug, Serialize)]
pub struct Dom0Cost {
    /// Messages of the run with few.
    pub few: u64,
    /// Messages of the run with many.
    pub many: u64,
    /// Milliseconds of dom0's processor time in a window with few.
    pub few_ms: f64,
    /// Milliseconds of dom0's processor time in a window as long with many.
    pub many_ms: f64,
    /// The difference for 10 000 messages.
    pub ms_per_10000: f64,
}

impl Dom0Cost {
    /// A sentence.
    pub fn text(&self) -> String {
        format!(
            "    dom0 used {:.2} ms in a window with {} messages and {:.2} ms in one as long with {}: {:+.3} ms per \
             10 000 messages",
            self.few_ms, self.few, self.many_ms, self.many, self.ms_per_10000
        )
    }
}

/// Messages of the two windows.
const FEW_MESSAGES: u64 = 200;
const MANY_MESSAGES: u64 = 10 * FEW_MESSAGES;

/// Seconds of a window, and what passes of it before the first message: starting the programs passes through dom0 too.
const WINDOW: u64 = 10;
const START: u64 = 3;

/// Measures dom0's processor time in two windows of the same length, in which the guests exchange few and many messages.
pub fn measure(fabric: &Fabric<'_>) -> Result<Dom0Cost, Error> {
    let (few, few_ms) = window(fabric, FEW_MESSAGES)?;
    let (many, many_ms) = window(fabric, MANY_MESSAGES)?;
    if many <= few {
        return Err(Error::Judged(format!(
            "a window of {WINDOW} s has room for {many} messages only: is the machine busy?"
        )));
    }
    Ok(Dom0Cost {
        few,
        many,
        few_ms,
        many_ms,
        ms_per_10000: (many_ms - few_ms) * 10_000.0 / (many - few) as f64,
    })
}

/// The messages that a window of dom0's held, of so many, and dom0's milliseconds.
fn window(fabric: &Fabric<'_>, messages: u64) -> Result<(u64, f64), Error> {
    // What is printed passes through dom0, so it waits until the window is over.
    let receive = format!("omx_perf -e 5 > /dev/null 2>&1; sleep {WINDOW}");
    let send = format!(
        "sleep {START}; omx_perf -d guest1:0 -r 5 -S 8 -E 9 -W 1 -P 0 -N {} --json > /tmp/window 2>&1; \
         sleep {WINDOW}; cat /tmp/window",
        messages / 2
    );
    let receiver = fabric.start_program("guest1", &["sh", "-c", &receive])?;
    let sender = fabric.start_program("guest2", &["sh", "-c", &send])?;
    let text = fabric.dom0(&["lab-agent", "window", &WINDOW.to_string()])?;
    let output = sender.finish(LIMIT)?;
    receiver.finish(LIMIT)?;
    let line = output
        .lines()
        .find_map(|line| serde_json::from_str::<Line>(line).ok());
    let (Ok(nanoseconds), Some(line)) = (text.trim().parse::<f64>(), line) else {
        return Err(Error::Judged(format!(
            "no measure of dom0's time: it says {text}, omx_perf {output}"
        )));
    };
    // A slow machine leaves some of them behind the window's end.
    let room = (WINDOW - START) as f64 * 1e6 / line.us;
    Ok((messages.min(room as u64), nanoseconds / 1e6))
}
