//! What a message costs besides its own instructions, by the difference between many messages and few: constant costs
//! (starting, asking for the counters) cancel out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::fabric::Fabric;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(120);

/// Round trips of the short run.
const FEW: u64 = 100;
/// How many times as many the long run has: as there is time for.
const MORE: std::ops::RangeInclusive<u64> = 3..=10;
/// How long the long run may take.
const TIME: Duration = Duration::from_secs(60);

/// Counters by name.
type Counters = BTreeMap<String, i64>;

/// What grew, beside the messages.
#[derive(Debug, Serialize)]
pub struct MessageCost {
    /// Messages by which the two runs differ.
    pub messages: u64,
    /// By how much each counter grew more in the longer run.
    pub counters: BTreeMap<String, i64>,
}

impl MessageCost {
    /// A line per counter.
    pub fn text(&self) -> String {
        let mut text = format!(
            "    {} more messages between the guests, both sides awake, and what grew with them:\n",
            self.messages
        );
        for (name, count) in &self.counters {
            text.push_str(&format!("    {count:>6}  {name}\n"));
        }
        text
    }
}

/// Counts calls of the modules, and hypercalls, events and grant operations of the driver domain, while both sides poll.
pub fn message(fabric: &Fabric<'_>) -> Result<MessageCost, Error> {
    let begun = Instant::now();
    let few = grown(fabric, FEW)?;
    let times = as_there_is_time(begun.elapsed());
    if times < *MORE.end() {
        println!(
            "    this machine is slow: {} round trips instead of {}",
            times * FEW,
            MORE.end() * FEW
        );
    }
    let many = grown(fabric, times * FEW)?;
    let counters = many.into_iter().map(|(name, count)| {
        let less = few.get(&name).copied().unwrap_or(0);
        (name, count - less)
    });
    Ok(MessageCost {
        messages: 2 * (times - 1) * FEW,
        counters: counters.collect(),
    })
}

/// How many times as long as the short run, which took `few`, the long one may be.
fn as_there_is_time(few: Duration) -> u64 {
    let times = TIME.as_secs_f64() / few.as_secs_f64().max(f64::MIN_POSITIVE);
    (times as u64).clamp(*MORE.start(), *MORE.end())
}

/// By how much the counters grow in a run.
fn grown(fabric: &Fabric<'_>, iterations: u64) -> Result<Counters, Error> {
    let receiver = fabric.start_answerer("guest1", &["omx_perf", "-e", "4"])?;
    let before = counters(fabric)?;
    let iterations = iterations.to_string();
    let command = [
        "omx_perf",
        "-d",
        "guest1:0",
        "-r",
        "4",
        "-S",
        "8",
        "-E",
        "9",
        "-W",
        "20",
        "-P",
        "0",
        "-N",
        &iterations,
    ];
    fabric.start_program("guest2", &command)?.finish(LIMIT)?;
    receiver.finish(LIMIT)?;
    let after = counters(fabric)?;
    let difference = after.into_iter().map(|(name, count)| {
        let less = before.get(&name).copied().unwrap_or(0);
        (name, count - less)
    });
    Ok(difference.collect())
}

fn counters(fabric: &Fabric<'_>) -> Result<Counters, Error> {
    let mut found = Counters::new();
    for guest in ["guest1", "guest2"] {
        let command = ["lab-agent", "statistics"];
        let text = fabric.start_program(guest, &command)?.finish(LIMIT)?;
        add(&mut found, &format!("{guest}'s module: "), &text);
    }
    add(&mut found, "driver domain: ", &fabric.statistics()?);
    Ok(found)
}

/// What stands in a line of `name=count`, without what is no cost.
fn add(to: &mut Counters, who: &str, text: &str) {
    for (name, count) in text
        .split_whitespace()
        .filter_map(|word| word.split_once('='))
    {
        let is_cost = ![
            "request",
            "time-us",
            "frames-out",
            "frames-in",
            "boards",
            "pages",
            "doorbells",
        ]
        .contains(&name);
        if let (true, Ok(count)) = (is_cost, count.parse()) {
            to.insert(format!("{who}{name}"), count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_round_trips_follow_the_time_that_there_is() {
        assert_eq!(as_there_is_time(Duration::ZERO), 10);
        assert_eq!(as_there_is_time(Duration::from_secs(5)), 10);
        assert_eq!(as_there_is_time(Duration::from_secs(12)), 5);
        assert_eq!(as_there_is_time(Duration::from_secs(600)), 3);
    }
}
