//! Compilers that are newer than the machine's, unpacked into the cache: gcc 14 and clang 19 of Debian 13.
//!
//! They need that release's own libraries, which come with them into a [`Root`]. What they compile and link is for this
//! machine: headers, C library and linker are its own, and so the root has none of these.

use super::apt::Apt;
use super::root::Root;
use crate::error::{At, Error};
use crate::run::Run;
use crate::stage::Stage;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// Where they come from.
const SUITE: &str = "trixie";

/// The compilers, their headers, and the libraries that they load.
const PACKAGES: [&str; 27] = [
    "cpp-14-x86-64-linux-gnu",
    "gcc-14-x86-64-linux-gnu",
    "g++-14-x86-64-linux-gnu",
    "libgcc-14-dev",
    "libstdc++-14-dev",
    "clang-19",
    "libclang-common-19-dev",
    "libclang-cpp19",
    "libllvm19",
    "libc6",
    "libgcc-s1",
    "libstdc++6",
    "libgmp10",
    "libmpfr6",
    "libmpc3",
    "libisl23",
    "libzstd1",
    "zlib1g",
    "libedit2",
    "libbsd0",
    "libmd0",
    "libffi8",
    "libtinfo6",
    "libxml2",
    "libicu76",
    "liblzma5",
    "libz3-4",
];

/// A C compiler and the C++ compiler beside it.
pub struct Compiler {
    /// What it is called.
    pub name: &'static str,
    /// For C.
    pub c: PathBuf,
    /// For C++.
    pub cpp: PathBuf,
}

/// Fetches and unpacks them, unless they are there.
pub fn newer() -> Result<[Compiler; 2], Error> {
    let root = Root::of("compilers")?;
    let title = "looking for gcc 14 and clang 19, or fetching them (into the lab's own cache)";
    let stage = Stage::begin(title);
    root.add_alone(&Apt::of(SUITE)?, &PACKAGES.map(str::to_owned))?;
    let programs = root.directory().join("usr/bin");
    let gcc = |name: &str| -> Result<PathBuf, Error> {
        let own = programs.join(format!("x86_64-linux-gnu-{name}"));
        let script = root.directory().join(name);
        // The machine's linker cannot load this gcc's plugin.
        let text = format!(
            "#!/bin/sh\nexec '{}' -fno-use-linker-plugin \"$@\"\n",
            own.display()
        );
        fs::write(&script, text).at("write", &script)?;
        let mode = Permissions::from_mode(0o755);
        fs::set_permissions(&script, mode).at("change", &script)?;
        Ok(script)
    };
    let compilers = [
        Compiler {
            name: "gcc 14",
            c: gcc("gcc-14")?,
            cpp: gcc("g++-14")?,
        },
        Compiler {
            name: "clang 19",
            c: programs.join("clang-19"),
            cpp: programs.join("clang++-19"),
        },
    ];
    stage.done("");
    Ok(compilers)
}

impl Compiler {
    /// Has a cargo test use it wherever a compiler is needed.
    pub fn in_tests(&self, run: Run) -> Run {
        run.env("CC", &self.c).env("CXX", &self.cpp)
    }
}
