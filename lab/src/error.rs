//! What can go wrong in the lab, each with its cause and the way out.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

/// Why the lab could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The conformance programs could not be built.
    #[error(transparent)]
    Conformance(#[from] conformance::BuildError),
    /// A file or directory could not be used.
    #[error("cannot {action} {}: {source}", path.display())]
    File {
        /// The verb: "read", "write", "create".
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A program could not be started.
    #[error(
        "cannot start `{program}`: {source}; is it installed? `cargo lab prepare` installs what the lab needs"
    )]
    Start {
        /// The program.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with an error.
    #[error("`{command}` failed ({status}); its last lines:\n{tail}\nThe whole output is in {}", log.display())]
    Failed {
        /// The command line.
        command: String,
        /// Its exit status.
        status: ExitStatus,
        /// The end of its output.
        tail: String,
        /// Where all of its output is.
        log: PathBuf,
    },
    /// Tests failed.
    #[error("{} in `{command}`:\n{said}\nThe whole output is in {}", match .names.as_slice() {
        [one] => format!("the test {one} failed"),
        several => format!("{} tests failed: {}", several.len(), several.join(", ")),
    }, log.display())]
    Tests {
        /// The command line.
        command: String,
        /// The names of the tests.
        names: Vec<String>,
        /// What they said.
        said: String,
        /// Where all of the output is.
        log: PathBuf,
    },
    /// The module was built, but not without a warning.
    #[error("the module for Linux {kernel} is built with a warning: {warning}")]
    Module {
        /// The kernel's release.
        kernel: String,
        /// The first one.
        warning: String,
    },
    /// The host did not come up.
    #[error("the Xen host did not run commands after {seconds} s; its console ends with:\n{tail}\nThe whole log is {}", log.display())]
    NoBoot {
        /// How long was waited.
        seconds: u64,
        /// The end of its console.
        tail: String,
        /// All of it.
        log: PathBuf,
    },
    /// QEMU did not do what it was asked.
    #[error("QEMU's monitor: {0}")]
    Monitor(String),
    /// `up` keeps a host.
    #[error("a Xen host that `cargo lab up` started runs already ({}); `cargo lab down` ends it", .0.display())]
    HostRuns(PathBuf),
    /// Frames of a card are wanted, and the host has none.
    #[error(
        "--pcap writes a card's frames, and this host would have no card: give it one with --wire or --http"
    )]
    NoCard,
    /// No host is kept.
    #[error("no Xen host is up; start one with `cargo lab up`")]
    NoHost,
    /// The keeper ended or did not get its host up.
    #[error("the Xen host did not come up:\n{tail}\nThe whole log is {}", log.display())]
    Keeper {
        /// The end of what it said.
        tail: String,
        /// All of it.
        log: PathBuf,
    },
    /// A keeper was given nonsense.
    #[error("this is no description of a host: {0}")]
    Spec(String),
    /// A command inside a domain went astray.
    #[error("`{command}` in {domain}: {reason}")]
    Lost {
        /// Where.
        domain: String,
        /// What.
        command: String,
        /// Why.
        reason: String,
    },
    /// A command inside a domain did not get on.
    #[error(
        "`{command}` in {domain} neither ended nor printed anything for {seconds} s, and was killed"
    )]
    Timeout {
        /// Where.
        domain: String,
        /// What.
        command: String,
        /// How long was waited.
        seconds: u64,
    },
    /// A command inside a domain failed.
    #[error("`{command}` in {domain} ended with status {status}:\n{output}")]
    Inside {
        /// Where.
        domain: String,
        /// What.
        command: String,
        /// Its exit status.
        status: i32,
        /// What it printed.
        output: String,
    },
    /// Nowhere to keep what is fetched.
    #[error(
        "neither XDG_CACHE_HOME nor HOME is set: set one of them, the lab keeps what it fetches there"
    )]
    NoHome,
    /// The lab knows Debian 12 and 13 only.
    #[error(
        "this machine runs {name}; the lab fetches a Xen host from Debian's archive and needs Debian 12 or 13"
    )]
    NotDebian {
        /// What the machine calls itself.
        name: String,
    },
    /// apt has no entry to derive one from.
    #[error(
        "apt's sources on this machine name no suite '{codename}': add Debian's entry to /etc/apt/sources.list.d"
    )]
    NoSources {
        /// Debian's name of the release.
        codename: String,
    },
    /// The archive lacks a package.
    #[error(
        "Debian's archive has no package that matches {pattern}; is the machine's apt entry complete?"
    )]
    NoPackage {
        /// The regular expression.
        pattern: String,
    },
    /// apt said that it has installed packages that are not there.
    #[error(
        "apt ended well, but this is not installed or too old: {packages}. Its command was:\n{line}"
    )]
    NotInstalled {
        /// Their names.
        packages: String,
        /// The command line.
        line: String,
    },
    /// Packages have to be installed by root.
    #[error(
        "some packages are missing, and this is neither root nor is there sudo. Run this as root, then again:\n{line}"
    )]
    NotRoot {
        /// The command line.
        line: String,
    },
    /// The toolchain that builds the repository is not whole.
    #[error(
        "the Rust toolchain that rust-toolchain.toml names lacks {missing}. Run this, then again:\n{line}{}", said.as_deref().unwrap_or_default()
    )]
    NoToolchain {
        /// What is not there.
        missing: String,
        /// The command line that installs it.
        line: String,
        /// How rustup failed, if it said so.
        said: Option<String>,
    },
    /// A program's library was not found.
    #[error("{} needs the library {library}, which is neither on this machine nor among the Xen host's packages", program.display())]
    NoLibrary {
        /// The program.
        program: PathBuf,
        /// The library.
        library: String,
    },
    /// A kernel module was not found.
    #[error("the kernel's package has no module {name}")]
    NoModule {
        /// The module.
        name: String,
    },
    /// A kernel could not be unpacked.
    #[error("{} holds no kernel that the lab can unpack (xz, zstd): remove the lab's cache, then prepare again", path.display())]
    Kernel {
        /// The file.
        path: PathBuf,
    },
    /// A node did not start.
    #[error("the node {name} did not start:\n{output}")]
    Node {
        /// Its name.
        name: String,
        /// What it said.
        output: String,
    },
    /// A scenario went otherwise than it has to.
    #[error("{0}")]
    Judged(String),
    /// Captures could not be judged.
    #[error(transparent)]
    Captures(#[from] omx_captures::CaptureError),
    /// Captures could not be replayed.
    #[error(transparent)]
    Replay(#[from] omx_replay::ReplayError),
    /// A fuzz target that does not exist.
    #[error("there is no fuzz target \"{0}\": `cargo lab fuzz --list` says which there are")]
    FuzzTarget(String),
    /// A format of captures that does not exist.
    #[error("\"{0}\" is no wire format; say mxwire, or mtu1500 to mtu9000")]
    Format(String),
}

/// Adds the file and the verb to an input/output error.
pub trait At<T> {
    /// The same result, with what was being done to which file.
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: impl Into<PathBuf>) -> Result<T, Error> {
        self.map_err(|source| Error::File {
            action,
            path: path.into(),
            source,
        })
    }
}
