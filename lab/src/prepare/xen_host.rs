//! The Xen host's packages, unpacked into the cache.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// What runs inside the emulated machine: Xen, its tools with the libraries they load, and a shell.
const PACKAGES: [&str; 33] = [
    "xen-hypervisor-4.17-amd64",
    "xen-utils-4.17",
    "xen-utils-common",
    "xenstore-utils",
    "libxencall1",
    "libxendevicemodel1",
    "libxenevtchn1",
    "libxenforeignmemory1",
    "libxengnttab1",
    "libxenhypfs1",
    "libxenmisc4.17",
    "libxenstore4",
    "libxentoolcore1",
    "libxentoollog1",
    "busybox-static",
    "libyajl2",
    "libkmod2",
    "libfdt1",
    "libnl-3-200",
    "libnl-route-3-200",
    "libuuid1",
    "liblzma5",
    "libzstd1",
    "libncurses6",
    "libtinfo6",
    "zlib1g",
    "libssl3",
    "libaio1",
    "libbz2-1.0",
    "liblzo2-2",
    "libgcc-s1",
    "libpixman-1-0",
    "libgcrypt20",
];

/// The kernel of dom0, and of guests of which nothing else is said.
const KERNEL: &str = r"6\.1\.0-[0-9]+-amd64";

/// An unpacked Xen host.
pub struct XenHost {
    /// The root directory of what was unpacked.
    pub root: PathBuf,
    /// The kernel's release, as `uname -r` will say it.
    pub kernel: String,
}

impl XenHost {
    /// The packed kernel.
    pub fn packed_kernel(&self) -> PathBuf {
        self.root.join(format!("boot/vmlinuz-{}", self.kernel))
    }

    /// Fetches and unpacks the host, unless it is there.
    pub fn unpack(apt: &Apt) -> Result<Self, Error> {
        let root = place::cache()?.join("xen-host");
        let stamp = root.join("PACKAGES");
        let wanted = PACKAGES.join("\n");
        let kept = fs::read_to_string(&stamp).unwrap_or_default();
        let kernel = match kept.split_once("\n\n") {
            Some((packages, kernel)) if packages == wanted => kernel.trim().to_owned(),
            _ => {
                apt.update()?;
                let kernel = apt.newest_kernel(KERNEL)?;
                let image = format!("linux-image-{kernel}");
                let stage =
                    Stage::begin(format!("fetching and unpacking Xen, its tools and {image}"));
                let packages = PACKAGES.map(str::to_owned);
                let packages: Vec<String> = packages.into_iter().chain([image]).collect();
                apt.unpack(&packages, &root)?;
                let arguments = ["-b".to_owned(), root.display().to_string(), kernel.clone()];
                Run::new("/usr/sbin/depmod", "prepare-depmod")
                    .args(arguments)
                    .output()?;
                fs::write(&stamp, format!("{wanted}\n\n{kernel}\n")).at("write", &stamp)?;
                stage.done("");
                kernel
            }
        };
        Ok(XenHost { root, kernel })
    }
}
