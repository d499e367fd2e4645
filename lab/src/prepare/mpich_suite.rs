//! MPICH's own tests, of the source package of Debian 12, built for Debian's Open MPI.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// Debian's source package, the suite that has it, and its version.
const PACKAGE: (&str, &str, &str) = ("mpich", "bookworm", "4.0.2-3");

/// Where the tests are in it.
const TESTS: &str = "test/mpi";

/// What they have in common, and the folders of those that are run.
const FOLDERS: [&str; 6] = ["util", "dtpools", "pt2pt", "coll", "rma", "threads"];

/// Tests of the standard alone, in C.
const OPTIONS: [&str; 5] = [
    "--enable-strictmpi",
    "--disable-fortran",
    "--disable-cxx",
    "--disable-spawn",
    "MPICC=mpicc.openmpi",
];

/// What they have in common calls two functions by names that Open MPI has no more, since MPI 3.0 has not.
const FLAGS: &str = "CFLAGS=-O1 -w -DOMPI_OMIT_MPI1_COMPAT_DECLS=1 -DMPI_Type_hvector=MPI_Type_create_hvector \
                     -DMPI_Type_hindexed=MPI_Type_create_hindexed";

/// Fetches, unpacks and builds them, unless they are there; where they are. A test for which Open MPI lacks a function has no
/// program then.
pub fn built() -> Result<PathBuf, Error> {
    let (package, suite, version) = PACKAGE;
    let source = place::cache()?.join("mpich-suite");
    let tests = source.join(TESTS);
    let stamp = source.join("BUILT");
    if fs::read_to_string(&stamp).ok().as_deref() == Some(version) {
        return Ok(tests);
    }
    let apt = Apt::sources_of(suite)?;
    apt.update()?;
    let stage = Stage::begin("fetching and building MPICH's tests (into the lab's own cache)");
    apt.unpack_source(&format!("{package}={version}"), &source)?;
    let run = |program: &str| Run::new(program, "prepare-mpich-suite").within(&tests);
    run("./configure").args(OPTIONS).args([FLAGS]).output()?;
    for folder in FOLDERS {
        // It goes on behind what it cannot build, and ends with an error then.
        let make = run("make").args(["--keep-going", "--directory", folder]);
        match make.output() {
            Ok(_) | Err(Error::Failed { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    fs::write(&stamp, version).at("write", &stamp)?;
    stage.done("");
    Ok(tests)
}
