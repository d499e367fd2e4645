//! Who chooses the queue entries of a guest's endpoints: the driver domain, the module's parameter, the program's user.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;

/// Many times what the commands need under emulation.
const LIMIT: Duration = Duration::from_secs(60);

/// Prints, for an endpoint of each of these choices, what `omx_endpoint_info` says. A choice that cannot be has to be
/// refused.
const SCRIPT: &str = r#"
parameter=/sys/module/open_mx_frontend/parameters/queue_entries
show() {
    omx_perf -e 7 >/dev/null 2>&1 &
    tries=0
    until omx_endpoint_info | grep '^  7.open by'; do
        tries=$((tries + 1))
        [ $tries -lt 50 ] || exit 5
        sleep 0.2
    done
    kill $!
    wait $! 2>/dev/null
}
{ echo 300 >$parameter; } 2>/dev/null && exit 3
show
echo 512 >$parameter || exit 4
show
export OMX_QUEUE_ENTRIES=2048
show
echo 0 >$parameter
"#;

/// What they are to say.
const TOLD: [&str; 3] = [
    "256 queue entries",
    "512 queue entries",
    "2048 queue entries",
];

/// Tries all of it in guest1, whose driver domain has no such option.
pub fn run(fabric: &Fabric<'_>) -> Result<(), Error> {
    let said = fabric
        .start_program("guest1", &["sh", "-c", SCRIPT])?
        .finish(LIMIT)?;
    let lines: Vec<&str> = said.lines().collect();
    let as_told = lines.len() == TOLD.len()
        && lines
            .iter()
            .zip(TOLD)
            .all(|(line, told)| line.ends_with(told));
    if as_told {
        return Ok(());
    }
    Err(Error::Judged(format!(
        "endpoints of guest1 should have {}, but:\n{said}",
        TOLD.join(", ")
    )))
}
