//! A Debian that nobody has prepared: a root directory by debootstrap, with an ordinary user who may use sudo, rustup
//! without a toolchain, and a clone of the repository.

use super::debian::{Debian, set_apart};
use crate::error::Error;
use crate::place;
use crate::run::Run;

/// The user of the fresh machine, and the number that Debian gives the first one.
pub const USER: &str = "newcomer";
const USER_ID: &str = "1000";

/// What somebody who clones a repository with rustup and sudo has, beside Debian's essential packages.
const PACKAGES: &str = "ca-certificates,git,passwd,sudo";

/// The root directory of one fresh machine.
pub struct Root {
    debian: Debian,
}

impl Root {
    /// Makes it anew. `suite` is the name of a release.
    pub fn make(suite: &str) -> Result<Self, Error> {
        let directory = place::cache()?.join(format!("fresh-{suite}"));
        let root = Root {
            debian: Debian::make(directory, suite, PACKAGES)?,
        };
        root.add_user()?;
        Ok(root)
    }

    /// Removes it.
    pub fn remove(&self) -> Result<(), Error> {
        self.debian.remove()
    }

    /// The command line that runs a command of the user in this root, for a shell of this machine.
    pub fn enter(&self, command: &str) -> (String, Vec<String>) {
        let directory = self.debian.directory().display().to_string();
        set_apart("src/fresh/enter.sh", &[&directory, USER, command])
    }

    /// The user, with rustup's program alone (which installs itself when it is called by the installer's name), and the
    /// clone.
    fn add_user(&self) -> Result<(), Error> {
        let directory = self.debian.directory().display().to_string();
        let add = ["--root", &directory, "--create-home", "--uid", USER_ID];
        self.debian.sudo(
            "useradd",
            &[&add[..], &["--shell", "/bin/bash", USER]].concat(),
        )?;
        self.debian.write(
            "etc/sudoers.d/newcomer",
            &format!("{USER} ALL=(ALL) NOPASSWD: ALL\n"),
        )?;
        let home = format!("home/{USER}");
        let rustup = Run::new("rustup", "fresh-which")
            .args(["--version"])
            .output();
        let rustup = rustup.and_then(|_| which("rustup"))?;
        self.debian.copy(&rustup, &format!("{home}/rustup-init"))?;
        let clone = self.debian.directory().join(&home).join("xen2mx");
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
        self.debian
            .sudo("git", &[&safe[..], &["--", &repository, &clone]].concat())?;
        let owner = format!("{USER_ID}:{USER_ID}");
        let home = self.debian.directory().join(home).display().to_string();
        self.debian.sudo("chown", &["-R", "--", &owner, &home])
    }
}

/// Where a program is.
fn which(program: &str) -> Result<String, Error> {
    let script = "command -v \"$1\"";
    let run = Run::new("sh", "fresh-which").args(["-c", script, "sh", program]);
    Ok(run.output()?.trim().to_owned())
}
