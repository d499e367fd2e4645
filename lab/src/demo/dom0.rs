//! What dom0 does beside messages: its processor time over few and over many of them.

use std::time::Duration;

use serde::Serialize;

use super::fabric::Fabric;
use crate::error::Error;
use crate::stall_timeout::wait_until;

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

/// Seconds of a window.
const WINDOW: u64 = 10;

/// Round trips, or messages: more than there is time for. The programs are ended when the window is over.
const WITHOUT_END: &str = "100000000";

/// One message at a time, and the next when it is answered.
const ONE: [&str; 12] = [
    "omx_perf", "-d", "guest1:0", "-r", "5", "-S", "8", "-E", "9", "-P", "0", "-N",
];
/// Sixteen under way.
const SIXTEEN: [&str; 9] = [
    "mx_stream",
    "-d",
    "guest1:0",
    "-r",
    "5",
    "-l",
    "8",
    "-v",
    "-N",
];

/// Measures dom0's processor time in two windows of the same length. In both the guests poll, so that the processors
/// are equally busy; in the second many more messages go from one to the other.
pub fn measure(fabric: &Fabric<'_>) -> Result<Dom0Cost, Error> {
    let (few, few_ms) = window(fabric, &["omx_perf", "-e", "5"], &ONE)?;
    let (many, many_ms) = window(fabric, &["mx_stream", "-e", "5"], &SIXTEEN)?;
    if many <= few {
        return Err(Error::Judged(format!(
            "{many} messages of a stream against {few} one by one: is the machine busy?"
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

/// The messages in a window while these programs run, and dom0's milliseconds.
fn window(fabric: &Fabric<'_>, receive: &[&str], send: &[&str]) -> Result<(u64, f64), Error> {
    let receiver = fabric.start_answerer("guest1", receive)?;
    let sender = fabric.start_program("guest2", &[send, &[WITHOUT_END]].concat())?;
    let connected = messages(fabric)?;
    wait_until(LIMIT, "messages go from guest2 to guest1", || {
        let flow = messages(fabric)? != connected;
        Ok(flow.then_some(()).ok_or_else(String::new))
    })?;
    let before = messages(fabric)?;
    let text = fabric.dom0(&["lab-agent", "window", &WINDOW.to_string()])?;
    let messages = messages(fabric)?.wrapping_sub(before);
    sender.kill()?;
    receiver.kill()?;
    match text.trim().parse::<f64>() {
        Ok(nanoseconds) => Ok((messages.into(), nanoseconds / 1e6)),
        Err(_) => Err(Error::Judged(format!(
            "no measure of dom0's time; it says: {text}"
        ))),
    }
}

/// Small messages of guest2 that came to another guest so far.
fn messages(fabric: &Fabric<'_>) -> Result<u32, Error> {
    let command = ["omx_counters", "-b", "0", "-v"];
    let text = fabric.start_program("guest2", &command)?.finish(LIMIT)?;
    let value = text
        .lines()
        .find(|line| line.ends_with("Shared Tiny"))
        .and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    value.ok_or_else(|| Error::Judged(format!("omx_counters in guest2 says:\n{text}")))
}
