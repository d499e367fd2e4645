//! MPICH with libfabric in it, as the Python package index has it: Debian's own goes by something else.

use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// The version, and what pip holds the file against.
const VERSION: &str = "5.0.2";
const HASH: &str = "sha256:8fed465ebff269ea2ebac179a25de02671ddf8df476e0f115be089015015cfd4";

/// Fetches and unpacks it, unless it is there; where its `bin` and `lib` are.
pub fn installed() -> Result<PathBuf, Error> {
    let root = place::cache()?.join("mpich");
    let installed = root.join(format!("mpich-{VERSION}.data/data"));
    let stamp = root.join(format!("{VERSION}-unpacked"));
    if stamp.exists() {
        return Ok(installed);
    }
    super::package("python3-pip")?;
    let stage = Stage::begin("fetching and unpacking MPICH (into the lab's own cache)");
    fs::create_dir_all(&root).at("create", &root)?;
    let wanted = root.join("requirements.txt");
    let line = format!("mpich=={VERSION} --hash={HASH}\n");
    fs::write(&wanted, line).at("write", &wanted)?;
    let python = |log| Run::new("/usr/bin/python3", log).within(&root);
    python("prepare-mpich-fetch")
        .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args(["--only-binary", ":all:", "--dest", "."])
        .args(["--requirement", "requirements.txt"])
        .output()?;
    for entry in fs::read_dir(&root).at("read", &root)? {
        let file = entry.at("read", &root)?.path();
        if file.extension().is_some_and(|extension| extension == "whl") {
            python("prepare-mpich-unpack")
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
    fs::write(&stamp, "").at("write", &stamp)?;
    stage.done("");
    Ok(installed)
}
