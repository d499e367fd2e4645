//! The device that lines are written to.

use std::fs::File;
use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use lab_agent::Line;
use rustix::termios::{OptionalActions, isatty, tcgetattr, tcsetattr};

/// A terminal must pass lines as they are, without echo.
pub fn make_raw(file: &File) -> io::Result<()> {
    if isatty(file) {
        let mut attributes = tcgetattr(file)?;
        attributes.make_raw();
        tcsetattr(file, OptionalActions::Now, &attributes)?;
    }
    Ok(())
}

/// Where lines are written, one at a time.
pub struct Sink {
    file: Mutex<File>,
}

impl Sink {
    /// Writes to a device.
    pub fn new(file: File) -> Self {
        Self {
            file: Mutex::new(file),
        }
    }

    /// Writes a line. Nobody is left to be told when the device has gone.
    pub fn send(&self, line: &Line) {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = file.write_all(line.text().as_bytes());
    }
}
