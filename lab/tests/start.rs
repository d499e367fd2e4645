//! `cargo lab` starts on a machine with rustup alone: what `lab/start` does before there is any lab.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

/// A machine with these programs, which tell their names and arguments, beside a shell and `true`.
struct Machine {
    programs: tempfile::TempDir,
    target: tempfile::TempDir,
}

impl Machine {
    fn with(programs: &[&str]) -> Self {
        let machine = Self {
            programs: tempfile::tempdir().unwrap(),
            target: tempfile::tempdir().unwrap(),
        };
        for name in ["sh", "true"] {
            symlink(Path::new("/bin").join(name), machine.program(name)).unwrap();
        }
        for name in programs {
            let file = machine.program(name);
            fs::write(&file, format!("#!/bin/sh\necho {name} \"$@\"\n")).unwrap();
            fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
        }
        machine
    }

    fn program(&self, name: &str) -> std::path::PathBuf {
        self.programs.path().join(name)
    }

    /// Runs `cargo lab` with arguments in a folder of the repository.
    fn lab(&self, folder: &str, arguments: &[&str]) -> Output {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let rustc = Command::new("rustc").args(["--print", "sysroot"]).output();
        let sysroot = String::from_utf8(rustc.unwrap().stdout).unwrap();
        Command::new(env!("CARGO"))
            .args(["--offline", "lab"])
            .args(arguments)
            .current_dir(repository.join(folder))
            .env("PATH", self.programs.path())
            .env("RUSTC", Path::new(sysroot.trim()).join("bin/rustc"))
            .env("CARGO_TARGET_DIR", self.target.path())
            .output()
            .unwrap()
    }
}

#[test]
fn the_first_command_installs_a_compiler_where_there_is_none_and_runs_the_lab() {
    // Nobody's user number is this, so it is not root.
    let machine = Machine::with(&["cargo", "sudo", "apt-get", "id"]);
    let output = machine.lab("docs", &["exec", "dom0", "--", "echo", "two  words"]);
    let [said, installed] =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(
        said,
        "cargo run --release --package lab -- exec dom0 -- echo two  words\n"
    );
    let lines: Vec<&str> = installed.lines().collect();
    assert_eq!(
        lines,
        [
            "installing gcc and libc6-dev, to link with",
            "sudo -- apt-get update -q",
            "sudo -- apt-get install -q -y --no-install-recommends gcc libc6-dev",
        ]
    );
}

#[test]
fn without_a_way_to_install_a_compiler_the_line_to_run_is_named() {
    let machine = Machine::with(&["cargo", "id"]);
    let output = machine.lab("", &["demo"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("apt-get install") && said.contains("as root"),
        "{said}"
    );
}

#[test]
fn a_machine_with_a_compiler_is_left_as_it_is() {
    let machine = Machine::with(&["cargo", "cc", "sudo", "apt-get", "id"]);
    let output = machine.lab("", &["demo", "--help"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, "cargo run --release --package lab -- demo --help\n");
}
