//! The tools as `install.sh` installs them.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

/// Names in a folder, without what follows the first dot.
fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    let stem = |entry: std::fs::DirEntry| entry.path().file_stem().map(OsString::from);
    entries.filter_map(stem).collect()
}

#[test]
fn every_tool_is_installed_with_a_manual_page_of_its_name() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let prefix = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed-tools");
    let built = Path::new(env!("CARGO_BIN_EXE_omx_info")).parent();
    let installed = Command::new(here.join("install.sh"))
        .arg(&prefix)
        .env("BUILT", built.expect("a directory"))
        .env_remove("DESTDIR")
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&installed.stderr);
    assert!(installed.status.success(), "{said}");
    let tools = names(&here.join("src/bin"));
    assert_eq!(names(&prefix.join("bin")), tools);
    assert_eq!(names(&prefix.join("share/man/man1")), tools);
    std::fs::remove_dir_all(&prefix).expect("what was installed");
}
