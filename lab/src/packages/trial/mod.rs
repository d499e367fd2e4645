//! The packages in a root of Debian that has what they depend on and nothing of them: installed by apt, used, checked, purged.
//!
//! Such a root is made once and kept in the lab's cache; what a trial changes lies over it, in a directory that goes with it.
//! Nothing of a trial needs a network.

use crate::error::{At, Error};
use crate::fresh::debian::{Debian, set_apart};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::{Path, PathBuf};

/// The releases of Debian on which packages are tried, by the names of their suites.
pub const RELEASES: [&str; 2] = ["bookworm", "trixie"];

/// What the packages depend on, and what a trial uses.
const BASE: &str = "systemd udev dkms linux-headers-amd64 libfabric1 pkg-config gcc libc6-dev iproute2 apt-utils lintian \
                    mandoc bash-completion zsh";

/// Installs it. Services are not begun: in a root nothing runs them.
const INSTALL_BASE: &str = "apt-get update -q; apt-get install -q -y --no-install-recommends";

/// What is done in a root, in this order.
const STEPS: [(&str, &str); 9] = [
    (
        "what is there before",
        concat!("WHEN=before;\n", include_str!("listing.sh")),
    ),
    ("apt installs the packages", include_str!("install.sh")),
    ("DKMS has built the module", include_str!("module.sh")),
    (
        "the example is built and two omxd exchange messages",
        include_str!("two_nodes.sh"),
    ),
    (
        "lintian, units and their sandbox, manual pages, completions",
        include_str!("checks.sh"),
    ),
    ("apt installs each over itself", include_str!("upgrade.sh")),
    ("apt purges the packages", include_str!("purge.sh")),
    (
        "what is there after",
        concat!("WHEN=after;\n", include_str!("listing.sh")),
    ),
    (
        "nothing is left and nothing is missing",
        include_str!("compare.sh"),
    ),
];

/// Tries the packages of a directory on a release.
pub fn run(suite: &str, packages: &Path) -> Result<(), Error> {
    let base = base(suite)?;
    let changes = place::work().join(format!("packages-on-{suite}"));
    let changed = Debian::of(changes.clone());
    changed.remove()?;
    fs::create_dir_all(&changes).at("create", &changes)?;
    for (number, (title, commands)) in STEPS.iter().enumerate() {
        let stage = Stage::begin(format!("{suite}: {title}"));
        let log = format!("packages-{suite}-{number}");
        enter(&base, Some(&changes), packages, commands, &log)?;
        stage.done("");
    }
    changed.remove()
}

/// The root, made unless it is there.
fn base(suite: &str) -> Result<PathBuf, Error> {
    let directory = place::cache()?.join(format!("packages-{suite}"));
    // Written last: a root without it was not finished.
    let stamp = "etc/xen2mx-base";
    if fs::read_to_string(directory.join(stamp)).is_ok_and(|made| made == BASE) {
        return Ok(directory);
    }
    prepare::package("debootstrap")?;
    let stage = Stage::begin(format!("making a {suite} with what the packages depend on"));
    let root = Debian::make(directory.clone(), suite, "ca-certificates")?;
    root.write("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n")?;
    let policy = directory.join("usr/sbin/policy-rc.d").display().to_string();
    root.sudo("chmod", &["755", &policy])?;
    let install = format!("{INSTALL_BASE} {BASE}; apt-get clean");
    let log = format!("packages-{suite}-base");
    enter(&directory, None, &std::env::temp_dir(), &install, &log)?;
    root.write(stamp, BASE)?;
    stage.done("");
    Ok(directory)
}

/// Runs commands of root in a root.
fn enter(
    root: &Path,
    changes: Option<&Path>,
    packages: &Path,
    commands: &str,
    log: &str,
) -> Result<String, Error> {
    let text = |path: &Path| path.display().to_string();
    let changes = changes.map(text).unwrap_or_default();
    let (program, arguments) = set_apart(
        "src/packages/trial/enter.sh",
        &[&text(root), &changes, &text(packages), commands],
    );
    Run::new(&program, log).args(arguments).output()
}
