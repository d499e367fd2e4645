//! The example of docs/using.md, a small MX program in C, on a real Xen: between a guest and a node outside, each way.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;

const EXAMPLE: &str = "hello";
const LIMIT: Duration = Duration::from_secs(60);

/// Lets one greet the other, and the other way round.
pub fn judge(fabric: &Fabric<'_>) -> Result<(), Error> {
    for (asker, answerer) in [("node1", "guest1"), ("guest1", "node1")] {
        let waiting = fabric.start_answerer(answerer, &[EXAMPLE])?;
        let peer = format!("{answerer}:0");
        let asked = fabric
            .start_program(asker, &[EXAMPLE, &peer])?
            .finish(LIMIT)?;
        let answered = waiting.finish(LIMIT)?;
        let expected = [
            (&asked, format!("heard: hello yourself, from {peer}")),
            (&answered, format!("heard: hello from {asker}:0")),
        ];
        for (output, words) in expected {
            if !output.contains(&words) {
                return Err(Error::Judged(format!("`{words}` is not in:\n{output}")));
            }
        }
    }
    Ok(())
}
