#![forbid(unsafe_code)]
//! Programs in C that verify the library as its users see it: through the public headers, over real boards.
//!
//! Why: a library that replaces another one is judged by programs that know nothing of it but the interface. The
//! programs are in `c/`, one for each thing that is verified, and become one executable, `conformance`, that runs on one
//! node or against `conformance peer` on another one; `conformance --help` tells how. This crate builds it, its tests run
//! it on nodes of this machine, and the lab takes it into guests.
//!
//! Neighbours: `libopen-mx/include`, and the shared library. It refuses to look inside of either.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The programs' directory, and those of the public headers, seen from here.
const HERE: &str = env!("CARGO_MANIFEST_DIR");
const HEADERS: [&str; 2] = ["libopen-mx/include", "libopen-mx/include/mx"];

/// By which names programs are linked to the library and find it.
const NAMES: [&str; 3] = ["libopen-mx.so.0", "libopen-mx.so", "libmyriexpress.so"];

/// As strict as the users of the headers may be.
const FLAGS: [&str; 8] = [
    "-std=c99",
    "-Wall",
    "-Wextra",
    "-Wpedantic",
    "-Werror",
    "-O2",
    "-pthread",
    // The library lies beside the program.
    "-Wl,-rpath,$ORIGIN",
];

/// Why the programs were not built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A file could not be read or made.
    #[error("{file}: {1}", file = .0.display())]
    File(PathBuf, io::Error),
    /// There is no C compiler.
    #[error("cc does not start (Debian: gcc): {0}")]
    NoCompiler(io::Error),
    /// The compiler found something; what it said.
    #[error("a program in C does not compile:\n{0}")]
    Refused(String),
}

/// Builds `conformance` into a directory, where links to this shared library are laid beside it.
pub fn build(library: &Path, into: &Path) -> Result<PathBuf, BuildError> {
    compile(
        library,
        &sources(&Path::new(HERE).join("c"))?,
        &into.join("conformance"),
    )
}

/// Builds the example of the library's users likewise.
pub fn build_hello(library: &Path, into: &Path) -> Result<PathBuf, BuildError> {
    let source = repository().join("libopen-mx/examples/hello.c");
    compile(library, &[source], &into.join("hello"))
}

fn repository() -> &'static Path {
    let here = Path::new(HERE);
    here.ancestors().nth(2).unwrap_or(here)
}

fn compile(library: &Path, sources: &[PathBuf], program: &Path) -> Result<PathBuf, BuildError> {
    let into = program.parent().unwrap_or(Path::new("."));
    for name in NAMES {
        let link = into.join(name);
        link_to(library, &link).map_err(|error| BuildError::File(link, error))?;
    }
    let compiled = Command::new("cc")
        .args(FLAGS)
        .args(sources)
        .args(HEADERS.map(|headers| format!("-I{}", repository().join(headers).display())))
        .arg(format!("-L{}", into.display()))
        .args(["-lmyriexpress", "-lopen-mx", "-o"])
        .arg(program)
        .output()
        .map_err(BuildError::NoCompiler)?;
    if compiled.status.success() {
        Ok(program.to_owned())
    } else {
        let said = String::from_utf8_lossy(&compiled.stderr).into_owned();
        Err(BuildError::Refused(said))
    }
}

/// In one step, whatever had that name before: another process may be looking for the library.
fn link_to(library: &Path, link: &Path) -> io::Result<()> {
    let new = link.with_extension(std::process::id().to_string());
    symlink(library, &new)?;
    std::fs::rename(&new, link)
}

fn sources(directory: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let failed = |error| BuildError::File(directory.to_owned(), error);
    let mut sources = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "c") {
            sources.push(path);
        }
    }
    sources.sort();
    Ok(sources)
}

/// Messages that a run's last line counts as verified.
pub fn verified(output: &str) -> Option<u64> {
    let (_, rest) = output.lines().last()?.split_once(": verified ")?;
    rest.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_an_older_library_is_replaced() {
        let name = format!("conformance-link-{}.so", std::process::id());
        let link = std::env::temp_dir().join(name);
        for library in ["older.so", "newer.so"] {
            link_to(Path::new(library), &link).expect("linked");
        }
        let found = std::fs::read_link(&link);
        std::fs::remove_file(&link).expect("there");
        assert_eq!(found.expect("a link"), Path::new("newer.so"));
    }

    #[test]
    fn the_last_line_counts() {
        let output = "a line\nloopback: verified 16 messages, 37363468 bytes\n";
        assert_eq!(verified(output), Some(16));
        assert_eq!(verified("loopback: something else"), None);
        assert_eq!(verified(""), None);
    }
}
