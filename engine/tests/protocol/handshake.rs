//! What connects say and change (protocol.md §3). The events are a native node's.

use mx_engine::Code;
use mx_engine::Engine;
use mx_engine::Selection;
use mx_ring::{Command, CommandBody, Destination, Event, EventBody, Origin};
use mx_wire::{Connect, ConnectReply, ConnectRequest, ConnectStatus};

use super::peer::{FROM, reply, request, tiny};
use super::recorder::Recorder;
use super::start::{engine, send};

const CLOSED: u8 = 2;

fn connect(engine: &mut Engine, port: &mut Recorder) -> mx_engine::RequestKey {
    engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, port)
}

/// Next expected number and counter of the connect requests that were posted.
fn requests(port: &Recorder) -> Vec<(u16, u8)> {
    let requests = port.commands.iter().filter_map(|command| match command {
        Command {
            body: CommandBody::Connect(Connect::Request(c)),
            ..
        } => Some((c.next_expected, c.connect_seqnum)),
        _ => None,
    });
    requests.collect()
}

#[test]
fn a_reply_echoes_session_and_counter_and_tells_what_is_expected_next() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    engine.event(&request(1, 0), None, &mut port);
    for seq in 1..4 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    port.commands.clear();
    engine.event(&request(1, 9), None, &mut port);
    let expected = Command {
        to: Destination {
            peer: FROM.peer,
            endpoint: FROM.endpoint,
            session: 0xb,
        },
        body: CommandBody::Connect(Connect::Reply(ConnectReply {
            requester_session: 0xb,
            next_expected: 4,
            connect_seqnum: 9,
            status: ConnectStatus::Success,
        })),
    };
    assert_eq!(port.commands, [expected]);
}

#[test]
fn a_wrong_key_is_answered_by_status_11_and_the_requester_can_be_sent_to_all_the_same() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let wrong = Event {
        from: FROM,
        body: EventBody::Connect {
            session: 0xb,
            connect: Connect::Request(ConnectRequest {
                key: 8,
                next_expected: 5,
                connect_seqnum: 0,
            }),
        },
    };
    engine.event(&wrong, None, &mut port);
    let status = port.commands.iter().find_map(|command| match command {
        Command {
            body: CommandBody::Connect(Connect::Reply(c)),
            ..
        } => Some(c.status),
        _ => None,
    });
    assert_eq!(status, Some(ConnectStatus::BadKey));
    engine.event(&tiny(1, 5), None, &mut port);
    let partner = engine
        .probe(&Selection::new(1, u64::MAX))
        .unwrap()
        .partner
        .unwrap();
    assert_eq!(engine.describe(partner), Some((1, 3, Some(0xb))));
    send(&mut engine, &mut port, partner);
    let seq = port
        .commands
        .iter()
        .find_map(|command| Some(command.message()?.seq));
    assert_eq!(seq, Some(5), "where the requester wants to begin");
}

#[test]
fn a_reply_counts_for_the_own_session_with_the_counter_of_a_pending_connect_and_a_known_status() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let pending = connect(&mut engine, &mut port);
    let Event {
        from,
        body:
            EventBody::Connect {
                session,
                connect: Connect::Reply(ConnectReply { next_expected, .. }),
            },
    } = reply(1, 0)
    else {
        unreachable!();
    };
    let answer = |requester_session, connect_seqnum, status| Event {
        from,
        body: EventBody::Connect {
            session,
            connect: Connect::Reply(ConnectReply {
                requester_session,
                next_expected,
                connect_seqnum,
                status: ConnectStatus::from_byte(status),
            }),
        },
    };
    let stranger = Origin {
        endpoint: 4,
        ..FROM
    };
    for stray in [
        answer(0xc, 0, 0),
        answer(0xa, 1, 0),
        answer(0xa, 0, 5),
        Event {
            from: stranger,
            body: EventBody::Connect {
                session,
                connect: Connect::Reply(ConnectReply {
                    requester_session: 0xa,
                    next_expected,
                    connect_seqnum: 0,
                    status: ConnectStatus::Success,
                }),
            },
        },
    ] {
        engine.event(&stray, None, &mut port);
        assert_eq!(engine.is_done(pending), Some(false), "{stray:?}");
    }
    engine.event(&answer(0xa, 0, 0), None, &mut port);
    assert_eq!(engine.take_done(pending).unwrap().code, Code::Success);
}

#[test]
fn connects_to_one_partner_are_told_apart_by_their_counter_and_a_refusal_ends_the_oldest() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let connects: Vec<_> = (0..3).map(|_| connect(&mut engine, &mut port)).collect();
    assert_eq!(requests(&port), [(1, 0), (1, 1), (1, 2)]);
    engine.event(&reply(1, 1), None, &mut port);
    let done = |engine: &Engine| {
        connects
            .iter()
            .map(|c| engine.is_done(*c))
            .collect::<Vec<_>>()
    };
    assert_eq!(done(&engine), [Some(false), Some(true), Some(false)]);
    let refusal = Event {
        from: FROM,
        body: EventBody::nack(CLOSED, 0),
    };
    engine.event(&refusal, None, &mut port);
    assert_eq!(done(&engine), [Some(true), Some(true), Some(false)]);
    let outcome = engine.take_done(connects[0]).unwrap();
    assert_eq!(outcome.code, Code::RemoteEndpointClosed);
}

#[test]
fn a_refusal_with_a_code_that_does_not_exist_is_without_effect() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let pending = connect(&mut engine, &mut port);
    for code in [0, 4, 5, 255] {
        let refusal = Event {
            from: FROM,
            body: EventBody::nack(code, 0),
        };
        engine.event(&refusal, None, &mut port);
    }
    assert_eq!(engine.is_done(pending), Some(false));
}

#[test]
fn a_connect_to_the_own_endpoint_is_done_at_once_without_a_frame() {
    let (mut engine, port) = (engine(), Recorder::new());
    for (key, code) in [
        (7, Code::Success),
        (8, Code::RemoteEndpointBadConnectionKey),
    ] {
        let request = engine.connect_own(key, 0, 0);
        let outcome = engine.take_done(request).unwrap();
        assert_eq!(
            (outcome.code, outcome.partner),
            (code, Some(engine.loopback()))
        );
    }
    assert_eq!(port.commands, []);
}
