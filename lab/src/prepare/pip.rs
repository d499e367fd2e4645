//! What the Python package index has and Debian has not, held against a known hash.

use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};

/// What is fetched.
#[derive(Clone, Copy)]
pub struct Package {
    pub name: &'static str,
    pub version: &'static str,
    /// What pip holds the file against.
    pub hash: &'static str,
    /// The form that is not taken: `--no-binary` or `--only-binary`.
    pub form: &'static str,
}

/// Fetches a package into a folder of its own in the lab's cache and has it unpacked there, unless that was done; its folder.
pub fn unpacked(
    package: Package,
    unpack: impl FnOnce(&Path) -> Result<(), Error>,
) -> Result<PathBuf, Error> {
    let Package {
        name,
        version,
        hash,
        form,
    } = package;
    let root = place::cache()?.join(name);
    let stamp = root.join(format!("{version}-unpacked"));
    if stamp.exists() {
        return Ok(root);
    }
    super::package("python3-pip")?;
    let title = format!("fetching and unpacking {name} (into the lab's own cache)");
    let stage = Stage::begin(&title);
    fs::create_dir_all(&root).at("create", &root)?;
    let wanted = root.join("requirements.txt");
    let line = format!("{name}=={version} --hash={hash}\n");
    fs::write(&wanted, line).at("write", &wanted)?;
    Run::new("/usr/bin/python3", &format!("prepare-{name}-fetch"))
        .within(&root)
        .args(["-m", "pip", "download", "--no-deps", "--require-hashes"])
        .args([form, ":all:", "--dest", "."])
        .args(["--requirement", "requirements.txt"])
        .output()?;
    unpack(&root)?;
    fs::write(&stamp, "").at("write", &stamp)?;
    stage.done("");
    Ok(root)
}
