//! Mini guests (`tests/minis`) on a real Xen: beside Linux guests.
//!
//! | file | what |
//! |---|---|
//! | `domains` | mini guests that are created, attached, and told what to do |
//! | `honest` | their messages |
//! | `liars` | their lies, while Linux guests exchange messages |
//! | `consoles` | what nobody's console may hold |

mod consoles;
mod domains;
mod honest;
mod liars;

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use domains::Minis;
pub use liars::HostileArgs;
use liars::Plan;

/// All of it.
pub fn run(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(nic)))?;
    let mut minis = Minis::default();
    stage(
        "xl create mini.cfg, xl-omx attach, for the first mini guest",
        || minis.create(&fabric, 1),
    )?;
    stage(
        "it sends to itself and verifies, beside Linux guests",
        || honest::alone(&fabric, &minis),
    )?;
    stage("no console has a panic, a warning or a bug", || {
        consoles::judge(&fabric, &minis)
    })?;
    stage(
        "xl destroy, for all honest mini guests; xl-omx apply",
        || {
            minis.destroy(&fabric)?;
            fabric.dom0(&["xl-omx", "apply"])
        },
    )?;
    liars::lie(&fabric, &Plan::SHORT)
}

/// `cargo lab hostile`.
pub fn hostile(images: Images, programs: &Programs, args: &HostileArgs) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(args.nic)))?;
    liars::lie(&fabric, &args.plan)
}
