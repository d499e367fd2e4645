//! What native nodes do differently from this library, and how it goes on with them. The events are a native node's.

use std::time::Duration;

use mx_engine::Code;
use mx_ring::CommandBody;
use mx_wire::FrameKind;

use super::peer::{FROM, reply, request, tiny};
use super::recorder::Recorder;
use super::start::{engine, greeted, receive, send};

/// Sequence and acknowledgement of the last tiny message.
fn last_tiny(port: &Recorder) -> Option<(u16, u16)> {
    port.commands
        .iter()
        .rev()
        .find_map(|command| match command.message() {
            Some(m) if m.content.kind() == FrameKind::Tiny => Some((m.seq, m.ack)),
            _ => None,
        })
}

#[test]
fn a_node_that_restarts_at_1_when_it_is_first_connected_to_goes_on_receiving() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    send(&mut engine, &mut port, to);
    assert_eq!(last_tiny(&port), Some((2, 2)));
    engine.event(&tiny(2, 3), None, &mut port);
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
    engine.event(&reply(1, 0), None, &mut port);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    send(&mut engine, &mut port, to);
    assert_eq!(last_tiny(&port), Some((1, 3)));
}

#[test]
fn a_late_reply_does_not_take_back_what_was_acknowledged_since_the_connect_began() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
    send(&mut engine, &mut port, to);
    send(&mut engine, &mut port, to);
    engine.event(&tiny(2, 3), None, &mut port);
    engine.event(&reply(1, 0), None, &mut port);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    send(&mut engine, &mut port, to);
    assert_eq!(last_tiny(&port), Some((3, 3)));
}

#[test]
fn messages_that_came_before_the_first_connect_of_their_sender_still_count() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
    engine.event(&reply(1, 0), None, &mut port);
    assert_eq!(engine.take_done(connect).unwrap().code, Code::Success);
    for seq in [1, 2] {
        let receive = receive(&mut engine, &mut port);
        engine.event(&tiny(seq, 1), None, &mut port);
        assert!(engine.take_done(receive).is_some());
    }
    engine.event(&request(1, 0), None, &mut port);
    assert_eq!(port.announced(), Some(3));
    let receive = receive(&mut engine, &mut port);
    engine.event(&tiny(3, 1), None, &mut port);
    assert!(engine.take_done(receive).is_some());
}

#[test]
fn four_messages_are_acknowledged_at_once_and_fewer_after_16_milliseconds() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    let acks = |port: &Recorder| {
        let acks = port
            .commands
            .iter()
            .filter_map(|command| match &command.body {
                CommandBody::Ack(ack) => Some((ack.ack, ack.ack_number)),
                _ => None,
            });
        acks.collect::<Vec<_>>()
    };
    engine.work(&mut port);
    assert_eq!(acks(&port), []);
    engine.set_now(Duration::from_millis(16));
    engine.work(&mut port);
    assert_eq!(acks(&port), [(2, 1)]);
    for seq in 2..6 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    engine.work(&mut port);
    assert_eq!(acks(&port), [(2, 1), (6, 2)]);
    engine.event(&tiny(5, 1), None, &mut port);
    engine.work(&mut port);
    assert_eq!(acks(&port), [(2, 1), (6, 2), (6, 3)]);
}

#[test]
fn early_messages_are_taken_to_the_end_once_the_missing_one_is_there() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    let receives: Vec<_> = (0..5).map(|_| receive(&mut engine, &mut port)).collect();
    for seq in [6, 4, 3, 5, 3] {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    assert!(receives.iter().all(|r| engine.is_done(*r) == Some(false)));
    engine.event(&tiny(2, 1), None, &mut port);
    assert!(receives.iter().all(|r| engine.is_done(*r) == Some(true)));
}

#[test]
fn an_unacknowledged_message_is_sent_again_every_half_second_with_the_same_number() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    let sent = |port: &Recorder| {
        let tinies = port
            .commands
            .iter()
            .filter(|c| c.message().is_some_and(|m| m.seq == 1));
        tinies.count()
    };
    for (milliseconds, expected) in [(499, 1), (500, 2), (999, 2), (1000, 3)] {
        engine.set_now(Duration::from_millis(milliseconds));
        engine.work(&mut port);
        assert_eq!(sent(&port), expected, "after {milliseconds} ms");
    }
    assert_eq!(engine.deadline(), Some(Duration::from_millis(1500)));
    engine.event(&tiny(2, 2), None, &mut port);
    engine.set_now(Duration::from_millis(2000));
    engine.work(&mut port);
    assert_eq!(sent(&port), 3);
}
