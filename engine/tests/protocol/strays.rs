//! Frames of an earlier relation, or that are damaged, do not harm the present one.

use std::time::Duration;

use mx_engine::Code;
use mx_engine::Selection;
use mx_ring::{Command, CommandBody, Event, EventBody, Origin, Place, PullDone, PullStatus};
use mx_wire::{Content, Eager, LibAck, Rendezvous};

use super::buffer::memory;
use super::peer::{FROM, message, reply, request, request_of, tiny};
use super::recorder::Recorder;
use super::start::{engine, greeted, receive, send};

const CLOSED: u8 = 2;
const BAD_SESSION: u8 = 3;

fn nack(seq: u16, code: u8) -> Event {
    Event {
        from: FROM,
        body: EventBody::nack(code, seq),
    }
}

#[test]
fn a_late_request_of_a_session_that_is_over_is_without_effect() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    engine.event(&request_of(FROM, 0xc, 1), None, &mut port);
    assert_eq!(engine.describe(to), Some((1, 3, Some(0xc))));
    port.commands.clear();
    engine.event(&request_of(FROM, 0xb, 1), None, &mut port);
    assert_eq!(engine.describe(to), Some((1, 3, Some(0xc))));
    assert!(port.commands.is_empty());
    // So is a late reply to a connect of ours.
    let connect = engine.connect(1, 3, 7, 0, 0, &mut port);
    engine.event(&reply(1, 0), None, &mut port);
    assert_eq!(engine.is_done(connect), Some(false));
    assert_eq!(engine.describe(to), Some((1, 3, Some(0xc))));
}

#[test]
fn a_session_number_that_comes_back_after_seconds_is_a_session() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    engine.event(&request_of(FROM, 0xc, 1), None, &mut port);
    engine.set_now(Duration::from_secs(10));
    engine.event(&request_of(FROM, 0xb, 1), None, &mut port);
    assert_eq!(engine.describe(to), Some((1, 3, Some(0xb))));
}

#[test]
fn a_late_refusal_meant_for_the_session_before_does_not_end_a_message_of_this_one() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    engine.event(&request_of(FROM, 0xc, 1), None, &mut port);
    send(&mut engine, &mut port, to);
    assert!(!engine.settled());
    engine.event(&nack(1, CLOSED), None, &mut port);
    assert!(!engine.settled());
    // A real one comes again.
    engine.set_now(Duration::from_millis(500));
    engine.work(&mut port);
    engine.event(&nack(1, CLOSED), None, &mut port);
    assert!(engine.settled());
}

#[test]
fn a_refusal_of_a_message_does_not_end_a_connect() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    let connect = engine.connect(1, 3, 7, 0, 0, &mut port);
    engine.event(&nack(5, CLOSED), None, &mut port);
    assert_eq!(engine.is_done(connect), Some(false));
    engine.event(&nack(0, CLOSED), None, &mut port);
    let outcome = engine.take_done(connect).unwrap();
    assert_eq!(outcome.code, Code::RemoteEndpointClosed);
}

#[test]
fn a_refusal_by_anybody_but_the_partners_board_ends_no_connect_and_no_message() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
    let strangers = [
        Origin {
            peer: FROM.peer + 1,
            ..FROM
        },
        Origin {
            endpoint: FROM.endpoint + 1,
            ..FROM
        },
    ];
    for from in strangers {
        for seq in [0, 1] {
            let body = EventBody::nack(CLOSED, seq);
            engine.event(&Event { from, body }, None, &mut port);
        }
    }
    assert_eq!(engine.is_done(connect), Some(false));
    assert!(!engine.settled());
    for seq in [0, 1] {
        engine.event(&nack(seq, CLOSED), None, &mut port);
    }
    assert_eq!(engine.is_done(connect), Some(true));
    assert!(engine.settled());
}

#[test]
fn messages_to_a_closed_endpoint_end_one_by_one_however_many_there_are() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    for seq in 1..17_000u16 {
        let memory = memory(1);
        let synchronous = engine.send(to, memory, 1, 0, true, &mut port);
        port.commands.clear();
        engine.event(&nack(seq & 0x3fff, BAD_SESSION), None, &mut port);
        let outcome = engine.take_done(synchronous).unwrap();
        assert_eq!(outcome.code, Code::RemoteEndpointBadSession);
    }
}

#[test]
fn what_was_pulled_from_the_session_before_is_not_notified_to_this_one() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let memory = memory(100);
    let receive = engine.receive(memory, Selection::new(0, 0), 0, &mut port);
    let rendezvous = message(
        FROM,
        (2, 1),
        Content::Rendezvous(Rendezvous {
            match_info: 0,
            total: 100,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
        }),
        Place::Apart,
    );
    engine.event(&rendezvous, None, &mut port);
    engine.work(&mut port);
    let cookie = port
        .commands
        .iter()
        .find_map(|command| match &command.body {
            CommandBody::Pull(order) => Some(order.cookie),
            _ => None,
        });
    engine.event(&request_of(FROM, 0xc, 1), None, &mut port);
    let aborted = Event::of_board(EventBody::PullDone(PullDone {
        cookie: cookie.unwrap(),
        status: PullStatus::Aborted,
        transferred: 0,
    }));
    engine.event(&aborted, None, &mut port);
    engine.work(&mut port);
    let notified = |command: &Command| command.message().is_some_and(|m| m.content.is_answer());
    assert!(!port.commands.iter().any(notified));
    let outcome = engine.take_done(receive).unwrap();
    assert_eq!(outcome.code, Code::RemoteEndpointUnreachable);
    assert_eq!(outcome.partner, Some(to));
}

#[test]
fn an_acknowledgement_with_a_damaged_number_does_not_make_all_later_ones_late() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let ack = |ack, ack_number| Event {
        from: FROM,
        body: EventBody::Ack(LibAck { ack, ack_number }),
    };
    send(&mut engine, &mut port, to);
    engine.event(&ack(2, 1), None, &mut port);
    engine.event(&ack(2, 0x4000_0002), None, &mut port);
    send(&mut engine, &mut port, to);
    engine.event(&ack(3, 3), None, &mut port);
    assert!(engine.settled());
    // But an earlier one is late.
    send(&mut engine, &mut port, to);
    engine.event(&ack(4, 2), None, &mut port);
    assert!(!engine.settled());
}

#[test]
fn early_messages_leave_room_for_the_one_that_all_wait_for() {
    let mut config = engine().config().clone();
    config.kept_bytes_max = 10_000;
    let (mut engine, mut port) = (mx_engine::Engine::new(config), Recorder::new());
    let first = receive(&mut engine, &mut port);
    engine.event(&request(1, 0), None, &mut port);
    engine.event(&tiny(1, 1), None, &mut port);
    assert!(engine.take_done(first).is_some());
    for seq in 3..250 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    let payload = mx_ring::mapping::Memfd::create("small", 128).unwrap();
    for seq in 3..250 {
        let small = message(
            FROM,
            (seq, 1),
            Content::Small(Eager {
                match_info: 1,
                length: 128,
            }),
            Place::At(0),
        );
        engine.event(&small, Some(payload.slice()), &mut port);
    }
    engine.event(&tiny(2, 1), None, &mut port);
    assert!(engine.probe(&Selection::new(1, u64::MAX)).is_some());
}
