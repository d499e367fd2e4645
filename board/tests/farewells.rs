//! What a board says in place of an endpoint that is closed.

mod world;

use core::time::Duration;

use mx_board::EndpointKey;
use mx_ring::{Command, CommandBody, Destination, Farewell};
use mx_wire::*;
use world::*;

/// A board at NODE_A whose endpoint 0, of session 0xa, has said farewell to endpoint 7 of NODE_B and is closed.
fn closed(notice: Option<Pulled>) -> (World, EndpointKey, Format) {
    let format = formats()[1];
    let mut world = World::new(format);
    let a = world.board(NODE_A, "a:0");
    let a = key(a, 0);
    world.open(a, 0xa);
    let beacon = Beacon {
        board: NODE_B,
        serial: 1,
    };
    let (to, index) = (MacAddress::BROADCAST, Some(0));
    world.receive(&format, NODE_B, to, index, Packet::Raw, &beacon.payload());
    world.settle();
    let farewell = Farewell {
        ack: LibAck {
            ack: 6,
            ack_number: 2,
        },
        notice,
    };
    let to = Destination {
        peer: 1,
        endpoint: 7,
        session: 0xb,
    };
    world
        .command(
            a,
            Command {
                to,
                body: CommandBody::Leave(farewell),
            },
        )
        .unwrap();
    world.switch.close_endpoint(world.now, a).unwrap();
    world.ports.sent.clear();
    (world, a, format)
}

/// What is answered to a message of that number and session from NODE_B's endpoint 7.
fn answer(world: &mut World, format: &Format, seq: u16, session: u32) -> Option<Packet> {
    let message = Packet::Message {
        ends: Ends {
            destination: 0,
            source: 7,
        },
        session,
        message: Message {
            seq,
            ack: 1,
            content: Content::Tiny(Eager {
                match_info: 3,
                length: 0,
            }),
        },
    };
    world.ports.sent.clear();
    world.receive(format, NODE_B, NODE_A, Some(1), message, &[]);
    let sent = world.ports.frames(format);
    assert!(sent.len() <= 1);
    sent.first().copied()
}

fn is_refused(answer: Option<Packet>, code: NackCode) -> bool {
    matches!(answer, Some(Packet::NackLib { nack, .. }) if nack.code == code)
}

#[test]
fn a_closed_endpoint_acknowledges_again_what_it_had_received_and_refuses_all_else() {
    let (mut world, a, format) = closed(None);
    let acknowledged =
        |answer| matches!(answer, Some(Packet::LibAck { session: 0xb, ack, .. }) if ack.ack == 6);
    assert!(acknowledged(answer(&mut world, &format, 5, 0xa)));
    assert!(is_refused(
        answer(&mut world, &format, 6, 0xa),
        NackCode::EndpointClosed
    ));
    assert!(is_refused(
        answer(&mut world, &format, 5, 0xc),
        NackCode::EndpointClosed
    ));
    // Its partner may have a relation with the next one, which the acknowledgement would be taken to be of.
    world.open(a, 0xd);
    assert!(is_refused(
        answer(&mut world, &format, 5, 0xa),
        NackCode::BadSession
    ));
}

#[test]
fn what_a_closed_endpoint_had_received_is_forgotten_after_a_minute() {
    let (mut world, _, format) = closed(None);
    world.now = world.now + Duration::from_secs(61);
    assert!(is_refused(
        answer(&mut world, &format, 5, 0xa),
        NackCode::EndpointClosed
    ));
}

#[test]
fn a_closed_endpoint_tells_again_that_it_has_pulled_a_large_message() {
    let (mut world, _, format) = closed(Some(Pulled {
        seq: 9,
        notify: Notify {
            transferred: 40_000,
            window: 3,
            window_seqnum: 23,
        },
    }));
    assert!(matches!(
        answer(&mut world, &format, 5, 0xa),
        Some(Packet::LibAck { .. })
    ));
    world.ports.sent.clear();
    world.settle();
    let notice = Message {
        seq: 9,
        ack: 6,
        content: Content::Notify(Notify {
            transferred: 40_000,
            window: 3,
            window_seqnum: 23,
        }),
    };
    let told =
        |packet: &Packet| matches!(packet, Packet::Message { message, .. } if *message == notice);
    assert_eq!(
        world
            .ports
            .frames(&format)
            .iter()
            .filter(|packet| told(packet))
            .count(),
        1
    );
}
