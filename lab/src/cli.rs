//! The command line of `cargo lab`.

use crate::build;
use crate::captures;
use crate::demo;
use crate::deny;
use crate::error::{At, Error};
use crate::fresh;
use crate::fuzz;
use crate::host::{HostSpec, Images, Nic, Wire, client, keeper, kvm, spec};
use crate::image;
use crate::miri;
use crate::modules;
use crate::mpi;
use crate::packages;
use crate::place;
use crate::prepare::{self, Kernel};
use crate::replay;
use crate::scenario::{life_cycle, minis, takeover, transitions};
use crate::soak;
use crate::stage::Stage;
use crate::test;
use clap::{Args, Parser, Subcommand};
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// The laboratory of Xen2MX: a real Xen host inside QEMU, and everything that is tested on it.
#[derive(Parser)]
#[command(name = "cargo lab", bin_name = "cargo lab", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What `cargo lab` can do.
#[derive(Subcommand)]
pub enum Command {
    /// Run every test there is: format, lints, unit and property tests, models, and the Xen scenarios.
    ///
    /// Each step says what it is and how long it took; the last line counts. Exit status 0 means that all passed; a test that
    /// cannot run for want of something on this machine says at once what that is, and is counted apart, as skipped. The steps
    /// on Xen use the card that --nic chooses, virtio by default; a short one uses the other card then: its link, messages
    /// each way, sleep.
    Test(test::TestArgs),
    /// Run the README's two commands on fresh machines: Debian 12 and 13 by debootstrap, rustup alone, an ordinary user.
    ///
    /// Each release becomes a root directory in the lab's cache, with no toolchain, no compiler, a user who may use sudo, and
    /// a clone of what this repository has committed. What this machine needs for its network goes along: its apt entries,
    /// name service and certificates (SSL_CERT_FILE), the proxy variables, RUSTUP_DIST_SERVER, and the file that APT_CONFIG
    /// names. Ends with a table; takes an hour or more.
    Fresh(fresh::FreshArgs),
    /// Wake a sleeping driver domain very often, by messages of guests and through its card, and lose no message's
    /// wake-up.
    ///
    /// The driver domain sleeps whenever there is nothing to do, and counts. The tests do this 100 000 times, or for 150 s
    /// on a slow machine, but 10 000 times at least. Exit status 1 means that a message lay for longer than half a
    /// second and 20 times the mean, or that the domain was not idle between messages.
    Wakes(WakesArgs),
    /// Let devices, guests and driver domains come and go under load on a real Xen: detach and attach, destroyed guests, many
    /// devices, driver domains that crash, hang, are destroyed and replaced.
    ///
    /// After each scenario grants, event ports, memory and nodes of xenstore are
    /// what they were before, by Xen's own dumps. Exit status 1 means that something was left, or that a log holds what it may not.
    LifeCycle(life_cycle::LifeCycleArgs),
    /// Replace driver domains on a real Xen, and save and restore a guest, while verified messages flow: no endpoint ends.
    ///
    /// Prints both pauses of each replacement: from the destroy, and from the creation. Exit status 1 means that a message was
    /// lost or wrong, that an endpoint ended, that something was left, or that a log holds what it may not.
    Takeover(life_cycle::LifeCycleArgs),
    /// Have mini guests lie to a driver domain on a real Xen, a million times in every way there is, while Linux guests and a
    /// node outside exchange messages that are verified.
    ///
    /// They change descriptors and indices before and while they are looked at, take grants, keys and states away, storm
    /// doorbells and regions, forge frames, names and addresses; some help each other. Prints its progress, then how often each
    /// kind was told. Exit status 1 means that a message was wrong or lost, that the driver domain went, that a log holds what it
    /// may not, or that something was left when the liars had been destroyed. The same seed has the same kinds of lies told again,
    /// as far as answers come at the same time; without Xen, for a debugger, by
    /// LIES_SEED=N LIES=10000 cargo test -p minis --test in_process two_liars.
    Hostile(minis::HostileArgs),
    /// Hold captures of Open-MX frames against our codec: parse, check, build again, compare.
    ///
    /// Prints a line per file with its frames by type, and each frame that does not hold. Nothing on the wire tells the
    /// wire mode: a file has the format that its folder names, mtu and its bytes (native) or mxwire. Exit status 1 means that a
    /// frame does not hold.
    Captures(CapturesArgs),
    /// Send very many messages of mixed sizes between two nodes over a bad network, in virtual time, and verify each byte.
    ///
    /// Library, queues, backends and boards are the real ones. Prints its progress, then what was verified, sent again
    /// and received again. Exit status 1 means that a message was lost, doubled, changed or stuck; the first is
    /// printed.
    Soak(soak::SoakArgs),
    /// Play captures again: our whole stack takes the place of each node and must send what that node sent.
    ///
    /// Prints a line per file and side: frames that are the same, and differences by name; then why each difference is
    /// meant to be. Files are named and kept in folders as for `captures`. What a capture's application did is inferred from its
    /// frames. Exit status 1 means that a difference is not explained.
    Replay(CapturesArgs),
    /// Search for bytes that break whoever reads them: frames, descriptors, events, calls, values of xenstore.
    ///
    /// Changes inputs at random and keeps those that cause a new kind of behaviour, on stable Rust. The tests do this for a
    /// second per target. An input that breaks one is shortened and kept in target/fuzz. Exit status 1 means that there
    /// was one, 3 that one hangs. With --guided it is libFuzzer that searches, by the branches that inputs take.
    Fuzz(fuzz::FuzzArgs),
    /// Run the tests of the shared memory's unsafe code by Miri, an interpreter that knows what undefined behaviour is.
    ///
    /// Takes a nightly toolchain with Miri, which rustup installs when there is none, and some minutes. Exit status 1 means
    /// that a test failed, or did what no Rust program may.
    Miri(miri::MiriArgs),
    /// Check the crates that are used: licences, sources, doubled versions, known vulnerabilities, by deny.toml.
    ///
    /// Builds cargo-deny into the cache the first time. Where the database of vulnerabilities is out of reach this is said,
    /// and only the rest is checked. Exit status 1 means that a crate may not be used.
    Deny,
    /// Prepare this machine: install Debian packages that are missing, fetch and unpack the Xen host's.
    ///
    /// Needs root or sudo for what is missing, and says the line to run where it has neither. What is only unpacked goes
    /// to $XDG_CACHE_HOME/xen2mx (~/.cache/xen2mx). The other commands do this by themselves.
    Prepare,
    /// Build everything that runs on the Xen host, and its images; nothing is booted.
    Images,
    /// Build the frontend's module for every kernel whose headers Debian has: bookworm, trixie, their backports, and sid.
    ///
    /// Each is built by its own suite's compiler and tools, which are unpacked into the cache with the headers and run from
    /// there. Prints a line per kernel with the compiler; below it what compiler, modpost and objtool complained of. The
    /// tests build for the oldest and the newest. Exit status 1 means that one does not build, or not without a warning.
    Modules(modules::ModulesArgs),
    /// Build Debian packages of everything that an operator installs: driver domain, dom0's tool, the guests' module, library,
    /// tools, omxd, the provider of libfabric.
    ///
    /// They are of the commit that is checked out, whose time orders their versions, and on Debian 12 run on Debian 13 as well.
    /// With --test they are packed twice, which must give the same bytes, then installed by apt in a root of each release that has
    /// nothing of them, used, checked (lintian, units, manual pages) and purged, which must leave nothing. Exit status 1 means
    /// that something of it failed, or that an exported symbol of the library has vanished or is new.
    Packages(packages::PackagesArgs),
    /// Run MPI over the provider of libfabric, on one node and on two: the tests of mpi4py, also while frames are lost, of MPICH
    /// and of libfabric, programs that verify (NetPIPE, hpcc, ScaLAPACK's), and a table of round trips and bandwidth.
    ///
    /// Open MPI is Debian's, unmodified; each job has to say that its ranks send by the provider. The same runs over Open MPI's
    /// shared memory and TCP: what fails there, too, is counted apart and named. Takes hours; --only runs a part. Exit status 1
    /// means that a test fails over the provider alone.
    Mpi(mpi::MpiArgs),
    /// Show the main job on a real Xen in QEMU: create the driver domain, attach two guests, measure and verify.
    ///
    /// Prepares the machine, builds everything, boots Xen with the card passed through to the driver domain, and joins
    /// the card's wire with a node on this machine. Writes a picture and figures to target/lab/results.
    Demo(demo::DemoArgs),
    /// Boot a Xen host in QEMU and keep it.
    ///
    /// dom0 and the guests run commands through `cargo lab exec`. The driver domain's card is at 00:05.0; the other end
    /// of its wire is a datagram socket on 127.0.0.1, one Ethernet frame per datagram, so that anything can be the peer.
    Up(UpArgs),
    /// Run a command in a domain of the host that `up` keeps, and end with its exit status.
    Exec(ExecArgs),
    /// Print the log of a domain: dom0, driver-domain, guest1, …
    Log {
        /// The domain.
        domain: String,
    },
    /// Pull the cable of the card of the host that `up` keeps, or plug it in.
    Link {
        /// Whether there is a link.
        #[arg(value_parser = ["up", "down"])]
        state: String,
    },
    /// End the host that `up` keeps.
    Down,
    /// What `up` leaves running.
    #[command(hide = true)]
    Keep {
        /// The description of the host.
        description: PathBuf,
    },
}

/// Options of `cargo lab up`.
#[derive(Args)]
pub struct UpArgs {
    /// A folder with images to boot (xen, vmlinux and dom0.cpio) instead of building them.
    #[arg(long)]
    pub images: Option<PathBuf>,
    /// The guests' kernel: the newest of Debian's whose release begins with this, like 6.12, instead of dom0's.
    #[arg(long, value_name = "RELEASE", conflicts_with = "images")]
    pub guest_kernel: Option<String>,
    /// The ports of the wire: QEMU listens on the first and sends to the second.
    #[arg(long, value_name = "LOCAL:REMOTE")]
    pub wire: Option<Wire>,
    /// A port of 127.0.0.1 that leads to the driver domain's page and /metrics, once its options have manage=dhcp or
    /// manage=10.0.2.15/24: QEMU's own network, with a DHCP server, joins the wire.
    #[arg(long, value_name = "PORT")]
    pub http: Option<u16>,
    /// Write every frame of the card (see --wire and --http) to a new file for tshark or Wireshark, as long as the host runs
    /// and without a limit.
    #[arg(long, value_name = "FILE")]
    pub pcap: Option<PathBuf>,
    /// The card behind it.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
    /// The deterministic clock: a tick per instruction.
    #[arg(long)]
    pub icount: bool,
    /// Processors of the host.
    #[arg(long, default_value_t = 2)]
    pub cpus: u32,
    /// Memory of the host in MiB. What dom0 leaves is for the driver domain (64) and guests (256 each with Linux).
    #[arg(long, value_name = "MIB", default_value_t = spec::MEMORY)]
    pub memory: u32,
    /// Of it, dom0's.
    #[arg(long, value_name = "MIB", default_value_t = spec::DOM0_MEMORY)]
    pub dom0_memory: u32,
    /// Use KVM where Xen really boots under it; otherwise say so and emulate.
    #[arg(long)]
    pub kvm: bool,
}

/// Options of `cargo lab exec`.
#[derive(Args)]
pub struct ExecArgs {
    /// The domain: dom0, guest1, …
    pub domain: String,
    /// The command and its arguments.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// Options of `cargo lab wakes`.
#[derive(Args)]
pub struct WakesArgs {
    /// How often the driver domain is to go to sleep.
    #[arg(long, default_value_t = 1_000_000)]
    pub times: u64,
    /// The driver domain's card.
    #[arg(long, value_enum, default_value_t)]
    pub nic: Nic,
}

/// Options of `cargo lab captures` and `cargo lab replay`.
#[derive(Args)]
pub struct CapturesArgs {
    /// A folder with *.pcap files in it or below it, or one such file.
    pub path: PathBuf,
    /// The format of files whose folder does not name it: mtu9000, mtu1500, mtu and any other number, or mxwire.
    #[arg(long)]
    pub format: Option<String>,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

impl Command {
    /// Carries the command out.
    pub fn run(self) -> Result<ExitCode, Error> {
        match self {
            Command::Test(args) => test::run(&args),
            Command::Fresh(args) => fresh::run(&args),
            Command::Wakes(args) => {
                let (images, built) = image::made()?;
                transitions::run(images, &built.programs, args.nic, args.times, Duration::MAX)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::LifeCycle(args) => {
                let (images, built) = image::made()?;
                life_cycle::run(images, &built.programs, &args)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Takeover(args) => {
                let (images, built) = image::made()?;
                takeover::run(images, &built.programs, &args)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Hostile(args) => {
                let (images, built) = image::made()?;
                minis::hostile(images, &built.programs, &args)?;
                Ok(ExitCode::SUCCESS)
            }
            Command::Captures(args) => captures::run(&args.path, args.format.as_deref(), args.json),
            Command::Soak(args) => soak::run(&args),
            Command::Fuzz(args) => fuzz::run(&args),
            Command::Replay(args) => replay::run(&args.path, args.format.as_deref(), args.json),
            Command::Modules(args) => modules::run(&args),
            Command::Packages(args) => packages::run(&args),
            Command::Mpi(args) => mpi::run(&args),
            Command::Miri(args) => miri::run(&args),
            Command::Deny => deny::run(),
            Command::Prepare => prepare::machine().map(|_| ExitCode::SUCCESS),
            Command::Images => image::made().map(|_| ExitCode::SUCCESS),
            Command::Demo(args) if args.icount => {
                let machine = prepare::machine()?;
                let built = build::everything(&machine)?;
                demo::deterministic::run(&machine, &built, args.json)
            }
            Command::Demo(args) if args.crowd => {
                let machine = prepare::machine()?;
                let built = build::everything(&machine)?;
                demo::crowd::run(&machine, &built)
            }
            Command::Demo(args) if args.boards => {
                let machine = prepare::machine()?;
                let built = build::everything(&machine)?;
                demo::boards::run(&machine, &built, args.json)
            }
            Command::Demo(args) if args.reader => {
                let machine = prepare::machine()?;
                let built = build::everything(&machine)?;
                demo::reader::run(&machine, &built, args.json)
            }
            Command::Demo(args) => {
                let (images, built) = image::made()?;
                demo::run(images, &built.programs, &args)
            }
            Command::Up(args) => up(&args),
            Command::Exec(args) => client::run(&args.domain, &args.command).map(exit_code),
            Command::Log { domain } => client::log(&domain).map(exit_code),
            Command::Link { state } => client::link(&state).map(exit_code),
            Command::Down => client::down().map(|()| ExitCode::SUCCESS),
            Command::Keep { description } => keeper::keep(&description).map(|()| ExitCode::SUCCESS),
        }
    }
}

fn up(args: &UpArgs) -> Result<ExitCode, Error> {
    if args.pcap.is_some() && args.wire.is_none() && args.http.is_none() {
        return Err(Error::NoCard);
    }
    let images = match (&args.images, &args.guest_kernel) {
        (Some(folder), _) => Images::of(folder),
        (None, Some(begin)) => image::made_with(&Kernel::newest_of(begin)?)?.0,
        (None, None) => image::made()?.0,
    };
    let mut spec = HostSpec::new(images, place::work().join("host"));
    spec.wire = args.wire;
    spec.http = args.http;
    spec.pcap = args.pcap.as_deref().map(new_capture).transpose()?;
    spec.nic = args.nic;
    spec.icount = args.icount;
    spec.cpus = args.cpus;
    spec.memory = args.memory;
    spec.dom0_memory = args.dom0_memory;
    if args.kvm {
        kvm::use_if_it_boots(&mut spec);
    }
    let stage = Stage::begin("boot Xen in QEMU");
    match keeper::up(&spec) {
        Ok(()) => {
            stage.done("dom0 runs commands: cargo lab exec dom0 -- xl list");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            stage.failed();
            Err(error)
        }
    }
}

/// Makes a capture that its user alone may read, for QEMU to write. What is there already stays, and is an error.
fn new_capture(path: &Path) -> Result<PathBuf, Error> {
    let path = std::path::absolute(path).at("name", path)?;
    let new = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path);
    new.at("make the capture", &path)?;
    Ok(path)
}

/// The exit status of a command inside a domain, as this program's.
fn exit_code(status: i32) -> ExitCode {
    ExitCode::from(u8::try_from(status).unwrap_or(u8::MAX))
}
