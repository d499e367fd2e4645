//! A large message that was announced and acknowledged waits until it is fetched; its sender finds out when that will
//! never be.

use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Engine, PartnerKey, RequestKey};
use mx_ring::{Event, EventBody};
use mx_wire::{FrameKind, LibAck, NackCode, NackLib};

use super::buffer::memory;
use super::peer::{FROM, tiny};
use super::recorder::Recorder;
use super::start::{engine, greeted, send};

const KEY: u32 = 7;
const SECOND: Duration = Duration::from_secs(1);
const LENGTH: usize = 100_000;

/// A large message, then a tiny one, to a native node that acknowledges both.
fn announced(engine: &mut Engine, port: &mut Recorder) -> (PartnerKey, RequestKey) {
    let to = greeted(engine, port);
    let memory = memory(LENGTH);
    let large = engine.send(to, memory, 1, 0, false, port);
    send(engine, port, to);
    engine.event(&tiny(2, 3), None, port);
    port.commands.clear();
    (to, large)
}

/// The empty messages that were posted, by their numbers.
fn probes(port: &mut Recorder) -> Vec<u16> {
    let empty = port
        .commands
        .drain(..)
        .filter_map(|command| match command.message() {
            Some(m) if m.content.length() == 0 && m.content.kind() == FrameKind::Tiny => {
                Some(m.seq)
            }
            _ => None,
        });
    empty.collect()
}

fn nack(seq: u16) -> Event {
    Event {
        from: FROM,
        body: EventBody::Nack(NackLib {
            code: NackCode::EndpointClosed,
            seq,
        }),
    }
}

#[test]
fn the_number_asked_for_is_the_newest_acknowledged_which_native_nodes_answer() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    announced(&mut engine, &mut port);
    let mut times = Vec::new();
    for time in 1..100 {
        engine.set_now(time * SECOND / 2);
        engine.work(&mut port);
        for seq in probes(&mut port) {
            assert_eq!(seq, 2);
            times.push(time);
            let number = times.len() as u32;
            let ack = Event {
                from: FROM,
                body: EventBody::Ack(LibAck {
                    ack: 3,
                    ack_number: number,
                }),
            };
            engine.event(&ack, None, &mut port);
        }
    }
    // In half seconds: the pauses double.
    assert_eq!(times, [4, 12, 28, 60]);
}

#[test]
fn a_refused_probe_ends_every_message_that_waits_and_a_refusal_of_nothing_none() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let (_, large) = announced(&mut engine, &mut port);
    engine.event(&nack(2), None, &mut port);
    assert_eq!(engine.is_done(large), Some(false));
    engine.set_now(2 * SECOND);
    engine.work(&mut port);
    assert_eq!(probes(&mut port), [2]);
    engine.event(&nack(2), None, &mut port);
    let outcome = engine.take_done(large).unwrap();
    assert_eq!(outcome.code, Code::RemoteEndpointClosed);
    engine.set_now(600 * SECOND);
    engine.work(&mut port);
    assert_eq!(probes(&mut port), []);
}

#[test]
fn nobody_is_asked_while_messages_or_connects_are_repeated_anyway() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let (to, _) = announced(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    for time in 1..100 {
        engine.set_now(time * SECOND / 2);
        engine.work(&mut port);
        assert_eq!(probes(&mut port), []);
    }
    engine.event(&tiny(3, 4), None, &mut port);
    engine.connect(FROM.peer, FROM.endpoint, KEY, 0, 0, &mut port);
    for time in 100..200 {
        engine.set_now(time * SECOND / 2);
        engine.work(&mut port);
        assert_eq!(probes(&mut port), []);
    }
}
