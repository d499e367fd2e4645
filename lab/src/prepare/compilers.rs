//! Compilers that are newer than the machine's, unpacked into the cache: gcc 14 and clang 19 of Debian 13.
//!
//! They need that release's own libraries, so each is started through that release's own loader, by a script. What they
//! compile and link is for this machine: headers, C library and linker are its own.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

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
    let root = place::cache()?.join("compilers");
    let scripts = scripts(&root);
    let stamp = root.join("PACKAGES");
    let texts = scripts.iter().map(|(_, text)| text.as_str());
    let wanted: Vec<&str> = PACKAGES.into_iter().chain(texts).collect();
    let wanted = wanted.join("\n");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&wanted) {
        let apt = Apt::of(SUITE)?;
        apt.update()?;
        let title = "fetching and unpacking gcc 14 and clang 19 (into the lab's own cache)";
        let stage = Stage::begin(title);
        apt.unpack(&PACKAGES.map(str::to_owned), &root)?;
        for (file, text) in scripts {
            fs::write(&file, text).at("write", &file)?;
            let mode = Permissions::from_mode(0o755);
            fs::set_permissions(&file, mode).at("change", &file)?;
        }
        fs::write(&stamp, wanted).at("write", &stamp)?;
        stage.done("");
    }
    let compiler = |name, c, cpp| Compiler {
        name,
        c: root.join(c),
        cpp: root.join(cpp),
    };
    Ok([
        compiler("gcc 14", "gcc-14", "g++-14"),
        compiler("clang 19", "clang", "clang++"),
    ])
}

/// The scripts that start the compilers, and those that gcc starts in place of its own parts.
fn scripts(root: &Path) -> Vec<(PathBuf, String)> {
    let there = root.display();
    let load = format!(
        "exec '{there}/usr/lib64/ld-linux-x86-64.so.2' --library-path '{there}/usr/lib/x86_64-linux-gnu'"
    );
    let mut scripts = Vec::new();
    let mut add = |name: &str, lines: String| {
        scripts.push((root.join(name), format!("#!/bin/sh\n{lines}\n")));
    };
    for part in ["cc1", "cc1plus", "collect2"] {
        let own = format!("{there}/usr/libexec/gcc/x86_64-linux-gnu/14/{part}");
        add(part, format!("{load} '{own}' \"$@\""));
    }
    for compiler in ["gcc-14", "g++-14"] {
        let own = format!("{there}/usr/bin/x86_64-linux-gnu-{compiler}");
        // The machine's linker cannot load this gcc's plugin.
        let options = format!("-B '{there}/' -fno-use-linker-plugin");
        add(compiler, format!("{load} '{own}' {options} \"$@\""));
    }
    for compiler in ["clang", "clang++"] {
        let own = format!("{there}/usr/lib/llvm-19/bin/clang");
        // It starts itself again, with -cc1 as its first argument, by the name that it is told.
        let options =
            format!("-no-canonical-prefixes -resource-dir '{there}/usr/lib/llvm-19/lib/clang/19'");
        let choose = format!("case $1 in -cc1*) ;; *) set -- {options} \"$@\" ;; esac");
        add(
            compiler,
            format!("{choose}\n{load} --argv0 \"$0\" '{own}' \"$@\""),
        );
    }
    scripts
}

impl Compiler {
    /// Has a cargo test use it wherever a compiler is needed.
    pub fn in_tests(&self, run: Run) -> Run {
        run.env("CC", &self.c).env("CXX", &self.cpp)
    }
}
