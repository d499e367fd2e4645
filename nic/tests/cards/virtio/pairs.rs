//! Several pairs of queues.

use mx_nic::virtio::VirtioOptions;
use mx_nic::{Armed, Nic, OpenError, Token, TransmitError};

use super::{ALL, Card, frame, open_on};
use crate::model::virtio::{Device, F_CTRL_RX, F_CTRL_VQ, F_MULTI_QUEUE};

const OPTIONS: VirtioOptions = VirtioOptions {
    max_frame: 9014,
    receive_buffers: 64,
    interrupts: mx_nic::virtio::Interrupts::None,
    queue_pairs: 4,
};

fn pairs(card: &Card) -> (u16, u16) {
    let capabilities = card.capabilities();
    (capabilities.transmit_queues, capabilities.receive_queues)
}

#[test]
fn frames_go_out_and_come_in_by_every_pair() {
    let device = Device::with_pairs(ALL, 64, 8);
    let mut card = open_on(&device, &OPTIONS).expect("it opens");
    assert_eq!((pairs(&card), device.borrow().pairs), ((4, 4), 4));
    for round in 0..200 {
        for queue in 0..4 {
            let number = u64::from(queue) + 4 * round;
            let sent = card.transmit(queue, &[&frame(number, 60)], &[], Token(number));
            assert_eq!(sent, Ok(()));
            card.flush(queue);
            assert_eq!(device.borrow_mut().transmit(10), 1);
            assert_eq!(
                device.borrow_mut().sent.pop_front(),
                Some(frame(number, 60))
            );
            let mut tokens = [Token(0); 4];
            assert_eq!(card.completed(queue, &mut tokens), 1);
            assert_eq!(tokens[0], Token(number));

            assert_eq!(card.arm(queue), Armed::Quiet);
            // The device chooses the queue by the last byte.
            let mut coming = frame(number, 6000);
            coming[5999] = queue as u8;
            device.borrow_mut().incoming.push_back(coming.clone());
            assert_eq!(device.borrow_mut().receive(1), 1);
            for other in 0..4 {
                let armed = card.arm(other);
                assert_eq!(armed == Armed::WorkPending, other == queue);
            }
            let count = card.receive(queue, 10, &mut |frame| assert_eq!(frame, coming));
            assert_eq!(count, 1);
        }
    }
    let unfit = card.transmit(4, &[&frame(0, 60)], &[], Token(0));
    assert_eq!(unfit, Err(TransmitError::Unfit));
    assert_eq!(card.receive(4, 1, &mut |_| ()), 0);
    assert_eq!(card.arm(4), Armed::Quiet);
}

#[test]
fn a_card_with_fewer_pairs_says_so_and_one_alone_is_asked_for_no_more() {
    for (offered, most, asked, used) in [
        (ALL, 2, 4, 2),
        (ALL, 8, 1, 1),
        (ALL & !F_MULTI_QUEUE, 8, 4, 1),
        (ALL & !(F_CTRL_VQ | F_CTRL_RX), 8, 4, 1),
        (ALL, 8, 0, 1),
    ] {
        let device = Device::with_pairs(offered, 64, most);
        let options = VirtioOptions {
            queue_pairs: asked,
            ..OPTIONS
        };
        let card = open_on(&device, &options).expect("it opens");
        assert_eq!(pairs(&card), (used, used));
        assert_eq!(device.borrow().pairs, usize::from(used));
        assert_eq!(device.borrow().has(F_MULTI_QUEUE), used > 1);
    }
}

#[test]
fn a_card_that_refuses_its_own_pairs_or_tells_impossible_ones_is_not_opened() {
    let refusal = |spoil: fn(&mut Device)| {
        let device = Device::with_pairs(ALL, 64, 4);
        spoil(&mut device.borrow_mut());
        open_on(&device, &OPTIONS).err()
    };
    let refused = Some(OpenError::Feature("the pairs of queues that it offers"));
    assert_eq!(refusal(|device| device.faults.answer = Some(1)), refused);
    assert_eq!(refusal(|device| device.faults.silent = true), refused);
    for pairs in [0u16, 0x8000, 0xffff] {
        let device = Device::with_pairs(ALL, 64, 4);
        device.borrow_mut().configuration[8..10].copy_from_slice(&pairs.to_le_bytes());
        let refusal = open_on(&device, &OPTIONS).err();
        assert!(matches!(refusal, Some(OpenError::Registers(_))), "{pairs}");
    }
    // More than it has queues for.
    let device = Device::with_pairs(ALL, 64, 4);
    device.borrow_mut().configuration[8] = 7;
    let refusal = open_on(&device, &OPTIONS).err();
    assert_eq!(refusal, Some(OpenError::Queue { queue: 14, size: 0 }));
}

#[test]
fn a_card_that_was_reset_has_its_pairs_again() {
    let device = Device::with_pairs(ALL, 64, 4);
    let mut card = open_on(&device, &OPTIONS).expect("it opens");
    for queue in 0..4 {
        let token = Token(queue.into());
        card.transmit(queue, &[&frame(0, 60)], &[], token)
            .expect("room");
        card.flush(queue);
    }
    card.recover().expect("it comes back");
    assert_eq!(device.borrow().pairs, 4);
    for queue in 0..4 {
        let mut tokens = [Token(9); 4];
        assert_eq!(card.completed(queue, &mut tokens), 1);
        assert_eq!(tokens[0], Token(queue.into()));
    }
}
