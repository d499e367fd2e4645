//! `xl-omx` when nobody reads what it prints.

use omx_output::trial::judge;

#[test]
fn xl_omx_ends_quietly_without_a_reader_and_fails_with_a_word_on_a_full_disk() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["attach", "--help"],
        &["completion", "zsh"],
        &["check", "--help"],
    ] {
        judge(env!("CARGO_BIN_EXE_xl-omx"), arguments, &[]);
    }
}
