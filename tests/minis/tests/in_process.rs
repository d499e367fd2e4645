//! Minis in the test's process, against the driver domain's devices and boards: what honest ones send to each other is
//! verified, and no lie breaks anything, whatever its seed.
//!
//! `LIES_SEED` has the seeds of that run of `cargo lab hostile` told again, `LIES` says how many each liar tells.

mod world;

use core::time::Duration;

use minis::device::Device;
use minis::lies::{Kind, Liar};
use minis::load::Load;
use minis::work::{Size, Target};
use world::{InProcess, World};

#[test]
fn honest_minis_verify_all_that_they_send_to_each_other_whatever_the_number_of_their_endpoints() {
    for endpoints in [1, 8] {
        verify_all(endpoints);
    }
}

fn verify_all(endpoints: u8) {
    let world = World::new(2);
    let mut minis = [0, 1].map(|guest| honest(&world, guest, endpoints));
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
    let seed = number("LIES_SEED").unwrap_or(0);
    let lies = number("LIES").unwrap_or(HUNDRED_THOUSAND / PAIRS / 2);
    for pair in 0..PAIRS {
        let world = World::new(2);
        let mut liars = liars(&world, [0, 1], seed * 32 + pair);
        for _ in 0..lies {
            for liar in &mut liars {
                liar.lie().expect("a liar goes on");
            }
        }
        for liar in &liars {
            for kind in Kind::ALL {
                let of_xen = [Kind::State, Kind::Keys, Kind::Name, Kind::Channel];
                assert!(
                    of_xen.contains(kind) || liar.counts().of(*kind) > 0,
                    "no {} was told",
                    kind.name()
                );
            }
        }
        drop(liars);
        world.end();
    }
}

#[test]
fn honest_minis_beside_liars_get_nothing_wrong_and_go_on() {
    let world = World::new(4);
    let mut honest = [0, 1].map(|guest| honest(&world, guest, 1));
    let macs = [honest[1].0.mac(), honest[0].0.mac()];
    let mut liars = liars(&world, [2, 3], 5);
    let mut verified = [0; 2];
    for lie in 0..LIES {
        for liar in &mut liars {
            liar.lie().expect("a liar goes on");
        }
        if lie % 8 != 0 {
            continue;
        }
        for (at, (device, load)) in honest.iter_mut().enumerate() {
            let now = world.now();
            let window = (now, now + Duration::from_micros(200));
            let size = [Size::Tiny, Size::Small, Size::Large][lie as usize / 8 % 3];
            let tally = load.run(device, size, Target::Partner(macs[at]), window);
            let tally = tally.expect("a run");
            assert_eq!(tally.wrong, 0);
            verified[at] += tally.verified;
        }
    }
    assert!(verified.iter().all(|count| *count > 100), "{verified:?}");
    drop((liars, honest));
    world.end();
}

/// A number of the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// An honest guest with its endpoints.
fn honest(world: &World, guest: usize, endpoints: u8) -> (Device<InProcess>, Load) {
    let mut device = Device::connect(world.domain(guest)).expect("connected");
    let load = Load::open(&mut device, endpoints).expect("open");
    (device, load)
}

/// Two that lie and help each other.
fn liars(world: &World, guests: [usize; 2], seed: u64) -> [Liar<InProcess>; 2] {
    let devices = guests.map(|guest| Device::connect(world.domain(guest)).expect("connected"));
    let macs = [devices[1].mac(), devices[0].mac()];
    let mut seeds = [seed * 2, seed * 2 + 1].into_iter().zip(macs);
    devices.map(|device| {
        let (seed, partner) = seeds.next().expect("two");
        Liar::new(device, seed, partner).expect("open")
    })
}

/// Lies of all pairs together.
const HUNDRED_THOUSAND: u64 = 100_000;
/// Pairs of liars, one after the other.
const PAIRS: u64 = 4;
/// Lies of each liar beside honest ones.
const LIES: u32 = 2_000;
