//! The options of a tool, as Open-MX's tools take them, and what it says when it is called wrongly.

use std::process::ExitCode;

/// Exit status of a tool that was called wrongly, or asked for help (-1).
const USAGE_STATUS: u8 = 255;

/// Why a tool ends before its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Usage {
    /// It was asked for its usage (`-h`), which Open-MX's tools count as a wrong call.
    Help,
    /// It was asked to explain itself (`--help`).
    Manual,
    /// There is no such option.
    Unknown(String),
    /// An option lacks its value, or the value is none; the option and what it needs.
    Value(String, &'static str),
}

impl Usage {
    /// Says why and how the tool is used, on standard error; or only how, on standard output, when that was the question.
    pub fn explain(&self, text: &str) -> ExitCode {
        match self {
            Self::Help => {}
            Self::Manual => {
                print!("{text}");
                return ExitCode::SUCCESS;
            }
            Self::Unknown(option) => eprintln!("Unknown option {option}"),
            Self::Value(option, needs) => eprintln!("Option {option} needs {needs}"),
        }
        eprint!("{text}");
        ExitCode::from(USAGE_STATUS)
    }
}

/// The arguments of a tool, one option at a time: `-x`, `-x value`, `-xvalue`, several flags in one (`-vw`), and long
/// options as `--name`.
pub struct ToolOptions {
    rest: std::vec::IntoIter<String>,
    /// What follows the last option letter in the same argument.
    cluster: String,
    current: String,
}

impl ToolOptions {
    /// Of these arguments, the program's name left out.
    pub fn new(arguments: impl IntoIterator<Item = String>) -> Self {
        Self {
            rest: arguments.into_iter().collect::<Vec<_>>().into_iter(),
            cluster: String::new(),
            current: String::new(),
        }
    }

    /// Of this process.
    pub fn of_process() -> Self {
        Self::new(
            std::env::args_os()
                .skip(1)
                .map(|argument| argument.to_string_lossy().into_owned()),
        )
    }

    /// The next option with its dashes; an argument that is none is an unknown option.
    pub fn next_option(&mut self) -> Option<String> {
        if self.cluster.is_empty() {
            let argument = self.rest.next()?;
            match argument.strip_prefix('-') {
                Some(letters) if !letters.starts_with('-') && !letters.is_empty() => {
                    self.cluster = letters.to_owned();
                }
                _ => {
                    self.current = argument;
                    return Some(self.current.clone());
                }
            }
        }
        let letter = self.cluster.remove(0);
        self.current = format!("-{letter}");
        Some(self.current.clone())
    }

    /// The value of the option that was just taken.
    pub fn text(&mut self) -> Result<String, Usage> {
        if self.cluster.is_empty() {
            self.rest
                .next()
                .ok_or_else(|| Usage::Value(self.current.clone(), "a value"))
        } else {
            Ok(std::mem::take(&mut self.cluster))
        }
    }

    /// The value of the option that was just taken, as a number.
    pub fn number<T: std::str::FromStr>(&mut self) -> Result<T, Usage> {
        let text = self.text()?;
        text.parse()
            .map_err(|_| Usage::Value(self.current.clone(), "a number"))
    }

    /// The same, decimal or, with 0x before it, hexadecimal.
    pub fn integer<T: TryFrom<u64>>(&mut self) -> Result<T, Usage> {
        let text = self.text()?;
        let value = match text.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => text.parse(),
        };
        let value = value.ok().and_then(|value| T::try_from(value).ok());
        value.ok_or_else(|| Usage::Value(self.current.clone(), "a number, as 17 or 0x11"))
    }

    /// What the option that was just taken means if the tool has none of that name: a question for help, or a wrong call.
    pub fn other(&self) -> Usage {
        match self.current.as_str() {
            "-h" => Usage::Help,
            "--help" => Usage::Manual,
            other => Usage::Unknown(other.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> ToolOptions {
        ToolOptions::new(arguments.iter().map(|a| (*a).to_owned()))
    }

    #[test]
    fn values_may_follow_at_once_or_after_a_space_and_flags_may_cluster() {
        let mut options = options(&["-vb3", "-S", "17", "--json"]);
        assert_eq!(options.next_option().as_deref(), Some("-v"));
        assert_eq!(options.next_option().as_deref(), Some("-b"));
        assert_eq!(options.number::<u32>(), Ok(3));
        assert_eq!(options.next_option().as_deref(), Some("-S"));
        assert_eq!(options.number::<u64>(), Ok(17));
        assert_eq!(options.next_option().as_deref(), Some("--json"));
        assert_eq!(options.next_option(), None);
    }

    #[test]
    fn what_is_no_number_or_missing_is_named_with_its_option() {
        let mut first = options(&["-b", "x"]);
        first.next_option();
        assert_eq!(
            first.number::<u32>(),
            Err(Usage::Value("-b".into(), "a number"))
        );
        let mut hexadecimal = options(&["-f0x1f", "-f", "31", "-f", "0x1ffffffff"]);
        for expected in [Some(31_u32), Some(31), None] {
            hexadecimal.next_option();
            assert_eq!(hexadecimal.integer().ok(), expected);
        }
        let mut second = options(&["-b"]);
        second.next_option();
        assert!(second.text().is_err());
    }
}
