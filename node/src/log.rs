//! The log, on standard error.

use tracing::Level;

use crate::cli::LogLevel;

/// Writes the log to standard error from now on. To be called once in a process.
pub fn log_to_standard_error(level: LogLevel) {
    tracing_subscriber::fmt()
        .with_max_level(match level {
            LogLevel::Error => Level::ERROR,
            LogLevel::Warn => Level::WARN,
            LogLevel::Info => Level::INFO,
            LogLevel::Debug => Level::DEBUG,
        })
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        // A log that nobody reads must not end a node that works.
        .log_internal_errors(false)
        .init();
}
