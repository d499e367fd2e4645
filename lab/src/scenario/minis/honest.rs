//! Honest messages of mini guests: what all are to send in the same time, and what they say then.

use serde::Serialize;

use super::domains::{Mini, Minis, value};
use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::scenario::judge::expect;

/// Milliseconds between an order and the time that counts: all have begun by then.
const LEAD: u64 = 3_000;
/// Endpoints of every second pair; the others have one.
const MANY: u8 = 8;

/// What is sent, and to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// What kind of message.
    pub size: &'static str,
    /// Whether to the wire, or each to its partner.
    pub to_wire: bool,
}

impl Messages {
    /// Whether node1 sends them back: a mini sends a large message as a library does, and node1 has one.
    pub fn come_back(&self) -> bool {
        self.to_wire && self.size == "large"
    }

    /// What is done.
    pub fn title(&self) -> String {
        let Self { size, to_wire, .. } = self;
        let to = if *to_wire {
            "to the wire"
        } else {
            "each to its partner"
        };
        format!("all send {size} messages {to}, beside Linux guests")
    }
}

/// A stretch of messages.
pub struct Load {
    messages: Messages,
    /// The address of a station of the wire, where it is for that.
    station: Option<String>,
    /// Milliseconds of Xen's clock, from when on they count.
    from: u64,
    long: u64,
}

/// What a mini guest says.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// Its endpoints.
    pub endpoints: u8,
    /// Messages that were done with in the time that counts.
    pub done: u64,
    /// Bytes of each.
    pub size: u64,
    /// Messages that it has verified at any time.
    pub verified: u64,
    /// Milliseconds of the time that counts in which it could only wait.
    pub asleep: u64,
}

/// Endpoints of the mini guest of that index.
pub fn endpoints(index: usize) -> u8 {
    match index / 2 % 2 {
        0 => 1,
        _ => MANY,
    }
}

/// Opens the endpoints of all.
pub fn open(fabric: &Fabric<'_>, minis: &Minis) -> Result<(), Error> {
    let order = |index: usize, _: &Mini| Some(format!("open {}", endpoints(index)));
    minis.order(fabric, order)?;
    let answers = minis.answers(fabric, order)?;
    for (index, answer) in answers.iter().enumerate() {
        let open = value(answer, "endpoints")?;
        expect(open == u64::from(endpoints(index)), || {
            format!("mini guest {index} has {open} endpoints")
        })?;
    }
    Ok(())
}

impl Load {
    /// All begin to send; for so many milliseconds it counts.
    pub fn begin(
        fabric: &Fabric<'_>,
        minis: &Minis,
        messages: Messages,
        long: u64,
    ) -> Result<Self, Error> {
        let station = messages.to_wire.then(|| station(fabric)).transpose()?;
        let load = Self {
            messages,
            station,
            from: now(fabric)? + LEAD,
            long,
        };
        minis.order(fabric, |index, _| Some(load.order(minis, index)))?;
        Ok(load)
    }

    /// Milliseconds until they stop, of Xen's clock.
    pub fn left(&self, fabric: &Fabric<'_>) -> Result<u64, Error> {
        Ok((self.from + self.long).saturating_sub(now(fabric)?))
    }

    /// What is sent.
    pub fn messages(&self) -> Messages {
        self.messages
    }

    /// The time that counts.
    pub fn seconds(&self) -> f64 {
        self.long as f64 / 1e3
    }

    fn order(&self, minis: &Minis, index: usize) -> String {
        let (target, mac) = match &self.station {
            Some(station) => ("station", station),
            None => ("partner", &minis.partner(index).mac),
        };
        let Messages { size, .. } = self.messages;
        format!("load {size} {target} {mac} {} {}", self.from, self.long)
    }

    /// What each says at the end; no message was wrong, lost or doubled.
    pub fn answers(&self, fabric: &Fabric<'_>, minis: &Minis) -> Result<Vec<Answer>, Error> {
        let answers = minis.answers(fabric, |index, _| Some(self.order(minis, index)))?;
        let is_zero = |answer, name| matches!(value(answer, name), Ok(0));
        let mut bad = Vec::new();
        for (answer, mini) in answers.iter().zip(minis.iter()) {
            if !["wrong", "lost", "doubled"]
                .iter()
                .all(|name| is_zero(answer, name))
            {
                bad.push(format!("{}: {answer}", mini.name));
            }
        }
        expect(bad.is_empty(), || bad.join("\n"))?;
        // Each message is verified once. How many are pulled, their receiver decides.
        let counted = self.station.is_none() && self.messages.size != "large";
        for (index, answer) in answers.iter().enumerate().filter(|_| counted) {
            let partner = answers.get(index ^ 1).unwrap_or(answer);
            let (sent, verified) = (value(answer, "sent")?, value(partner, "verified")?);
            expect(sent == verified, || {
                format!(
                    "mini guest {index} has sent {sent} messages, and its partner verified {verified}"
                )
            })?;
        }
        let answers = answers.iter().enumerate().map(|(index, answer)| {
            Ok(Answer {
                endpoints: endpoints(index),
                done: value(answer, "done")?,
                size: value(answer, "size")?,
                verified: value(answer, "verified")?,
                asleep: value(answer, "asleep")?,
            })
        });
        answers.collect()
    }
}

/// Milliseconds of Xen's clock.
fn now(fabric: &Fabric<'_>) -> Result<u64, Error> {
    Ok(fabric.counter("time-us")? / 1_000)
}

/// The address of the node outside.
fn station(fabric: &Fabric<'_>) -> Result<String, Error> {
    let info = fabric.info("node1")?;
    let mut own = info.lines().filter_map(|line| {
        let (mac, name) = line.trim().strip_prefix("0) ")?.split_once(' ')?;
        (name == "node1:0").then(|| mac.to_owned())
    });
    own.next()
        .ok_or_else(|| Error::Judged(format!("node1 does not say its address:\n{info}")))
}
