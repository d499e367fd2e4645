//! MPI as people have it, over the provider of libfabric: Open MPI from Debian's packages, unmodified, on one node and on two.

use super::two_nodes::joined;
use crate::build::{self, Programs};
use crate::error::{At, Error};
use crate::node::{Node, free_wire};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};

/// Open MPI, and what its programs are built by.
const PACKAGES: [&str; 2] = ["openmpi-bin", "libopenmpi-dev"];

/// The program whose processes verify what they send each other.
const CHECK: &str = "libfabric-openmx/tests/programs/check.c";

/// Only over libfabric, and there only over this provider: without it a job ends instead of going by TCP.
const SELECTION: [&str; 9] = [
    "--mca",
    "pml",
    "cm",
    "--mca",
    "mtl",
    "ofi",
    "--mca",
    "opal_common_ofi_provider_include",
    "openmx",
];

/// A job that takes longer hangs: it needs seconds.
const LIMIT: &str = "300";

/// Runs it all; how many jobs there were.
pub fn run(programs: &Programs) -> Result<u64, Error> {
    for package in PACKAGES {
        prepare::package(package)?;
    }
    let folder = provider()?;
    let check = built(&folder)?;
    let alone = Node::start(programs, "mpi", free_wire()?, 9000, &[])?;
    let mut jobs = 0;
    for ranks in [2, 4] {
        let said = job(&folder, &[(&alone, ranks)], &check)?;
        judge(&said, ranks)?;
        jobs += 1;
    }
    for mtu in [1500, 9000] {
        let [one, two] = joined(programs, mtu)?;
        let said = job(&folder, &[(&one, 2), (&two, 2)], &check)?;
        judge(&said, 4)?;
        jobs += 1;
    }
    Ok(jobs)
}

/// Builds the provider, and puts it where libfabric is told to look: the folder.
fn provider() -> Result<PathBuf, Error> {
    let stage = Stage::begin("building the provider of libfabric");
    Run::new("cargo", "build-provider")
        .args(["build", "--release", "--package", "libfabric-openmx"])
        .output()?;
    let folder = place::work().join("mpi");
    fs::create_dir_all(&folder).at("create", &folder)?;
    let built = build::target().join("release/libopenmx_fi.so");
    let installed = folder.join("libopenmx-fi.so");
    // By a new name first: processes may have the old file mapped.
    let new = folder.join("new");
    fs::copy(&built, &new).at("copy", &built)?;
    fs::rename(&new, &installed).at("rename", &new)?;
    stage.done("");
    Ok(folder)
}

fn built(folder: &Path) -> Result<PathBuf, Error> {
    let program = folder.join("check");
    let source = place::repository().join(CHECK);
    Run::new("mpicc", "mpi-compile")
        .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([&program, &source])
        .output()?;
    Ok(program)
}

/// Runs the program with so many ranks on each node.
fn job(folder: &Path, ranks: &[(&Node<'_>, u32)], program: &Path) -> Result<String, Error> {
    let mut run = Run::new("timeout", "mpi-job")
        .env("FI_PROVIDER_PATH", folder)
        .args([LIMIT, "mpirun", "--allow-run-as-root", "--oversubscribe"])
        .args(SELECTION);
    for (index, (node, count)) in ranks.iter().enumerate() {
        if index > 0 {
            run = run.args([":"]);
        }
        let socket = format!("OMX_SOCKET={}", node.socket().display());
        run = run
            .args(["-n", &count.to_string(), "-x", &socket])
            .args([program]);
    }
    run.output()
}

/// The line that says how many messages were right, which is printed.
fn judge(said: &str, ranks: u32) -> Result<(), Error> {
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
