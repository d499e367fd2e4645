//! The virtio-net driver against a device in software: an honest one, one that lies, and one that describes itself
//! wrongly.

mod device;
mod honest;
mod hostile;
mod opening;
mod pci;

use std::cell::RefCell;
use std::rc::Rc;

use mx_nic::virtio::{Options, VirtioNet, open};
use mx_nic::{HeapPlatform, Token};

use device::{
    Device, F_CTRL_RX, F_CTRL_VQ, F_EVENT_INDEX, F_INDIRECT, F_MAC, F_STATUS, F_VERSION_1,
    Registers,
};

/// What every card of these tests offers.
const BASIC: u64 = F_MAC | F_STATUS | F_CTRL_VQ | F_CTRL_RX | F_VERSION_1;

/// With and without tables of descriptors and event indices.
const KINDS: [u64; 4] = [
    BASIC,
    BASIC | F_INDIRECT,
    BASIC | F_EVENT_INDEX,
    BASIC | F_INDIRECT | F_EVENT_INDEX,
];

type Card = VirtioNet<Registers>;

/// Opens a card with those features and rings of that size.
fn card(features: u64, size: u16) -> (Card, Rc<RefCell<Device>>) {
    let device = Device::new(features, size);
    let options = Options::default();
    let card = open(Registers(device.clone()), &HeapPlatform, &options).expect("the card opens");
    (card, device)
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
