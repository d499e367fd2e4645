//! Where things are: the repository, what is built, what is kept between runs.

use std::path::{Path, PathBuf};

/// The root of the repository that this tool was built from.
pub fn repository() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// What the lab makes from the repository: images, logs, results. `cargo clean` removes it.
pub fn work() -> PathBuf {
    repository().join("target/lab")
}
