//! The build script of programs on `xen-pv-boot`: links them as the domain builder wants it, at Xen's kernel address, notes
//! kept, nothing dynamic.

use std::path::PathBuf;

const SCRIPT: &str = include_str!("link.ld");

fn main() -> std::io::Result<()> {
    // The script is in this program: nothing else decides.
    println!("cargo:rerun-if-env-changed=CARGO_CFG_TARGET_OS");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return Ok(());
    }
    let script = PathBuf::from(std::env::var_os("OUT_DIR").unwrap_or_default()).join("link.ld");
    std::fs::write(&script, SCRIPT)?;
    for argument in [
        &format!("-T{}", script.display()),
        "--build-id=none",
        "-zmax-page-size=4096",
        "-znoexecstack",
        "--no-dynamic-linker",
    ] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
    Ok(())
}
