//! The Debian packages that have to be installed on the machine.

use super::apt::Apt;
use crate::error::Error;
use crate::run::Run;
use crate::stage::Stage;
use std::path::Path;

/// What the lab runs on this machine, and what for.
const PACKAGES: [&str; 19] = [
    "gcc",               // links Rust programs, compiles the module's C part
    "g++",               // reads the library's headers as a C++ program does
    "libc6-dev",         // for all three
    "pkg-config",        // tells C programs of the tests where the library is
    "make",              // the kernel's build of modules
    "binutils",          // objcopy of the module and the driver domain
    "libelf1",           // objtool of the kernel headers
    "libssl3",           // the same
    "kmod",              // depmod
    "xz-utils",          // unpacks the kernel
    "zstd",              // unpacks newer kernels
    "iproute2",          // pairs of interfaces for nodes, taps for QEMU's card
    "util-linux",        // the namespaces in which they lie
    "strace",            // shows that a node makes no system calls
    "valgrind",          // looks at how programs use their memory
    "curl",              // reads the driver domain's /metrics
    "chromium",          // shows the driver domain's page
    "fonts-dejavu-core", // with letters
    "tshark",            // shows captures by the dissector
];

/// Libraries that have another name from Debian 13 on, where time has 64 bits on every architecture.
const RENAMED: [&str; 2] = ["libelf1", "libssl3"];

/// The emulator. Debian 12's own is too old: the lab was proven with 10.0.
const EMULATOR: &str = "qemu-system-x86";

/// The oldest emulator that the lab uses without asking for a newer one.
const EMULATOR_VERSION: u32 = 9;

/// Installs what is missing, and looks whether it is there then.
pub fn install(apt: &Apt) -> Result<(), Error> {
    let old = apt.suite() == "bookworm";
    let missing = missing(old);
    let mut suite = Vec::new();
    if old && missing.iter().any(|package| package == EMULATOR) {
        // What it depends on has to come from there too, so the suite is for all of them.
        suite.extend(["-t".to_owned(), apt.backports()]);
    }
    install_missing(apt, suite, missing, || self::missing(old))
}

/// Installs one package, unless it is there.
pub fn install_one(apt: &Apt, package: &str) -> Result<(), Error> {
    let missing = || match is_installed(package) {
        true => Vec::new(),
        false => vec![package.to_owned()],
    };
    install_missing(apt, Vec::new(), missing(), missing)
}

/// Installs these, and looks then what is still missing.
fn install_missing(
    apt: &Apt,
    suite: Vec<String>,
    missing: Vec<String>,
    still: impl Fn() -> Vec<String>,
) -> Result<(), Error> {
    if missing.is_empty() {
        return Ok(());
    }
    apt.update()?;
    let stage = Stage::begin(format!("installing {}", missing.join(" ")));
    let mut words = vec!["apt-get".to_owned()];
    words.extend(apt.options());
    words.extend(["install", "-q", "-y", "--no-install-recommends"].map(str::to_owned));
    words.extend(suite);
    words.extend(missing);
    let line = words.join(" ");
    let user = Run::new("id", "prepare-id").args(["-u"]).output()?;
    if user.trim() != "0" {
        if !Path::new("/usr/bin/sudo").exists() {
            stage.failed();
            return Err(Error::NotRoot { line });
        }
        words.splice(0..0, ["sudo".to_owned(), "--".to_owned()]);
    }
    let (program, arguments) = (words[0].clone(), words[1..].to_vec());
    let run = Run::new(&program, "prepare-apt-install").env("DEBIAN_FRONTEND", "noninteractive");
    run.args(arguments).output()?;
    let missing = still();
    if !missing.is_empty() {
        stage.failed();
        return Err(Error::NotInstalled {
            packages: missing.join(", "),
            line,
        });
    }
    stage.done("");
    Ok(())
}

/// What is not installed, or too old; `old` means Debian 12.
fn missing(old: bool) -> Vec<String> {
    let name = |package: &str| match RENAMED.contains(&package) && !old {
        true => format!("{package}t64"),
        false => package.to_owned(),
    };
    let mut missing: Vec<String> = PACKAGES.into_iter().map(name).collect();
    missing.retain(|package| !is_installed(package));
    if emulator_version().is_none_or(|version| version < EMULATOR_VERSION) {
        missing.push(EMULATOR.to_owned());
    }
    missing
}

fn is_installed(package: &str) -> bool {
    let run = Run::new("dpkg-query", "prepare-dpkg-query").args(["-W", "-f", "${Status}", package]);
    run.output()
        .is_ok_and(|status| status.ends_with(" installed"))
}

fn emulator_version() -> Option<u32> {
    let text = Run::new("qemu-system-x86_64", "prepare-qemu-version")
        .args(["--version"])
        .output()
        .ok()?;
    text.split("version ")
        .nth(1)?
        .split('.')
        .next()?
        .parse()
        .ok()
}
