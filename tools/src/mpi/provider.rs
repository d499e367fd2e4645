//! Where libfabric looks for the provider.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::PROVIDER;
use super::lines::variable;
use super::open_mpi::OpenMpi;

/// The variable that names folders, with colons between them, in place of libfabric's own.
pub const PATH: &str = "FI_PROVIDER_PATH";

/// The parameter that gives variables to ranks.
pub const LIST: &str = "mca_base_env_list";

/// Where the provider is, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The file that is loaded.
    pub file: Option<PathBuf>,
    /// Where it is looked for.
    pub folders: Vec<PathBuf>,
    /// What says so; nothing for libfabric's own folder.
    pub because: Option<String>,
}

/// The folder where Debian's libfabric looks unless it is told otherwise.
fn usual_folder() -> PathBuf {
    let machine = std::env::consts::ARCH;
    PathBuf::from(format!("/usr/lib/{machine}-linux-gnu/libfabric"))
}

/// The provider's file in a folder, if libfabric can load something like it.
pub fn within(folder: &Path) -> Option<PathBuf> {
    let file = folder.join(format!("lib{PROVIDER}-fi.so"));
    let mut begin = [0; 4];
    // Not what would make a reader wait.
    if !std::fs::metadata(&file).ok()?.is_file() {
        return None;
    }
    File::open(&file).ok()?.read_exact(&mut begin).ok()?;
    (begin == *b"\x7fELF").then_some(file)
}

/// Where the ranks of that Open MPI look.
pub fn find(open_mpi: Option<&OpenMpi>) -> Place {
    let of_ranks = open_mpi.and_then(named_in_files);
    let of_list = open_mpi.and_then(named_in_list);
    let of_environment = || {
        Some((
            std::env::var(PATH).ok()?,
            format!("{PATH} of the environment"),
        ))
    };
    let named = of_ranks.or(of_list).or_else(of_environment);
    let (folders, because) = match named {
        Some((path, because)) if !path.is_empty() => {
            let folders = path.trim_start_matches('@').split(':');
            (folders.map(PathBuf::from).collect(), Some(because))
        }
        _ => (vec![usual_folder()], None),
    };
    Place {
        file: folders.iter().find_map(|folder| within(folder)),
        folders,
        because,
    }
}

/// The variable as an option `-x` in a file of parameters gives it to ranks, and where it stands; Open MPI 4 heeds such.
pub fn named_in_files(open_mpi: &OpenMpi) -> Option<(String, String)> {
    if open_mpi.major() > 4 {
        return None;
    }
    let files = open_mpi.files().into_iter();
    let mut named = files.filter_map(|file| {
        let path = variable(&std::fs::read(&file).ok()?, PATH)?;
        Some((path, format!("-x {PATH} in {}", file.display())))
    });
    named.next()
}

/// The variable as the parameter for such gives it to ranks.
fn named_in_list(open_mpi: &OpenMpi) -> Option<(String, String)> {
    let list = open_mpi.setting("mca:base", LIST);
    let mut variables = list.value.split(';');
    let path = variables.find_map(|variable| variable.strip_prefix(PATH)?.strip_prefix('='))?;
    let because = format!("{LIST} ({})", list.source);
    Some((path.to_owned(), because))
}
