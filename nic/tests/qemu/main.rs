//! Drivers against the real cards of QEMU: `cargo test -p mx-nic --features qemu`.
//!
//! QEMU runs no guest here: its processor halts at once, and this test takes its place. Registers are reached by the
//! qtest protocol, and the machine's memory is a file that both map. The wire's other end is a datagram socket, one frame to a datagram.

mod igb;
mod machine;
mod virtio;

use std::time::{Duration, Instant};

/// A frame of that length whose bytes tell it from others.
fn frame(number: u64, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len)
        .map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8)
        .collect();
    frame[14..22].copy_from_slice(&number.to_le_bytes());
    frame
}

/// Calls until it is true.
fn until(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happens() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}
