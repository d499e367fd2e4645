//! An `xl` of the tests: it writes down what it is asked, and ends when the test says how.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::waiting::eventually;

pub struct Xl(PathBuf);

/// What `xl list driver-domain` of Xen 4.17 printed while that domain was blocked.
const BLOCKED: &str = include_str!("../captures/xl-list.txt");

const SCRIPT: &str = r#"#!/bin/sh
here=${0%/*}
echo "$*" >> "$here/asked"
case "$1" in
    list) cat "$here/table"; exit 0 ;;
    info | pci-assignable-list) cat "$here/$1.text"; exit ;;
esac
# Until the test says, or has ended and taken its directory along.
until [ -e "$here/$1.status" ]; do
    [ -d "$here" ] || exit 1
    sleep 0.02
done
exit "$(cat "$here/$1.status")"
"#;

impl Xl {
    /// In a directory that is to be searched for programs.
    pub fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        let program = directory.join("xl");
        fs::write(&program, SCRIPT).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let xl = Self(directory.into());
        xl.says_of_a_domain("-b----");
        xl
    }

    /// What it was asked, a line for each time.
    pub fn asked(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.join("asked")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// How often it was asked something that begins like this.
    pub fn count(&self, begin: &str) -> usize {
        let asked = self.asked();
        asked.iter().filter(|line| line.starts_with(begin)).count()
    }

    /// Waits until it is asked something that begins like this.
    pub fn is_asked(&self, begin: &str) {
        eventually(begin, || self.count(begin) > 0);
    }

    /// From now on, commands of this verb end like this.
    pub fn ends(&self, verb: &str, status: i32) {
        let part = self.0.join("part");
        fs::write(&part, status.to_string()).unwrap();
        fs::rename(part, self.0.join(format!("{verb}.status"))).unwrap();
    }

    /// What it says when it is asked this.
    pub fn says(&self, verb: &str, text: &str) {
        fs::write(self.0.join(format!("{verb}.text")), text).unwrap();
    }

    /// The state that `xl list` shows.
    pub fn says_of_a_domain(&self, state: &str) {
        let table = BLOCKED.replace("-b----", state);
        fs::write(self.0.join("table"), table).unwrap();
    }
}
