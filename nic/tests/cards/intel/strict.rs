//! The models refuse what the datasheets forbid: a model that takes everything would prove nothing.

use mx_nic::intel::{Igb, IntelOptions, Interrupts, Ixgbe, Mmio, open};
use mx_nic::{Fragment, Nic, Platform, Token};

use super::bench::{ModelBench, Modelled};
use crate::model::intel::{Kind, Model};
use crate::model::words;

/// What a model says to some accesses, in the words of its refusal.
fn refusal(kind: Kind, accesses: impl FnOnce(&mut Model)) -> String {
    let mut model = Model::new(kind);
    let refused = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| accesses(&mut model)));
    match refused {
        Ok(()) => String::from("nothing was refused"),
        Err(said) => words(&*said),
    }
}

#[track_caller]
fn refuses(kind: Kind, words: &str, accesses: impl FnOnce(&mut Model)) {
    let said = refusal(kind, accesses);
    assert!(said.contains(words), "{said}");
}

#[test]
fn unknown_registers_and_reserved_bits_are_refused() {
    for kind in [Kind::Igb, Kind::Ixgbe] {
        refuses(kind, "not one of the model's", |card| card.write(0x1ffc, 0));
        refuses(kind, "cannot be written", |card| card.write(0x8, 0));
        refuses(kind, "reserved bits 0x10 of CTRL", |card| {
            card.write(0, card.read(0) | 0x10)
        });
    }
    refuses(Kind::Ixgbe, "bit 31", |card| card.write(0x888, u32::MAX));
}

#[test]
fn a_reset_with_requests_under_way_or_touched_too_early_is_refused() {
    for kind in [Kind::Igb, Kind::Ixgbe] {
        refuses(kind, "while requests may be under way", |card| {
            card.write(0, card.read(0) | 1 << 26);
        });
        refuses(kind, "during a reset", |card| {
            card.write(0, card.read(0) | 1 << 2);
            card.write(0, card.read(0) | 1 << 26);
            card.write(0, card.read(0) | 1 << 2);
        });
    }
}

#[test]
fn unaligned_rings_are_refused() {
    refuses(Kind::Ixgbe, "not aligned to 128", |card| {
        card.write(0x1000, 0x1040)
    });
    refuses(Kind::Ixgbe, "not aligned to 128", |card| {
        card.write(0x6000, 0x1010)
    });
    refuses(Kind::Ixgbe, "reserved bits 0x40 of RDLEN", |card| {
        card.write(0x1008, 64)
    });
    refuses(
        Kind::Igb,
        "address of the receive queue is written while",
        |card| {
            // It is enabled after a reset.
            card.write(0xc000, 0x1000);
        },
    );
}

#[test]
fn wrong_orders_are_refused_on_the_82599() {
    let refuses = |words, accesses: fn(&mut Model)| refuses(Kind::Ixgbe, words, accesses);
    refuses("before the queue is enabled", |card| card.write(0x1018, 7));
    refuses("before SRRCTL", |card| card.write(0x1028, 1 << 25));
    refuses("receive path is not halted", |card| card.write(0x3000, 1));
    refuses("before a receive queue is ready", |card| {
        card.write(0x8d00, 2);
        card.write(0x3000, 1);
    });
    refuses("before DMATXCTL.TE", |card| {
        card.write(0x6028, 1 << 25 | 1 << 8)
    });
    refuses("HTHRESH is 0", |card| {
        card.write(0x4a80, card.read(0x4a80) | 1);
        card.write(0x6028, 1 << 25);
    });
    refuses("while the arbiter runs", |card| card.write(0x8120, 0));
    refuses("without the semaphore", |card| {
        card.write(0x42a0, card.read(0x42a0) | 1 << 12)
    });
    refuses("taken without SWSM", |card| card.write(0x10160, 1 << 3));
    refuses("one buffer of 1 to 16 KB", |card| {
        card.write(0x1014, 1 << 25)
    });
    refuses("coalescing", |card| card.write(0x102c, 1));
}

#[test]
fn wrong_orders_are_refused_on_the_82576() {
    let refuses = |words, accesses: fn(&mut Model)| refuses(Kind::Igb, words, accesses);
    refuses("before a receive queue is ready", |card| {
        card.write(0x100, 1 << 1 | 1 << 26)
    });
    refuses("before the transmit queue is ready", |card| {
        card.write(0x400, card.read(0x400) | 1 << 1);
    });
    refuses("keeps the link down", |card| {
        card.write(0x20, 0b01 << 26 | 1 << 21 | 1 << 9)
    });
    refuses("not that of advanced descriptors", |card| {
        card.write(0xc00c, 2)
    });
    refuses("the PHY has address 1", |card| {
        card.write(0x20, 0b10 << 26 | 2 << 21)
    });
}

/// What a running card says to what a driver hands it behind the driver's back.
fn running_refuses<C: Modelled>(expected: &str, mischief: impl FnOnce(&mut ModelBench<C>)) {
    let mut bench = ModelBench::<C>::new(Interrupts::None);
    bench.model.pause(100_000);
    let attempt = std::panic::AssertUnwindSafe(|| mischief(&mut bench));
    let refused = std::panic::catch_unwind(attempt);
    let said = refused.expect_err("the model refuses");
    // Its driver would stop it, and the card goes on where it was.
    std::mem::forget(bench);
    let said = words(&*said);
    assert!(said.contains(expected), "{said}");
}

fn descriptors<C: Modelled>() {
    running_refuses::<C>("were not granted", |bench| {
        let nowhere = Fragment {
            bus: 0x1234_5678,
            len: 100,
        };
        let head = [0; 60];
        bench
            .nic
            .transmit(0, &[&head], &[nowhere], Token(1))
            .expect("room");
        bench.nic.flush(0);
    });
    running_refuses::<C>("no advanced data descriptor", |bench| {
        // A ring of zeros.
        bench.model.write(C::TRANSMIT_QUEUE + 0x18, 1);
    });
    running_refuses::<C>("descriptors are taken back", |bench| {
        bench.model.write(C::RECEIVE_QUEUE + 0x18, 0);
    });
    running_refuses::<C>("outside of its ring", |bench| {
        bench.model.write(C::RECEIVE_QUEUE + 0x18, 5000);
    });
    running_refuses::<C>("while the queue is enabled", |bench| {
        bench.model.write(C::TRANSMIT_QUEUE, 0);
    });
}

#[test]
fn descriptors_and_tails_that_cannot_be_are_refused() {
    descriptors::<Igb>();
    descriptors::<Ixgbe>();
}

#[test]
fn memory_that_was_given_back_is_no_longer_granted() {
    running_refuses::<Igb>("were not granted", |bench| {
        let other = open::<Ixgbe, _, _>(
            Model::new(Kind::Ixgbe),
            bench.model.clone(),
            &IntelOptions::default(),
        );
        drop(other);
        let gone = bench.model.allocate(1).expect("a page");
        let fragment = Fragment {
            bus: gone.bus(0),
            len: 100,
        };
        drop(gone);
        bench
            .nic
            .transmit(0, &[], &[fragment], Token(1))
            .expect("room");
        bench.nic.flush(0);
    });
}
