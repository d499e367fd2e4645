//! Programs that other people verify MPI with, as Debian has them.

use super::cases;
use super::provider::Provider;
use super::transport::Transport;
use super::veth::Veth;
use super::{hpcc, netpipe, scalapack};
use crate::build::Programs;
use crate::error::Error;
use crate::node::{Node, free_wire};

const FRAME: u16 = 9000;

/// Runs them on one node, and on two that a pair of interfaces joins; whether nothing fails but what fails elsewhere, too.
pub fn run(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let groups = [
        netpipe::group(provider)?,
        hpcc::group(provider)?,
        scalapack::group(provider)?,
    ];
    let alone = [Node::start(programs, "mpi", free_wire()?, FRAME, &[])?];
    let veth = Veth::new(FRAME)?;
    let pair = veth.nodes(programs, FRAME)?;
    let transports = [Transport::Provider(&alone), Transport::Provider(&pair)];
    cases::run(provider, &transports, &groups)
}
