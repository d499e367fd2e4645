//! A hostile neighbour.

use proptest::prelude::*;

use crate::domain::Domain;
use crate::link::{CLIENT, Link, OWN};

/// A frame that gets past the first checks, with noise behind them.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (0u8..4, any::<u16>(), body).prop_map(|(kind, port, body)| {
        let mut frame = vec![0; 14];
        frame[..6].copy_from_slice(&OWN);
        frame[6..12].copy_from_slice(&CLIENT);
        frame[12] = 8;
        let destination = [10, 0, 0, 5];
        match kind {
            // ARP for Ethernet and IPv4.
            0 => {
                frame[13] = 6;
                frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
            }
            // IPv4 with TCP, UDP or ICMP.
            1..=3 => {
                let protocol = [6, 17, 1][usize::from(kind) - 1];
                let length = (20 + body.len() as u16).to_be_bytes();
                let mut head = [
                    0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 0,
                    0, 0, 0,
                ];
                head[16..].copy_from_slice(&destination);
                let sum: u32 = head
                    .chunks(2)
                    .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
                    .sum();
                let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
                head[10..12].copy_from_slice(&sum.to_be_bytes());
                frame.extend_from_slice(&head);
                frame.extend_from_slice(&port.to_be_bytes());
                frame.extend_from_slice(&[0, 80]);
            }
            _ => {}
        }
        frame.extend_from_slice(&body);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_frames_stop_it(frames in proptest::collection::vec(any_frame(), 0..60)) {
        let mut link = Link::new(Domain { boards: 1, peers: 1 });
        for frame in frames {
            link.management.receive(&frame);
            link.step();
        }
        prop_assert!(link.get(4001, "/metrics").starts_with("HTTP/1.1 200 "));
    }
}
