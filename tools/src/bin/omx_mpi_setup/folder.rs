//! A folder of the provider that can stand in a file of Open MPI's parameters.

use std::path::{Path, PathBuf};

use omx_tools::mpi::provider::within;

/// Why it cannot.
#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("{0} cannot be named: {1}")]
    Unnamed(PathBuf, std::io::Error),
    #[error("there is no libopenmx-fi.so in {0}, or it is no library")]
    Empty(PathBuf),
    #[error(
        "{0} has other characters than letters, digits and / . _ - + @ ~ %, by which Open MPI or libfabric would read it wrongly"
    )]
    Characters(PathBuf),
}

/// Its name from the root, if the provider is in it.
pub fn fit(folder: &Path) -> Result<PathBuf, Unfit> {
    let absolute = std::path::absolute(folder);
    let absolute = absolute.map_err(|error| Unfit::Unnamed(folder.to_owned(), error))?;
    let plain = |letter: char| letter.is_alphanumeric() || "/._-+@~%".contains(letter);
    if !absolute
        .to_str()
        .is_some_and(|name| name.chars().all(plain))
    {
        return Err(Unfit::Characters(absolute));
    }
    match within(&absolute) {
        Some(_) => Ok(absolute),
        None => Err(Unfit::Empty(absolute)),
    }
}
