//! One Xen host at a time on one machine: two would starve each other, and their time limits would mean nothing.

use super::{client, control_socket};
use crate::error::{At, Error};
use crate::stage::Stage;
use std::fs::File;
use std::io;
use std::path::Path;

/// Waits until no other host runs on this machine, and keeps others out until the file is dropped. A host that this
/// checkout's `up` keeps does not end by itself, and is an error.
pub fn wait() -> Result<File, Error> {
    if client::is_up() {
        return Err(Error::HostRuns(control_socket()));
    }
    wait_for(&std::env::temp_dir().join("xen2mx-lab.lock"))
}

fn wait_for(path: &Path) -> Result<File, Error> {
    let file = open(path).at("open", path)?;
    if file.try_lock().is_err() {
        let title = "another Xen host of a lab runs on this machine; waiting for its end";
        let stage = Stage::begin(title);
        file.lock().at("lock", path)?;
        stage.done("");
    }
    Ok(file)
}

/// Another user's lock can only be read, and that is enough to wait for it.
fn open(path: &Path) -> io::Result<File> {
    match File::create(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => File::open(path),
        created => created,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;
    use std::thread;

    #[test]
    fn a_second_host_starts_when_the_first_has_ended() {
        let path = std::env::temp_dir().join(format!("only-one-{}.lock", std::process::id()));
        let first = wait_for(&path).unwrap();
        let (started, starts) = mpsc::channel();
        let second = thread::spawn({
            let path = path.clone();
            move || {
                let _lock = wait_for(&path).unwrap();
                started.send(()).unwrap();
            }
        });
        assert!(starts.try_recv().is_err(), "the first one still runs");
        drop(first);
        starts.recv().unwrap();
        second.join().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}
