//! What the user may choose.

use std::ffi::OsString;

use clap::Parser;
use omx_tools::line::{LocalEndpoint, Waiting};
use omx_tools::options::{PerfOptions, SENDER, Usage, read};

use crate::parameters::Parameters;

/// Without -d: receiver, waits for a sender. With -d: sender, prints a line per length.
#[derive(Clone, Debug, Parser)]
#[command(after_help = "Next length = length * M + I, or I (1 without I) after 0.")]
pub struct Choice {
    #[command(flatten)]
    pub perf: PerfOptions,
    /// yield the processor between polls
    #[arg(short = 'y', overrides_with = "sleep")]
    yields: bool,
    /// verbose
    #[arg(short = 'v')]
    pub verbose: bool,
    #[command(flatten)]
    pub parameters: Parameters,
    /// pause between lengths, in milliseconds
    #[arg(short = 'P', value_name = "ms", default_value_t = 100, help_heading = SENDER)]
    pub pause: u64,
    /// also the median of time-stamp counter ticks one way
    #[arg(long, help_heading = SENDER)]
    pub ticks: bool,
}

impl Choice {
    /// Reads the arguments of the tool of this name.
    pub fn read(
        tool: &'static str,
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    ) -> Result<Self, Usage> {
        let (mut choice, matches) = read::<Self>(tool, arguments)?;
        choice.perf.heed_order(&matches);
        Ok(choice)
    }

    /// The endpoint that is chosen.
    pub fn local(&self) -> LocalEndpoint {
        let local = self.perf.local();
        match self.yields {
            true => LocalEndpoint {
                waiting: Waiting::Yield,
                ..local
            },
            false => local,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(arguments: &[&str]) -> Result<Choice, Usage> {
        Choice::read("omx_perf", arguments)
    }

    #[test]
    fn a_host_resets_the_endpoint_to_any_unless_it_comes_later() {
        let endpoint = |arguments: &[&str]| choice(arguments).unwrap().local().endpoint;
        assert_eq!(endpoint(&[]), Some(0));
        assert_eq!(endpoint(&["-e", "3"]), Some(3));
        assert_eq!(endpoint(&["-d", "a:0"]), None);
        assert_eq!(endpoint(&["-e", "3", "-d", "a:0"]), None);
        assert_eq!(endpoint(&["-d", "a:0", "-e", "3"]), Some(3));
    }

    #[test]
    fn the_last_way_to_wait_counts() {
        let waiting = |arguments: &[&str]| choice(arguments).unwrap().local().waiting;
        assert_eq!(waiting(&[]), Waiting::Poll);
        assert_eq!(waiting(&["-w", "-y"]), Waiting::Yield);
        assert_eq!(waiting(&["-yw"]), Waiting::Sleep);
    }

    #[test]
    fn an_unknown_option_is_named() {
        match choice(&["-m", "2"]) {
            Err(Usage::Wrong(said)) => assert!(said.starts_with("Unknown option -m\n"), "{said}"),
            other => panic!("{other:?}"),
        }
    }
}
