//! What the shared library exports: for the packages of programs that load it, and held against a list, so that no symbol
//! vanishes by mistake.

use super::files::{source_package, write};
use super::origin::Origin;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use std::fs;
use std::path::Path;

/// The list, with the version in which each symbol came.
const LIST: &str = "libopen-mx/libopen-mx0.symbols";

/// Adds the control files of a library to its package. A symbol that is missing, and one that is not in the list, are errors.
pub fn add(root: &Path, origin: &Origin) -> Result<(), Error> {
    let control = root.join("DEBIAN");
    let list = place::repository().join(LIST);
    let source = source_package(root)?;
    let to = control.join("symbols");
    Run::new("dpkg-gensymbols", "packages-symbols")
        .within(&source)
        // 4: what is missing or new is an error.
        .args(["-plibopen-mx0", "-c4", "-q"])
        .args([format!("-v{}", origin.version)])
        .args([
            format!("-P{}", root.display()),
            format!("-I{}", list.display()),
        ])
        .args([format!("-O{}", to.display())])
        .output()?;
    fs::remove_dir_all(&source).at("remove", &source)?;
    let least = concat!(
        "libopen-mx 0 libopen-mx0 (>= ",
        env!("CARGO_PKG_VERSION"),
        ")\n"
    );
    write(&control.join("shlibs"), least, 0o644)?;
    write(
        &control.join("triggers"),
        "activate-noawait ldconfig\n",
        0o644,
    )
}
