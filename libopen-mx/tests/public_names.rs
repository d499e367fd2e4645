//! The names that public MX and Open-MX programs use: each is where they look for it, in C and in C++.
//!
//! The compilers are those that CC and CXX name, else the machine's; `cargo lab test` has more than one.

mod common;

use std::path::{Path, PathBuf};

use common::{checked_file, compiler};

/// The C files of a folder, seen from this crate.
fn sources(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(&folder).expect("a folder").flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "c"));
    assert!(!files.is_empty(), "no program in {}", folder.display());
    files
}

#[track_caller]
fn is_taken(file: &Path, headers: &[&str], language: &str, standard: &str) {
    let (compiled, said) = checked_file(headers, language, standard, file);
    let (file, compiler) = (file.display(), compiler(language));
    assert!(compiled, "{file} by {compiler} {standard}: {said}");
}

#[test]
fn every_name_that_public_programs_use_is_in_the_header_that_they_include() {
    for file in sources("tests/c/names") {
        let headers = match file.file_stem() {
            Some(name) if name == "open-mx" => ["/include"],
            _ => ["/include/mx"],
        };
        is_taken(&file, &headers, "c", "-std=c99");
        is_taken(&file, &headers, "c", "-std=gnu17");
        is_taken(&file, &headers, "c++", "-std=c++98");
        is_taken(&file, &headers, "c++", "-std=c++17");
    }
}

#[test]
fn every_c_program_of_this_repository_is_taken_without_a_warning() {
    for folder in ["examples", "tests/c", "../tests/conformance/c"] {
        for file in sources(folder) {
            is_taken(&file, &["/include", "/include/mx"], "c", "-std=c99");
        }
    }
}
