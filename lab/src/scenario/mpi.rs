//! MPI as people have it, over the provider of libfabric: Open MPI from Debian's packages, unmodified, on one node and on two.
//! What takes longer is `cargo lab mpi`.

use super::two_nodes::joined;
use super::{mpi_deaths, mpi_setup};
use crate::build::Programs;
use crate::error::Error;
use crate::mpi::job::Job;
use crate::mpi::provider::Provider;
use crate::mpi::transport::Transport;
use crate::node::{Node, free_wire};
use std::time::Duration;

/// The program whose processes verify what they send each other.
pub(super) const CHECK: &str = "check";

/// A job that says nothing for longer hangs: it needs seconds.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs it all; how many jobs there were, and deaths.
pub fn run(programs: &Programs) -> Result<u64, Error> {
    let provider = Provider::prepare()?;
    let check = provider.program(CHECK)?;
    let job = |nodes: &[Node<'_>], ranks| {
        let job = Job {
            transport: Transport::Provider(nodes),
            ranks,
            program: vec![check.display().to_string()],
            variables: Vec::new(),
            limit: LIMIT,
        };
        let ended = job.run(&provider)?;
        match ended.good {
            true => judge(&ended.mixed, ranks),
            false => Err(Error::Judged(format!("the job failed:\n{}", ended.mixed))),
        }
    };
    let alone = [Node::start(programs, "mpi", free_wire()?, 9000, &[])?];
    let mut jobs = 0;
    for ranks in [2, 4] {
        job(&alone, ranks)?;
        jobs += 1;
    }
    for mtu in [1500, 9000] {
        job(&joined(programs, mtu)?, 4)?;
        jobs += 1;
    }
    jobs += mpi_setup::run(programs, &provider, &check)?;
    Ok(jobs + mpi_deaths::run(programs, &provider)?)
}

/// The line that says how many messages were right, which is printed.
pub(super) fn judge(said: &str, ranks: u32) -> Result<(), Error> {
    let begin = format!("{ranks} ranks: ");
    let line = said
        .lines()
        .find(|line| line.starts_with(&begin) && line.ends_with(" messages verified"));
    let Some(line) = line else {
        let reason = format!("the job did not say what it verified; it said:\n{said}");
        return Err(Error::Judged(reason));
    };
    println!("    {line}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_says_nothing_of_its_messages_is_no_success() {
        assert!(judge("4 ranks: 9 messages verified\n", 4).is_ok());
        assert!(judge("4 ranks: 9 messages verified\n", 2).is_err());
        assert!(judge("", 4).is_err());
    }
}
