//! Captures as tshark shows them with this repository's dissector.

use std::path::Path;
use std::process::Command;

/// A field of the dissector, or of tshark, for a column.
pub const PROBLEM: &str = "openmx.problem";
/// The same: an error in the dissector itself.
pub const LUA_ERROR: &str = "_ws.lua.error";

/// What tshark shows of each frame of a capture: these fields (all that a frame has of each, joined by commas), then the
/// info column.
///
/// # Panics
/// When this machine lacks tshark, or it cannot read the file.
pub fn tshark(capture: &Path, fields: &[&str]) -> Vec<Vec<String>> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wireshark/openmx.lua");
    let columns = fields
        .iter()
        .map(|field| format!("\"{field}\",\"%Cus:{field}:0:U\","));
    let columns: String = columns.chain(["\"Info\",\"%i\"".to_owned()]).collect();
    let ended = Command::new("tshark")
        .args(["-n", "-T", "tabs", "-X", &format!("lua_script:{script}")])
        .args(["-o", &format!("gui.column.format:{columns}"), "-r"])
        .arg(capture)
        .output()
        .unwrap_or_else(|error| {
            panic!("this machine lacks tshark, which reads captures: install it with `apt install tshark` ({error})")
        });
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}: {said}", capture.display());
    let text = String::from_utf8(ended.stdout).expect("tshark writes UTF-8");
    let columns = |line: &str| line.split('\t').map(str::to_owned).collect();
    text.lines().map(columns).collect()
}
