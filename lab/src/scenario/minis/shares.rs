//! The shares of many guests on one driver domain: in the same time all mini guests get the same done, whatever the number
//! of their endpoints, and a Linux guest gets no less than they.

use std::fs;
use std::thread;
use std::time::Duration;

use serde::Serialize;

use super::domains::Minis;
use super::honest::{Answer, Load, Messages};
use super::linux::Receivers;
use crate::demo::fabric::{Fabric, Program};
use crate::error::{At, Error};
use crate::place;
use crate::scenario::judge::{exchange, expect};

/// Jain's index of the shares, at least.
const FAIR: f64 = 0.95;
/// Milliseconds that count: where many share a processor, each has had it often by then on a quiet machine.
const LONG: u64 = 10_000;
/// The same beside streams of a Linux guest, whose programs have to start meanwhile.
const LONG_FOR_LINUX: u64 = 12_000;
/// So many times as long at most.
const LONGEST: u64 = 3;
/// Messages of each of those streams.
const STREAMED: u32 = 500;

/// What is sent, one after the other.
pub const ALL: [Messages; 6] = [
    local("tiny"),
    local("small"),
    local("large"),
    to_wire("tiny"),
    to_wire("medium"),
    to_wire("large"),
];

const fn local(size: &'static str) -> Messages {
    Messages {
        size,
        to_wire: false,
    }
}

const fn to_wire(size: &'static str) -> Messages {
    Messages {
        size,
        to_wire: true,
    }
}

/// What came of one of them.
#[derive(Serialize)]
pub struct Shares {
    messages: Messages,
    seconds: f64,
    jain: f64,
    /// Messages of a Linux guest in a second, in the same time.
    streamed: Option<f64>,
    guests: Vec<Answer>,
}

/// All send for a while, and Linux guests beside them get verified. What looks unfair is measured for longer: a busy machine
/// leaves some guests no time in a short while, and an unfair driver domain stays so.
pub fn measure(fabric: &Fabric<'_>, minis: &Minis, messages: Messages) -> Result<Shares, Error> {
    let mut longer = 1;
    loop {
        let echo = messages.come_back().then(|| {
            let peer = ["conformance", "peer"];
            fabric.start_answerer("node1", &peer)
        });
        let echo = echo.transpose()?;
        let load = Load::begin(fabric, minis, messages, longer * LONG)?;
        let from = if messages.to_wire { "node1" } else { "guest1" };
        exchange(fabric, from, "guest2")?;
        let shares = shares(fabric, minis, &load, None)?;
        echo.map_or(Ok(()), Program::kill)?;
        if longer == LONGEST || shares.judge().is_ok() {
            return Ok(shares);
        }
        println!("{}", shares.text());
        longer += 1;
    }
}

/// The same beside streams of tiny messages of a Linux guest, which must get as much as a mini guest. They are to end while
/// all send: on a busy machine they get more time.
pub fn measure_linux(fabric: &Fabric<'_>, minis: &Minis) -> Result<Shares, Error> {
    for longer in 1..=LONGEST {
        let receivers = Receivers::start(fabric, "guest2")?;
        let load = Load::begin(fabric, minis, local("tiny"), longer * LONG_FOR_LINUX)?;
        while load.left(fabric)? > longer * LONG_FOR_LINUX {
            thread::sleep(Duration::from_millis(100));
        }
        let streamed = receivers.stream(fabric, "guest1", STREAMED)?;
        let in_time = load.left(fabric)? > 0;
        let shares = shares(fabric, minis, &load, Some(streamed))?;
        if in_time {
            return Ok(shares);
        }
    }
    Err(Error::Judged(format!(
        "a stream of {STREAMED} messages takes longer than {} ms beside mini guests",
        LONGEST * LONG_FOR_LINUX
    )))
}

fn shares(
    fabric: &Fabric<'_>,
    minis: &Minis,
    load: &Load,
    streamed: Option<f64>,
) -> Result<Shares, Error> {
    let guests = load.answers(fabric, minis)?;
    let done: Vec<f64> = guests.iter().map(|guest| guest.done as f64).collect();
    Ok(Shares {
        messages: load.messages(),
        seconds: load.seconds(),
        jain: jain(&done),
        streamed,
        guests,
    })
}

impl Shares {
    /// They were fair.
    pub fn judge(&self) -> Result<(), Error> {
        let rates = self.rates();
        let middle = rates.get(rates.len() / 2).copied().unwrap_or_default();
        let streamed = self.streamed.unwrap_or(middle);
        expect(streamed >= middle * FAIR, || {
            format!("guest1 has less than the others: {}", self.text())
        })?;
        expect(self.jain >= FAIR, || {
            let each: Vec<u64> = self.guests.iter().map(|guest| guest.done).collect();
            format!("the shares are unfair: {} messages {each:?}", self.text())
        })
    }

    /// Messages of a guest in a second, in order.
    fn rates(&self) -> Vec<f64> {
        let rates = self.guests.iter();
        let mut rates: Vec<f64> = rates
            .map(|guest| guest.done as f64 / self.seconds)
            .collect();
        rates.sort_by(f64::total_cmp);
        rates
    }

    /// A line.
    pub fn text(&self) -> String {
        let rates = self.rates();
        let [least, middle, most] =
            [0, rates.len() / 2, rates.len().saturating_sub(1)].map(|at| rates[at]);
        let bytes = self.guests.first().map_or(0, |guest| guest.size);
        let mean_of = |many: bool| {
            let those = self
                .guests
                .iter()
                .filter(|guest| (guest.endpoints > 1) == many);
            let done: Vec<f64> = those.map(|guest| guest.done as f64).collect();
            done.iter().sum::<f64>() / done.len() as f64
        };
        let asleep: u64 = self.guests.iter().map(|guest| guest.asleep).sum();
        let asleep = asleep as f64 / 10.0 / self.seconds / self.guests.len() as f64;
        let verified: u64 = self.guests.iter().map(|guest| guest.verified).sum();
        let Messages { size, to_wire } = self.messages;
        let linux = self.streamed.map_or(String::new(), |rate| {
            format!("; guest1 sends {rate:.0} a second")
        });
        format!(
            "    {size:>6} of {bytes:>5} bytes {}: {least:.0} to {most:.0} a second for each of {}, median {middle:.0}, \
             {:.2} MB/s in all; with 8 endpoints {:.3} of those with one; Jain's index {:.4}; \
             {asleep:.0} % asleep; {verified} verified{linux}",
            match (to_wire, self.messages.come_back()) {
                (false, _) => "to partners",
                (true, false) => "to the wire",
                (true, true) => "to the wire and back",
            },
            rates.len(),
            rates.iter().sum::<f64>() * bytes as f64 / 1e6,
            mean_of(true) / mean_of(false),
            self.jain,
        )
    }
}

/// Jain's index of what each has got: 1 where all have the same, 1 / n where one has all.
fn jain(shares: &[f64]) -> f64 {
    let sum: f64 = shares.iter().sum();
    let squares: f64 = shares.iter().map(|share| share * share).sum();
    if squares == 0.0 {
        return 0.0;
    }
    sum * sum / (shares.len() as f64 * squares)
}

/// Writes what all have done; the place.
pub fn keep(shares: &[Shares]) -> Result<String, Error> {
    let directory = place::work().join("results");
    fs::create_dir_all(&directory).at("create", &directory)?;
    let figures = directory.join("minis.json");
    let text = serde_json::to_string_pretty(shares).unwrap_or_default();
    fs::write(&figures, text).at("write", &figures)?;
    Ok(figures.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_where_all_have_the_same_and_falls_with_what_they_lack() {
        assert_eq!(jain(&[7.0; 64]), 1.0);
        assert_eq!(jain(&[1.0, 0.0, 0.0, 0.0]), 0.25);
        assert_eq!(jain(&[0.0; 4]), 0.0);
        let halves: Vec<f64> = (0..64).map(|guest| f64::from(guest % 2 + 1)).collect();
        assert!(jain(&halves) < FAIR);
    }
}
