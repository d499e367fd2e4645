//! Preparing the machine: what is installed, what is only fetched and unpacked, and the toolchain.
//!
//! Everything is looked at first and done only when it is missing, so that a second run needs no network.

mod apt;
mod checkers;
mod compilers;
mod fabtests;
mod headers;
mod image;
mod mpi4py;
mod mpich;
mod mpich_suite;
mod netpipe;
mod packages;
mod pip;
mod root;
mod sources;
mod toolchain;
mod xen_host;

pub use apt::Apt;
pub use checkers::{cargo_deny, miri};
pub use compilers::{Compiler, newer as newer_compilers};
pub use fabtests::installed as fabtests;
pub use headers::{Headers, Kernel};
pub use image::Image;
pub use mpi4py::source as mpi4py;
pub use mpich::installed as mpich;
pub use mpich_suite::built as mpich_suite;
pub use netpipe::source as netpipe;
pub use toolchain::install as toolchain;
pub use xen_host::XenHost;

use crate::error::Error;
use crate::run::Run;

/// What the rest of the lab needs of the machine.
pub struct Machine {
    /// Xen, its tools and dom0's kernel.
    pub xen: XenHost,
    /// The guests' kernel: dom0's, unless another one was asked for.
    pub guest: Image,
    /// Its headers.
    pub headers: Headers,
}

/// Installs the packages where no C++ compiler is yet: all that the unit tests want beside the linker, so that they run
/// on any Linux that has one.
pub fn cpp_compiler() -> Result<(), Error> {
    let asked = Run::new("c++", "prepare-cpp").args(["--version"]).output();
    match asked {
        Ok(_) => Ok(()),
        Err(_) => packages::install(&Apt::of_machine()?),
    }
}

/// Installs one more package, which only some commands need.
pub fn package(name: &str) -> Result<(), Error> {
    packages::install_one(&Apt::of_machine()?, name)
}

/// Prepares the machine, saying each thing that it does.
pub fn machine() -> Result<Machine, Error> {
    toolchain::install()?;
    packages::install(&Apt::of_machine()?)?;
    let archive = Apt::of("bookworm")?;
    let xen = XenHost::unpack(&archive)?;
    let headers = Headers::of(&archive, &xen.kernel)?;
    let guest = Image {
        packed: xen.packed_kernel(),
        release: xen.kernel.clone(),
    };
    Ok(Machine {
        xen,
        guest,
        headers,
    })
}

/// Prepares the machine for guests with another kernel than dom0's.
pub fn machine_with(guest: &Kernel) -> Result<Machine, Error> {
    Ok(Machine {
        guest: guest.image()?,
        headers: guest.headers()?,
        ..machine()?
    })
}
