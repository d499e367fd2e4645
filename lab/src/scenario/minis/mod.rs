//! Mini guests (`tests/minis`) on a real Xen: many on one driver domain, beside Linux guests.
//!
//! | file | what |
//! |---|---|
//! | `domains` | mini guests that are created, attached, and told what to do |
//! | `honest` | their messages |
//! | `liars` | their lies, while Linux guests exchange messages |
//! | `betrayal` | the other direction: a driver domain that lies to a guest |
//! | `shares` | what each of them gets |
//! | `linux` | what Linux guests get beside them |
//! | `consoles` | what nobody's console may hold |

mod betrayal;
mod consoles;
mod domains;
mod honest;
mod liars;
mod linux;
mod shares;

use crate::build::Programs;
use crate::demo::fabric::{Fabric, Shape};
use crate::demo::stage;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::scenario::judge::expect;
use crate::scenario::leaks::Holdings;
use domains::Minis;
pub use liars::HostileArgs;
use liars::Plan;
use shares::Shares;

/// Mini guests on one driver domain.
const MINIS: usize = 64;
/// MiB of a driver domain for so many guests.
const MEMORY: u64 = 64;

/// All of it.
pub fn run(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(nic)))?;
    let before = Holdings::take(&fabric)?;
    let mut minis = Minis::default();
    stage(
        &format!("xl create mini.cfg, xl-omx attach, for {MINIS} mini guests"),
        || minis.create(&fabric, MINIS),
    )?;
    stage(
        "they open an endpoint each, or eight, and register memory",
        || honest::open(&fabric, &minis),
    )?;
    println!("{}", memory(&fabric)?);
    linux::prefer(&fabric)?;
    let mut all = Vec::new();
    for messages in shares::ALL {
        let shares = stage(&messages.title(), || {
            shares::measure(&fabric, &minis, messages)
        })?;
        println!("{}", shares.text());
        all.push(shares);
    }
    let shares = stage(
        "all send tiny messages each to its partner, and a Linux guest as fast as it can",
        || shares::measure_linux(&fabric, &minis),
    )?;
    println!("{}", shares.text());
    all.push(shares);
    println!("    Figures: {}", shares::keep(&all)?);
    all.iter().try_for_each(Shares::judge)?;
    stage("no console has a panic, a warning or a bug", || {
        consoles::judge(&fabric, &minis)
    })?;
    stage("they are destroyed, and all is given back", || {
        minis.destroy(&fabric)?;
        before.judge(&fabric)
    })?;
    println!("{}", before.text());
    liars::lie(&fabric, &Plan::SHORT)?;
    betrayal::run(&fabric, 2)
}

/// `cargo lab hostile`.
pub fn hostile(images: Images, programs: &Programs, args: &HostileArgs) -> Result<(), Error> {
    let fabric = Fabric::start(images, programs, Shape::of(Some(args.nic)))?;
    liars::lie(&fabric, &args.plan)?;
    betrayal::run(&fabric, 6)
}

/// What the driver domain takes.
fn memory(fabric: &Fabric<'_>) -> Result<String, Error> {
    let list = fabric.dom0(&["xl", "list", "driver-domain"])?;
    let words = list.lines().last().unwrap_or_default().split_whitespace();
    let given = words.skip(2).find_map(|word| word.parse::<u64>().ok());
    let given = given.ok_or_else(|| Error::Judged(format!("xl list says:\n{list}")))?;
    expect(given <= MEMORY, || {
        format!("the driver domain has {given} MiB")
    })?;
    let [used, size, pages, boards] =
        ["heap-used", "heap-size", "pages", "boards"].map(|name| fabric.counter(name));
    Ok(format!(
        "    The driver domain has {given} MiB, and uses {:.1} of {:.1} MiB of heap; it maps {} MiB of {} guests.",
        used? as f64 / f64::from(1 << 20),
        size? as f64 / f64::from(1 << 20),
        pages? / 256,
        boards?,
    ))
}
