//! A root directory of Debian by debootstrap, with what it needs of this machine's network.

use crate::error::{At, Error};
use crate::place;
use crate::prepare::Apt;
use crate::run::Run;
use std::fs;
use std::path::{Path, PathBuf};

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

/// Such a root.
pub struct Debian {
    directory: PathBuf,
}

impl Debian {
    /// Makes it anew in that directory. `suite` is the name of a release, `packages` what it has beside Debian's essential ones.
    pub fn make(directory: PathBuf, suite: &str, packages: &str) -> Result<Self, Error> {
        let root = Debian { directory };
        root.remove()?;
        let apt = Apt::of(suite)?;
        apt.update()?;
        let directory = root.directory.display().to_string();
        let include = format!("--include={packages}");
        let mirror = apt.mirror()?;
        root.sudo(
            "debootstrap",
            &["--variant=minbase", &include, suite, &directory, &mirror],
        )?;
        root.hand_in_the_network(&apt)?;
        Ok(root)
    }

    /// One that was made.
    pub fn of(directory: PathBuf) -> Self {
        Debian { directory }
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Removes it.
    pub fn remove(&self) -> Result<(), Error> {
        let directory = self.directory.display().to_string();
        self.sudo("rm", &["-rf", "--one-file-system", "--", &directory])
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

    /// Copies a file of this machine to a path in the root.
    pub fn copy(&self, from: &str, to: &str) -> Result<(), Error> {
        let to = self.directory.join(to).display().to_string();
        self.sudo("cp", &["--dereference", "--", from, &to])
    }

    /// Writes a file in the root.
    pub fn write(&self, to: &str, text: &str) -> Result<(), Error> {
        let file = place::work().join("fresh-file");
        fs::create_dir_all(place::work()).at("create", place::work())?;
        fs::write(&file, text).at("write", &file)?;
        self.copy(&file.display().to_string(), to)
    }

    /// Runs a program of this machine as root.
    pub fn sudo(&self, program: &str, arguments: &[&str]) -> Result<(), Error> {
        let (program, arguments) = as_root(&[&[program], arguments].concat());
        let run = Run::new(&program, "fresh-prepare").args(arguments);
        run.output().map(drop)
    }
}

/// A command line that runs a script of this crate as root, in mounts and processes of its own, which end with it.
pub fn set_apart(script: &str, arguments: &[&str]) -> (String, Vec<String>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let script = script.display().to_string();
    let shell = [
        "unshare",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        &script,
    ];
    as_root(&[&shell[..], arguments].concat())
}

/// A command line that runs as root.
pub fn as_root(words: &[&str]) -> (String, Vec<String>) {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    if !rustix::process::geteuid().is_root() {
        words.splice(0..0, ["sudo".to_owned(), "--".to_owned()]);
    }
    (words[0].clone(), words[1..].to_vec())
}
