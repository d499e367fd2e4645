//! `cargo lab mpi`: MPI over the provider of libfabric, and beside it over what Open MPI has itself.
//!
//! | file | what |
//! |---|---|
//! | `provider` | what is installed and built for it |
//! | `veth` | two networks of their own, joined by a pair of interfaces |
//! | `transport` | what a job's messages go by |
//! | `job` | a job of Open MPI, watched to its end |
//! | `outcome` | what a job of mpi4py's tests has said of each |
//! | `suite` | mpi4py's tests, over each transport |
//! | `fabtests` | libfabric's own tests of providers |
//! | `mpich` | MPICH, and one-sided communication |
//! | `case`, `cases` | jobs that verify; those that fail run elsewhere, too |
//! | `programs` | programs that others verify MPI with: `hpcc`, `netpipe`, `scalapack` |
//! | `mpich_suite` | MPICH's own tests, built for Open MPI |
//! | `crowd` | many ranks: connects and memory |
//! | `table` | a table of round trips and bandwidth |

mod case;
mod cases;
mod crowd;
mod fabtests;
mod hpcc;
pub mod job;
mod mpich;
mod mpich_suite;
mod netpipe;
mod outcome;
mod programs;
pub mod provider;
mod scalapack;
mod suite;
mod table;
pub mod transport;
mod veth;

use crate::build::Programs;
use crate::error::Error;
use crate::host::Nic;
use crate::image;
use crate::scenario::mpi_on_xen;
use clap::{Args, ValueEnum};
use provider::Provider;
use std::process::ExitCode;

/// Options of `cargo lab mpi`.
#[derive(Args)]
pub struct MpiArgs {
    /// Only these parts, in this order; may be given several times. [default: all]
    #[arg(long, value_enum, value_name = "PART")]
    only: Vec<Part>,
    /// Ranks of mpi4py's tests, an even number; may be given several times.
    #[arg(long, value_name = "COUNT", default_values_t = [2, 4], value_parser = clap::value_parser!(u32).range(2..=32))]
    ranks: Vec<u32>,
    /// How often the table measures each transport; it shows medians.
    #[arg(long, default_value_t = 11, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: u32,
}

/// A part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// mpi4py's own tests on 2 and 4 ranks, on one node and on two.
    Suite,
    /// The same on two nodes between which one frame of a hundred is lost, and one of twenty.
    Loss,
    /// libfabric's own tests of providers, with the libfabric that they belong to.
    Fabtests,
    /// MPICH on one node, its one-sided communication, too.
    Mpich,
    /// Programs that verify: NetPIPE, hpcc and ScaLAPACK's, with 2 and 4 ranks, on one node and on two.
    Programs,
    /// MPICH's own tests (pt2pt, coll, rma, threads), built for Open MPI, on one node and on two.
    MpichSuite,
    /// Ranks in a guest on a real Xen, and in two.
    Guests,
    /// 64 ranks on two nodes, each of which sends to every other one: times and memory.
    Crowd,
    /// Round trips and bandwidth beside Open MPI's own transports.
    Table,
}

/// Boots a Xen host whose guests run jobs that verify what they send.
fn in_guests(provider: &Provider) -> Result<bool, Error> {
    match image::lacks_mpi() {
        Some(what) => Err(Error::Judged(what)),
        None => mpi_on_xen::run(provider, Nic::default()).map(|()| true),
    }
}

/// Runs it before the user's eyes.
pub fn run(args: &MpiArgs) -> Result<ExitCode, Error> {
    let programs = Programs::build()?;
    let provider = Provider::prepare()?;
    let parts = match &args.only[..] {
        [] => Part::value_variants(),
        some => some,
    };
    let mut good = true;
    for part in parts {
        good &= match part {
            Part::Suite => suite::run(&programs, &provider, &args.ranks)?,
            Part::Loss => suite::run_with_loss(&programs, &provider)?,
            Part::Fabtests => fabtests::run(&programs, &provider)?,
            Part::Mpich => mpich::run(&programs, &provider)?,
            Part::Programs => programs::run(&programs, &provider)?,
            Part::MpichSuite => mpich_suite::run(&programs, &provider)?,
            Part::Guests => in_guests(&provider)?,
            Part::Crowd => crowd::run(&programs, &provider)?,
            Part::Table => table::run(&programs, &provider, args.rounds)?,
        };
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
