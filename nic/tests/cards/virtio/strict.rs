//! The model refuses what the standard forbids: a model that takes everything would prove nothing.

use mx_nic::virtio::{RingAddresses, Transport};
use mx_nic::{Fragment, Nic, Token};

use super::{ALL, BASIC, card, frame};
use crate::model::virtio::{Device, F_CTRL_RX, F_VERSION_1, Registers};
use crate::model::{dma, words};

/// What the model says to something, in the words of its refusal.
fn refusal(attempt: impl FnOnce()) -> String {
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(attempt));
    match refused {
        Ok(()) => String::from("nothing was refused"),
        Err(said) => words(&*said),
    }
}

#[track_caller]
fn refuses(expected: &str, attempt: impl FnOnce(&mut Registers)) {
    let device = Device::new(ALL, 64);
    let said = refusal(|| attempt(&mut Registers(device)));
    assert!(said.contains(expected), "{said}");
}

/// Goes as far as FEATURES_OK.
fn agree(card: &mut Registers) {
    card.set_status(1);
    card.set_status(3);
    card.accept_features(BASIC);
    card.set_status(0xb);
}

/// Rings in memory of that many pages from its start.
fn rings(bus: u64) -> RingAddresses {
    RingAddresses {
        descriptors: bus,
        available: bus + 4096,
        used: bus + 8192,
    }
}

#[test]
fn wrong_orders_are_refused() {
    refuses("leaves a step out", |card| card.set_status(8));
    refuses("in one step", |card| card.set_status(3));
    refuses("taken back", |card| {
        card.set_status(1);
        card.set_status(3);
        card.set_status(1);
    });
    refuses("between DRIVER and FEATURES_OK", |card| {
        card.accept_features(BASIC)
    });
    refuses("between FEATURES_OK and DRIVER_OK", |card| {
        card.set_queue_vector(0, 0);
    });
    refuses("between FEATURES_OK and DRIVER_OK", |card| {
        agree(card);
        card.set_status(0xf);
        let memory = dma::allocate(3).expect("memory");
        let _ = card.enable_queue(0, 16, rings(memory.bus(0)));
    });
    refuses("before DRIVER_OK", |card| card.notify(0));
    refuses("not enabled", |card| {
        agree(card);
        card.set_status(0xf);
        card.notify(1);
    });
}

#[test]
fn wrong_features_are_refused() {
    let accept = |features| {
        move |card: &mut Registers| {
            card.set_status(1);
            card.set_status(3);
            card.accept_features(features);
        }
    };
    refuses("not offered", accept(F_VERSION_1 | 1));
    refuses("VERSION_1 is not accepted", accept(0));
    refuses("CTRL_VQ", accept(F_VERSION_1 | F_CTRL_RX));
}

#[test]
fn wrong_rings_are_refused() {
    let enable = |size, change: fn(&mut RingAddresses)| {
        move |card: &mut Registers| {
            agree(card);
            let memory = dma::allocate(3).expect("memory");
            let mut rings = rings(memory.bus(0));
            change(&mut rings);
            let _ = card.enable_queue(0, size, rings);
        }
    };
    refuses("64 at most", enable(128, |_| ()));
    refuses("a power of two", enable(12, |_| ()));
    refuses("aligned to 16", enable(16, |rings| rings.descriptors += 8));
    refuses("aligned to 2", enable(16, |rings| rings.available += 1));
    refuses("aligned to 4", enable(16, |rings| rings.used += 2));
    refuses("were not granted", enable(16, |rings| rings.used += 4096));
}

#[test]
fn memory_that_was_not_granted_is_refused() {
    let (mut card, device) = card(BASIC, 16);
    let nowhere = Fragment {
        bus: 0x1234_5678,
        len: 100,
    };
    card.transmit(0, &[&frame(0, 60)], &[nowhere], Token(0))
        .expect("room");
    card.flush(0);
    let said = refusal(|| {
        device.borrow_mut().transmit(1);
    });
    assert!(said.contains("were not granted"), "{said}");
}
