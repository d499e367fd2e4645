//! Kernel headers, unpacked into the cache.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// The headers of one kernel.
pub struct Headers {
    /// What a module's `make -C` takes.
    pub directory: PathBuf,
}

impl Headers {
    /// Fetches and unpacks the newest headers whose package name matches `pattern`, unless headers of `series` are there.
    pub fn unpack(apt: &Apt, pattern: &str, series: &str) -> Result<Self, Error> {
        let root = place::cache()?.join(format!("headers-{series}"));
        let stamp = root.join("PACKAGE");
        let package = match fs::read_to_string(&stamp) {
            Ok(package) => package,
            Err(_) => {
                let package = apt.newest(pattern)?;
                let stage = Stage::begin(format!("fetching and unpacking {package}"));
                let mut packages = apt.dependencies(&package)?;
                packages.retain(|name| {
                    name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-")
                });
                packages.push(package.clone());
                apt.unpack(&packages, &root)?;
                fs::write(&stamp, &package).at("write", &stamp)?;
                stage.done("");
                package
            }
        };
        Ok(Headers {
            directory: root.join("usr/src").join(package),
        })
    }
}
