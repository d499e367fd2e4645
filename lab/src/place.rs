//! Where things are: the repository, what is built, what is kept between runs.

use crate::error::Error;
use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository that this tool was built from.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// What the lab makes from the repository: images, logs, results. `cargo clean` removes it.
pub fn work() -> PathBuf {
    repository().join("target/lab")
}

/// What the lab fetches, for all clones of the repository: `$XDG_CACHE_HOME/xen2mx`, else `~/.cache/xen2mx`.
pub fn cache() -> Result<PathBuf, Error> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty());
    let base = set("XDG_CACHE_HOME").map(PathBuf::from);
    let base = base.or_else(|| set("HOME").map(|home| PathBuf::from(home).join(".cache")));
    Ok(base.ok_or(Error::NoHome)?.join("xen2mx"))
}
