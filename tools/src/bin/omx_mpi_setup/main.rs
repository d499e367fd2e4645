//! `omx_mpi_setup`: the lines by which Open MPI sends by Open-MX boards.

#[macro_use]
extern crate omx_output;

mod file;
mod folder;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use file::{Failed, Replaced, replace};
use omx_tools::mpi::conditions::Judgement;
use omx_tools::mpi::lines::{self, Torn};
use omx_tools::mpi::open_mpi::{Missing, OpenMpi, file_for_all_of_debian};
use omx_tools::mpi::provider::LIST;
use omx_tools::options::of_process;
use omx_tools::tool;

/// Has Open MPI's mpirun send by Open-MX boards, by lines in its file of parameters, or takes these lines back.
#[derive(Parser)]
#[command(after_help = "\
The file is ~/.openmpi/mca-params.conf, or that for all users. What else it holds stays.
What mpirun's options (--mca, --tune) and variables (OMPI_MCA_*) say counts more than any file.
What mpirun will do is told; in full by omx_info --mpi.")]
struct Choice {
    /// for all users, in the file of Open MPI's installation (/etc/openmpi/openmpi-mca-params.conf)
    #[arg(long)]
    system: bool,
    /// take the lines back
    #[arg(long, conflicts_with = "provider")]
    undo: bool,
    /// the folder of libopenmx-fi.so, where that is not the one in which libfabric looks
    #[arg(long, value_name = "DIR")]
    provider: Option<PathBuf>,
}

/// Why nothing was written.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("HOME is not set: it says where Open MPI looks for a user's file")]
    NoHome,
    #[error("{0}: {way_out}", way_out = .0.way_out())]
    OpenMpi(#[from] Missing),
    #[error(transparent)]
    Folder(#[from] folder::Unfit),
    #[error(
        "mca_base_env_list is set ({0}), beside which no other variable can be given to ranks: add FI_PROVIDER_PATH to it, or take it out"
    )]
    List(String),
    #[error("{0}: {1}")]
    Torn(PathBuf, Torn),
    #[error(transparent)]
    File(#[from] Failed),
}

fn main() -> ExitCode {
    tool("omx_mpi_setup", of_process("omx_mpi_setup"), run)
}

fn run(choice: &Choice) -> Result<(), Failure> {
    let open_mpi = OpenMpi::ask();
    let path = path(choice.system, open_mpi.as_ref().ok())?;
    if choice.undo {
        return undo(&path);
    }
    let open_mpi = open_mpi?;
    let folder = choice.provider.as_deref().map(folder::fit).transpose()?;
    if folder.is_some() {
        other_variables(&open_mpi)?;
    }
    let lines = lines::wanted(open_mpi.major(), folder.as_deref());
    let torn = |torn| Failure::Torn(path.clone(), torn);
    let replaced = replace(&path, |old| lines::with(old, &lines).map_err(torn))?;
    match replaced {
        Replaced::Same => println!("{} has these lines already:", path.display()),
        Replaced::New | Replaced::Removed => println!("written to {}:", path.display()),
    }
    for line in &lines {
        println!("  {line}");
    }
    tell();
    Ok(())
}

/// The file that the lines are for.
fn path(system: bool, open_mpi: Option<&OpenMpi>) -> Result<PathBuf, Failure> {
    if system {
        return Ok(open_mpi.map_or_else(file_for_all_of_debian, OpenMpi::file_for_all));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty());
    let home = PathBuf::from(home.ok_or(Failure::NoHome)?);
    Ok(home.join(".openmpi/mca-params.conf"))
}

fn undo(path: &Path) -> Result<(), Failure> {
    let torn = |torn| Failure::Torn(path.to_owned(), torn);
    match replace(path, |old| lines::without(old).map_err(torn))? {
        Replaced::Same => println!("{} has no lines of omx_mpi_setup", path.display()),
        Replaced::New => println!("taken out of {}", path.display()),
        Replaced::Removed => println!("{}, which held nothing else, is removed", path.display()),
    }
    Ok(())
}

/// Fails where the ranks' variables are chosen by somebody else.
fn other_variables(open_mpi: &OpenMpi) -> Result<(), Failure> {
    let list = open_mpi.setting("mca:base", LIST);
    // Written before, for Open MPI 5.
    let own = list.value.starts_with("FI_PROVIDER_PATH=") && !list.value.contains(';');
    match list.value.is_empty() || own {
        true => Ok(()),
        false => Err(Failure::List(list.source.to_string())),
    }
}

/// Says what `mpirun` will do now, and what is in the way if something is.
fn tell() {
    match Judgement::of(OpenMpi::ask().as_ref()).outcome() {
        Ok(sentence) => println!("{sentence}."),
        Err(sentence) => eprintln!("WARNING: {sentence}. What to do: omx_info --mpi"),
    }
}
