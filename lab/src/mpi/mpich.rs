//! MPICH over the provider, whose one-sided communication reads and writes memory by it.

use super::provider::Provider;
use crate::build::Programs;
use crate::error::Error;
use crate::node::{Node, free_wire};
use crate::prepare;
use crate::run::Run;
use std::path::Path;

/// Programs whose processes verify, and what each ends with.
const PROGRAMS: [(&str, &str); 2] = [
    ("check", " messages verified"),
    ("onesided", " words verified"),
];

/// A job that takes longer hangs: it needs seconds.
const LIMIT: &str = "300";

/// By what MPICH begins the line that names its provider.
const SAID: &str = "libfabric provider: openmx";

/// Runs the programs with 2 and 4 ranks on one node, which do not share memory; whether each said that all was right.
pub fn run(programs: &Programs, provider: &Provider) -> Result<bool, Error> {
    let installed = prepare::mpich()?;
    let node = Node::start(programs, "mpich", free_wire()?, 9000, &[])?;
    let mut good = true;
    for (name, end) in PROGRAMS {
        let program = provider.folder().join(format!("{name}-mpich"));
        let compiler = installed.join("bin/mpicc");
        Run::new(&compiler.to_string_lossy(), "mpich-compile")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &Provider::source(name)])
            .output()?;
        for ranks in [2, 4] {
            let said = job(&installed, &node, provider, ranks, &program)?;
            let begin = format!("{ranks} ranks: ");
            let line = said
                .lines()
                .find(|line| line.starts_with(&begin) && line.ends_with(end));
            match line.filter(|_| said.contains(SAID)) {
                Some(line) => println!("    MPICH, {name}, {line}"),
                None => println!("    MPICH, {name}, {ranks} ranks: it said otherwise\n{said}"),
            }
            good &= line.is_some() && said.contains(SAID);
        }
    }
    Ok(good)
}

fn job(
    installed: &Path,
    node: &Node<'_>,
    provider: &Provider,
    ranks: u32,
    program: &Path,
) -> Result<String, Error> {
    Run::new("timeout", "mpich-job")
        .env("FI_PROVIDER_PATH", provider.folder())
        .env("FI_PROVIDER", "openmx")
        .env("MPIR_CVAR_CH4_NETMOD", "ofi")
        .env("MPIR_CVAR_NOLOCAL", "1")
        .env("MPIR_CVAR_DEBUG_SUMMARY", "1")
        .env("OMX_SOCKET", node.socket())
        .args([LIMIT])
        .args([installed.join("bin/mpiexec")])
        .args(["-n", &ranks.to_string()])
        .args([program])
        .output()
}
