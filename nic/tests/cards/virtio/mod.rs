//! The virtio-net driver against a device in software: an honest one, one that lies, and one that describes itself
//! wrongly.

pub mod bench;
mod filters;
mod honest;
mod hostile;
mod merged;
mod opening;
mod pairs;
mod pci;
mod recovery;
mod strict;

use std::cell::RefCell;
use std::rc::Rc;

use mx_nic::Token;
use mx_nic::virtio::{VirtioNet, VirtioOptions, open};

use crate::model::virtio::{
    Device, F_CTRL_RX, F_CTRL_VQ, F_EVENT_INDEX, F_INDIRECT, F_MAC, F_MERGEABLE, F_MULTI_QUEUE,
    F_STATUS, F_VERSION_1, Registers,
};
use crate::scenarios;
use bench::VirtioBench;

/// What every card of these tests offers.
pub const BASIC: u64 = F_MAC | F_STATUS | F_CTRL_VQ | F_CTRL_RX | F_VERSION_1;
/// What a card can offer.
const ALL: u64 = BASIC | F_INDIRECT | F_EVENT_INDEX | F_MERGEABLE | F_MULTI_QUEUE;

/// With and without tables of descriptors, event indices, and mergeable buffers.
const KINDS: [u64; 6] = [
    BASIC,
    BASIC | F_INDIRECT,
    BASIC | F_EVENT_INDEX,
    BASIC | F_INDIRECT | F_EVENT_INDEX,
    BASIC | F_MERGEABLE,
    BASIC | F_INDIRECT | F_EVENT_INDEX | F_MERGEABLE,
];

type Card = VirtioNet<Registers, Registers>;

/// Opens a card with those features and rings of that size.
fn card(features: u64, size: u16) -> (Card, Rc<RefCell<Device>>) {
    let device = Device::new(features, size);
    (
        open_on(&device, &VirtioOptions::default()).expect("the card opens"),
        device,
    )
}

/// Opens the card that a device is.
fn open_on(
    device: &Rc<RefCell<Device>>,
    options: &VirtioOptions,
) -> Result<Card, mx_nic::OpenError> {
    let registers = Registers(device.clone());
    open(registers.clone(), registers, options)
}

#[test]
fn every_scenario_runs_on_the_model_whatever_it_offers() {
    for kind in KINDS {
        scenarios::table(&mut [&mut VirtioBench::with(kind, 1)]);
    }
    scenarios::table(&mut [&mut VirtioBench::new(1)]);
}

/// A frame of that length whose bytes tell it from others.
fn frame(number: u64, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len)
        .map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8)
        .collect();
    frame[..8].copy_from_slice(&number.to_le_bytes());
    frame
}

/// Takes all tokens that are there.
fn tokens(card: &mut Card) -> Vec<Token> {
    use mx_nic::Nic;
    let mut all = Vec::new();
    let mut some = [Token::default(); 7];
    loop {
        let count = card.completed(0, &mut some);
        all.extend_from_slice(&some[..count]);
        if count < some.len() {
            return all;
        }
    }
}
