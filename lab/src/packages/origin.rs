//! The commit that packages are built from: their version, their time, and whose they are.

use crate::error::Error;
use crate::run::Run;

/// What git says of the commit.
pub struct Origin {
    /// The repository's version, the time of the commit, which orders packages, and the commit. `.changed` at its end: files
    /// were not as the commit has them.
    pub version: String,
    /// Seconds since 1970 of the commit: the time of every file.
    pub epoch: String,
    /// The same as changelogs have it.
    pub date: String,
    /// The last committer, whom SECURITY.md names as well.
    pub maintainer: String,
    /// The commit.
    pub commit: String,
}

impl Origin {
    /// Asks git.
    pub fn of_repository() -> Result<Self, Error> {
        let field = |date: &str, format: &str| -> Result<String, Error> {
            let arguments = ["log", "-1", date, format].map(str::to_owned);
            Ok(git(&arguments)?.trim().to_owned())
        };
        let time = field("--date=format-local:%Y%m%d%H%M%S", "--format=%cd")?;
        let commit = field("--date=raw", "--format=%H")?;
        let status = ["status", "--porcelain", "--untracked-files=no"].map(str::to_owned);
        let changed = match git(&status)?.trim().is_empty() {
            true => "",
            false => ".changed",
        };
        let (version, short) = (env!("CARGO_PKG_VERSION"), &commit[..8.min(commit.len())]);
        Ok(Origin {
            version: format!("{version}+git{time}.{short}{changed}"),
            epoch: field("--date=raw", "--format=%ct")?,
            date: field(
                "--date=format-local:%a, %d %b %Y %H:%M:%S +0000",
                "--format=%cd",
            )?,
            maintainer: field("--date=raw", "--format=%cn <%ce>")?,
            commit,
        })
    }
}

fn git(arguments: &[String]) -> Result<String, Error> {
    let run = Run::new("git", "packages-git").args(arguments);
    run.env("TZ", "UTC0").env("LC_ALL", "C").output()
}
