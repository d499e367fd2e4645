//! A Debian that nobody has prepared: a root directory by debootstrap, with an ordinary user who may use sudo, rustup
//! without a toolchain, and a clone of the repository.

use crate::error::{At, Error};
use crate::place;
use crate::prepare::Apt;
use crate::run::Run;
use std::fs;
use std::path::{Path, PathBuf};

/// The user of the fresh machine, and the number that Debian gives the first one.
pub const USER: &str = "newcomer";
const USER_ID: &str = "1000";

/// What somebody who clones a repository with rustup and sudo has, beside Debian's essential packages.
const PACKAGES: &str = "ca-certificates,git,passwd,sudo";

/// Variables that tell programs about the machine's network: what of them is set goes along.
const NETWORK: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "RUSTUP_DIST_SERVER",
    "RUSTUP_UPDATE_ROOT",
];

/// The root directory of one fresh machine.
pub struct Root {
    directory: PathBuf,
}

impl Root {
    /// Makes it anew. `suite` is the name of a release.
    pub fn make(suite: &str) -> Result<Self, Error> {
        let root = Root {
            directory: place::cache()?.join(format!("fresh-{suite}")),
        };
        root.remove()?;
        let apt = Apt::of(suite)?;
        apt.update()?;
        let directory = root.directory.display().to_string();
        let include = format!("--include={PACKAGES}");
        let mirror = apt.mirror()?;
        root.sudo(
            "debootstrap",
            &["--variant=minbase", &include, suite, &directory, &mirror],
        )?;
        root.hand_in_the_network(&apt)?;
        root.add_user()?;
        Ok(root)
    }

    /// Removes it.
    pub fn remove(&self) -> Result<(), Error> {
        let directory = self.directory.display().to_string();
        self.sudo("rm", &["-rf", "--one-file-system", "--", &directory])
    }

    /// The command line that runs a command of the user in this root, for a shell of this machine.
    pub fn enter(&self, command: &str) -> (String, Vec<String>) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/fresh/enter.sh");
        let words = [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            &script.display().to_string(),
            &self.directory.display().to_string(),
            USER,
            command,
        ];
        as_root(&words)
    }

    /// Name service, certificates, variables, apt's sources and configuration: what this machine needs to reach Debian's
    /// archive, crates and toolchains, the fresh one needs, too.
    fn hand_in_the_network(&self, apt: &Apt) -> Result<(), Error> {
        let mut variables = String::new();
        for name in NETWORK {
            if let Ok(value) = std::env::var(name) {
                variables += &format!("{name}={value}\n");
            }
        }
        let certificates = std::env::var("SSL_CERT_FILE");
        let certificates = certificates.unwrap_or("/etc/ssl/certs/ca-certificates.crt".into());
        self.copy(&certificates, "etc/ssl/certs/ca-certificates.crt")?;
        self.copy("/etc/resolv.conf", "etc/resolv.conf")?;
        self.copy("/etc/hosts", "etc/hosts")?;
        if let Ok(file) = std::env::var("APT_CONFIG") {
            self.copy(&file, "etc/apt/apt.conf.d/90network")?;
        }
        self.write("etc/environment", &variables)?;
        self.write("etc/apt/sources.list", "")?;
        for (name, text) in apt.sources()? {
            self.write(&format!("etc/apt/sources.list.d/{name}"), &text)?;
        }
        Ok(())
    }

    /// The user, with rustup's program alone (which installs itself when it is called by the installer's name), and the
    /// clone.
    fn add_user(&self) -> Result<(), Error> {
        let directory = self.directory.display().to_string();
        let add = ["--root", &directory, "--create-home", "--uid", USER_ID];
        self.sudo(
            "useradd",
            &[&add[..], &["--shell", "/bin/bash", USER]].concat(),
        )?;
        self.write(
            "etc/sudoers.d/newcomer",
            &format!("{USER} ALL=(ALL) NOPASSWD: ALL\n"),
        )?;
        let home = format!("home/{USER}");
        let rustup = Run::new("rustup", "fresh-which")
            .args(["--version"])
            .output();
        let rustup = rustup.and_then(|_| which("rustup"))?;
        self.copy(&rustup, &format!("{home}/rustup-init"))?;
        let clone = self.directory.join(&home).join("xen2mx");
        let repository = place::repository().display().to_string();
        let clone = clone.display().to_string();
        // The repository may belong to somebody else than root.
        let safe = [
            "-c",
            "safe.directory=*",
            "clone",
            "--no-hardlinks",
            "--quiet",
        ];
        self.sudo("git", &[&safe[..], &["--", &repository, &clone]].concat())?;
        let owner = format!("{USER_ID}:{USER_ID}");
        let home = self.directory.join(home).display().to_string();
        self.sudo("chown", &["-R", "--", &owner, &home])
    }

    fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        let to = self.directory.join(to).display().to_string();
        self.sudo("cp", &["--dereference", "--", from, &to])
    }

    fn write(&self, to: &str, text: &str) -> Result<(), Error> {
        let file = place::work().join("fresh-file");
        fs::create_dir_all(place::work()).at("create", place::work())?;
        fs::write(&file, text).at("write", &file)?;
        self.copy(&file.display().to_string(), to)
    }

    fn sudo(&self, program: &str, arguments: &[&str]) -> Result<(), Error> {
        let (program, arguments) = as_root(&[&[program], arguments].concat());
        let run = Run::new(&program, "fresh-prepare").args(arguments);
        run.output().map(drop)
    }
}

/// A command line that runs as root.
fn as_root(words: &[&str]) -> (String, Vec<String>) {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if !rustix::process::geteuid().is_root() {
        words.splice(0..0, ["sudo".to_owned(), "--".to_owned()]);
    }
    (words[0].clone(), words[1..].to_vec())
}

/// Where a program is.
fn which(program: &str) -> Result<String, Error> {
    let script = "command -v \"$1\"";
    let run = Run::new("sh", "fresh-which").args(["-c", script, "sh", program]);
    Ok(run.output()?.trim().to_owned())
}
