//! What scenarios judge by.

use std::time::Duration;

use crate::demo::fabric::Fabric;
use crate::error::Error;
use crate::stall_timeout;

const LIMIT: Duration = Duration::from_secs(120);

/// Five times what the longest program needs under emulation on a quiet machine.
pub const CONFORMANCE_LIMIT: Duration = Duration::from_secs(120);

/// Asks again and again until something holds; `what` it is ends an error.
pub fn wait_until(
    limit: Duration,
    what: &str,
    mut holds: impl FnMut() -> Result<bool, Error>,
) -> Result<Duration, Error> {
    let look = || Ok(holds()?.then_some(()).ok_or_else(String::new));
    let ((), took) = stall_timeout::wait_until(limit, what, look)?;
    Ok(took)
}

/// A short verified exchange: the system goes on. A failure tells what both sides know.
pub fn exchange(fabric: &Fabric<'_>, from: &str, to: &str) -> Result<(), Error> {
    let answerer = fabric.start_answerer(to, &["omx_verify", "-w", "-e", "7"])?;
    let peer = format!("{to}:0");
    let command = [
        "omx_verify",
        "-w",
        "-d",
        &peer,
        "-r",
        "7",
        "-M",
        "64",
        "--iterations",
        "5",
    ];
    if let Err(error) = fabric.start_program(from, &command)?.finish(LIMIT) {
        let said = answerer.last_words(LIMIT);
        let info = fabric.info(from).unwrap_or_else(|error| error.to_string());
        return Err(Error::Judged(format!(
            "{error}\nThe receiver in {to} {said}\nomx_info in {from} says:\n{info}"
        )));
    }
    answerer.finish(LIMIT).map(drop)
}

/// Waits until a domain's log holds these words.
pub fn wait_for_log(fabric: &Fabric<'_>, domain: &str, text: &str) -> Result<(), Error> {
    let what = format!("the log of {domain} says \"{text}\"");
    stall_timeout::wait_until(LIMIT, &what, || {
        let log = fabric.log(domain)?;
        Ok(if log.contains(text) { Ok(()) } else { Err(log) })
    })?;
    Ok(())
}

/// A judgement.
pub fn expect(held: bool, otherwise: impl FnOnce() -> String) -> Result<(), Error> {
    if held {
        Ok(())
    } else {
        Err(Error::Judged(otherwise()))
    }
}

/// Runs a script of the shell in a guest to its good end; what it printed.
pub fn in_guest(
    fabric: &Fabric<'_>,
    guest: &str,
    script: &str,
    limit: Duration,
) -> Result<String, Error> {
    let program = fabric.start_program(guest, &["sh", "-c", script])?;
    program.finish(limit)
}
