//! The options of a tool, as Open-MX's tools take them, and what it says when it is called wrongly.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Args, Error, Parser};

use crate::line::{LocalEndpoint, Waiting};

/// Exit status of a tool that was called wrongly, or asked for help by `-h` (-1).
const USAGE_STATUS: u8 = 255;
const USAGE_HELP: &str = "this help (--help: the same, as a success)";
/// Heading of the options that only a sender heeds.
pub const SENDER: &str = "Sender";

/// What a tool says instead of doing its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// How it is used: that was the question (`--help`).
    Manual(String),
    /// What is wrong, and how it is used. Open-MX's tools count a question by `-h` as a wrong call.
    Wrong(String),
}

impl Usage {
    fn because(error: &Error, usage: &str) -> Self {
        if error.kind() == ErrorKind::DisplayHelp {
            return Self::Manual(usage.to_owned());
        }
        let cause = match error.get(ContextKind::InvalidArg) {
            Some(option) if error.kind() == ErrorKind::UnknownArgument => {
                format!("Unknown option {option}")
            }
            _ => error
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        Self::Wrong(format!("{cause}\n{usage}"))
    }

    /// Says it: on standard output when it is an answer, else on standard error.
    pub fn explain(&self) -> ExitCode {
        match self {
            Self::Manual(text) => {
                print!("{text}");
                ExitCode::SUCCESS
            }
            Self::Wrong(text) => {
                eprint!("{text}");
                ExitCode::from(USAGE_STATUS)
            }
        }
    }
}

/// The options of this process, whose tool has this name.
pub fn of_process<T: Parser>(tool: &'static str) -> Result<T, Usage> {
    read(tool, std::env::args_os().skip(1)).map(|(options, _)| options)
}

/// The options among the arguments of a tool, its own name left out, and where each of them stands. An option may come
/// several times: the last one counts.
pub fn read<T: Parser>(
    tool: &'static str,
    arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
) -> Result<(T, ArgMatches), Usage> {
    let usage = Arg::new("usage").short('h').action(ArgAction::SetTrue);
    let manual = Arg::new("manual").long("help").action(ArgAction::Help);
    let mut command = T::command()
        .name(tool)
        .no_binary_name(true)
        .args_override_self(true)
        .disable_help_flag(true)
        .help_template("{usage}\n{about-with-newline}\n{all-args}{after-help}\n")
        .arg(usage.help(USAGE_HELP).help_heading(None::<&str>))
        .arg(manual.hide(true));
    if command.get_positionals().next().is_none() {
        command = command.override_usage(format!("{tool} [options]"));
    }
    let text = command.render_help().to_string();
    let matches = command.try_get_matches_from_mut(arguments);
    let matches = matches.map_err(|error| Usage::because(&error, &text))?;
    if matches.get_flag("usage") {
        return Err(Usage::Wrong(text));
    }
    let options = T::from_arg_matches(&matches);
    let options = options.map_err(|error| Usage::because(&error, &text))?;
    Ok((options, matches))
}

/// A number as users write it: decimal or, with 0x before it, hexadecimal.
pub fn integer<T: TryFrom<u64>>(text: &str) -> Result<T, &'static str> {
    let value = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let value = value.ok().and_then(|value| T::try_from(value).ok());
    value.ok_or("a number is needed, as 17 or 0x11")
}

/// Options of `omx_perf` and of what is like it.
#[derive(Clone, Debug, Args)]
pub struct PerfOptions {
    /// board
    #[arg(short = 'b', value_name = "n", default_value_t = 0)]
    board: u32,
    /// endpoint [default: 0, any for a sender]
    #[arg(short = 'e', value_name = "n")]
    endpoint: Option<u32>,
    /// receiver: start again after each run
    #[arg(short = 's')]
    pub again: bool,
    /// sleep while waiting instead of polling
    #[arg(short = 'w')]
    sleep: bool,
    /// a JSON object per length on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// name of the peer (omx_info lists them)
    #[arg(short = 'd', value_name = "host", help_heading = SENDER)]
    pub host: Option<String>,
    /// endpoint of the peer
    #[arg(short = 'r', value_name = "n", default_value_t = 0, help_heading = SENDER)]
    pub remote: u32,
}

impl PerfOptions {
    /// Leaves the endpoint open where a host is named behind it, as the original's tools do.
    pub fn heed_order(&mut self, matches: &ArgMatches) {
        if matches.index_of("host") > matches.index_of("endpoint") {
            self.endpoint = None;
        }
    }

    /// The endpoint that is chosen. The key is the original's.
    pub fn local(&self) -> LocalEndpoint {
        let usual = self.host.is_none().then_some(0);
        LocalEndpoint {
            board: self.board,
            nic: None,
            endpoint: self.endpoint.or(usual),
            key: 0x1234_5678,
            waiting: if self.sleep {
                Waiting::Sleep
            } else {
                Waiting::Poll
            },
        }
    }
}

/// Options of the tools for two nodes that are MX's.
#[derive(Clone, Debug, Args)]
pub struct MxOptions {
    /// board
    #[arg(short = 'b', value_name = "n", default_value = "0", value_parser = integer::<u32>)]
    board: u32,
    /// board by its address, as 0x001122334455, instead
    #[arg(short = 'n', value_name = "nic", value_parser = integer::<u64>)]
    nic: Option<u64>,
    /// endpoint
    #[arg(short = 'e', value_name = "n", default_value = "1", value_parser = integer::<u32>)]
    endpoint: u32,
    /// filter: what both sides must agree on
    #[arg(short = 'f', value_name = "n", default_value = "0x12345", value_parser = integer::<u32>)]
    filter: u32,
    /// sleep while waiting instead of polling
    #[arg(short = 'w')]
    pub sleep: bool,
    /// a JSON object per line on standard output, all else on standard error
    #[arg(long)]
    pub json: bool,
    /// name of the peer (omx_info lists them)
    #[arg(short = 'd', value_name = "host", help_heading = SENDER)]
    pub host: Option<String>,
    /// endpoint of the peer
    #[arg(short = 'r', value_name = "n", default_value = "1", value_parser = integer::<u32>, help_heading = SENDER)]
    pub remote: u32,
}

impl MxOptions {
    /// The endpoint that is chosen.
    pub fn local(&self) -> LocalEndpoint {
        LocalEndpoint {
            board: self.board,
            nic: self.nic,
            endpoint: Some(self.endpoint),
            key: self.filter,
            waiting: if self.sleep {
                Waiting::Sleep
            } else {
                Waiting::Poll
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    struct Example {
        #[command(flatten)]
        mx: MxOptions,
        #[arg(short = 'v')]
        verbose: bool,
    }

    fn example(arguments: &[&str]) -> Result<Example, Usage> {
        read("example", arguments).map(|(example, _)| example)
    }

    fn wrong(arguments: &[&str]) -> String {
        match example(arguments) {
            Err(Usage::Wrong(said)) => said,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_may_follow_at_once_or_after_a_space_and_flags_may_cluster() {
        let read = example(&["-vb3", "-e", "17", "--json"]).unwrap();
        assert!(read.verbose && read.mx.json);
        assert_eq!((read.mx.board, read.mx.endpoint), (3, 17));
    }

    #[test]
    fn of_an_option_that_comes_twice_the_last_one_counts() {
        let read = example(&["-b", "1", "-w", "-b2", "-w"]).unwrap();
        assert_eq!((read.mx.board, read.mx.sleep), (2, true));
    }

    #[test]
    fn what_is_no_number_or_missing_is_named_with_its_option() {
        for arguments in [&["-b", "x"][..], &["-b"], &["-b", "0x1ffffffff"]] {
            let said = wrong(arguments);
            assert!(said.contains("'-b <n>'"), "{said}");
            assert!(said.contains("\nexample [options]\n"), "{said}");
        }
        for number in ["31", "0x1f"] {
            assert_eq!(example(&["-f", number]).unwrap().mx.filter, 31);
        }
    }
}
