//! The packages.

use super::stage;
use crate::error::Error;
use std::path::Path;

/// A package of Debian's form.
pub struct Package {
    /// Its name.
    pub name: &'static str,
    /// Debian's section.
    pub section: &'static str,
    /// Further fields of its control file, beside what its programs load; `VERSION` is that of all packages.
    pub fields: &'static [(&'static str, &'static str)],
    /// What it is, in a line and in some.
    pub summary: &'static str,
    /// Lines of the description, each begins with a blank.
    pub description: &'static str,
    /// Its files: a path, or the beginning of paths with a `*` behind it. The first package that claims a file has it.
    pub files: &'static [&'static str],
    /// What runs at its installation and removal: the name that dpkg knows, and the script. `VERSION` as above.
    pub scripts: &'static [(&'static str, &'static str)],
    /// What of lintian's complaints does not hold, and why.
    pub overrides: &'static str,
}

impl Package {
    /// Whether a file is its own.
    fn claims(&self, file: &str) -> bool {
        self.files
            .iter()
            .any(|claim| match claim.strip_suffix('*') {
                Some(begin) => file.starts_with(begin),
                None => file == *claim,
            })
    }
}

/// A script of this folder.
macro_rules! script {
    ($name:literal, $kind:literal) => {
        ($kind, include_str!(concat!("scripts/", $name, ".", $kind)))
    };
}

/// All of them.
pub static PACKAGES: [Package; 8] = [
    Package {
        name: "open-mx-driver-domain",
        section: "admin",
        fields: &[("Recommends", "xl-omx"), ("Suggests", "xen-utils")],
        summary: "driver domain that joins Xen guests to an Open-MX network",
        description: " A small kernel for a Xen domain that owns a network card and serves the\n \
            Open-MX boards of guests: fast messages over plain Ethernet. Installed in\n \
            dom0, which starts it by its configuration /etc/xen/driver-domain.cfg.\n",
        files: &[
            "usr/lib/open-mx/driver-domain",
            "usr/share/man/man7/open-mx-driver-domain.7",
            "etc/xen/driver-domain.cfg",
        ],
        scripts: &[],
        overrides: "# The image is a kernel that Xen starts: no process of this system, and nothing is linked to it.\n\
            open-mx-driver-domain: statically-linked-binary [usr/lib/open-mx/driver-domain]\n",
    },
    Package {
        name: "xl-omx",
        section: "admin",
        fields: &[
            ("Recommends", "open-mx-driver-domain"),
            ("Suggests", "xen-utils"),
        ],
        summary: "connects Xen guests to an Open-MX driver domain",
        description: " For dom0: attaches, detaches and lists Open-MX devices of guests, replaces\n \
            driver domains under load, and, as a service, attaches again what is\n \
            remembered whenever a domain comes.\n",
        files: &[
            "usr/sbin/xl-omx",
            "usr/share/man/man8/xl-omx.8",
            "usr/lib/systemd/system/xl-omx-watch.service",
            "usr/share/bash-completion/completions/xl-omx",
            "usr/share/zsh/vendor-completions/_xl-omx",
        ],
        scripts: &[
            script!("xl-omx", "postinst"),
            script!("xl-omx", "prerm"),
            script!("xl-omx", "postrm"),
        ],
        overrides: "",
    },
    Package {
        name: "open-mx-frontend-dkms",
        section: "kernel",
        fields: &[("Depends", "dkms, systemd | systemd-sysusers")],
        summary: "Open-MX device of a Xen guest (DKMS)",
        description: " The frontend's kernel module for guests: a board of the driver domain\n \
            becomes /dev/open-mx, whose endpoints are memory that both share. DKMS builds\n \
            it for each kernel; its logic is compiled already, so this takes a C compiler\n \
            and the kernel's headers alone. Members of the group open-mx may open\n \
            endpoints.\n",
        files: &[
            "usr/src/open-mx-frontend-*",
            "usr/lib/udev/rules.d/60-open-mx.rules",
            "usr/lib/sysusers.d/open-mx-frontend.conf",
        ],
        scripts: &[
            script!("open-mx-frontend-dkms", "postinst"),
            script!("open-mx-frontend-dkms", "prerm"),
            script!("open-mx-frontend-dkms", "postrm"),
        ],
        overrides: "# The kernel's build links this object: its symbols are what it is linked by.\n\
            open-mx-frontend-dkms: unstripped-binary-or-object [usr/src/open-mx-frontend-*/logic.o_shipped]\n",
    },
    Package {
        name: "libopen-mx0",
        section: "libs",
        fields: &[("Multi-Arch", "same")],
        summary: "messages over Ethernet by the interfaces of Open-MX and MX",
        description: " The library of programs that use omx_* and mx_*: endpoints that exchange\n \
            matched messages with other guests and machines.\n",
        files: &["usr/lib/x86_64-linux-gnu/libopen-mx.so.0*"],
        scripts: &[],
        overrides: "",
    },
    Package {
        name: "libopen-mx-dev",
        section: "libdevel",
        fields: &[
            ("Depends", "libopen-mx0 (= VERSION)"),
            ("Suggests", "pkg-config, open-mx-tools"),
            ("Multi-Arch", "same"),
        ],
        summary: "headers and static library of Open-MX",
        description: " What programs that use omx_* and mx_* are built with: headers, files for\n \
            pkg-config (open-mx, myriexpress), a static library, and an example.\n",
        files: &[
            "usr/include/*",
            "usr/lib/x86_64-linux-gnu/libopen-mx.*",
            "usr/lib/x86_64-linux-gnu/libmyriexpress.*",
            "usr/lib/x86_64-linux-gnu/pkgconfig/*",
            "usr/share/doc/libopen-mx-dev/*",
        ],
        scripts: &[],
        overrides: "",
    },
    Package {
        name: "open-mx-tools",
        section: "net",
        fields: &[("Suggests", "omxd")],
        summary: "looks at and measures Open-MX boards",
        description: " Programs for users of a guest or node: which boards and peers there are\n \
            (omx_info), who has endpoints open, latency and bandwidth (omx_perf),\n \
            messages whose every byte is checked (omx_verify), and what makes Open MPI\n \
            send by them (omx_mpi_setup).\n",
        files: &[
            "usr/bin/omx_*",
            "usr/bin/mx_*",
            "usr/share/man/man1/*",
            "usr/share/man/man7/open-mx.7",
        ],
        scripts: &[],
        overrides: "",
    },
    Package {
        name: "omxd",
        section: "net",
        fields: &[
            (
                "Depends",
                "systemd | systemd-sysusers, systemd | systemd-tmpfiles",
            ),
            ("Recommends", "open-mx-tools"),
        ],
        summary: "Open-MX boards in a process, without Xen",
        description: " Joins the processes of a machine to an Open-MX network, by a socket for\n \
            programs and an interface for frames. A service for each interface:\n \
            systemctl enable --now omxd@eth1.\n",
        files: &[
            "usr/sbin/omxd",
            "usr/share/man/man8/omxd.8",
            "usr/lib/systemd/system/omxd@.service",
            "usr/lib/sysusers.d/omxd.conf",
            "usr/lib/tmpfiles.d/omxd.conf",
            "usr/lib/sysctl.d/05-omxd.conf",
        ],
        scripts: &[
            script!("omxd", "postinst"),
            script!("omxd", "prerm"),
            script!("omxd", "postrm"),
        ],
        overrides: "",
    },
    Package {
        name: "libfabric-openmx",
        section: "libs",
        fields: &[
            ("Depends", "libfabric1, open-mx-tools (= VERSION)"),
            ("Suggests", "openmpi-bin"),
        ],
        summary: "Open-MX as a provider of libfabric, for MPI",
        description: " MPI programs run over Open-MX unchanged: Open MPI and others send through\n \
            libfabric, which loads this. \"omx_mpi_setup --system\" has Open MPI take it.\n",
        files: &["usr/lib/x86_64-linux-gnu/libfabric/libopenmx-fi.so"],
        scripts: &[script!("libfabric-openmx", "prerm")],
        overrides: "",
    },
];

/// A package, and files of a tree.
pub type Assigned = (&'static Package, Vec<String>);

/// Which package has which file of the tree. A file that no package has, and a package's claim that nothing is there for, are
/// errors: the crates' `install.sh` and this table would speak of different things.
pub fn assigned(tree: &Path) -> Result<Vec<Assigned>, Error> {
    let mut all: Vec<Assigned> = PACKAGES
        .iter()
        .map(|package| (package, Vec::new()))
        .collect();
    for file in stage::files(tree)? {
        match all.iter_mut().find(|(package, _)| package.claims(&file)) {
            Some((_, files)) => files.push(file),
            None => {
                return Err(Error::Judged(format!(
                    "no package has the file {file}, which is installed"
                )));
            }
        }
    }
    for (package, files) in &all {
        let missing = |claim: &&&str| {
            let begin = claim.trim_end_matches('*');
            !files.iter().any(|file| file.starts_with(begin))
        };
        if let Some(claim) = package.files.iter().find(missing) {
            return Err(Error::Judged(format!(
                "{} has no file {claim}: nothing of that name is installed",
                package.name
            )));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_without_a_package_and_a_claim_without_a_file_are_told_by_name() {
        let tree = tempfile::tempdir().unwrap();
        let programs = tree.path().join("usr/bin");
        fs::create_dir_all(&programs).unwrap();
        let said = |name: &str| {
            fs::write(programs.join(name), "").unwrap();
            let error = assigned(tree.path()).err().map(|error| error.to_string());
            fs::remove_file(programs.join(name)).unwrap();
            error.unwrap_or_default()
        };
        assert_eq!(
            said("stranger"),
            "no package has the file usr/bin/stranger, which is installed"
        );
        let missing = said("omx_info");
        assert!(missing.contains(" has no file usr/"), "{missing}");
    }
}
