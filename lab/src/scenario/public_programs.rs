//! Programs of others, as they are: built against the library by a compiler that is stricter than the machine's, and run
//! between two nodes.

use super::two_nodes::joined;
use crate::build::{self, Programs};
use crate::error::{At, Error};
use crate::place;
use crate::prepare::{self, Compiler};
use crate::run::Run;
use crate::stage::Stage;
use crate::stall_timeout::wait_until;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a node or a program may take to be there.
const START_LIMIT: Duration = Duration::from_secs(30);

/// How long NetPIPE may stand still.
const SILENCE_LIMIT: Duration = Duration::from_secs(120);

/// How often NetPIPE sends a message of each length, and the longest length.
const REPEATS: &str = "3";
const LONGEST: &str = "1000000";

/// What NetPIPE says of each length of message when every byte was right.
const PASSED: &str = "Integrity check passed";

/// Builds NetPIPE by its own makefile with that compiler, and lets it check the integrity of messages between two nodes.
pub fn netpipe(programs: &Programs, compiler: &Compiler) -> Result<(), Error> {
    let source = prepare::netpipe()?;
    let stage = Stage::begin(format!("NetPIPE by {}, between two nodes", compiler.name));
    let program = built(&source, compiler)?;
    let lengths = run(programs, &program)?;
    stage.done(format!("messages of {lengths} lengths"));
    Ok(())
}

/// NetPIPE's module for MX, which its makefile links statically.
fn built(source: &Path, compiler: &Compiler) -> Result<PathBuf, Error> {
    let copy = place::work().join("netpipe");
    if copy.exists() {
        fs::remove_dir_all(&copy).at("remove", &copy)?;
    }
    Run::new("cp", "netpipe-copy")
        .args([Path::new("-r"), source, &copy])
        .output()?;
    let of = |name: &str, path: &Path| format!("{name}={}", path.display());
    Run::new("make", "netpipe-make")
        .within(&copy)
        .args(["mx".to_owned(), of("CC", &compiler.c)])
        .args([of("MX_HOME", &build::installed_library()?)])
        .output()?;
    Ok(copy.join("NPmx"))
}

fn run(programs: &Programs, program: &Path) -> Result<usize, Error> {
    let program = program.display().to_string();
    let [one, two] = joined(programs, 9000)?;
    let figures = place::work().join("netpipe/np.out").display().to_string();
    // It tells its progress on standard error.
    let shell = ["-c", "exec \"$0\" \"$@\" 2>&1", &program];
    let options = ["-i", "-n", REPEATS, "-u", LONGEST, "-o", &figures];
    let receiver: Vec<&str> = shell.into_iter().chain(options).collect();
    let receiver = two.start_tool("/bin/sh", &receiver, "netpipe-receiver")?;
    wait_until(START_LIMIT, "NetPIPE's receiver opens endpoint 0", || {
        let endpoints = two.start_tool("omx_endpoint_info", &[], "netpipe-endpoints")?;
        let text = endpoints.finish(START_LIMIT)?;
        Ok(if text.contains("1 regular endpoints open") {
            Ok(())
        } else {
            Err(text)
        })
    })?;
    let sender = shell.into_iter().chain(options).chain(["-h", "two"]);
    let sender: Vec<&str> = sender.collect();
    let sender = one.start_tool("/bin/sh", &sender, "netpipe-sender")?;
    let said = sender.finish(SILENCE_LIMIT)?;
    receiver.finish(SILENCE_LIMIT)?;
    checked(&said)
}

/// Lengths that were checked; an error where there is none.
pub fn checked(said: &str) -> Result<usize, Error> {
    let lengths = said.lines().filter(|line| line.contains(PASSED)).count();
    if lengths < 10 {
        let reason = format!("NetPIPE checked no more than {lengths} lengths; it said:\n{said}");
        return Err(Error::Judged(reason));
    }
    Ok(lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_passed_are_counted_and_none_is_an_error() {
        let line = "  0:       5 bytes      5 times -->  Integrity check passed\n";
        assert_eq!(checked(&line.repeat(12)).expect("enough"), 12);
        assert!(checked("Now starting the main loop\n").is_err());
    }
}
