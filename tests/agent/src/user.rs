//! Programs of a user to whom the limits of users apply, as they do not to root.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

/// Of nobody.
const USER: u32 = 65534;

/// Becomes the program, as that user.
pub fn run(command: &[String]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else {
        eprintln!("usage: lab-agent user <command>");
        return ExitCode::from(2);
    };
    // Returns only if it fails.
    let error = Command::new(program).args(arguments).uid(USER).exec();
    eprintln!("lab-agent: cannot run `{program}`: {error}");
    ExitCode::from(126)
}
