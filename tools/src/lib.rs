#![forbid(unsafe_code)]
//! What the tools share (`omx_info`, `omx_perf`, `mx_pingpong`, …, in `src/bin`): options as Open-MX's tools take them, how
//! boards are named, how the tools end, and endpoints that talk with one other side ([`line`](mod@line),
//! [`partner`]); and what decides whether MPI sends by them ([`mpi`]).
//!
//! They use the library as any Rust program does. Each has a manual page of its name in `man`.

#[macro_use]
extern crate omx_output;

pub mod ahead;
mod calls;
pub mod line;
pub mod mpi;
pub mod options;
pub mod partner;
pub mod pattern;

use std::process::ExitCode;

use mx_ring::admin::Name;
use mx_ring::board_page::{BoardDescription, HOSTNAME_MAX};
use open_mx::Error;
use open_mx::board::text;
use options::Usage;

/// Runs a tool with what its user has chosen, or tells him how it is used; says on standard error what failed, if
/// anything did.
pub fn tool<C, E: std::fmt::Display>(
    name: &str,
    choice: Result<C, Usage>,
    run: impl FnOnce(&C) -> Result<(), E>,
) -> ExitCode {
    match choice.map(|choice| run(&choice)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("{name}: {error}");
            ExitCode::FAILURE
        }
        Err(usage) => usage.explain(),
    }
}

/// Prints a line that is no result: beside those for machines it goes to standard error.
pub fn say(json: bool, line: &str) {
    if json {
        eprintln!("{line}");
    } else {
        println!("{line}");
    }
}

/// `length` zero bytes, if there is memory for what the user has chosen.
pub fn zeroed(length: usize) -> Result<Vec<u8>, Error> {
    mx_engine::zeroed(length).ok_or(Error::NO_MEMORY)
}

/// A board as the tools name it.
pub fn board_line(number: u32, description: &BoardDescription) -> String {
    format!(
        "{} (board #{number} name {} addr {})",
        text(&description.hostname),
        text(&description.interface),
        description.mac
    )
}

/// A string as JSON, quotes included.
pub fn json_string(text: &str) -> String {
    let mut json = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            c if c < ' ' => json += &format!("\\u{:04x}", u32::from(c)),
            c => json.push(c),
        }
    }
    json.push('"');
    json
}

/// A name as boards hold it; `None` when it is longer than 79 bytes or not printable.
pub fn name_bytes(name: &str) -> Option<Name> {
    let mut bytes: Name = [0; HOSTNAME_MAX];
    let fits = name.len() < HOSTNAME_MAX && name.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| {
        bytes[..name.len()].copy_from_slice(name.as_bytes());
        bytes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_at_most_79_printable_bytes() {
        assert!(name_bytes(&"n".repeat(79)).is_some());
        assert!(name_bytes(&"n".repeat(80)).is_none());
        assert!(name_bytes("a b").is_none());
    }

    #[test]
    fn json_strings_are_escaped() {
        assert_eq!(json_string("a\"b\\c\n"), "\"a\\\"b\\\\c\\u000a\"");
    }
}
