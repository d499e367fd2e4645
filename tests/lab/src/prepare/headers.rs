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
    /// Fetches and unpacks the headers of a kernel, unless they are there.
    pub fn of(apt: &Apt, release: &str, series: &str) -> Result<Self, Error> {
        let package = format!("linux-headers-{release}");
        if kept(series)?.as_ref() != Some(&package) {
            unpack(apt, &package, series)?;
        }
        Self::at(&package, series)
    }

    /// Fetches and unpacks the newest headers whose package name matches `pattern`, unless headers of `series` are there.
    pub fn newest(apt: &Apt, pattern: &str, series: &str) -> Result<Self, Error> {
        let package = match kept(series)? {
            Some(package) => package,
            None => {
                let package = apt.newest(pattern)?;
                unpack(apt, &package, series)?;
                package
            }
        };
        Self::at(&package, series)
    }

    fn at(package: &str, series: &str) -> Result<Self, Error> {
        Ok(Headers {
            directory: root(series)?.join("usr/src").join(package),
        })
    }
}

/// Where the headers of a series are.
fn root(series: &str) -> Result<PathBuf, Error> {
    Ok(place::cache()?.join(format!("headers-{series}")))
}

/// The file that names what is unpacked there.
const STAMP: &str = "PACKAGE";

/// The package whose headers are there.
fn kept(series: &str) -> Result<Option<String>, Error> {
    Ok(fs::read_to_string(root(series)?.join(STAMP)).ok())
}

/// Fetches a package of headers, with those that it needs, and unpacks them.
fn unpack(apt: &Apt, package: &str, series: &str) -> Result<(), Error> {
    let root = root(series)?;
    apt.update()?;
    let stage = Stage::begin(format!("fetching and unpacking {package}"));
    let mut packages = apt.dependencies(package)?;
    packages.retain(|name| name.starts_with("linux-headers-") || name.starts_with("linux-kbuild-"));
    packages.push(package.to_owned());
    apt.unpack(&packages, &root)?;
    let stamp = root.join(STAMP);
    fs::write(&stamp, package).at("write", &stamp)?;
    stage.done("");
    Ok(())
}
