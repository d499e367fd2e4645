//! MPI as somebody has it who gives `mpirun` no option: by `omx_mpi_setup` it sends by the provider, and no longer when the
//! lines are taken back; `omx_info --mpi` says each time what it does.

use crate::build::Programs;
use crate::error::{At, Error};
use crate::mpi::job::SAID;
use crate::mpi::provider::Provider;
use crate::node::{Node, free_wire};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Ranks of each job.
const RANKS: usize = 2;

/// What the provider says when it finds no board.
const WARNING: &str = ":openmx:core:get_info<warn> ";

/// Somebody with a home of his own.
struct User<'a> {
    programs: &'a Programs,
    home: PathBuf,
    socket: PathBuf,
    check: &'a Path,
}

/// Runs it; how many jobs there were.
pub fn run(programs: &Programs, provider: &Provider, check: &Path) -> Result<u64, Error> {
    let node = Node::start(programs, "mpi-setup", free_wire()?, 9000, &[])?;
    let home = provider.folder().join("home");
    fs::create_dir_all(&home).at("create", &home)?;
    let mut user = User {
        programs,
        home,
        socket: node.socket(),
        check,
    };
    // Of a run that failed.
    user.tool("omx_mpi_setup", &["--undo"])?;
    user.sends(false, &[])?;
    user.tool("omx_mpi_setup", &["--provider", &text(provider.folder())])?;
    user.sends(true, &[])?;
    // What counts more than the file.
    user.sends(false, &[("OMPI_MCA_mtl", "^ofi")])?;
    user.sends(false, &[("OMPI_MCA_pml", "ob1")])?;
    user.sends(false, &[("FI_PROVIDER", "^openmx")])?;
    let socket = std::mem::replace(&mut user.socket, user.home.join("none"));
    let said = user.sends(false, &[])?;
    if !said.contains(WARNING) {
        return Err(judged("was not told that there is no board", &said));
    }
    user.socket = socket;
    user.tool("omx_mpi_setup", &["--undo"])?;
    user.sends(false, &[])?;
    println!(
        "    plain mpirun sends by the provider after omx_mpi_setup, and as omx_info --mpi says"
    );
    Ok(7)
}

impl User<'_> {
    /// A job without options sends by the provider or does not, as `omx_info --mpi` says; what the job said.
    fn sends(&self, expected: bool, variables: &[(&str, &str)]) -> Result<String, Error> {
        let info = self.programs.path("omx_info");
        let told = self.output(&text(&info), &["--mpi"], variables)?;
        let (told, explained) = (told.status.success(), both(&told));
        let limit = ["--kill-after=10", "120", "mpirun", "-n"];
        let ranks = RANKS.to_string();
        let check = text(self.check);
        let job = [&limit[..], &[&ranks, &check]].concat();
        let ran = self.output("timeout", &job, variables)?;
        let said = both(&ran);
        if !ran.status.success() || !said.contains(" messages verified") {
            return Err(judged("failed", &said));
        }
        let sayers = match expected {
            true => RANKS,
            false => 0,
        };
        if said.matches(SAID).count() != sayers {
            return Err(judged("did not send by what it should", &said));
        }
        match told == expected {
            true => Ok(said),
            false => Err(judged("was foretold wrongly", &explained)),
        }
    }

    /// Runs a tool that succeeds.
    fn tool(&self, name: &str, arguments: &[&str]) -> Result<(), Error> {
        let output = self.output(&text(&self.programs.path(name)), arguments, &[])?;
        match output.status.success() {
            true => Ok(()),
            false => Err(judged("was not prepared", &both(&output))),
        }
    }

    fn output(
        &self,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Output, Error> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        command.args(arguments).env_clear().env("PATH", path);
        command.env("HOME", &self.home);
        command.env("OMX_SOCKET", &self.socket);
        // Who sends by what, and that root may start a job.
        command.env("OMPI_MCA_mtl_base_verbose", "10");
        command.env("OMPI_ALLOW_RUN_AS_ROOT", "1");
        command.env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1");
        let command = command.envs(variables.iter().copied());
        command.output().at("start", program)
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn both(output: &Output) -> String {
    let texts = [&output.stdout, &output.stderr];
    texts.map(|text| String::from_utf8_lossy(text)).concat()
}

fn judged(what: &str, said: &str) -> Error {
    Error::Judged(format!("a job of plain mpirun {what}:\n{said}"))
}
