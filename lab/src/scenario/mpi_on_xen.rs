//! MPI in a guest, on a real Xen: Debian's Open MPI, its messages by the provider of libfabric and the frontend's device.

use std::time::Duration;

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

/// Ranks of the job.
const RANKS: u32 = 2;

/// What Open MPI has to be told: only over libfabric, and there only over this provider. It looks for ssh even where it starts
/// nothing elsewhere.
const MPIRUN: &str = "export FI_PROVIDER_PATH=/usr/lib/openmx; \
    exec mpirun --allow-run-as-root --oversubscribe --mca plm_rsh_agent true --mca mpi_yield_when_idle 1 --mca pml cm \
    --mca mtl ofi --mca opal_common_ofi_provider_include openmx --mca mtl_base_verbose 10 -x FI_PROVIDER_PATH";

/// Boots a host whose guests have Open MPI and the program `check`, and runs a job of it.
pub fn run(provider: &Provider, nic: Nic) -> Result<(), Error> {
    let check = provider.program(CHECK)?;
    let (images, built) = image::made_with_mpi(&provider.library(), &check)?;
    let shape = Shape {
        guest_memory: GUEST_MEMORY,
        memory: MEMORY,
        ..Shape::of(Some(nic))
    };
    let fabric = Fabric::start(images, &built.programs, shape)?;
    stage("mpirun with 2 ranks in guest1", || {
        let job = format!("{MPIRUN} -n {RANKS} {CHECK} 2>&1");
        let job = fabric.start_program("guest1", &["sh", "-c", &job])?;
        expect_job(&job.finish(LIMIT)?)
    })?;
    logs::judge(&fabric, fabric.guests(), 0)?;
    fabric.end()
}

/// Each rank has said that it sends by the provider, and the job that all messages were right.
fn expect_job(said: &str) -> Result<(), Error> {
    let saying = said.matches(SAID).count();
    if saying < RANKS as usize {
        return Err(Error::Judged(format!(
            "{saying} of {RANKS} ranks said that they send by the provider; the job said:\n{said}"
        )));
    }
    judge(said, RANKS)
}
