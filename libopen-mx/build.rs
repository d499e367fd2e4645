//! Gives the shared library the name by which C programs look for it (api.md §1).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libopen-mx.so.0");
}
