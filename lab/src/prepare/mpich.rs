//! MPICH with libfabric in it, as the Python package index has it: Debian's own goes by something else.

use super::pip::{self, Package};
use crate::error::{At, Error};
use crate::run::Run;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const PACKAGE: Package = Package {
    name: "mpich",
    version: "5.0.2",
    hash: "sha256:8fed465ebff269ea2ebac179a25de02671ddf8df476e0f115be089015015cfd4",
    form: "--only-binary",
};

/// Fetches and unpacks it, unless it is there; where its `bin` and `lib` are.
pub fn installed() -> Result<PathBuf, Error> {
    let data = format!("{}-{}.data/data", PACKAGE.name, PACKAGE.version);
    let root = pip::unpacked(PACKAGE, |root| unpack(root, &root.join(&data)))?;
    Ok(root.join(data))
}

fn unpack(root: &Path, installed: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(root).at("read", root)? {
        let file = entry.at("read", root)?.path();
        if file.extension().is_some_and(|extension| extension == "whl") {
            Run::new("/usr/bin/python3", "prepare-mpich-unpack")
                .within(root)
                .args(["-m", "zipfile", "-e"])
                .args([&file])
                .args(["."])
                .output()?;
        }
    }
    let programs = installed.join("bin");
    for entry in fs::read_dir(&programs).at("read", &programs)? {
        let program = entry.at("read", &programs)?.path();
        // What unpacks it does not keep what may be run.
        fs::set_permissions(&program, Permissions::from_mode(0o755)).at("change", &program)?;
    }
    Ok(())
}
