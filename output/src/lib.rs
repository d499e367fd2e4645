#![forbid(unsafe_code)]
//! Standard output and standard error of the programs here: either may be closed, full, or a pipe that nobody reads.
//!
//! Why: the print macros of the standard library panic there. This crate's have the same names, so a program that begins
//! with `#[macro_use] extern crate omx_output;` has them everywhere:
//!
//! * [`println!`], [`print!`]: when the reader of the pipe has gone (`| head -1`) the program ends without a word and with
//!   the status [`READER_GONE`]; when the output cannot be written for another reason (a full disk) it says so and ends
//!   with status 1;
//! * [`eprintln!`], [`eprint!`]: what cannot be said is left out, and the program goes on.
//!
//! Beside them it has what several programs say alike: others' texts as a terminal may show them ([`plain`]), a report of what was
//! looked at (`report`, a feature), the log (`log`, another one). Its neighbours are the programs; it refuses to know what
//! they say.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process::exit;

/// Exit status of a program whose reader has gone, as shells show one that SIGPIPE has ended.
pub const READER_GONE: i32 = 128 + 13;

#[cfg(feature = "log")]
pub mod log;
pub mod plain;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "trial")]
pub mod trial;

/// Writes to standard output, or ends the program.
pub fn write(text: Arguments<'_>) {
    let mut output = io::stdout().lock();
    let written = output.write_fmt(text).and_then(|()| output.flush());
    written.unwrap_or_else(|error| end(&error));
}

/// Writes to standard output, if that is possible: for a program whose work goes on without a reader.
pub fn offer(text: Arguments<'_>) {
    let mut output = io::stdout().lock();
    // Nobody need be told.
    let _ = output.write_fmt(text).and_then(|()| output.flush());
}

/// Writes what another program has said to standard output, or ends the program.
pub fn write_bytes(bytes: &[u8]) {
    let mut output = io::stdout().lock();
    let written = output.write_all(bytes).and_then(|()| output.flush());
    written.unwrap_or_else(|error| end(&error));
}

/// Writes what another program has said to standard error, if that is possible.
pub fn write_error_bytes(bytes: &[u8]) {
    // Nobody could be told.
    let _ = io::stderr().lock().write_all(bytes);
}

/// Writes to standard error, if that is possible.
pub fn write_error(text: Arguments<'_>) {
    // Nobody could be told.
    let _ = io::stderr().lock().write_fmt(text);
}

/// Ends a program whose standard output cannot be written.
fn end(error: &io::Error) -> ! {
    if error.kind() == ErrorKind::BrokenPipe {
        exit(READER_GONE);
    }
    write_error(format_args!("standard output cannot be written: {error}\n"));
    exit(1)
}

/// The options of this process; or its end after help, version, or a word about an option that it does not have.
#[cfg(feature = "clap")]
pub fn options<T: clap::Parser>() -> T {
    T::try_parse().unwrap_or_else(|explained| {
        if let Err(error) = explained.print() {
            end(&error);
        }
        exit(explained.exit_code())
    })
}

/// Writes to standard output, or ends the program.
#[macro_export]
macro_rules! print {
    ($($text:tt)*) => {
        $crate::write(::core::format_args!($($text)*))
    };
}

/// Writes a line to standard output, or ends the program.
#[macro_export]
macro_rules! println {
    () => {
        $crate::write(::core::format_args!("\n"))
    };
    ($($text:tt)*) => {
        $crate::write(::core::format_args!("{}\n", ::core::format_args!($($text)*)))
    };
}

/// Writes to standard error, if that is possible.
#[macro_export]
macro_rules! eprint {
    ($($text:tt)*) => {
        $crate::write_error(::core::format_args!($($text)*))
    };
}

/// Writes a line to standard error, if that is possible.
#[macro_export]
macro_rules! eprintln {
    () => {
        $crate::write_error(::core::format_args!("\n"))
    };
    ($($text:tt)*) => {
        $crate::write_error(::core::format_args!("{}\n", ::core::format_args!($($text)*)))
    };
}
