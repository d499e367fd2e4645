//! Drivers against the real cards of QEMU: `cargo test -p mx-nic --features qemu`.
//!
//! QEMU runs no guest here: its processor halts at once, and this test takes its place. Registers are reached by the
//! qtest protocol, and the machine's memory is a file that both map. For the wire see `wire.rs`.

mod bench;
mod exchange;
mod igb;
mod machine;
mod pairs;
mod virtio;
mod wire;

use std::time::{Duration, Instant};

use bench::QemuBench;
use mx_nic::intel::{Igb, Interrupts, Ixgbe};
use wire::Wire;

use crate::intel::bench::ModelBench;
use crate::scenarios::{self, Bench};
use crate::virtio::bench::VirtioBench;

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

#[test]
fn every_scenario_runs_alike_on_qemus_cards_and_on_the_models() {
    let virtio = virtio::start("mac=52:54:00:12:34:56", Wire::Socket);
    let several = virtio::start("mac=52:54:00:12:34:56,mq=on,vectors=10", Wire::Socket);
    let igb = igb::start();
    let by_vectors = igb::start();
    let benches: &mut [&mut dyn Bench] = &mut [
        &mut QemuBench::virtio("virtio (QEMU)", &virtio, 1),
        &mut QemuBench::virtio("virtio, mq=on (QEMU)", &several, 4),
        &mut QemuBench::igb(&igb, Interrupts::Msi),
        &mut QemuBench::igb(&by_vectors, Interrupts::MsiX),
        &mut VirtioBench::new(1),
        &mut ModelBench::<Igb>::new(Interrupts::Msi),
        &mut ModelBench::<Ixgbe>::new(Interrupts::Msi),
    ];
    scenarios::table(benches);
}
