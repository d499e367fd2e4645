//! fabtests, libfabric's own tests of providers, which are in the source package of Debian 13 alone; with the libfabric that
//! they belong to.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// Debian's source package, and the suite that has it.
const PACKAGE: (&str, &str) = ("libfabric", "trixie");

/// What its build needs.
const PACKAGES: [&str; 3] = ["autoconf", "automake", "libtool"];

/// Fetches, unpacks and builds both, unless they are there; where they are installed.
pub fn installed() -> Result<PathBuf, Error> {
    let (package, suite) = PACKAGE;
    let source = place::cache()?.join(package);
    let root = source.with_extension("installed");
    let stamp = root.join("SUITE");
    if fs::read_to_string(&stamp).ok().as_deref() == Some(suite) {
        return Ok(root);
    }
    for package in PACKAGES {
        super::package(package)?;
    }
    let apt = Apt::sources_of(suite)?;
    apt.update()?;
    let stage =
        Stage::begin("fetching and building libfabric and fabtests (into the lab's own cache)");
    apt.unpack_source(package, &source)?;
    let prefix = root.display().to_string();
    // Of its own providers it needs one, to be whole.
    let own = ["--enable-only", "--enable-tcp=yes", "--disable-static"].map(str::to_owned);
    let theirs = [format!("--with-libfabric={prefix}")];
    for (folder, options) in [
        (source.clone(), &own[..]),
        (source.join("fabtests"), &theirs),
    ] {
        let run = |program: &str| Run::new(program, "prepare-fabtests").within(&folder);
        run("./autogen.sh").output()?;
        run("./configure")
            .args(["--prefix", &prefix, "CFLAGS=-O1"])
            .args(options)
            .output()?;
        run("make").args(["install"]).output()?;
    }
    fs::write(&stamp, suite).at("write", &stamp)?;
    stage.done("");
    Ok(root)
}
