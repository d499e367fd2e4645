//! The shared memory and the calls are, byte for byte, what this version of the ABI is in the field: two programs of one
//! version but of different days understand each other.
//!
//! `versions/<version>.txt` holds the bytes of a fixed list of values, as they lie in the pages and travel in calls. Two
//! programs compare version numbers and nothing else, so a change of these bytes needs a number of its own.
#![cfg(not(loom))]

mod calls;
#[path = "../common/mod.rs"]
mod common;
mod control;
mod description;
mod endpoint;
mod listing;
mod queues;

use std::fs;
use std::path::Path;

use listing::Listing;
use mx_ring::ABI_VERSION;

/// The bytes of every value in the list, as this build writes them.
fn bytes_of_this_build() -> String {
    let mut listing = Listing::default();
    endpoint::list(&mut listing);
    queues::list(&mut listing);
    control::list(&mut listing);
    description::list(&mut listing);
    calls::list(&mut listing);
    listing.into_text()
}

#[test]
fn an_encoding_does_not_change_without_a_new_version() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let golden = crate_folder.join(format!("tests/abi/versions/{ABI_VERSION}.txt"));
    let known = fs::read_to_string(&golden).unwrap_or_default();
    let built = bytes_of_this_build();
    if known == built {
        return;
    }
    let written = Path::new(env!("CARGO_TARGET_TMPDIR")).join("abi.txt");
    fs::write(&written, &built).expect("cargo's folder for tests can be written");
    let written = written.display();
    let next = ABI_VERSION + 1;
    assert!(
        !known.is_empty(),
        "version {ABI_VERSION} has no bytes on record. If it is new:\n\
         \x20 cp {written} ring/tests/abi/versions/{ABI_VERSION}.txt\n\
         and say in docs/interfaces.md §13 what changed"
    );
    panic!(
        "these bytes are not those of version {ABI_VERSION}, which programs in the field speak:\n{}\
         If the change was not meant, take it back. If it was:\n\
         \x20 1. make ABI_VERSION {next} in ring/src/lib.rs\n\
         \x20 2. run this test again, then: cp {written} ring/tests/abi/versions/{next}.txt\n\
         \x20 3. write a line for version {next} into docs/interfaces.md §13\n\
         If nothing but the list of values has grown: cp {written} ring/tests/abi/versions/{ABI_VERSION}.txt",
        listing::difference(&known, &built)
    );
}

#[test]
fn the_log_of_versions_has_a_line_for_every_version_on_record() {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let interfaces = fs::read_to_string(crate_folder.join("../docs/interfaces.md"))
        .expect("docs/interfaces.md is in the repository");
    let (_, log) = interfaces
        .split_once("## 13. ")
        .expect("docs/interfaces.md has a section 13");
    assert!(
        log.contains(&format!("It is **{ABI_VERSION}**")),
        "docs/interfaces.md §13 does not say that the version is {ABI_VERSION}"
    );
    let folder =
        fs::read_dir(crate_folder.join("tests/abi/versions")).expect("the folder is there");
    for entry in folder {
        let path = entry.expect("the folder can be read").path();
        let version = path
            .file_stem()
            .and_then(|stem| stem.to_str()?.parse::<u32>().ok())
            .unwrap_or_else(|| panic!("{} is not named after a version", path.display()));
        assert!(
            version <= ABI_VERSION,
            "{} is of a version that is not there yet: ABI_VERSION is {ABI_VERSION}",
            path.display()
        );
        assert!(
            log.contains(&format!("\n| {version} | ")),
            "docs/interfaces.md §13 has no line for version {version}"
        );
    }
}
