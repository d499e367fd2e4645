//! Open MPI in a guest: this machine's, whose packages are Debian's, with the provider of libfabric.

use std::fs;
use std::path::{Path, PathBuf};

use super::system::System;
use crate::error::{At, Error};

/// What starts a job, and what starts its ranks on another host, by their names in the guest.
const PROGRAMS: [(&str, &str); 2] = [("mpirun", "orterun"), ("orted", "orted")];
/// What it and its jobs load, and what they read.
const PLUGINS: [&str; 2] = [
    "usr/lib/x86_64-linux-gnu/openmpi/lib/openmpi3",
    "usr/lib/x86_64-linux-gnu/pmix2/lib/pmix",
];
const TEXTS: [&str; 3] = [
    "usr/share/openmpi",
    "etc/openmpi",
    "usr/lib/x86_64-linux-gnu/pmix2/share/pmix",
];
/// Plugins for hardware that no guest has: their libraries are large.
const LEFT_OUT: [&str; 3] = ["ucx", "psm", "openib"];

/// Where the guest has the provider.
const PROVIDER: &str = "usr/lib/openmx";

/// What this machine lacks for it, if it does.
pub fn lacking() -> Option<String> {
    let there = Path::new("/").join(PLUGINS[0]).is_dir();
    (!there).then(|| "Open MPI 4 in a guest: this machine's packages have another one".to_owned())
}

/// Adds all of it, and a program.
pub fn add(system: &mut System<'_>, provider: &Path, program: &Path) -> Result<(), Error> {
    for (name, of_debian) in PROGRAMS {
        let from = Path::new("/usr/bin").join(of_debian);
        system.program(&format!("usr/bin/{name}"), &from)?;
    }
    for folder in PLUGINS {
        for from in files_of(folder)? {
            let name = name(&from);
            let is_plugin = name.ends_with(".so") && !LEFT_OUT.iter().any(|out| name.contains(out));
            if is_plugin {
                system.program(&format!("{folder}/{name}"), &from)?;
            }
        }
    }
    for folder in TEXTS {
        for from in files_of(folder)? {
            let path = format!("{folder}/{}", name(&from));
            system.tree.copy(&path, 0o644, from);
        }
    }
    system.program(&format!("{PROVIDER}/{}", name(provider)), provider)?;
    system.program(&format!("usr/bin/{}", name(program)), program)?;
    // Open MPI asks who its user is, and what the own host is called.
    system
        .tree
        .file("etc/passwd", 0o644, "root:x:0:0::/root:/bin/sh\n");
    system.tree.file("etc/group", 0o644, "root:x:0:\n");
    system
        .tree
        .file("etc/hosts", 0o644, "127.0.0.1 localhost\n");
    Ok(())
}

/// The plain files of a folder of this machine.
fn files_of(folder: &str) -> Result<Vec<PathBuf>, Error> {
    let folder = Path::new("/").join(folder);
    let entries = fs::read_dir(&folder).at("read", &folder)?;
    let files = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(files.filter(|path| path.is_file()).collect())
}

fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}
