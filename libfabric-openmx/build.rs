//! The provider stays in memory once it is loaded: threads of the library may still run in it when libfabric lets go of it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
