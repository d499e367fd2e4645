//! The calls to the module and to `omxd`.

use mx_ring::uapi::{
    ANY_ENDPOINT, Call, CallReply, CallRequest, DEVICE_PATH, EndpointDescriptors, IOCTL, MAP_BOARD,
    MAP_NOTES, MAP_R, MAP_W, RAW_FRAME_MAX, SOCKET_PATH,
};
use mx_ring::{ABI_VERSION, Geometry, RegionKey};

use crate::control::changes;
use crate::listing::Listing;

const NUMBER: u64 = 0x7f7e_7d7c_7b7a_7978;
const REGION: RegionKey = RegionKey {
    slot: 0x0908,
    generation: 0x0b0a,
};

pub fn list(listing: &mut Listing) {
    listing.title("where calls go");
    listing.line(format_args!(
        "{DEVICE_PATH} ioctl {IOCTL:#x}, mmap {MAP_W:#x} {MAP_R:#x} {MAP_BOARD:#x} {MAP_NOTES:#x}; {SOCKET_PATH}"
    ));
    listing.line(format_args!(
        "any endpoint {ANY_ENDPOINT:#x}, RAW frames of up to {RAW_FRAME_MAX} bytes"
    ));
    let travel = ["board pages", "W", "R", "bell"];
    let [first, second, third, fourth] = travel;
    let descriptors = EndpointDescriptors {
        board: first,
        w: second,
        r: third,
        bell: fourth,
    };
    assert_eq!(EndpointDescriptors::from(travel), descriptors);
    let order = descriptors.into_array().join(", ");
    listing.line(format_args!("descriptors with an endpoint: {order}"));
    for (name, request) in requests() {
        asked(listing, &name, &request);
    }
    listing.kinds("calls", |kind| {
        let mut call = Call {
            kind: kind.into(),
            ..Call::default()
        };
        // A change of a kind that there is, for the call that carries one.
        call.words[1] = 1;
        CallRequest::decode(&call).is_ok()
    });
    for (kind, reply) in replies() {
        answered(listing, kind, &reply);
    }
    let question = Call {
        kind: 3,
        number: NUMBER,
        ..Call::default()
    };
    listing.title("a refusal");
    listing.bytes("call", &Call::refusal(&question, 0x1234).to_bytes());
}

fn requests() -> Vec<(String, CallRequest)> {
    let register = |writable, reserve| CallRequest::Register {
        address: 0x0f0e_0d0c_0b0a_0908,
        length: 0x1312_1110,
        writable,
        reserve,
    };
    let wait = |kick| CallRequest::Wait {
        unexpected: 0x0b0a_0908,
        expected: 0x1312_1110,
        deadline: 0x1f1e_1d1c_1b1a_1918,
        kick,
    };
    let board = 0x0b0a_0908;
    let requests = [
        (
            "hello",
            CallRequest::Hello {
                version: ABI_VERSION,
            },
        ),
        ("attach a board", CallRequest::AttachBoard { board }),
        (
            "open an endpoint",
            CallRequest::OpenEndpoint {
                board,
                endpoint: 0x1312_1110,
                geometry: Geometry {
                    commands: 0x1b1a_1918,
                    unexpected: 0x2322_2120,
                    expected: 0x2b2a_2928,
                    transmit: 0x3332_3130,
                    receive: 0x3b3a_3938,
                },
            },
        ),
        ("register to be written", register(true, false)),
        ("register a buffer of last resort", register(false, true)),
        ("deregister", CallRequest::Deregister { region: REGION }),
        ("wait", wait(false)),
        ("kick and wait", wait(true)),
        ("kick", CallRequest::Kick),
        ("wake up", CallRequest::Wakeup),
        ("statistics", CallRequest::Statistics),
        (
            "who has an endpoint",
            CallRequest::EndpointInfo {
                board,
                endpoint: 0x1312_1110,
            },
        ),
        ("open the raw endpoint", CallRequest::OpenRaw { board }),
        ("close", CallRequest::Close),
    ];
    let changes = changes().map(|(name, change)| {
        let change = CallRequest::Change { board, change };
        (format!("change: {name}"), change)
    });
    let requests = requests.map(|(name, request)| (name.to_owned(), request));
    requests.into_iter().chain(changes).collect()
}

/// Replies, each with the kind of the call that it answers.
fn replies() -> [(u32, CallReply); 7] {
    [
        (
            1,
            CallReply::Hello {
                version: ABI_VERSION,
                boards: 0x1312_1110,
                user_memory: true,
                queue_entries: 0x2322_2120,
            },
        ),
        (
            3,
            CallReply::Opened {
                endpoint: 0x0b0a_0908,
                session: 0x1312_1110,
            },
        ),
        (4, CallReply::Registered { region: REGION }),
        (
            9,
            CallReply::Statistics {
                calls: 0x0f0e_0d0c_0b0a_0908,
                sleeps: 0x1716_1514_1312_1110,
                events_sent: 0x1f1e_1d1c_1b1a_1918,
                events_received: 0x2726_2524_2322_2120,
                grants: 0x2f2e_2d2c_2b2a_2928,
                grants_ended: 0x3736_3534_3332_3130,
            },
        ),
        (
            10,
            CallReply::EndpointInfo {
                open: true,
                pid: 0x1312_1110,
                command: core::array::from_fn(|i| 0x60 + i as u8),
                queue_entries: 0x2b2a_2928,
            },
        ),
        (2, CallReply::Done),
        (5, CallReply::Done),
    ]
}

/// A request as it travels, which the other side reads as it was.
fn asked(listing: &mut Listing, name: &str, request: &CallRequest) {
    let call = Call {
        number: NUMBER,
        ..request.encode()
    };
    let bytes = call.to_bytes();
    listing.title(format_args!("call: {name}"));
    listing.bytes("call", &bytes);
    assert_eq!(CallRequest::decode(&Call::from_bytes(&bytes)), Ok(*request));
}

/// A reply as it travels, which the one who asked reads as it was.
fn answered(listing: &mut Listing, kind: u32, reply: &CallReply) {
    let question = Call {
        kind,
        number: NUMBER,
        ..Call::default()
    };
    let bytes = reply.encode(&question).to_bytes();
    listing.title(format_args!("answer to a call of kind {kind}"));
    listing.bytes("call", &bytes);
    assert_eq!(CallReply::decode(&Call::from_bytes(&bytes)), *reply);
}
