//! The backend of the `log` crate: a line on the console with the time since Xen started, and the level.

use core::fmt::Write;

use log::{LevelFilter, Log, Metadata, Record};

use crate::clock;
use crate::console::{self, Line};

struct Logger;

static LOGGER: Logger = Logger;

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let now = clock::now();
        let mut line = Line::<480>::new();
        let _ = write!(
            line,
            "[{:5}.{:06}] {:5} {}",
            now.as_secs(),
            now.subsec_micros(),
            record.level(),
            record.args()
        );
        console::write(line.text());
        console::write("\n");
    }

    fn flush(&self) {}
}

/// Installs the backend with level info.
pub(crate) fn init() {
    if log::set_logger(&LOGGER).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}
