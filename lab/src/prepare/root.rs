//! Packages of a Debian suite, unpacked into the cache, whose programs run on this machine.
//!
//! They may want another C library than the machine has. So each program is given the root's own loader and libraries
//! (`patchelf`), once, and then runs as it is, with the programs that it starts: without privileges, and whatever the
//! machine runs. A root grows as more is wanted of it.

use super::apt::Apt;
use crate::error::{At, Error};
use crate::place;
use crate::run::Run;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// The file that names what is unpacked: a package and its version on each line, and the packages that were asked for.
const STAMP: &str = "PACKAGES";

/// Where libraries are in a root.
const LIBRARIES: [&str; 2] = ["lib/x86_64-linux-gnu", "usr/lib/x86_64-linux-gnu"];

/// A root, with packages of one suite.
pub struct Root {
    directory: PathBuf,
}

impl Root {
    /// The root of that name, with what was unpacked into it so far.
    pub fn of(name: &str) -> Result<Self, Error> {
        let directory = place::cache()?.join(format!("root-{name}"));
        for merged in ["lib", "lib64", "bin", "sbin"] {
            let real = directory.join("usr").join(merged);
            fs::create_dir_all(&real).at("create", &real)?;
            // Where files are that newer suites name below /lib; packages of older ones bring directories instead.
            match symlink(format!("usr/{merged}"), directory.join(merged)) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                    return Err(error).at("create", directory.join(merged));
                }
                _ => {}
            }
        }
        Ok(Root { directory })
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A PATH that finds its programs before the machine's.
    pub fn search_path(&self) -> OsString {
        let mut path = self.directory.join("usr/bin").into_os_string();
        if let Some(machine) = std::env::var_os("PATH") {
            path.push(":");
            path.push(machine);
        }
        path
    }

    /// Fetches and unpacks packages with all that they depend on, and makes their programs run, unless the packages were
    /// asked for before.
    pub fn add(&self, apt: &Apt, packages: &[String]) -> Result<(), Error> {
        self.unpack(apt, packages, Apt::closure)
    }

    /// The same without what they depend on: the machine has that, or it is named as well.
    pub fn add_alone(&self, apt: &Apt, packages: &[String]) -> Result<(), Error> {
        self.unpack(apt, packages, |_, packages| Ok(packages.to_vec()))
    }

    fn unpack(
        &self,
        apt: &Apt,
        packages: &[String],
        all: impl FnOnce(&Apt, &[String]) -> Result<Vec<String>, Error>,
    ) -> Result<(), Error> {
        let lock = self.directory.with_extension("lock");
        let lock = File::create(&lock).at("create", &lock)?;
        lock.lock().at("lock", &self.directory)?;
        let mut there = self.unpacked()?;
        if packages.iter().all(|name| there.contains(name)) {
            return Ok(());
        }
        let mut missing = all(apt, packages)?;
        missing.retain(|package| !there.contains(package));
        apt.fetch(&missing, &self.directory)?;
        self.adopt(&self.directory)?;
        there.extend(missing);
        there.extend(packages.iter().cloned());
        let lines = there.iter().map(|package| package.clone() + "\n");
        let stamp = self.directory.join(STAMP);
        fs::write(&stamp, lines.collect::<String>()).at("write", &stamp)
    }

    fn unpacked(&self) -> Result<BTreeSet<String>, Error> {
        let stamp = self.directory.join(STAMP);
        match fs::read_to_string(&stamp) {
            Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error).at("read", &stamp),
        }
    }

    /// Gives the programs in a directory the root's loader and libraries, if it has them.
    pub fn adopt(&self, directory: &Path) -> Result<(), Error> {
        let [libraries, more] = LIBRARIES.map(|place| self.directory.join(place));
        let loader = libraries.join("ld-linux-x86-64.so.2");
        if !loader.exists() {
            return Ok(());
        }
        let patchelf = patchelf()?;
        let search = format!("{}:{}", libraries.display(), more.display());
        let mut programs = Vec::new();
        find_programs(directory, &mut programs)?;
        for (program, interpreter) in programs {
            if Path::new(&interpreter) == loader {
                continue;
            }
            Run::new(&patchelf.to_string_lossy(), "prepare-patchelf")
                .args(["--set-interpreter".as_ref(), loader.as_os_str()])
                // Not RUNPATH, which libraries of libraries do not inherit.
                .args(["--force-rpath", "--set-rpath", &search])
                .args([&program])
                .output()?;
        }
        Ok(())
    }
}

/// The program that changes loaders, unpacked into the cache: Debian 12's 0.14, since after 0.18 (Debian 13's) gcc 12's
/// cc1 ends by a segmentation fault.
fn patchelf() -> Result<PathBuf, Error> {
    let directory = place::cache()?.join("patchelf");
    let program = directory.join("usr/bin/patchelf");
    if !program.exists() {
        Apt::of("bookworm")?.unpack(&["patchelf".to_owned()], &directory)?;
    }
    Ok(program)
}

/// The dynamically linked programs in a directory, each with the loader that it names.
fn find_programs(directory: &Path, into: &mut Vec<(PathBuf, String)>) -> Result<(), Error> {
    for entry in fs::read_dir(directory).at("read", directory)? {
        let path = entry.at("read", directory)?.path();
        let metadata = fs::symlink_metadata(&path).at("read", &path)?;
        if metadata.is_dir() {
            find_programs(&path, into)?;
        } else if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            // Libraries that can be run as programs, the loader among them, stay as they are.
            let is_library = name.contains(".so");
            if !is_library && let Some(interpreter) = interpreter(&path) {
                into.push((path, interpreter));
            }
        }
    }
    Ok(())
}

/// The loader that a program names; `None` when it is no ELF program of 64 bits, or is linked statically.
fn interpreter(program: &Path) -> Option<String> {
    /// Type of the program header that names it (ELF-64 object file format, "PT_INTERP").
    const INTERPRETER: u32 = 3;
    let mut file = File::open(program).ok()?;
    let mut header = [0; 64];
    file.read_exact(&mut header).ok()?;
    if !header.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let number = |bytes: &[u8], at: usize, size: usize| {
        let bytes = bytes.get(at..at + size)?.iter().rev();
        Some(bytes.fold(0, |number: u64, byte| number << 8 | u64::from(*byte)))
    };
    let (table, size) = (number(&header, 32, 8)?, number(&header, 54, 2)?);
    for entry in 0..number(&header, 56, 2)? {
        let mut segment = [0; 56];
        let at = table.checked_add(entry * size)?;
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut segment).ok()?;
        if number(&segment, 0, 4)? == u64::from(INTERPRETER) {
            file.seek(SeekFrom::Start(number(&segment, 8, 8)?)).ok()?;
            let mut name = Vec::new();
            let length = number(&segment, 32, 8)?;
            file.take(length).read_to_end(&mut name).ok()?;
            let name = String::from_utf8(name).ok()?;
            return Some(name.trim_end_matches('\0').to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_from_other_files_by_the_loader_that_they_name() {
        let itself = std::env::current_exe().unwrap();
        assert_eq!(
            interpreter(&itself).as_deref(),
            Some("/lib64/ld-linux-x86-64.so.2")
        );
        let directory = tempfile::tempdir().unwrap();
        let cut = directory.path().join("cut");
        fs::write(&cut, &fs::read(&itself).unwrap()[..70]).unwrap();
        assert_eq!(interpreter(&cut), None);
        assert_eq!(interpreter(Path::new("/etc/os-release")), None);
    }
}
