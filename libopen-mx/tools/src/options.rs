//! Options as the original tools take them: single letters, a mistake is named, the usage follows on stderr, and the
//! exit status is 255 (the original's -1).

use std::ffi::OsString;
use std::process::ExitCode;
use std::str::FromStr;

/// Exit status of a wrong command line and of `-h`.
pub const USAGE_STATUS: u8 = 255;

/// Why a command line was refused, in the tool's words.
#[derive(Debug, PartialEq, Eq)]
pub enum OptionError {
    /// `-h`: only the usage is wanted.
    Help,
    /// A mistake, in a sentence.
    Mistake(String),
}

impl From<lexopt::Error> for OptionError {
    fn from(error: lexopt::Error) -> Self {
        match error {
            lexopt::Error::UnexpectedOption(option) => {
                Self::Mistake(format!("Unknown option {option}"))
            }
            other => Self::Mistake(other.to_string()),
        }
    }
}

/// The value of an option, as a number or another type with a text form. Numbers may be hexadecimal (`0x…`) or have
/// a suffix k, M or G, as a convenience.
pub fn value<T: FromStr>(option: char, text: OsString) -> Result<T, OptionError> {
    let text = text.to_string_lossy();
    text.parse()
        .map_err(|_| OptionError::Mistake(format!("Option -{option} does not take '{text}'")))
}

/// A length in bytes: decimal, with a suffix k, M or G for powers of 1024.
pub fn length(option: char, text: OsString) -> Result<u64, OptionError> {
    let text = text.to_string_lossy();
    let (digits, shift) = match text.strip_suffix(['k', 'K']).map(|d| (d, 10)) {
        Some(found) => found,
        None => match text.strip_suffix('M').map(|d| (d, 20)) {
            Some(found) => found,
            None => text
                .strip_suffix('G')
                .map_or((text.as_ref(), 0), |d| (d, 30)),
        },
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(1 << shift))
        .ok_or_else(|| {
            OptionError::Mistake(format!(
                "Option -{option} does not take the length '{text}'"
            ))
        })
}

/// Tells the user and gives the exit status.
pub fn refuse(error: &OptionError, usage: &str) -> ExitCode {
    if let OptionError::Mistake(sentence) = error {
        eprintln!("{sentence}");
    }
    eprint!("{usage}");
    ExitCode::from(USAGE_STATUS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_option_is_named_as_the_original_does() {
        let error = lexopt::Error::UnexpectedOption("-x".into());
        assert_eq!(
            OptionError::from(error),
            OptionError::Mistake("Unknown option -x".into())
        );
    }

    #[test]
    fn lengths_take_suffixes_and_refuse_what_overflows() {
        assert_eq!(length('S', "4k".into()), Ok(4096));
        assert_eq!(length('S', "4M".into()), Ok(4 << 20));
        assert_eq!(length('S', "17".into()), Ok(17));
        for wrong in [
            "",
            "k",
            "-1",
            "99999999999999999999",
            "99999999999999G",
            "4x",
        ] {
            assert!(length('S', wrong.into()).is_err(), "{wrong}");
        }
    }
}
