//! Building what the scenarios run.

use crate::error::{At, Error};
use crate::lock;
use crate::place;
use crate::prepare::{Headers, Machine};
use crate::run::Run;
use crate::stage::Stage;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Packages with programs for Linux.
const PACKAGES: [&str; 5] = ["libopen-mx", "omx-tools", "omx-node", "xl-omx", "lab-agent"];

/// The tools of users.
const TOOLS: [&str; 12] = [
    "omx_check",
    "omx_info",
    "omx_endpoint_info",
    "omx_counters",
    "omx_hostname",
    "omx_init_peers",
    "omx_perf",
    "mx_perf",
    "omx_verify",
    "mx_pingpong",
    "mx_stream",
    "omx_mpi_setup",
];

/// The programs of the host's and the lab's side.
const OWN: [&str; 6] = [
    "omxd",
    "xl-omx",
    "lab-agent",
    "lab-udp",
    "lab-rcache",
    "lab-wakes",
];

/// The driver domain's program.
const DRIVER_DOMAIN: &str = "driver-domain";

/// The target of what runs without an operating system below it.
pub const BARE_TARGET: &str = "x86_64-unknown-none";

/// Programs for Linux, without symbols: under emulation each byte of an image costs time at boot.
pub struct Programs {
    directory: PathBuf,
}

impl Programs {
    /// Builds them.
    pub fn build() -> Result<Self, Error> {
        let stage = Stage::begin("building the library's tools, omxd and xl-omx");
        let packages = PACKAGES.iter().flat_map(|name| ["--package", name]);
        Run::new("cargo", "build-programs")
            .args(["build", "--release"])
            .args(packages)
            .output()?;
        let directory = place::work().join("programs");
        fs::create_dir_all(&directory).at("create", &directory)?;
        for name in TOOLS.iter().chain(&OWN) {
            strip(&target().join("release").join(name), &directory.join(name))?;
        }
        let library = installed_library()?;
        conformance::build(&library.join("lib/libopen-mx.so.0.0.0"), &directory)?;
        example(&library, &directory)?;
        stage.done("");
        Ok(Programs { directory })
    }

    /// Where a program is.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// What a guest holds.
    pub fn of_guests(&self) -> Vec<PathBuf> {
        let names = TOOLS
            .iter()
            .chain(&["conformance", "hello", "lab-agent"])
            .chain(&["lab-rcache", "lab-wakes"]);
        names.map(|name| self.path(name)).collect()
    }

    /// What dom0 holds.
    pub fn of_dom0(&self) -> Vec<PathBuf> {
        ["xl-omx", "lab-agent"].map(|name| self.path(name)).to_vec()
    }
}

/// What was built.
pub struct Built {
    /// Programs for Linux.
    pub programs: Programs,
    /// The driver domain's image, without symbols.
    pub driver_domain: PathBuf,
    /// The mini guests' image, without symbols.
    pub mini: PathBuf,
    /// The frontend's module for the guests' kernel.
    pub module: PathBuf,
}

/// Builds everything. Another lab of this checkout, which would put other files in their places and in those of the images
/// made of them, waits until this process ends.
pub fn everything(machine: &Machine) -> Result<Built, Error> {
    static ONLY_ONE: OnceLock<File> = OnceLock::new();
    if ONLY_ONE.get().is_none() {
        let directory = place::work();
        fs::create_dir_all(&directory).at("create", &directory)?;
        let lock = lock::wait(&directory.join("lock"), "another lab of this checkout runs")?;
        ONLY_ONE.get_or_init(|| lock);
    }
    Ok(Built {
        programs: Programs::build()?,
        driver_domain: bare("the driver domain", "driver-domain", DRIVER_DOMAIN)?,
        mini: bare("the mini guests", "minis", "mini")?,
        module: module(&machine.headers, &machine.guest.release)?.0,
    })
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| place::repository().join("target"), PathBuf::from)
}

/// Where the driver domain's image is put.
pub fn driver_domain_image() -> PathBuf {
    place::work().join(DRIVER_DOMAIN)
}

/// Builds a program that runs on bare Xen.
fn bare(what: &str, package: &str, program: &str) -> Result<PathBuf, Error> {
    let stage = Stage::begin(format!("building {what}"));
    let arguments = [
        "build",
        "--profile",
        "bare",
        "--target",
        BARE_TARGET,
        "--package",
        package,
    ];
    Run::new("cargo", &format!("build-{package}"))
        .args(arguments)
        .output()?;
    let linked = target().join(BARE_TARGET).join("bare").join(program);
    let image = place::work().join(program);
    strip(&linked, &image)?;
    let size = fs::metadata(&image).at("read", &image)?.len();
    stage.done(format!("{} KiB", size / 1024));
    Ok(image)
}

/// The library of [`Programs`] as its users have it: where it is installed, its shared library without symbols.
pub fn installed_library() -> Result<PathBuf, Error> {
    let installed = place::work().join("installed");
    let script = place::repository().join("install.sh");
    Run::new(&script.to_string_lossy(), "build-installed")
        .env("BUILT", target().join("release"))
        .args([&installed])
        .output()?;
    let shared = installed.join("lib/libopen-mx.so.0.0.0");
    strip(&shared, &shared)?;
    Ok(installed)
}

/// The library's example, built as its user would.
fn example(installed: &Path, directory: &Path) -> Result<(), Error> {
    let source = place::repository().join("libopen-mx/examples/hello.c");
    let search = |option: &str, place: &str| format!("{option}{}", installed.join(place).display());
    Run::new("cc", "build-example")
        .args(["-O2", "-s", "-o"])
        .args([directory.join("hello"), source])
        .args([search("-I", "include"), search("-L", "lib")])
        .args([search("-Wl,-rpath,", "lib"), "-lmyriexpress".to_owned()])
        .output()
        .map(drop)
}

/// Copies a program without its symbols.
pub fn strip(from: &Path, to: &Path) -> Result<(), Error> {
    let arguments = [Path::new("--strip-all"), from, to];
    Run::new("objcopy", "build-strip")
        .args(arguments)
        .output()
        .map(drop)
}

/// Builds the frontend's module for the kernel of that release; also what was said about it.
pub fn module(headers: &Headers, release: &str) -> Result<(PathBuf, String), Error> {
    let stage = Stage::begin(format!(
        "building the frontend's module for Linux {release}"
    ));
    let into = place::work().join("module").join(release);
    let script = place::repository().join("guest-frontend-kmod/build.sh");
    let said = Run::new(
        &script.to_string_lossy(),
        &format!("build-module-{release}"),
    )
    .env("KBUILD_PATH", &headers.search_path)
    .args([&headers.directory, &into])
    .output()?;
    stage.done("");
    Ok((into.join("open-mx-frontend.ko"), said))
}
