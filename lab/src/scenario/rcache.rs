//! The registration cache on a real Xen: buffers that are used again are granted once, and what arrives in, or comes
//! from, memory that its process has unmapped and mapped again is the new content. And messages longer than what their
//! processes may register.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(240);

/// Messages of 4 MiB in the same buffer.
const MESSAGES: &str = "12";

/// Between two guests, and between a guest and a node outside, whose backend takes no addresses.
pub fn judge(fabric: &Fabric<'_>) -> Result<(), Error> {
    for asker in ["guest2", "node1"] {
        let answerer = fabric.start_answerer("guest1", &["lab-rcache", "answer"])?;
        let command = ["lab-rcache", "ask", "guest1:0", MESSAGES];
        fabric.start_program(asker, &command)?.finish(LIMIT)?;
        answerer.finish(LIMIT)?;
    }
    Ok(())
}

/// A process that may pin 1 MiB.
const PINS_LITTLE: &[&str] = &["lab-rcache", "--locked", "1024"];
/// One that may pin anything, but not beyond the module's quota of 96 MiB.
const HAS_QUOTA: &[&str] = &["lab-rcache", "--locked", "1048576"];
const NO_LIMIT: &[&str] = &["lab-rcache"];

/// Messages longer than what their processes may register: between guests, and between node and guest.
pub fn judge_long(fabric: &Fabric<'_>) -> Result<(), Error> {
    let exchange = |asker: (&str, &[&str]), answerer: (&str, &[&str]), mebibytes| {
        let answer = [answerer.1, &["answer"]].concat();
        let other = fabric.start_answerer(answerer.0, &answer)?;
        let host = format!("{}:0", answerer.0);
        let ask = [asker.1, &["ask", &host, "long", mebibytes]].concat();
        fabric.start_program(asker.0, &ask)?.finish(LIMIT)?;
        other.finish(LIMIT).map(drop)
    };
    exchange(("guest2", PINS_LITTLE), ("guest1", HAS_QUOTA), "100")?;
    exchange(("node1", NO_LIMIT), ("guest1", HAS_QUOTA), "100")?;
    exchange(("node1", NO_LIMIT), ("guest2", PINS_LITTLE), "20")
}
