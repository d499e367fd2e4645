//! mpi4py's tests, which Debian's package does not have.

use super::pip::{self, Package};
use crate::error::Error;
use crate::run::Run;
use std::path::PathBuf;

/// Its source, of the version that Debian 12 has.
const PACKAGE: Package = Package {
    name: "mpi4py",
    version: "3.1.4",
    hash: "sha256:17858f2ebc623220d0120d1fa8d428d033dde749c4bc35b33d81a66ad7f93480",
    form: "--no-binary",
};

/// Fetches and unpacks it, unless it is there; where it is.
pub fn source() -> Result<PathBuf, Error> {
    let name = format!("{}-{}", PACKAGE.name, PACKAGE.version);
    let root = pip::unpacked(PACKAGE, |root| {
        Run::new("tar", "prepare-mpi4py-unpack")
            .args(["--extract", "--file", &format!("{name}.tar.gz")])
            .within(root)
            .output()
            .map(drop)
    })?;
    Ok(root.join(name))
}
