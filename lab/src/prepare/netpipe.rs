//! NetPIPE, a program of others that measures networks and has a module for MX.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// Debian's source package, and the suite that has it.
const PACKAGE: (&str, &str) = ("netpipe", "trixie");

/// Fetches and unpacks its source, unless it is there; where it is.
pub fn source() -> Result<PathBuf, Error> {
    let (package, suite) = PACKAGE;
    let root = place::cache()?.join(package);
    let stamp = root.join("SUITE");
    if fs::read_to_string(&stamp).ok().as_deref() != Some(suite) {
        let apt = Apt::sources_of(suite)?;
        apt.update()?;
        let stage =
            Stage::begin("fetching and unpacking NetPIPE's source (into the lab's own cache)");
        apt.unpack_source(package, &root)?;
        fs::write(&stamp, suite).at("write", &stamp)?;
        stage.done("");
    }
    Ok(root)
}
