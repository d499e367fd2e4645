//! A tree of files as a cpio archive ("newc"), the form in which Linux takes its first file system.
//!
//! The same tree gives the same bytes: sorted, without times, numbers in order. Measurements under the deterministic
//! clock depend on it.

use crate::error::{At, Error};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use cpio::newc::{Builder, trailer};

/// What is at a path.
enum Node {
    Directory,
    Link(String),
    File { mode: u32, content: Content },
}

/// Where a file's bytes are.
enum Content {
    Bytes(Vec<u8>),
    File(PathBuf),
}

/// Directories, files and links, by their path without the leading slash.
#[derive(Default)]
pub struct Tree {
    nodes: BTreeMap<String, Node>,
}

impl Tree {
    /// Adds a directory, and those above it.
    pub fn directory(&mut self, path: &str) {
        let path = path.trim_matches('/');
        let ends = path
            .match_indices('/')
            .map(|(at, _)| at)
            .chain([path.len()]);
        for end in ends {
            self.nodes
                .entry(path[..end].to_owned())
                .or_insert(Node::Directory);
        }
    }

    /// Adds a file with these bytes.
    pub fn file(&mut self, path: &str, mode: u32, bytes: impl Into<Vec<u8>>) {
        self.add(
            path,
            Node::File {
                mode,
                content: Content::Bytes(bytes.into()),
            },
        );
    }

    /// Adds a copy of a file of this machine; it is read when the archive is written.
    pub fn copy(&mut self, path: &str, mode: u32, from: impl Into<PathBuf>) {
        self.add(
            path,
            Node::File {
                mode,
                content: Content::File(from.into()),
            },
        );
    }

    /// Adds a symbolic link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.add(path, Node::Link(target.to_owned()));
    }

    fn add(&mut self, path: &str, node: Node) {
        let path = path.trim_matches('/');
        if let Some((above, _)) = path.rsplit_once('/') {
            self.directory(above);
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Writes the archive to a file.
    pub fn write(&self, to: &std::path::Path) -> Result<(), Error> {
        let file = fs::File::create(to).at("create", to)?;
        let mut out = io::BufWriter::with_capacity(1 << 20, file);
        for (number, (path, node)) in (1..).zip(&self.nodes) {
            let (mode, bytes) = match node {
                Node::Directory => (0o040_755, Vec::new()),
                Node::Link(target) => (0o120_777, target.clone().into_bytes()),
                Node::File {
                    mode,
                    content: Content::Bytes(bytes),
                } => (0o100_000 | mode, bytes.clone()),
                Node::File {
                    mode,
                    content: Content::File(from),
                } => (0o100_000 | mode, fs::read(from).at("read", from)?),
            };
            entry(&mut out, number, mode, path, &bytes).at("write", to)?;
        }
        trailer(&mut out).at("write", to)?;
        out.flush().at("write", to)
    }
}

/// One entry, as it is in the archive.
fn entry(out: impl Write, number: u32, mode: u32, path: &str, bytes: &[u8]) -> io::Result<()> {
    let size = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a file over 4 GiB"))?;
    let links = if mode & 0o170_000 == 0o040_000 { 2 } else { 1 };
    let entry = Builder::new(path).ino(number).mode(mode).nlink(links);
    let mut entry = entry.write(out, size);
    entry.write_all(bytes)?;
    entry.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn the_archive_is_the_same_whatever_the_order_and_holds_what_was_added() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (directory.path().join("one"), directory.path().join("two"));
        let mut tree = Tree::default();
        tree.file("/etc/motd", 0o644, "hello");
        tree.link("bin/sh", "busybox");
        tree.write(&one).unwrap();
        let mut tree = Tree::default();
        tree.link("/bin/sh", "busybox");
        tree.file("etc/motd", 0o644, "hello");
        tree.write(&two).unwrap();
        let bytes = fs::read(&one).unwrap();
        assert_eq!(bytes, fs::read(&two).unwrap());
        assert_eq!(bytes.len() % 4, 0);
        let at = |needle: &[u8]| bytes.windows(needle.len()).position(|part| part == needle);
        assert!(at(b"bin\0").unwrap() < at(b"bin/sh\0").unwrap());
        assert!(at(b"etc/motd\0").unwrap() < at(b"hello").unwrap());
        assert!(at(b"hello").unwrap() < at(b"TRAILER!!!\0").unwrap());
    }

    #[test]
    fn a_reader_of_cpio_unpacks_it() {
        let directory = tempfile::tempdir().unwrap();
        let archive = directory.path().join("archive");
        let mut tree = Tree::default();
        tree.file("a/b/c.txt", 0o600, "some text");
        tree.write(&archive).unwrap();
        let busybox = Command::new("busybox")
            .arg("cpio")
            .arg("-tF")
            .arg(&archive)
            .output();
        let Ok(listing) = busybox else { return };
        assert_eq!(
            String::from_utf8_lossy(&listing.stdout),
            "a\na/b\na/b/c.txt\n"
        );
    }
}
