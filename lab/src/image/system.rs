//! A small Linux system: busybox, programs with the libraries they load, kernel modules.

use super::cpio::Tree;
use crate::error::{At, Error};
use crate::prepare::XenHost;
use crate::run::Run;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Where the loader looks for libraries without being told.
const LIBRARIES: &str = "lib/x86_64-linux-gnu";

/// The program loader of x86-64.
const LOADER: &str = "/lib64/ld-linux-x86-64.so.2";

/// A tree that Linux can start from, being filled.
pub struct System<'a> {
    /// The files.
    pub tree: Tree,
    host: &'a XenHost,
}

impl<'a> System<'a> {
    /// A system with a shell and the usual small commands.
    pub fn new(host: &'a XenHost) -> Result<Self, Error> {
        let mut tree = Tree::default();
        for directory in [
            "dev", "etc", "proc", "root", "run", "sbin", "sys", "tmp", "usr/bin", "usr/sbin", "var",
        ] {
            tree.directory(directory);
        }
        let busybox = host.root.join("bin/busybox");
        let list = Run::new(&busybox.to_string_lossy(), "image-busybox")
            .args(["--list"])
            .output()?;
        for applet in list.lines().filter(|applet| *applet != "busybox") {
            tree.link(&format!("bin/{applet}"), "busybox");
        }
        tree.copy("bin/busybox", 0o755, busybox);
        let loader = fs::canonicalize(LOADER).at("find", LOADER)?;
        tree.copy(LOADER, 0o755, loader);
        Ok(System { tree, host })
    }

    /// Adds a program and the libraries it needs; those of the Xen host before those of this machine.
    pub fn program(&mut self, path: &str, from: &Path) -> Result<(), Error> {
        self.tree.copy(path, 0o755, from);
        let root = self.host.root.display();
        let own = format!("{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu");
        let listing = Run::new("ldd", "image-ldd")
            .args([from])
            .env("LD_LIBRARY_PATH", own)
            .output()?;
        for line in listing.lines() {
            let mut words = line.split_whitespace();
            match (words.next(), words.next(), words.next()) {
                (Some(name), Some("=>"), Some("not")) => {
                    return Err(Error::NoLibrary {
                        program: from.to_path_buf(),
                        library: name.to_owned(),
                    });
                }
                (Some(name), Some("=>"), Some(library)) => {
                    let file = fs::canonicalize(library).at("find", library)?;
                    self.tree.copy(&format!("{LIBRARIES}/{name}"), 0o755, file);
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds programs of the Xen host, by their path in it, to /usr/bin.
    pub fn host_programs(&mut self, directory: &str, names: &[&str]) -> Result<(), Error> {
        for name in names {
            let from = self.host.root.join(directory).join(name);
            self.program(&format!("usr/bin/{name}"), &from)?;
        }
        Ok(())
    }

    /// Adds modules for a kernel of that release, and the list from which modprobe knows them: some of the host's kernel
    /// with those they depend on, and `own`, which depend on none.
    pub fn modules(&mut self, release: &str, names: &[&str], own: &[&Path]) -> Result<(), Error> {
        let from = self.host.root.join("lib/modules").join(&self.host.kernel);
        let list = from.join("modules.dep");
        let text = fs::read_to_string(&list).at("read", &list)?;
        let mut dependencies: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (module, needs) in text.lines().filter_map(|line| line.split_once(':')) {
            dependencies.insert(module, needs.split_whitespace().collect());
        }
        let mut wanted = Vec::new();
        for name in names {
            let module = dependencies
                .keys()
                .find(|module| file_name(module) == format!("{name}.ko"));
            wanted.push(*module.ok_or_else(|| Error::NoModule {
                name: (*name).to_owned(),
            })?);
        }
        let into = format!("lib/modules/{release}");
        let (mut added, mut lines) = (BTreeSet::new(), String::new());
        while let Some(module) = wanted.pop() {
            if added.insert(module) {
                let needs = &dependencies[module];
                wanted.extend(needs);
                self.tree.copy(
                    &format!("{into}/{}", file_name(module)),
                    0o644,
                    from.join(module),
                );
            }
        }
        for module in added {
            let needs: Vec<&str> = dependencies[module]
                .iter()
                .map(|need| file_name(need))
                .collect();
            lines += &format!("{}: {}\n", file_name(module), needs.join(" "));
        }
        for module in own {
            let name = file_name(module.to_str().unwrap_or_default());
            self.tree.copy(&format!("{into}/{name}"), 0o644, *module);
            lines += &format!("{name}:\n");
        }
        self.tree.file(&format!("{into}/modules.dep"), 0o644, lines);
        Ok(())
    }
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}
