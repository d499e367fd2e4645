//! The log of `omxd` and of the library, on standard error: which records, and their form, a line each.

use std::io;
use std::str::FromStr;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// The parts of this project that have records: the protocol, boards, the library, the node.
const PARTS: [&str; 4] = ["mx_engine", "mx_board", "open_mx", "omx_node"];

/// Which records are wanted.
///
/// Written as a level, `error`, `warn`, `info`, `debug` or `trace`, each with those before it; or as levels of parts,
/// `info,mx_board=trace`.
#[derive(Clone, Debug, PartialEq)]
pub struct Filter(Targets);

/// What is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' is neither a level (error, warn, info, debug, trace) nor one of a part ({parts}), as in info,mx_board=trace",
    parts = PARTS.join(", ")
)]
pub struct BadFilter(String);

impl FromStr for Filter {
    type Err = BadFilter;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut targets = Targets::new();
        for piece in text.split(',').map(str::trim) {
            let bad = || BadFilter(piece.to_owned());
            let (part, word) = match piece.split_once('=') {
                None => (None, piece),
                Some((part, word)) => (Some(part), word),
            };
            let level = match word {
                "error" => LevelFilter::ERROR,
                "warn" => LevelFilter::WARN,
                "info" => LevelFilter::INFO,
                "debug" => LevelFilter::DEBUG,
                "trace" => LevelFilter::TRACE,
                _ => return Err(bad()),
            };
            targets = match part {
                None => targets.with_default(level),
                Some(part) if PARTS.contains(&part) => targets.with_target(part, level),
                Some(_) => return Err(bad()),
            };
        }
        Ok(Self(targets))
    }
}

/// Writes these records to standard error from now on, unless somebody takes all records of this process already.
pub fn begin(filter: &Filter) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time()
        // A log that nobody reads must not end a program that works.
        .log_internal_errors(false);
    // Who takes them instead has them.
    let _ = tracing_subscriber::registry()
        .with(filter.0.clone())
        .with(lines)
        .try_init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_a_level_and_levels_of_parts() {
        for good in [
            "error",
            "trace",
            "info,mx_board=trace",
            "mx_engine=debug",
            "warn, omx_node=info",
        ] {
            assert!(good.parse::<Filter>().is_ok(), "{good}");
        }
        for wrong in [
            "",
            "loud",
            "board=debug",
            "info,",
            "mx_board=",
            "mx_board",
            "1",
            "INFO",
        ] {
            let said = wrong.parse::<Filter>().unwrap_err().to_string();
            assert!(said.contains("info,mx_board=trace"), "{said}");
        }
    }
}
