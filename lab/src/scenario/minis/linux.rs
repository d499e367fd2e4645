//! Linux guests beside mini guests: streams of which every byte is verified, and how fast they are.

use std::time::Duration;

use crate::demo::fabric::{Fabric, Program};
use crate::error::Error;

/// Streams at a time, of 16 messages under way each.
const STREAMS: u8 = 4;
/// Their first endpoint; the senders' follow.
const FIRST: u8 = 10;
/// Bytes of a tiny message.
const TINY: &str = "32";
/// Five times what they need beside many guests on a quiet machine.
const LIMIT: Duration = Duration::from_secs(120);

/// A domain's weight where others have 256.
const WEIGHT: &str = "4096";

/// Linux guests get a processor whenever they want one: what they lack beside so many others is then the driver domain's
/// doing.
pub fn prefer(fabric: &Fabric<'_>) -> Result<(), Error> {
    for guest in ["guest1", "guest2"] {
        fabric.dom0(&["xl", "sched-credit2", "-d", guest, "-w", WEIGHT])?;
    }
    Ok(())
}

/// Receivers that wait for streams.
pub struct Receivers {
    of: &'static str,
    programs: Vec<Program>,
}

impl Receivers {
    /// Starts them in that guest or node.
    pub fn start(fabric: &Fabric<'_>, of: &'static str) -> Result<Self, Error> {
        let programs = (FIRST..FIRST + STREAMS)
            .map(|endpoint| {
                fabric.start_answerer(of, &["mx_stream", "-w", "-e", &endpoint.to_string()])
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { of, programs })
    }

    /// Sends so many tiny messages to each of them, and gets verified; messages in a second, of all streams.
    pub fn stream(self, fabric: &Fabric<'_>, from: &str, messages: u32) -> Result<f64, Error> {
        let peer = format!("{}:0", self.of);
        let messages = messages.to_string();
        let senders = (FIRST..FIRST + STREAMS)
            .map(|endpoint| {
                let (remote, own) = (endpoint.to_string(), (endpoint + STREAMS).to_string());
                let command = [
                    "mx_stream",
                    "-w",
                    "-V",
                    "-d",
                    &peer,
                    "-r",
                    &remote,
                    "-e",
                    &own,
                    "-l",
                    TINY,
                    "-N",
                    &messages,
                ];
                fabric.start_program(from, &command)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut all = 0.0;
        for sender in senders {
            all += rate(&sender.finish(LIMIT)?)?;
        }
        for receiver in self.programs {
            receiver.finish(LIMIT)?;
        }
        Ok(all)
    }
}

/// What a sender says: a word, the length, MB/s, and messages in a second.
fn rate(said: &str) -> Result<f64, Error> {
    let line = said.lines().find(|line| line.starts_with("Send:"));
    let rate = line.and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    rate.ok_or_else(|| Error::Judged(format!("mx_stream does not say its rate, but: {said}")))
}
