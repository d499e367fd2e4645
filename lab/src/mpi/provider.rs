//! The provider where libfabric is told to look for it, and MPI's programs.

use crate::build;
use crate::error::{At, Error};
use crate::place;
use crate::prepare;
use crate::run::Run;
use crate::stage::Stage;
use std::fs;
use std::path::PathBuf;

/// Open MPI, and what its programs are built by.
const PACKAGES: [&str; 3] = ["openmpi-bin", "libopenmpi-dev", "libfabric-dev"];

/// As libfabric looks for it.
const LIBRARY: &str = "libopenmx-fi.so";

/// The programs' sources.
const PROGRAMS: &str = "libfabric-openmx/tests/programs";

/// A folder with the provider alone, and beside it what was compiled.
pub struct Provider {
    folder: PathBuf,
}

impl Provider {
    /// Installs Open MPI, builds the provider, and puts it there.
    pub fn prepare() -> Result<Self, Error> {
        for package in PACKAGES {
            prepare::package(package)?;
        }
        let stage = Stage::begin("building the provider of libfabric");
        Run::new("cargo", "build-provider")
            .args(["build", "--release", "--package", "libfabric-openmx"])
            .output()?;
        let folder = place::work().join("mpi");
        fs::create_dir_all(&folder).at("create", &folder)?;
        let built = build::target().join("release/libopenmx_fi.so");
        let installed = folder.join(LIBRARY);
        // By a new name first: processes may have the old file mapped.
        let new = folder.join("new");
        fs::copy(&built, &new).at("copy", &built)?;
        fs::rename(&new, &installed).at("rename", &new)?;
        stage.done("");
        Ok(Self { folder })
    }

    /// The library.
    pub fn library(&self) -> PathBuf {
        self.folder.join(LIBRARY)
    }

    /// Where libfabric finds it.
    pub fn folder(&self) -> &PathBuf {
        &self.folder
    }

    /// The source of one of the programs.
    pub fn source(name: &str) -> PathBuf {
        place::repository().join(PROGRAMS).join(format!("{name}.c"))
    }

    /// Compiles one of the programs.
    pub fn program(&self, name: &str) -> Result<PathBuf, Error> {
        let program = self.folder.join(name);
        let source = Self::source(name);
        Run::new("mpicc", "mpi-compile")
            .args(["-O1", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&program, &source])
            .args(["-lfabric"])
            .output()?;
        Ok(program)
    }
}
