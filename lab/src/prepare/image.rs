//! Kernels that guests boot, unpacked into the cache.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// A kernel to boot.
pub struct Image {
    /// The packed kernel.
    pub packed: PathBuf,
    /// Its release, as `uname -r` will say it.
    pub release: String,
}

impl Image {
    /// Fetches a kernel of Debian's and keeps it, without its modules, unless it is there.
    pub fn of(apt: &Apt, release: &str) -> Result<Self, Error> {
        let directory = place::cache()?.join("kernel-images");
        let packed = directory.join(format!("vmlinuz-{release}"));
        if !packed.exists() {
            apt.update()?;
            let package = format!("linux-image-{release}");
            let stage = Stage::begin(format!("fetching and unpacking {package}"));
            // Newer ones consist of parts, of which the kernel itself is one.
            let binary = format!("linux-binary-{release}");
            let parts = apt.dependencies(&package)?;
            let (holder, place) = match parts.contains(&binary) {
                true => (binary, format!("usr/lib/modules/{release}/vmlinuz")),
                false => (package, format!("boot/vmlinuz-{release}")),
            };
            let begun = directory.join(format!("unpacking-{release}"));
            apt.unpack(&[holder], &begun)?;
            fs::rename(begun.join(place), &packed).at("create", &packed)?;
            fs::remove_dir_all(&begun).at("remove", &begun)?;
            stage.done("");
        }
        Ok(Image {
            packed,
            release: release.to_owned(),
        })
    }
}
