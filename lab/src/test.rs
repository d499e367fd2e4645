//! `cargo lab test`: every test there is, step by step.

use crate::build::{self, Programs};
use crate::demo;
use crate::error::Error;
use crate::host::{Images, Nic};
use crate::image;
use crate::modules;
use crate::mpi::provider::Provider;
use crate::prepare;
use crate::programs;
use crate::replay;
use crate::run::Run;
use crate::scenario::life_cycle::LifeCycleArgs;
use crate::scenario::{self, transitions};
use crate::simulation;
use crate::soak;
use crate::stage::Stage;
use crate::tested::{self, Tested};
use clap::Args;
use std::process::ExitCode;

use Work::{Here, OnXen, WithCard};

/// The crates that run without an operating system below them.
const BARE_CRATES: [&str; 5] = [
    "xen-sys",
    "xen-pv-boot",
    "driver-domain",
    "minis",
    "open-mx-frontend",
];
/// A crate that processes use, but that has no operating system to call.
const ENGINE: &str = "mx-engine";

/// Options of `cargo lab test`.
#[derive(Args)]
pub struct TestArgs {
    /// Leave out what needs Debian's packages: kernel headers, QEMU, the Xen host.
    #[arg(long)]
    pub fast: bool,
    /// The driver domain's card in the steps on Xen.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
    /// Run only the steps whose title contains this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub only: String,
}

/// What a step that is no `cargo test` counts when it went well.
fn counted(passed: u64) -> Tested {
    Tested {
        passed,
        ..Tested::default()
    }
}

/// One step of the test: its name and what it does.
struct Step {
    title: &'static str,
    work: Work,
}

impl Step {
    fn run(&self, nic: Nic) -> Result<Tested, Error> {
        match self.work {
            Here(work) => work(),
            WithCard(work) => work(nic),
            OnXen(work) => {
                let (images, built) = image::made()?;
                work(images, &built.programs, nic)?;
                Ok(counted(1))
            }
        }
    }
}

/// What a step does.
enum Work {
    Here(fn() -> Result<Tested, Error>),
    /// On a Xen host that it makes for itself, with that card.
    WithCard(fn(Nic) -> Result<Tested, Error>),
    /// On a Xen host with that card.
    OnXen(fn(Images, &Programs, Nic) -> Result<(), Error>),
}

/// The steps that need no QEMU, the quickest to fail first.
static FAST: [Step; 14] = [
    Step {
        title: "format",
        work: Here(format),
    },
    Step {
        title: "lints of what runs on Linux",
        work: Here(lints_host),
    },
    Step {
        title: "lints of what runs on bare Xen and in the kernel",
        work: Here(lints_bare),
    },
    Step {
        title: "documentation of every crate, without a warning",
        work: Here(documentation),
    },
    Step {
        title: "unit and property tests of what runs on Linux",
        work: Here(unit_tests),
    },
    Step {
        title: "unit and property tests of what runs on bare Xen and in the kernel",
        work: Here(unit_tests_bare),
    },
    Step {
        title: "every order of the shared memory's steps (loom)",
        work: Here(loom),
    },
    Step {
        title: "20 000 messages over a network that loses, doubles and reorders",
        work: Here(soak),
    },
    Step {
        title: "a message beside 1, 64 and 200 boards that have nothing to do",
        work: Here(idle_boards),
    },
    Step {
        title: "a message of 2^32 - 1 bytes between two nodes",
        work: Here(longest),
    },
    Step {
        title: "random programs of two to five endpoints over bad networks",
        work: Here(random_programs),
    },
    Step {
        title: "captures of native nodes, played again by our stack",
        work: Here(replayed),
    },
    Step {
        title: "two nodes on one Linux",
        work: Here(two_nodes),
    },
    Step {
        title: "conformance programs in C, on one node and on two",
        work: Here(conformance),
    },
];

/// The steps that need Debian's packages: kernel headers, and the Xen host in QEMU.
static WITH_PACKAGES: [Step; 19] = [
    Step {
        title: "headers and C programs by gcc 14 and clang 19, NetPIPE between two nodes",
        work: Here(public_programs),
    },
    Step {
        title: "MPI over libfabric: Open MPI on one node and on two",
        work: Here(mpi),
    },
    Step {
        title: "the driver domain's page in Chromium",
        work: Here(browser),
    },
    Step {
        title: "nodes and processes that are killed, lie and are traced",
        work: Here(nodes),
    },
    Step {
        title: "the card's driver against QEMU's card",
        work: Here(nic),
    },
    Step {
        title: "the frontend's module builds for the oldest and the newest of Debian's kernels",
        work: Here(module),
    },
    Step {
        title: "the main job on a real Xen",
        work: OnXen(demo),
    },
    Step {
        title: "conformance programs in guests and outside, on a real Xen",
        work: OnXen(conformance_on_xen),
    },
    Step {
        title: "a process and a guest die in the middle of a transfer, on a real Xen",
        work: OnXen(scenario::faults::deaths),
    },
    Step {
        title: "the module under load in guests with two processors, on a real Xen",
        work: OnXen(|images, programs, _| scenario::module::run(images, programs)),
    },
    Step {
        title: "a driver domain without a card, on a real Xen",
        work: OnXen(|images, programs, _| scenario::faults::no_nic(images, programs)),
    },
    Step {
        title: "the last words of a driver domain that fails, on a real Xen",
        work: OnXen(|images, _, _| scenario::last_words::run(images)),
    },
    Step {
        title: "what an operator asks of a driver domain, on a real Xen",
        work: OnXen(scenario::commands::run),
    },
    Step {
        title: "a driver domain that is woken by every message, on a real Xen",
        work: OnXen(wakes),
    },
    Step {
        title: "MPI over libfabric in guests, on a real Xen",
        work: WithCard(mpi_in_guest),
    },
    Step {
        title: "devices, guests and driver domains come and go under load, on a real Xen",
        work: OnXen(life_cycle),
    },
    Step {
        title: "endpoints outlive their driver domain and their guest's stay on a disk, on a real Xen",
        work: OnXen(takeover),
    },
    Step {
        title: "mini guests beside Linux guests, on a real Xen",
        work: OnXen(scenario::minis::run),
    },
    Step {
        title: "the other card: its link, messages each way, sleep, its page by curl and Chromium, on a real Xen",
        work: OnXen(|images, programs, nic| scenario::nic::run(images, programs, nic.other())),
    },
];

/// Runs all steps, also after one that failed, and counts. What could not run for want of something on this machine is
/// named, and counted as skipped. What failed is told where it happens, and again at the end, which is all that some
/// readers have of a long output.
pub fn run(args: &TestArgs) -> Result<ExitCode, Error> {
    prepare::toolchain()?;
    let (mut passed, mut failures, mut lacking) = (0, Vec::new(), Vec::new());
    let more: &[Step] = if args.fast { &[] } else { &WITH_PACKAGES };
    let steps = FAST.iter().chain(more);
    for step in steps.filter(|step| step.title.contains(&args.only)) {
        let stage = Stage::begin(step.title);
        match step.run(args.nic) {
            Ok(tested) => {
                passed += tested.passed;
                stage.done(match tested.passed {
                    1 => String::new(),
                    tests => format!("{tests} tests"),
                });
                for what in &tested.lacking {
                    println!("    not run: {what}");
                }
                lacking.extend(tested.lacking);
            }
            Err(error) => {
                stage.failed();
                println!("{error}");
                failures.push(format!("failed: {}\n{error}", step.title));
            }
        }
    }
    let skipped = match lacking.len() {
        0 => String::new(),
        tests => format!(", {tests} skipped"),
    };
    for failure in &failures {
        println!("{failure}");
    }
    println!("{passed} passed, {} failed{skipped}", failures.len());
    Ok(if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn module() -> Result<Tested, Error> {
    prepare::machine()?;
    Ok(counted(modules::ends()?))
}

fn format() -> Result<Tested, Error> {
    Run::new("cargo", "test-format")
        .args(["fmt", "--all", "--check"])
        .output()?;
    Ok(counted(1))
}

fn lints_host() -> Result<Tested, Error> {
    let run = Run::new("cargo", "test-lints-host");
    run.args(["clippy", "--all-targets", "--", "-D", "warnings"])
        .output()?;
    Ok(counted(1))
}

fn lints_bare() -> Result<Tested, Error> {
    let packages = BARE_CRATES.iter().chain([&ENGINE]);
    let packages = packages.flat_map(|name| ["--package", name]);
    let run = Run::new("cargo", "test-lints-bare").args(["clippy", "--target", build::BARE_TARGET]);
    run.args(packages).args(["--", "-D", "warnings"]).output()?;
    Ok(counted(1))
}

/// For the host and for the bare target, a page of each.
fn documentation() -> Result<Tested, Error> {
    let run = |log| {
        let run = Run::new("cargo", log).env("RUSTDOCFLAGS", "-D warnings");
        run.args(["doc", "--no-deps"])
    };
    run("test-doc-host").output()?;
    let packages = BARE_CRATES.iter().flat_map(|name| ["--package", name]);
    let bare = run("test-doc-bare").args(["--target", build::BARE_TARGET]);
    bare.args(packages).output()?;
    Ok(counted(2))
}

fn unit_tests() -> Result<Tested, Error> {
    prepare::cpp_compiler()?;
    tested::run(Run::new("cargo", "test-unit").args(["test", "--no-fail-fast"]))
}

fn unit_tests_bare() -> Result<Tested, Error> {
    let packages = BARE_CRATES.iter().flat_map(|name| ["--package", name]);
    let run = Run::new("cargo", "test-unit-bare").args(["test", "--no-fail-fast"]);
    tested::run(run.args(packages))
}

/// In a target directory of its own: every dependency is built for loom, too.
fn loom() -> Result<Tested, Error> {
    let arguments = ["--package", "mx-ring", "--release", "--test", "loom"];
    let run = Run::new("cargo", "test-loom")
        .env("RUSTFLAGS", "--cfg loom")
        .args(["test", "--target-dir", "target/loom"]);
    tested::run(run.args(arguments))
}

/// They need `strace` and `ip`.
fn nodes() -> Result<Tested, Error> {
    prepare::machine()?;
    let run = Run::new("cargo", "test-lints-nodes").args(["clippy", "--package", "nodes"]);
    run.args(["--all-targets", "--", "-D", "warnings"])
        .output()?;
    let run = Run::new("cargo", "test-nodes");
    tested::run(run.args(["test", "--package", "nodes", "--no-fail-fast"]))
}

fn soak() -> Result<Tested, Error> {
    println!("    {} messages verified", soak::short()?);
    Ok(counted(1))
}

/// It needs valgrind.
fn idle_boards() -> Result<Tested, Error> {
    prepare::machine()?;
    let run = Run::new("cargo", "test-idle-boards").args(simulation::arguments("cost"));
    let said = run.args(["--beside", "--messages=128"]).output()?;
    for line in said.lines() {
        println!("    {line}");
    }
    Ok(counted(1))
}

fn longest() -> Result<Tested, Error> {
    soak::longest()?;
    Ok(counted(1))
}

fn random_programs() -> Result<Tested, Error> {
    Ok(counted(programs::run()?))
}

fn replayed() -> Result<Tested, Error> {
    Ok(counted(replay::all()?))
}

fn two_nodes() -> Result<Tested, Error> {
    scenario::two_nodes::run(&build::Programs::build()?)?;
    Ok(counted(1))
}

/// One after the other, so that none waits for another one's messages; says how many messages were verified.
fn conformance() -> Result<Tested, Error> {
    let run =
        Run::new("cargo", "test-lints-conformance").args(["clippy", "--package", "conformance"]);
    run.args(["--all-targets", "--", "-D", "warnings"])
        .output()?;
    let run = Run::new("cargo", "test-conformance")
        .args(["test", "--package", "conformance", "--", "--nocapture"])
        .args(["--test-threads", "1"]);
    let tested = tested::run(run)?;
    let counts = |line: &&str| line.ends_with("messages verified");
    for line in tested.output.lines().filter(counts) {
        println!("    {line}");
    }
    Ok(tested)
}

/// NetPIPE is one test.
fn public_programs() -> Result<Tested, Error> {
    prepare::machine()?;
    let compilers = prepare::newer_compilers()?;
    let mut all = counted(1);
    let tests = ["header", "mx_headers", "public_names"];
    let tests = tests.iter().flat_map(|name| ["--test", name]);
    for compiler in &compilers {
        let run = Run::new("cargo", "test-headers").args(["test", "--package", "libopen-mx"]);
        let tested = tested::run(compiler.in_tests(run).args(tests.clone()))?;
        all.passed += tested.passed;
        all.lacking.extend(tested.lacking);
    }
    let [gcc, _] = &compilers;
    scenario::public_programs::netpipe(&build::Programs::build()?, gcc)?;
    Ok(all)
}

fn mpi() -> Result<Tested, Error> {
    let programs = build::Programs::build()?;
    Ok(counted(scenario::mpi::run(&programs)?))
}

fn browser() -> Result<Tested, Error> {
    prepare::machine()?;
    let run = Run::new("cargo", "test-browser").args(["test", "--package", "driver-domain"]);
    tested::run(run.args(["--features", "browser", "--test", "browser"]))
}

/// Prints the table of what every card did in every scenario, too. What counts instructions is only compiled.
fn nic() -> Result<Tested, Error> {
    prepare::machine()?;
    let run = Run::new("cargo", "test-card").args(["test", "--package", "mx-nic"]);
    let run = run
        .args(["--features", "qemu,count", "--test", "cards", "qemu::"])
        .args(["--", "--nocapture"]);
    let tested = tested::run(run)?;
    let rows = tested.output.lines().filter(|line| line.starts_with("| "));
    for row in rows {
        println!("    {row}");
    }
    Ok(tested)
}

fn demo(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let args = demo::DemoArgs {
        mtu: 9000,
        nic,
        kvm: false,
        icount: false,
        reader: false,
        crowd: false,
        boards: false,
        json: false,
    };
    demo::run(images, programs, &args).map(drop)
}

fn conformance_on_xen(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    let verified = scenario::conformance::run(images, programs, nic)?;
    println!("    {verified} messages verified");
    Ok(())
}

fn mpi_in_guest(nic: Nic) -> Result<Tested, Error> {
    let provider = Provider::prepare()?;
    if let Some(what) = image::lacks_mpi() {
        return Ok(Tested {
            lacking: vec![what],
            ..Tested::default()
        });
    }
    scenario::mpi_on_xen::run(&provider, nic)?;
    Ok(counted(1))
}

/// Devices are detached, and driver domains replaced, so often.
fn life_cycle(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    scenario::life_cycle::run(images, programs, &often(3, nic))
}

fn takeover(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    scenario::takeover::run(images, programs, &often(20, nic))
}

fn often(times: usize, nic: Nic) -> LifeCycleArgs {
    LifeCycleArgs {
        times,
        nic,
        only: String::new(),
    }
}

fn wakes(images: Images, programs: &Programs, nic: Nic) -> Result<(), Error> {
    transitions::run(
        images,
        programs,
        nic,
        transitions::SHORT,
        transitions::TIMEOUT,
    )
}
