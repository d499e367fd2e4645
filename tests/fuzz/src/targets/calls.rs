//! Calls of processes: what is understood is written as it was read.

use mx_ring::admin::{self, Change};
use mx_ring::uapi::{Call, CallReply, CallRequest};
use mx_ring::{Geometry, RegionKey};
use mx_wire::MacAddress;

/// The first byte chooses what the rest is.
pub fn run(bytes: &[u8]) -> u64 {
    let Some((choice, bytes)) = bytes.split_first() else {
        return 0;
    };
    if choice % 2 == 1 {
        let change = Change::from_bytes(&padded::<{ admin::SIZE }>(bytes));
        if let Ok(change) = &change {
            assert_eq!(Change::from_bytes(&change.to_bytes()).as_ref(), Ok(change));
        }
        return super::kind(change.map(|change| std::mem::discriminant(&change)).ok());
    }
    let call = Call::from_bytes(&padded(bytes));
    assert_eq!(
        Call::from_bytes(&call.to_bytes()).to_bytes(),
        call.to_bytes()
    );
    let _reply = CallReply::decode(&call);
    match CallRequest::decode(&call) {
        Ok(request) => {
            assert_eq!(
                CallRequest::decode(&request.encode()).as_ref(),
                Ok(&request)
            );
            super::kind((1, std::mem::discriminant(&request)))
        }
        Err(_) => super::kind((2, call.kind.checked_ilog2())),
    }
}

pub fn padded<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let mut padded = [0; N];
    for (to, from) in padded.iter_mut().zip(bytes) {
        *to = *from;
    }
    padded
}

/// Honest calls.
pub fn seeds() -> Vec<Vec<u8>> {
    let geometry = Geometry::default();
    let region = RegionKey {
        slot: 1,
        generation: 0,
    };
    let requests = [
        CallRequest::OpenEndpoint {
            board: 0,
            endpoint: u32::MAX,
            geometry,
        },
        CallRequest::Deregister { region },
    ];
    let mut seeds: Vec<Vec<u8>> = requests
        .iter()
        .map(|request| [&[0][..], &request.encode().to_bytes()].concat())
        .collect();
    let changes = [
        Change::ClearCounters,
        Change::SetHostname([b'a'; 80]),
        Change::AddPeer {
            mac: MacAddress([2; 6]),
            name: [0; 80],
        },
    ];
    for change in changes {
        seeds.push([&[1][..], &change.to_bytes()].concat());
    }
    seeds
}
