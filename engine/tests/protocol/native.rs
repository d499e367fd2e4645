//! What native nodes do differently from this library, and how it goes on with them. The events are a native node's.

use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Config, Engine, PartnerKey, RequestKey};
use mx_ring::{CommandBody, Event, EventBody, Origin, Place};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, FrameKind, Message,
};

use super::buffer::memory;
use super::recorder::Recorder;

pub const FROM: Origin = Origin {
    peer: 1,
    endpoint: 3,
    local: false,
};

pub fn engine() -> Engine {
    Engine::new(Config::new(0xa, 7, 8192, false))
}

pub fn request(next_expected: u16, connect_seqnum: u8) -> Event {
    Event {
        from: FROM,
        body: EventBody::Connect {
            session: 0xb,
            connect: Connect::Request(ConnectRequest {
                key: 7,
                next_expected,
                connect_seqnum,
            }),
        },
    }
}

pub fn reply(next_expected: u16, connect_seqnum: u8) -> Event {
    Event {
        from: FROM,
        body: EventBody::Connect {
            session: 0xb,
            connect: Connect::Reply(ConnectReply {
                requester_session: 0xa,
                next_expected,
                connect_seqnum,
                status: ConnectStatus::Success,
            }),
        },
    }
}

pub fn tiny(seq: u16, ack: u16) -> Event {
    Event {
        from: FROM,
        body: EventBody::Message(
            Message {
                seq,
                ack,
                content: Content::Tiny(Eager {
                    match_info: 1,
                    length: 1,
                }),
            },
            Place::Inline([1; 32]),
        ),
    }
}

pub fn send(engine: &mut Engine, link: &mut Recorder, to: PartnerKey) -> RequestKey {
    let memory = memory(1);
    engine.send(to, memory, 1, 0, false, link)
}

pub fn receive(engine: &mut Engine, link: &mut Recorder) -> RequestKey {
    let memory = memory(1);
    engine.receive(memory, 0, 0, 0, link)
}

/// Sequence and acknowledgement of the last tiny message.
fn last_tiny(link: &Recorder) -> Option<(u16, u16)> {
    link.commands
        .iter()
        .rev()
        .find_map(|command| match command.message() {
            Some(m) if m.content.kind() == FrameKind::Tiny => Some((m.seq, m.ack)),
            _ => None,
        })
}

/// A native node connects and sends a message; the engine's name for it.
pub fn greeted(engine: &mut Engine, link: &mut Recorder) -> PartnerKey {
    let receive = receive(engine, link);
    engine.event(&request(1, 0), None, link);
    engine.event(&tiny(1, 1), None, link);
    engine.take_done(receive).unwrap().partner.unwrap()
}

#[test]
fn a_node_that_restarts_at_1_when_it_is_first_connected_to_goes_on_receiving() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut link);
    send(&mut engine, &mut link, to);
    send(&mut engine, &mut link, to);
    assert_eq!(last_tiny(&link), Some((2, 2)));
    engine.event(&tiny(2, 3), None, &mut link);
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut link);
    engine.event(&reply(1, 0), None, &mut link);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    send(&mut engine, &mut link, to);
    assert_eq!(last_tiny(&link), Some((1, 3)));
}

#[test]
fn a_late_reply_does_not_take_back_what_was_acknowledged_since_the_connect_began() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut link);
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut link);
    send(&mut engine, &mut link, to);
    send(&mut engine, &mut link, to);
    engine.event(&tiny(2, 3), None, &mut link);
    engine.event(&reply(1, 0), None, &mut link);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    send(&mut engine, &mut link, to);
    assert_eq!(last_tiny(&link), Some((3, 3)));
}

#[test]
fn messages_that_came_before_the_first_connect_of_their_sender_still_count() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut link);
    engine.event(&reply(1, 0), None, &mut link);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    for seq in [1, 2] {
        let receive = receive(&mut engine, &mut link);
        engine.event(&tiny(seq, 1), None, &mut link);
        assert!(engine.take_done(receive).is_some());
    }
    engine.event(&request(1, 0), None, &mut link);
    assert_eq!(link.announced(), Some(3));
    let receive = receive(&mut engine, &mut link);
    engine.event(&tiny(3, 1), None, &mut link);
    assert!(engine.take_done(receive).is_some());
}

#[test]
fn four_messages_are_acknowledged_at_once_and_fewer_after_16_milliseconds() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    greeted(&mut engine, &mut link);
    let acks = |link: &Recorder| {
        let acks = link
            .commands
            .iter()
            .filter_map(|command| match &command.body {
                CommandBody::Ack(ack) => Some((ack.ack, ack.ack_number)),
                _ => None,
            });
        acks.collect::<Vec<_>>()
    };
    engine.work(&mut link);
    assert_eq!(acks(&link), []);
    engine.set_now(Duration::from_millis(16));
    engine.work(&mut link);
    assert_eq!(acks(&link), [(2, 1)]);
    for seq in 2..6 {
        engine.event(&tiny(seq, 1), None, &mut link);
    }
    engine.work(&mut link);
    assert_eq!(acks(&link), [(2, 1), (6, 2)]);
    engine.event(&tiny(5, 1), None, &mut link);
    engine.work(&mut link);
    assert_eq!(acks(&link), [(2, 1), (6, 2), (6, 3)]);
}

#[test]
fn early_messages_are_taken_to_the_end_once_the_missing_one_is_there() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    greeted(&mut engine, &mut link);
    let receives: Vec<_> = (0..5).map(|_| receive(&mut engine, &mut link)).collect();
    for seq in [6, 4, 3, 5, 3] {
        engine.event(&tiny(seq, 1), None, &mut link);
    }
    assert!(receives.iter().all(|r| engine.is_done(*r) == Some(false)));
    engine.event(&tiny(2, 1), None, &mut link);
    assert!(receives.iter().all(|r| engine.is_done(*r) == Some(true)));
}

#[test]
fn an_unacknowledged_message_is_sent_again_every_half_second_with_the_same_number() {
    let (mut engine, mut link) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut link);
    send(&mut engine, &mut link, to);
    let sent = |link: &Recorder| {
        let tinies = link
            .commands
            .iter()
            .filter(|c| c.message().is_some_and(|m| m.seq == 1));
        tinies.count()
    };
    for (milliseconds, expected) in [(499, 1), (500, 2), (999, 2), (1000, 3)] {
        engine.set_now(Duration::from_millis(milliseconds));
        engine.work(&mut link);
        assert_eq!(sent(&link), expected, "after {milliseconds} ms");
    }
    assert_eq!(engine.deadline(), Some(Duration::from_millis(1500)));
    engine.event(&tiny(2, 2), None, &mut link);
    engine.set_now(Duration::from_millis(2000));
    engine.work(&mut link);
    assert_eq!(sent(&link), 3);
}
