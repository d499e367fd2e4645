//! Receives and probes that want one partner's messages alone, and messages that are taken before they are received.

use mx_engine::{Code, Engine, PartnerKey, RequestKey, Selection};
use mx_ring::{Origin, Place};
use mx_wire::{Content, Eager, Medium};

use super::buffer::{Buffer, memory};
use super::peer::{message, request_of};
use super::recorder::Recorder;
use super::start::engine;

const PEERS: [Origin; 2] = [
    Origin {
        peer: 1,
        endpoint: 3,
        local: false,
    },
    Origin {
        peer: 2,
        endpoint: 3,
        local: false,
    },
];

/// An endpoint that two peers have connected to, as it calls them.
fn connected(port: &mut Recorder) -> (Engine, [PartnerKey; 2]) {
    let mut engine = engine();
    for peer in PEERS {
        engine.event(&request_of(peer, 0xb, 1), None, port);
    }
    let partners = PEERS.map(|peer| engine.partner(peer.peer, peer.endpoint));
    (engine, partners)
}

/// A message of one byte, which is the sender's number.
fn arrives(engine: &mut Engine, port: &mut Recorder, peer: usize, seq: u16) {
    let eager = Eager {
        match_info: 5,
        length: 1,
    };
    let data = Place::Inline([peer as u8; 32]);
    let event = message(PEERS[peer], (seq, 1), Content::Tiny(eager), data);
    engine.event(&event, None, port);
}

fn of(from: PartnerKey) -> Selection {
    Selection {
        from: Some(from),
        ..Selection::new(5, u64::MAX)
    }
}

fn sender(engine: &mut Engine, request: RequestKey) -> Option<PartnerKey> {
    let outcome = engine.take_done(request)?;
    assert_eq!(outcome.code, Code::Success);
    outcome.partner
}

#[test]
fn a_receive_from_one_partner_leaves_the_messages_of_others_to_others() {
    let mut port = Recorder::new();
    let (mut engine, [first, second]) = connected(&mut port);
    // The one waits for its message, the other finds it.
    let from_second = engine.receive(memory(1), of(second), 0, &mut port);
    arrives(&mut engine, &mut port, 0, 1);
    assert_eq!(engine.is_done(from_second), Some(false));
    assert!(engine.probe(&of(second)).is_none());
    arrives(&mut engine, &mut port, 1, 1);
    assert_eq!(sender(&mut engine, from_second), Some(second));
    let from_anybody = engine.receive(memory(1), Selection::new(5, u64::MAX), 0, &mut port);
    assert_eq!(sender(&mut engine, from_anybody), Some(first));
    arrives(&mut engine, &mut port, 0, 2);
    arrives(&mut engine, &mut port, 1, 2);
    let from_second = engine.receive(memory(1), of(second), 0, &mut port);
    assert_eq!(sender(&mut engine, from_second), Some(second));
    assert_eq!(
        engine.probe(&Selection::new(0, 0)).unwrap().partner,
        Some(first)
    );
}

#[test]
fn a_receive_from_one_partner_ends_with_its_relation_and_one_from_anybody_does_not() {
    let mut port = Recorder::new();
    let (mut engine, [first, second]) = connected(&mut port);
    let from_first = engine.receive(memory(1), of(first), 0, &mut port);
    let others = [
        engine.receive(memory(1), of(second), 0, &mut port),
        engine.receive(memory(1), Selection::new(5, u64::MAX), 0, &mut port),
    ];
    engine.disconnect(first, &mut port);
    let ended = engine.take_done(from_first).unwrap();
    assert_eq!(ended.code, Code::RemoteEndpointUnreachable);
    assert!(
        others
            .iter()
            .all(|other| engine.is_done(*other) == Some(false))
    );
}

#[test]
fn a_receive_from_a_partner_that_nothing_has_passed_with_waits_for_it() {
    let mut port = Recorder::new();
    let mut engine = engine();
    let peer = PEERS[1];
    let partner = engine.partner(peer.peer, peer.endpoint);
    let receive = engine.receive(memory(1), of(partner), 0, &mut port);
    engine.event(&request_of(peer, 0xb, 1), None, &mut port);
    arrives(&mut engine, &mut port, 1, 1);
    assert_eq!(sender(&mut engine, receive), Some(partner));
}

#[test]
fn a_claimed_message_is_found_by_nobody_and_received_by_whoever_claimed_it() {
    let mut port = Recorder::new();
    let (mut engine, [first, second]) = connected(&mut port);
    arrives(&mut engine, &mut port, 0, 1);
    arrives(&mut engine, &mut port, 1, 1);
    assert!(engine.claim(&Selection::new(6, u64::MAX)).is_none());
    let (claim, told) = engine.claim(&of(second)).unwrap();
    assert_eq!((told.partner, told.message_length), (Some(second), 1));
    assert!(engine.probe(&of(second)).is_none());
    let waits = engine.receive(memory(1), of(second), 0, &mut port);
    assert_eq!(engine.is_done(waits), Some(false));
    let buffer = Buffer::new(1);
    let received = engine
        .receive_claimed(claim, buffer.part(0, 1), 0, &mut port)
        .unwrap();
    assert_eq!(sender(&mut engine, received), Some(second));
    let mut byte = [0];
    buffer.read(0, &mut byte);
    assert_eq!(byte, [1]);
    assert!(
        engine
            .receive_claimed(claim, memory(1), 0, &mut port)
            .is_none()
    );
    let (claim, _) = engine.claim(&of(first)).unwrap();
    engine.discard_claimed(claim, &mut port);
    assert_eq!(engine.holdings().kept, 0);
}

#[test]
fn a_claim_that_is_still_arriving_goes_on_in_its_receive() {
    let mut port = Recorder::new();
    let (mut engine, _) = connected(&mut port);
    let bytes = Buffer::new(8192);
    let fragment = |number, length| {
        let medium = Medium {
            match_info: 5,
            total: 10_000,
            length,
            fragment: number,
        };
        message(PEERS[0], (1, 1), Content::Medium(medium), Place::At(0))
    };
    let part = |length| bytes.part(0, length).contiguous();
    engine.event(&fragment(0, 8192), part(8192), &mut port);
    let (claim, told) = engine.claim(&Selection::new(0, 0)).unwrap();
    assert_eq!(told.message_length, 10_000);
    let receive = engine
        .receive_claimed(claim, memory(10_000), 0, &mut port)
        .unwrap();
    assert_eq!(engine.is_done(receive), Some(false));
    engine.event(&fragment(1, 10_000 - 8192), part(10_000 - 8192), &mut port);
    assert_eq!(engine.take_done(receive).unwrap().transferred, 10_000);
}

#[test]
fn a_claim_goes_with_the_relation_that_it_came_by() {
    let mut port = Recorder::new();
    let (mut engine, [first, _]) = connected(&mut port);
    arrives(&mut engine, &mut port, 0, 1);
    let (claim, _) = engine.claim(&of(first)).unwrap();
    engine.disconnect(first, &mut port);
    assert!(
        engine
            .receive_claimed(claim, memory(1), 0, &mut port)
            .is_none()
    );
    assert_eq!(engine.holdings().kept, 0);
}
