//! MPI in guests, on a real Xen: Debian's Open MPI, its messages by the provider of libfabric and the frontend's device.
//!
//! Between guests `mpirun` needs IP, for its own words alone.

use std::time::Duration;

use super::guest_network::{self, BACKEND, NETWORK};
use super::judge::in_guest;
use super::logs;
use super::mpi::{CHECK, judge};
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::Nic;
use crate::image;
use crate::mpi::job::SAID;
use crate::mpi::provider::Provider;

/// Five times what the longest job needs under emulation on a quiet machine.
const LIMIT: Duration = Duration::from_secs(150);

/// MiB of a guest with Open MPI's files in its memory, and of its host.
const GUEST_MEMORY: u32 = 384;
const MEMORY: u32 = 3584;

/// Ranks of a job in each guest that takes part.
const RANKS: usize = 2;

/// What Open MPI has to be told anyhow. It looks for ssh even where it starts nothing elsewhere.
const MPIRUN: &str = "exec mpirun --allow-run-as-root --oversubscribe --mca plm_rsh_agent /tmp/agent --mca mpi_yield_when_idle 1";

/// Only over libfabric, and there only over this provider.
const OPEN_MX: &str = "--mca pml cm --mca mtl ofi --mca opal_common_ofi_provider_include openmx --mca mtl_base_verbose 10 \
    -x FI_PROVIDER_PATH=/usr/lib/openmx";

/// Both, with as many ranks each.
const GUESTS: &str = "--host guest1:2,guest2:2";

/// What stands for ssh: takes mpirun's words to a shell of the other guest, which listens for them.
const AGENT: &str = "printf '#!/bin/sh\nto=$1; shift; echo \"$*\" | nc $to 2222\n' > /tmp/agent; chmod +x /tmp/agent";
const LISTEN: &str = "nc -ll -p 2222 -e sh < /dev/null > /dev/null 2>&1 & \
    while ! netstat -ltn | grep -q :2222; do sleep 0.1; done";

/// Boots a host whose guests have Open MPI and the program `check`, and runs jobs of it: in one guest, and between both.
pub fn run(provider: &Provider, nic: Nic) -> Result<(), Error> {
    let check = provider.program(CHECK)?;
    let (images, built) = image::images_with_mpi(&provider.library(), &check)?;
    let shape = Shape {
        network_backend: Some(BACKEND),
        guest_memory: GUEST_MEMORY,
        memory: MEMORY,
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, &built.programs, shape)?;
    // mpirun's daemon in guest2 starts nothing by it, and ends where there is none.
    for guest in fabric.guests() {
        in_guest(&fabric, guest, AGENT, LIMIT)?;
    }
    stage("mpirun with 2 ranks in guest1", || {
        let said = mpirun(&fabric, &format!("{OPEN_MX} -n 2 {CHECK}"))?;
        expect_job(&said, &["guest1"])
    })?;
    stage("a network interface of guest2, served by guest1", || {
        guest_network::join(&fabric)?;
        in_guest(&fabric, "guest2", LISTEN, LIMIT).map(drop)
    })?;
    stage("mpirun with 2 ranks in guest1 and 2 in guest2", || {
        let hosts = format!("--mca oob_tcp_if_include {NETWORK} {GUESTS}");
        let said = mpirun(&fabric, &format!("{OPEN_MX} {hosts} -n 4 {CHECK}"))?;
        expect_job(&said, &["guest1", "guest2"])
    })?;
    logs::judge(&fabric, fabric.guests(), 0)?;
    fabric.end()
}

/// A job that guest1 starts; what it has said.
fn mpirun(fabric: &Fabric<'_>, options: &str) -> Result<String, Error> {
    let job = format!("{MPIRUN} {options} 2>&1");
    in_guest(fabric, "guest1", &job, LIMIT)
}

/// Each rank has said that it sends by the provider, in the guest that it ought to be in, and the job that all messages were
/// right.
fn expect_job(said: &str, guests: &[&str]) -> Result<(), Error> {
    for guest in guests {
        let saying = format!("[{guest}:");
        let lines = said
            .lines()
            .filter(|line| line.starts_with(&saying) && line.contains(SAID));
        let saying = lines.count();
        if saying < RANKS {
            return Err(Error::Judged(format!(
                "{saying} of {RANKS} ranks in {guest} said that they send by the provider; the job said:\n{said}"
            )));
        }
    }
    judge(said, (RANKS * guests.len()) as u32)
}
