//! The unikernel: `cargo build --profile bare --target x86_64-unknown-none -p minis`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
xen_pv_boot::entry!(
    minis::run,
    xen_pv_boot::Footprint {
        // One device of a guest, for a mini that is a backend.
        arena_pages: 512,
        ..xen_pv_boot::Footprint::FRONTEND
    }
);

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "A mini guest runs on Xen, not on an operating system. Build it with\n  \
         cargo build --profile bare --target x86_64-unknown-none -p minis\n\
         and name the result as `kernel=` in the domain's configuration."
    );
    std::process::ExitCode::FAILURE
}
