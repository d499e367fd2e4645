//! The registration cache on a real Xen: buffers that are used again are granted once, and what arrives in, or comes
//! from, memory that its process has unmapped and mapped again is the new content.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;

const LIMIT: Duration = Duration::from_secs(240);

/// Messages of 4 MiB in the same buffer.
const MESSAGES: &str = "12";

/// Between two guests, and between a guest and a node outside, whose home takes no addresses.
pub fn judge(fabric: &Fabric<'_>) -> Result<(), Error> {
    for asker in ["guest2", "node1"] {
        let answerer = fabric.start_answerer("guest1", &["lab-rcache", "answer"])?;
        let command = ["lab-rcache", "ask", "guest1:0", MESSAGES];
        fabric.start_program(asker, &command)?.finish(LIMIT)?;
        answerer.finish(LIMIT)?;
    }
    Ok(())
}
