//! The documents hold together: what code, manual pages and documents cite is there, and links lead somewhere.

mod citations;
mod library;
mod markdown;

use std::path::Path;
use std::sync::LazyLock;

use library::Library;

/// Everything below the repository's root, the folder above this crate that holds the lock file.
static REPOSITORY: LazyLock<Library> = LazyLock::new(|| {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().find(|at| at.join("Cargo.lock").exists());
    Library::read(root.expect("a workspace"))
});

/// Fails with one line for each complaint.
fn none(complaints: &[String]) {
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_cited_section_is_a_heading_of_its_document() {
    assert!(
        REPOSITORY.sections_cited() > 150,
        "citations are looked for"
    );
    none(&REPOSITORY.missing_sections());
}

#[test]
fn every_cited_document_is_in_the_repository() {
    none(&REPOSITORY.missing_documents());
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    assert!(REPOSITORY.links() > 50, "links are looked for");
    none(&REPOSITORY.broken_links());
}

#[test]
fn every_file_and_test_that_a_document_names_is_there() {
    assert!(REPOSITORY.names() > 100, "names are looked for");
    none(&REPOSITORY.missing_names());
}

/// The checks themselves, on a library of four files, in which each line of `code.rs` and each link is as named. A `~`
/// stands for the ending of a document's name, so that this file cites none.
#[test]
fn what_is_cited_wrongly_is_told_with_its_place() {
    let full = |text: &str| text.replace('~', ".md");
    let rules =
        "# Rules\n\n## 1. First\n\n### 1.2 Part\n\nAs §1 says, and §3. RFC 791 §9 is another's.\n";
    let shape = "# architecture\n\n**D1. One thing.** Why.\n\n\
                 [right](rules~#12-part) [wrong](rules~#none) [gone](gone/none~)\n\n\
                 `src/code.rs` `src/gone.rs` `a_test_that_is_there` `a_test_that_is_not` `intel/x.rs`\n";
    let code = [
        "/// Right (rules~ §1 and §1.2), and wrong: `rules~` §2.",
        "/// On two lines: rules~ §1,",
        "/// §4; the decision architecture D1, and architecture D2.",
        "/// A standard's: 82576 §8.2. Not here: other/plan~.",
    ];
    let library = Library::of(&[
        (&full("docs/rules~"), rules),
        (&full("docs/architecture~"), &full(shape)),
        ("code.rs", &full(&code.join("\n"))),
        ("src/code.rs", "fn a_test_that_is_there() {}"),
        ("src", ""),
    ]);
    assert_eq!(
        library.missing_sections(),
        [
            "code.rs:1: docs/rules~ has no section or decision 2",
            "code.rs:3: docs/rules~ has no section or decision 4",
            "code.rs:3: docs/architecture~ has no section or decision D2",
            "docs/rules~:7: docs/rules~ has no section or decision 3",
        ]
        .map(full)
    );
    assert_eq!(
        library.missing_documents(),
        [
            "code.rs:4: there is no other/plan~",
            "docs/architecture~:5: there is no gone/none~"
        ]
        .map(full)
    );
    assert_eq!(
        library.broken_links(),
        [
            "docs/architecture~: rules~#none: docs/rules~ has no such heading",
            "docs/architecture~: gone/none~: there is no such file"
        ]
        .map(full)
    );
    assert_eq!(
        library.missing_names(),
        [
            "docs/architecture~: there is no src/gone.rs",
            "docs/architecture~: there is no a_test_that_is_not"
        ]
        .map(full)
    );
}
