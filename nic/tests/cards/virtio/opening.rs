//! How a card is opened, and which ones are not.

use mx_nic::virtio::{Interrupts, VirtioOptions};
use mx_nic::{Nic, OpenError};

use super::{BASIC, open_on};
use crate::model::virtio::{
    Device, F_CTRL_RX, F_INDIRECT, F_MAC, F_MTU, F_VERSION_1, MAC, RECEIVE, TRANSMIT,
};

/// Why the card was not opened, after `spoil`.
fn refusal(options: VirtioOptions, spoil: impl FnOnce(&mut Device)) -> Option<OpenError> {
    let device = Device::new(BASIC | F_MTU, 256);
    spoil(&mut device.borrow_mut());
    let refusal = open_on(&device, &options).err();
    assert_eq!(device.borrow().status & 4, 0, "it does not run");
    refusal
}

#[test]
fn a_card_tells_what_it_can() {
    let device = Device::new(BASIC | F_MTU | F_INDIRECT, 1024);
    let card = open_on(&device, &VirtioOptions::default()).expect("the card opens");
    let capabilities = card.capabilities();
    assert_eq!(capabilities.mac, MAC);
    assert_eq!(capabilities.max_frame, 9014);
    assert_eq!(capabilities.transmit_slots, 256);
    assert!(capabilities.promiscuous && device.borrow().wanted.promiscuous);
    assert!(!capabilities.interrupts);
}

#[test]
fn the_smaller_of_both_frame_sizes_counts() {
    let device = Device::new(BASIC | F_MTU, 256);
    device.borrow_mut().configuration[10..12].copy_from_slice(&1500u16.to_le_bytes());
    let card = open_on(&device, &VirtioOptions::default()).expect("the card opens");
    assert_eq!(card.capabilities().max_frame, 1514);
}

#[test]
fn a_card_without_receive_modes_is_opened_without_a_command() {
    let device = Device::new(BASIC & !F_CTRL_RX, 256);
    let card = open_on(&device, &VirtioOptions::default()).expect("the card opens");
    assert!(card.capabilities().promiscuous);
    assert!(!device.borrow().wanted.promiscuous);
}

#[test]
fn a_card_that_does_not_answer_the_command_is_opened_and_says_so() {
    let device = Device::new(BASIC, 256);
    device.borrow_mut().faults.silent = true;
    let card = open_on(&device, &VirtioOptions::default()).expect("it opens");
    assert!(!card.capabilities().promiscuous);
}

#[test]
fn interrupt_vectors_reach_their_queues() {
    let device = Device::new(BASIC, 256);
    let options = VirtioOptions {
        interrupts: Interrupts::Vectors {
            configuration: 0,
            receive: 1,
            transmit: 2,
        },
        ..VirtioOptions::default()
    };
    let mut card = open_on(&device, &options).expect("the card opens");
    card.acknowledge();
    let device = device.borrow();
    assert_eq!(device.configuration_vector, Some(0));
    assert_eq!(device.queues[RECEIVE].vector, Some(1));
    assert_eq!(device.queues[TRANSMIT].vector, Some(2));
    assert!(card.capabilities().interrupts);
    assert_eq!(device.acknowledged, 0, "only a line is acknowledged");
}

#[test]
fn a_line_is_released_by_acknowledging() {
    let device = Device::new(BASIC, 256);
    let options = VirtioOptions {
        interrupts: Interrupts::Line,
        ..VirtioOptions::default()
    };
    let mut card = open_on(&device, &options).expect("the card opens");
    card.acknowledge();
    assert_eq!(device.borrow().acknowledged, 1);
}

#[test]
fn impossible_cards_and_wishes_are_refused_with_their_cause() {
    let plain = VirtioOptions::default();
    let frames = |max_frame| VirtioOptions { max_frame, ..plain };
    let vector = VirtioOptions {
        interrupts: Interrupts::Vectors {
            configuration: 0,
            receive: 1,
            transmit: 3,
        },
        ..plain
    };
    assert_eq!(
        refusal(frames(59), |_| ()),
        Some(OpenError::FrameSize { asked: 59 })
    );
    assert_eq!(
        refusal(frames(12_277), |_| ()),
        Some(OpenError::FrameSize { asked: 12_277 })
    );
    assert!(matches!(
        refusal(plain, |device| device.offered &= !F_VERSION_1),
        Some(OpenError::Feature(_))
    ));
    assert!(matches!(
        refusal(plain, |device| device.offered &= !F_MAC),
        Some(OpenError::Feature(_))
    ));
    assert!(matches!(
        refusal(vector, |_| ()),
        Some(OpenError::Feature(_))
    ));
    assert_eq!(
        refusal(plain, |device| device.faults.refuses_features = true),
        Some(OpenError::Negotiation)
    );
    assert_eq!(
        refusal(plain, |device| device.queues[TRANSMIT].most = 4),
        Some(OpenError::Queue { queue: 1, size: 4 })
    );
    assert!(matches!(
        refusal(plain, |device| device.configuration[10..].fill(0)),
        Some(OpenError::Registers(_))
    ));
    assert!(matches!(
        refusal(plain, |device| device.configuration.truncate(5)),
        Some(OpenError::Registers(_))
    ));
    assert_eq!(
        refusal(plain, |device| device.restless = true),
        Some(OpenError::Registers("its configuration never settles"))
    );
}

#[test]
fn a_card_that_never_finishes_its_reset_is_refused() {
    let device = Device::new(BASIC, 256);
    device.borrow_mut().faults.stuck_in_reset = true;
    device.borrow_mut().status = 0xff;
    let refusal = open_on(&device, &VirtioOptions::default()).err();
    assert_eq!(refusal, Some(OpenError::Reset));
}

#[test]
fn a_queue_of_an_odd_size_is_used_up_to_a_power_of_two() {
    let device = Device::new(BASIC | F_INDIRECT, 100);
    let card = open_on(&device, &VirtioOptions::default()).expect("the card opens");
    assert_eq!(card.capabilities().transmit_slots, 64);
}
