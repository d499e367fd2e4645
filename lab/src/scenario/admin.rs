//! What a guest's root may do to its own board: clear its counters and its peers, but not take another name.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::scenario::judge::wait_until;

/// Five times what the longest of these tools needs under emulation.
const LIMIT: Duration = Duration::from_secs(30);

/// A peer that is nowhere.
const FAR: [&str; 2] = ["02:00:00:00:77:01", "far:0"];

/// Tries all of it in guest1.
pub fn run(fabric: &Fabric<'_>) -> Result<(), Error> {
    let tool = |command: &[&str]| fabric.start_program("guest1", command)?.finish(LIMIT);
    tool(&["omx_counters", "-c"])?;
    tool(&["omx_init_peers", FAR[0], FAR[1]])?;
    expect(&fabric.info("guest1")?, &format!("{} {}", FAR[0], FAR[1]))?;
    let rename = ["omx_hostname", "-n", "guest2:0"];
    let refused = fabric.start_program("guest1", &rename)?.output(LIMIT)?;
    if refused.status == 0 {
        return Err(Error::Judged("guest1 took the name of guest2".into()));
    }
    expect(&String::from_utf8_lossy(&refused.stderr), "xl rename")?;
    expect(&fabric.info("guest1")?, "guest1:0 (board #0")?;
    tool(&["omx_hostname", "-c"])?;
    wait_until(LIMIT, "guest1 hears of node1 again", || {
        Ok(fabric.info("guest1")?.contains(" node1:0\n"))
    })?;
    Ok(())
}

fn expect(said: &str, wanted: &str) -> Result<(), Error> {
    if said.contains(wanted) {
        return Ok(());
    }
    Err(Error::Judged(format!(
        "\"{wanted}\" is missing in what guest1 says:\n{said}"
    )))
}
