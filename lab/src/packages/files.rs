//! Files of a package under way.

use crate::error::{At, Error};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A source package as far as dpkg's tools ask for one, beside the root of a package. Whoever calls removes it.
pub fn source_package(root: &Path) -> Result<PathBuf, Error> {
    let source = root.with_extension("source");
    let debian = source.join("debian");
    fs::create_dir_all(&debian).at("create", &debian)?;
    let control = "Source: xen2mx\n\nPackage: libopen-mx0\nArchitecture: any\n";
    write(&debian.join("control"), control, 0o644)?;
    Ok(source)
}

/// Gives a file its mode.
pub fn set_mode(path: &Path, mode: u32) -> Result<(), Error> {
    fs::set_permissions(path, Permissions::from_mode(mode)).at("change", path)
}

/// Writes a file of that mode.
pub fn write(path: &Path, text: &str, mode: u32) -> Result<(), Error> {
    fs::write(path, text).at("write", path)?;
    set_mode(path, mode)
}
