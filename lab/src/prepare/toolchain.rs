//! The Rust toolchain, as `rust-toolchain.toml` names it.

use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// Lets rustup install what the repository's `rust-toolchain.toml` names, if any of it is missing, and looks whether it
/// is there then.
pub fn install() -> Result<(), Error> {
    let file = place::repository().join("rust-toolchain.toml");
    let wanted = Toolchain::parse(&fs::read_to_string(&file).at("read", &file)?)?;
    if missing(&wanted).is_empty() {
        return Ok(());
    }
    let stage = Stage::begin("installing the Rust toolchain of rust-toolchain.toml");
    let installed = Run::new("rustup", "prepare-toolchain")
        .args(wanted.rustup_arguments())
        .output();
    let missing = missing(&wanted);
    if missing.is_empty() {
        stage.done("");
        return Ok(());
    }
    stage.failed();
    Err(Error::NoToolchain {
        missing: missing.join(", "),
        line: format!("rustup {}", wanted.rustup_arguments().join(" ")),
        // rustup may have said that all is well.
        said: installed.err().map(|error| format!("\n{error}")),
    })
}

/// What `rust-toolchain.toml` says.
#[derive(Debug, Deserialize, PartialEq)]
struct Toolchain {
    channel: String,
    profile: String,
    components: Vec<String>,
    targets: Vec<String>,
}

impl Toolchain {
    fn parse(text: &str) -> Result<Self, Error> {
        #[derive(Deserialize)]
        struct File {
            toolchain: Toolchain,
        }
        let file: File = toml::from_str(text).map_err(|error| Error::Spec(error.to_string()))?;
        Ok(file.toolchain)
    }

    /// Everything is named to rustup: before 1.28 it reads no `rust-toolchain.toml` when it is to install.
    fn rustup_arguments(&self) -> Vec<&str> {
        let mut words = vec!["toolchain", "install", &self.channel];
        words.extend(["--profile", &self.profile]);
        let components = self.components.iter().flat_map(|c| ["--component", c]);
        words.extend(components);
        words.extend(self.targets.iter().flat_map(|t| ["--target", t]));
        words
    }

    /// What of it is not below that sysroot, whose rustc calls itself `version`.
    fn missing_in(&self, sysroot: &Path, version: &str) -> Vec<String> {
        if version != self.channel {
            return vec![format!("rustc {}", self.channel)];
        }
        let targets = self.targets.iter().filter(|target| {
            let libraries = sysroot.join("lib/rustlib").join(target).join("lib");
            let mut names = fs::read_dir(libraries).into_iter().flatten().flatten();
            !names.any(|entry| {
                let name = entry.file_name();
                name.to_string_lossy().starts_with("libcore-")
            })
        });
        let components = self
            .components
            .iter()
            .filter(|component| !sysroot.join(part_of(component)).exists());
        targets.chain(components).cloned().collect()
    }
}

/// A file that only this component brings, below the sysroot.
fn part_of(component: &str) -> PathBuf {
    match component {
        "rust-src" => "lib/rustlib/src/rust/library/core".into(),
        "clippy" => "bin/cargo-clippy".into(),
        program => Path::new("bin").join(program),
    }
}

/// What is missing of the toolchain that builds the repository; all of it where there is no rustc.
fn missing(wanted: &Toolchain) -> Vec<String> {
    let ask = |log: &str, arguments: &[&str]| Run::new("rustc", log).args(arguments).output();
    let (Ok(sysroot), Ok(version)) = (
        ask("prepare-sysroot", &["--print", "sysroot"]),
        ask("prepare-rustc", &["--version"]),
    ) else {
        return vec![format!("rustc {}", wanted.channel)];
    };
    let version = version.split(' ').nth(1).unwrap_or_default();
    // rustup may tell on standard error that it has installed something: the path is the last line.
    let sysroot = sysroot.trim().lines().last().unwrap_or_default();
    wanted.missing_in(Path::new(sysroot), version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Toolchain {
        let file = place::repository().join("rust-toolchain.toml");
        Toolchain::parse(&fs::read_to_string(file).unwrap()).unwrap()
    }

    #[test]
    fn each_part_of_the_toolchain_that_is_not_there_is_named() {
        let wanted = wanted();
        let root = tempfile::tempdir().unwrap();
        let missing = |version: &str| wanted.missing_in(root.path(), version);
        let all: Vec<String> = [&wanted.targets[..], &wanted.components[..]].concat();
        assert!(all.contains(&"x86_64-unknown-none".to_owned()));
        assert_eq!(missing(&wanted.channel), all);
        for target in &wanted.targets {
            let lib = root.path().join("lib/rustlib").join(target).join("lib");
            fs::create_dir_all(&lib).unwrap();
        }
        assert_eq!(missing(&wanted.channel), all, "empty folders are no target");
        for target in &wanted.targets {
            let lib = root.path().join("lib/rustlib").join(target).join("lib");
            fs::write(lib.join("libcore-0123456789abcdef.rlib"), "").unwrap();
        }
        assert_eq!(missing(&wanted.channel), wanted.components);
        for component in &wanted.components {
            fs::create_dir_all(root.path().join(part_of(component))).unwrap();
        }
        assert_eq!(missing(&wanted.channel), [""; 0]);
        assert_eq!(missing("1.0.0"), [format!("rustc {}", wanted.channel)]);
    }

    #[test]
    fn rustup_is_told_everything_that_the_file_names() {
        let wanted = wanted();
        let words = wanted.rustup_arguments().join(" ");
        for word in wanted.components.iter().chain(&wanted.targets) {
            assert!(words.contains(word.as_str()), "{words}");
        }
        assert!(words.starts_with(&format!("toolchain install {} ", wanted.channel)));
    }
}
