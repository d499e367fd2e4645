//! Counting the system calls of a process, by `strace`.

use std::io;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// System calls that a process makes, in all its threads, while it is watched for this long.
///
/// Fails when there is no `strace`, or when it may not attach: as another user's, or under a security policy.
pub fn system_calls(pid: u32, watched: Duration) -> io::Result<u64> {
    let mut strace = Command::new("strace")
        .args(["-f", "-q", "-o", "/dev/stdout", "-p", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| {
            io::Error::new(error.kind(), format!("strace (Debian: strace): {error}"))
        })?;
    std::thread::sleep(watched);
    // It detaches and ends; what it has written is read then.
    kill_process(Pid::from_child(&strace), Signal::INT)?;
    let output = {
        let mut text = String::new();
        if let Some(mut stdout) = strace.stdout.take() {
            io::Read::read_to_string(&mut stdout, &mut text)?;
        }
        text
    };
    let ended = strace.wait_with_output()?;
    let complaint = String::from_utf8_lossy(&ended.stderr).into_owned();
    if complaint.contains("attach") {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, complaint));
    }
    Ok(output.lines().filter(|line| line.contains('(')).count() as u64)
}

/// Lets processes of the same user trace this one, where the kernel restricts that to parents.
pub fn let_anyone_trace() {
    // Where nothing restricts it, there is nothing to set.
    let _ = rustix::process::set_ptracer(rustix::process::PTracer::Any);
}
