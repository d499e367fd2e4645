//! A domain with boards whose names are meant to be markup.

use std::time::Duration;

use driver_domain::management::snapshot::{
    BoardSnapshot, Counts, DomainSnapshot, PeerSnapshot, Snapshot, Usage,
};
use mx_backend::HostName;
use mx_ring::Counter;
use mx_ring::warning::{Notice, Notices, Warning};
use mx_wire::MacAddress;

/// A domain with some boards.
pub struct Domain {
    pub boards: usize,
    pub peers: u16,
}

impl Snapshot for Domain {
    fn domain(&self) -> DomainSnapshot {
        DomainSnapshot {
            domain: 3,
            now: Duration::from_secs(100),
            asleep: Duration::from_millis(1500),
            started: Duration::from_secs(10),
            wire: "native",
            mtu: 9000,
            driver: "virtio",
            mac: MacAddress([2, 0, 0, 0, 0, 5]),
            address: None,
            link_up: true,
            hypercalls: 77,
            in_flight: 4,
            transmit_slots: 256,
            nic: [
                ("received_frames", 11),
                ("received_bytes", 12),
                ("transmitted_frames", 13),
                ("transmitted_bytes", 14),
                ("received_short", 0),
                ("transmit_full", 0),
                ("doorbells", 15),
                ("doorbells_saved", 16),
                ("received_long", 0),
                ("received_bad", 0),
            ],
        }
    }

    fn board(&self, number: usize) -> Option<BoardSnapshot> {
        (number < self.boards).then(|| BoardSnapshot {
            name: HostName::new(format!("guest{number}<b>\":0").as_bytes()),
            mac: MacAddress([0, 0x16, 0x3e, 0, 0, number as u8]),
            endpoints: 2,
            polled: 1,
            pages: 419,
            peers: self.peers,
            notices: {
                let mut notices = Notices::default();
                let notice = Notice {
                    times: 1234,
                    about: MacAddress([2, 0, 0, 0, 0, 9]),
                };
                notices.set(Warning::OwnName, notice);
                notices
            },
            usage: std::array::from_fn(|limit| Usage {
                held: limit as u32 + 100,
                limit: limit as u32 + 20_000,
                refused: limit as u32,
            }),
        })
    }

    fn counts(&self, number: usize) -> Option<Counts> {
        (number < self.boards).then(|| {
            let mut counts = [0; Counter::ALL.len()];
            counts[Counter::SendTiny.index()] = 42;
            counts[Counter::RecvTiny.index()] = 1_234_567;
            counts[Counter::DropBadPeerAddr.index()] = 5;
            counts
        })
    }

    fn peer(&self, _: usize, index: u16) -> Option<PeerSnapshot> {
        (index < self.peers).then(|| PeerSnapshot {
            name: HostName::new(format!("<script>peer{index}</script>").as_bytes()),
            mac: MacAddress([2, 0, 0, 1, (index >> 8) as u8, index as u8]),
            local: index == 0,
        })
    }
}
