//! Turns of several labs on one machine, by locked files, which the system unlocks when their holder ends.

use crate::error::{At, Error};
use crate::stage::Stage;
use std::fs::File;
use std::io;
use std::path::Path;

/// Waits for the lock of this name, and says what for while it does. It is held until the file is dropped.
pub fn wait(path: &Path, what: &str) -> Result<File, Error> {
    let file = open(path).at("open", path)?;
    if file.try_lock().is_err() {
        let stage = Stage::begin(format!("{what}; waiting for its end"));
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
    fn a_second_one_goes_on_when_the_first_has_ended() {
        let path = std::env::temp_dir().join(format!("lab-lock-{}", std::process::id()));
        let first = wait(&path, "the first one runs").unwrap();
        let (started, starts) = mpsc::channel();
        let second = thread::spawn({
            let path = path.clone();
            move || {
                let _lock = wait(&path, "the first one runs").unwrap();
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
