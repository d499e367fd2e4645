//! The unikernel: `cargo build --profile bare --target x86_64-unknown-none -p driver-domain`.
#![cfg_attr(target_os = "none", no_std, no_main)]
#![deny(unsafe_code)]

#[cfg(target_os = "none")]
xen_pv_boot::entry!(driver_domain::run);

#[cfg(not(target_os = "none"))]
fn main() -> std::process::ExitCode {
    eprintln!(
        "The driver domain runs on Xen, not on an operating system. Build it with\n  \
         cargo build --profile bare --target x86_64-unknown-none -p driver-domain\n\
         and name the result as `kernel=` in the domain's configuration."
    );
    std::process::ExitCode::FAILURE
}
