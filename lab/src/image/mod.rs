//! What the emulated machine boots: Xen, a kernel, and the first file systems of dom0 and the guests.

mod cpio;
mod kernel;
mod mpi;
mod system;

use crate::build::{self, Built};
use crate::error::{At, Error};
use crate::host::Images;
use crate::place;
use crate::prepare::{self, Kernel, Machine, XenHost};
use crate::stage::Stage;
pub use mpi::lacking as lacks_mpi;
use std::fs;
use std::path::Path;
use system::System;

/// Kernel modules of dom0: Xen's own, the port to the lab, and what gives a PCI device away.
const DOM0_MODULES: [&str; 9] = [
    "xen-evtchn",
    "xen-gntdev",
    "xen-gntalloc",
    "xen-privcmd",
    "xenfs",
    "xen-pciback",
    "xen-netback",
    "virtio_pci",
    "virtio_console",
];

/// Kernel modules of a guest that has dom0's kernel. Both network halves are there for the comparison with netfront and
/// netback; Open-MX needs none of them.
const GUEST_MODULES: [&str; 4] = ["xen-netfront", "xen-netback", "xenfs", "xen-privcmd"];

/// Programs of xenstore; all are the same program by another name.
const XENSTORE: [&str; 8] = [
    "read", "write", "list", "ls", "rm", "watch", "chmod", "exists",
];

/// What dom0 and the guests run instead of waiting for the lab.
pub struct Scripts {
    /// dom0's script; when it ends, the machine is switched off.
    pub dom0: &'static str,
    /// The guests' script.
    pub guest: &'static str,
    /// Assignments that dom0's script reads.
    pub parameters: String,
}

/// Prepares the machine, builds everything and makes the images.
pub fn made() -> Result<(Images, Built), Error> {
    made_on(&prepare::machine()?)
}

/// The same with guests that have this kernel.
pub fn made_with(guest: &Kernel) -> Result<(Images, Built), Error> {
    made_on(&prepare::machine_with(guest)?)
}

fn made_on(machine: &Machine) -> Result<(Images, Built), Error> {
    let built = build::everything(machine)?;
    Ok((make(machine, &built)?, built))
}

/// The same with guests that have Open MPI, the provider of libfabric, which is a library, and a program.
pub fn images_with_mpi(provider: &Path, program: &Path) -> Result<(Images, Built), Error> {
    let machine = prepare::machine()?;
    let built = build::everything(&machine)?;
    let stage = Stage::begin("making the images of dom0 and of guests with Open MPI");
    let add = |system: &mut System<'_>| mpi::add(system, provider, program);
    let images = write(&machine, &built, "mpi-images", None, add)?;
    stage.done("");
    Ok((images, built))
}

fn make(machine: &Machine, built: &Built) -> Result<Images, Error> {
    let stage = Stage::begin("making the images of dom0 and the guests");
    let images = write(machine, built, "images", None, |_| Ok(()))?;
    stage.done("");
    Ok(images)
}

/// Makes images whose domains run scripts.
pub fn make_scripted(machine: &Machine, built: &Built, scripts: &Scripts) -> Result<Images, Error> {
    write(machine, built, "scripted-images", Some(scripts), |_| Ok(()))
}

fn write(
    machine: &Machine,
    built: &Built,
    folder: &str,
    scripts: Option<&Scripts>,
    add_to_guest: impl FnOnce(&mut System<'_>) -> Result<(), Error>,
) -> Result<Images, Error> {
    let directory = place::work().join(folder);
    fs::create_dir_all(&directory).at("create", &directory)?;
    let host = &machine.xen;
    let xen = kernel::xen(host, &directory)?;
    let kernel = kernel::linux(&host.packed_kernel(), &directory.join("vmlinux"))?;
    let guest_kernel = match machine.guest.release == host.kernel {
        true => kernel.clone(),
        false => kernel::linux(&machine.guest.packed, &directory.join("guest-vmlinux"))?,
    };
    let guest = directory.join("guest.cpio");
    let mut system = guest_system(machine, built)?;
    add_to_guest(&mut system)?;
    if let Some(scripts) = scripts {
        add_script(&mut system, scripts.guest);
        let program = built.programs.path("lab-udp");
        system.program("usr/bin/lab-udp", &program)?;
    }
    system.tree.write(&guest)?;
    let mut system = dom0_system(host, built)?;
    if let Some(scripts) = scripts {
        add_script(&mut system, scripts.dom0);
        let parameters = scripts.parameters.as_bytes();
        system.tree.file("lab/parameters", 0o644, parameters);
    }
    system.tree.copy("boot/vmlinux", 0o644, &guest_kernel);
    system.tree.copy("boot/guest.cpio", 0o644, &guest);
    let dom0 = directory.join("dom0.cpio");
    system.tree.write(&dom0)?;
    Ok(Images {
        xen,
        dom0_kernel: kernel,
        dom0_initrd: dom0,
    })
}

/// Adds a script, and what such scripts share.
fn add_script(system: &mut System<'_>, script: &str) {
    let functions = include_str!("../../image/functions.sh");
    system.tree.file("lab/functions", 0o644, functions);
    system.tree.file("lab/scenario.sh", 0o644, script);
}

fn guest_system<'a>(machine: &'a Machine, built: &Built) -> Result<System<'a>, Error> {
    let mut system = System::new(&machine.xen)?;
    system
        .tree
        .file("init", 0o755, include_str!("../../image/guest-init.sh"));
    add_xenstore(&mut system)?;
    for program in built.programs.of_guests() {
        system.program(&format!("usr/bin/{}", name_of(&program)), &program)?;
    }
    let (release, host) = (&machine.guest.release, &machine.xen.kernel);
    let names = if release == host {
        &GUEST_MODULES[..]
    } else {
        &[]
    };
    system.modules(release, names, &[&built.module])?;
    Ok(system)
}

fn dom0_system<'a>(host: &'a XenHost, built: &Built) -> Result<System<'a>, Error> {
    let mut system = System::new(host)?;
    system
        .tree
        .file("init", 0o755, include_str!("../../image/dom0-init.sh"));
    add_xenstore(&mut system)?;
    let tools = [
        "xl",
        "xenstored",
        "xenconsoled",
        "xen-init-dom0",
        "xenconsole",
        "libxl-save-helper",
        "xentop",
    ];
    system.host_programs("usr/lib/xen-4.17/bin", &tools)?;
    for name in ["xenconsole", "libxl-save-helper"] {
        system.tree.link(
            &format!("usr/lib/xen-4.17/bin/{name}"),
            &format!("/usr/bin/{name}"),
        );
    }
    for program in built.programs.of_dom0() {
        system.program(&format!("usr/bin/{}", name_of(&program)), &program)?;
    }
    system.modules(&host.kernel, &DOM0_MODULES, &[])?;
    system.tree.file("etc/xen/xl.conf", 0o644, "");
    system.tree.directory("usr/lib/xen-4.17/boot");
    system.tree.file(
        "etc/xen/scripts/vif",
        0o755,
        include_str!("../../image/vif.sh"),
    );
    for name in ["driver-domain.cfg", "guest.cfg"] {
        let from = place::repository().join("xl-configs").join(name);
        system.tree.copy(&format!("etc/xen/{name}"), 0o644, from);
    }
    system
        .tree
        .copy("boot/driver-domain", 0o644, &built.driver_domain);
    system.tree.copy("boot/mini", 0o644, &built.mini);
    let mini = place::repository().join("tests/minis/mini.cfg");
    system.tree.copy("etc/xen/mini.cfg", 0o644, mini);
    Ok(system)
}

fn add_xenstore(system: &mut System<'_>) -> Result<(), Error> {
    system.host_programs("usr/bin", &["xenstore"])?;
    for name in XENSTORE {
        system
            .tree
            .link(&format!("usr/bin/xenstore-{name}"), "xenstore");
    }
    Ok(())
}

fn name_of(program: &Path) -> String {
    program
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}
