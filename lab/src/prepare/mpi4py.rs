//! mpi4py's tests, which Debian's package does not have.

use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// Its source, of the version that Debian 12 has: the version, and what pip holds the file against.
const VERSION: &str = "3.1.4";
const HASH: &str = "sha256:17858f2ebc623220d0120d1fa8d428d033dde749c4bc35b33d81a66ad7f93480";

/// Fetches and unpacks it, unless it is there; where it is.
pub fn source() -> Result<PathBuf, Error> {
    let name = format!("mpi4py-{VERSION}");
    let root = place::cache()?.join("mpi4py");
    let source = root.join(&name);
    let stamp = root.join(format!("{VERSION}-unpacked"));
    if stamp.exists() {
        return Ok(source);
    }
    super::package("python3-pip")?;
    let stage = Stage::begin("fetching and unpacking mpi4py's source (into the lab's own cache)");
    fs::create_dir_all(&root).at("create", &root)?;
    let wanted = root.join("requirements.txt");
    let line = format!("mpi4py=={VERSION} --hash={HASH}\n");
    fs::write(&wanted, line).at("write", &wanted)?;
    Run::new("/usr/bin/python3", "prepare-mpi4py-fetch")
        .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(["--no-binary", ":all:", "--dest"])
        .args([&root])
        .args(["--requirement"])
        .args([&wanted])
        .output()?;
    Run::new("tar", "prepare-mpi4py-unpack")
        .args(["--extract", "--file", &format!("{name}.tar.gz")])
        .within(&root)
        .output()?;
    fs::write(&stamp, "").at("write", &stamp)?;
    stage.done("");
    Ok(source)
}
