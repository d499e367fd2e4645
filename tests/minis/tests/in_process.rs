//! Minis in the test's process, against the driver domain's devices and boards: what honest ones send to each other is
//! verified, and no lie breaks anything, whatever its seed.

mod world;

use core::time::Duration;

use minis::device::Device;
use minis::lies::{Kind, Liar};
use minis::load::{Load, Size, Target};
use world::World;

#[test]
fn honest_minis_verify_all_that_they_send_to_each_other() {
    let world = World::new(2);
    let mut minis: Vec<_> = (0..2)
        .map(|guest| {
            let mut device = Device::connect(world.domain(guest)).expect("connected");
            let load = Load::open(&mut device).expect("open");
            (device, load)
        })
        .collect();
    let macs = [minis[1].0.mac(), minis[0].0.mac()];
    for size in [Size::Tiny, Size::Small, Size::Large] {
        let mut verified = 0;
        // They take turns, a short time each.
        for _ in 0..200 {
            for (at, (device, load)) in minis.iter_mut().enumerate() {
                let now = world.now();
                let window = (now, now + Duration::from_micros(500));
                let tally = load
                    .run(device, size, Target::Partner(macs[at]), window)
                    .expect("a run");
                assert_eq!((tally.wrong, tally.lost), (0, 0), "{size:?}");
                verified += tally.verified;
            }
        }
        assert!(verified > 100, "{size:?}: {verified}");
    }
}

#[test]
fn whatever_two_liars_say_the_boards_go_on_and_everything_is_given_back() {
    for seed in 0..4 {
        let world = World::new(2);
        let devices = [0, 1].map(|guest| Device::connect(world.domain(guest)).expect("connected"));
        let macs = [devices[1].mac(), devices[0].mac()];
        let mut number = 0;
        let mut liars = devices.map(|device| {
            number += 1;
            Liar::new(device, seed * 2 + number, macs[number as usize - 1]).expect("open")
        });
        for _ in 0..LIES {
            for liar in &mut liars {
                liar.lie().expect("a liar goes on");
            }
        }
        for liar in &liars {
            for kind in Kind::ALL {
                let in_xenstore = matches!(kind, Kind::State | Kind::Keys | Kind::Name);
                assert!(
                    in_xenstore || liar.counts().of(*kind) > 0,
                    "no {} was told",
                    kind.name()
                );
            }
        }
        drop(liars);
        world.end();
    }
}

/// Lies of each liar: each kind is told.
const LIES: u32 = 2_000;
