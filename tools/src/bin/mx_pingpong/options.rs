//! What the user may choose.

use std::path::PathBuf;

use clap::Parser;
use omx_tools::options::MxOptions;

use crate::plan::Plan;

/// Without -d: waits for a sender. With -d: sends messages of each length there and back, and prints for each the latency
/// one way and the bandwidth.
#[derive(Clone, Debug, Parser)]
#[command(after_help = "\
Example: mx_pingpong, and on another node mx_pingpong -d node1:0 -E 4194304 -M 2
Exit status: 0 when all went well, 1 when something failed or a byte was wrong.")]
pub struct Choice {
    #[command(flatten)]
    pub mx: MxOptions,
    /// receiver: serve one sender after the other
    #[arg(short = 's')]
    pub again: bool,
    /// lengths from a file, one a line, instead of the sender's choice; both sides need the same file, but for a receiver of
    /// this version
    #[arg(short = 'L', value_name = "file")]
    pub file: Option<PathBuf>,
    /// What the sender tells, but for its address.
    #[command(flatten)]
    pub plan: Plan,
}

impl Choice {
    /// The same with these lengths instead: the receiver is told how much room they need.
    pub fn heeding(&self, lengths: Option<&[u32]>) -> Self {
        let mut choice = self.clone();
        if let Some(lengths) = lengths {
            let longest = lengths.iter().copied().max().unwrap_or(0);
            choice.plan.end = longest.saturating_add(1);
        }
        choice
    }
}

#[cfg(test)]
mod tests {
    use omx_tools::options::read;

    use super::*;

    fn plan(arguments: &[&str]) -> Plan {
        read::<Choice>("mx_pingpong", arguments).unwrap().0.plan
    }

    #[test]
    fn the_last_length_that_a_user_names_is_sent_too() {
        assert_eq!(plan(&["-E", "8"]).lengths().last(), Some(8));
        assert_eq!(plan(&[]).lengths().last(), Some(128));
        assert!(read::<Choice>("mx_pingpong", ["-E", "4294967295"]).is_err());
    }

    #[test]
    fn a_multiplier_takes_the_place_of_the_increment() {
        let lengths: Vec<u32> = plan(&["-E", "9", "-M", "2"]).lengths().collect();
        assert_eq!(lengths, [0, 1, 2, 4, 8]);
        let increment = |arguments| plan(arguments).increment;
        assert_eq!(increment(&["-I", "3"]), 3);
        assert_eq!(increment(&["-I", "3", "-M", "2"]), 0);
        assert_eq!(increment(&["-M", "2", "-I", "3"]), 3);
    }
}
