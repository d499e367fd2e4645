//! `cargo lab` when nobody reads what it prints.

use omx_output::trial::judge;

const CAPTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wire/tests/captures");

#[test]
fn the_lab_ends_quietly_without_a_reader_and_fails_with_a_word_on_a_full_disk() {
    for arguments in [
        &["--help"][..],
        &["demo", "--help"],
        &["captures", CAPTURES],
        &["captures", CAPTURES, "--json"],
    ] {
        judge(env!("CARGO_BIN_EXE_lab"), arguments, &[]);
    }
}
