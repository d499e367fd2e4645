//! Debian's NetPIPE by MPI, which checks the integrity of messages of growing lengths in place of timing them.

use super::case::Case;
use super::cases::Group;
use super::provider::Provider;
use crate::error::Error;
use crate::prepare;
use crate::scenario::public_programs::checked;
use std::time::Duration;

const PACKAGE: &str = "netpipe-openmpi";

/// Its ways to send, by its options: as it is; receives before sends; synchronous sends that anyone may have sent; both
/// ways at a time.
const WAYS: [&str; 4] = ["", "-a", "-S -z", "-2 -a"];

/// How often each length is sent, the longest, and that this is a check.
const OPTIONS: &str = "-i -n 5 -u 4194304";

/// What it says of a wrong byte.
const WRONG: &str = "Integrity check failed";

/// How long it may say nothing.
const LIMIT: Duration = Duration::from_secs(120);

/// Its form for one-sided communication gives Open MPI no information object, which Open MPI refuses over every transport.
const LEFT_OUT: (&str, &str) = (
    "NPopenmpi2",
    "Open MPI refuses how it makes its window, over each transport",
);

/// Installs it; its jobs.
pub fn group(provider: &Provider) -> Result<Group, Error> {
    prepare::package(PACKAGE)?;
    let case = |way: &&str| {
        let options = format!("{OPTIONS} {way}");
        let words = options.split_whitespace().map(str::to_owned);
        Case {
            name: format!("NPopenmpi {}", options.trim()),
            ranks: 2,
            program: std::iter::once("NPopenmpi".to_owned())
                .chain(words)
                .collect(),
            // Its file of times, which stays empty.
            folder: provider.folder().clone(),
            variables: Vec::new(),
            report: None,
            limit: LIMIT,
            judge,
        }
    };
    let (name, reason) = LEFT_OUT;
    Ok(Group {
        title: "NetPIPE".to_owned(),
        cases: WAYS.iter().map(case).collect(),
        left_out: vec![(name.to_owned(), reason)],
    })
}

/// Lengths that were checked.
fn judge(said: &str) -> Result<u64, String> {
    if said.contains(WRONG) {
        return Err("it found wrong bytes".to_owned());
    }
    let lengths = checked(said).map_err(|_| "it checked too few lengths".to_owned())?;
    Ok(lengths as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_byte_is_no_success_and_neither_is_silence() {
        let right = "  0:  5 bytes  5 times -->  Integrity check passed\n".repeat(12);
        assert_eq!(judge(&right), Ok(12));
        let wrong = "Integrity check failed: Expecting 3 but received 4\n";
        assert!(judge(&(right + wrong)).is_err());
        assert!(judge("").is_err());
    }
}
