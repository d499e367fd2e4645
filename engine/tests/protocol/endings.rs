//! What happens to all that is under way when a relation ends: the partner was restarted, gave no answer, or is not wanted
//! any more (protocol.md §9).

use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Config, Engine, Holdings, PartnerKey, RequestKey, Selection};
use mx_ring::mapping::Memfd;
use mx_ring::{Command, CommandBody, Event, EventBody, Place, PullDone, PullStatus};
use mx_wire::{Connect, Content, Eager, Medium, Rendezvous};

use super::buffer::memory;
use super::peer::{FROM, message, request_of};
use super::recorder::Recorder;
use super::start::{engine, greeted, receive, send};

const SECOND: Duration = Duration::from_secs(1);

/// Why a relation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Restarted,
    Silent,
    Disconnected,
}

fn tiny(seq: u16, match_info: u64) -> Event {
    message(
        FROM,
        (seq, 1),
        Content::Tiny(Eager {
            match_info,
            length: 0,
        }),
        Place::Inline([0; 32]),
    )
}

/// An endpoint in the middle of everything: the requests that wait for its partner.
fn busy(port: &mut Recorder) -> (Engine, PartnerKey, Vec<RequestKey>) {
    let mut engine = Engine::new(Config {
        zombies_max: 0,
        ..engine().config().clone()
    });
    let to = greeted(&mut engine, port);
    let mut waiting = Vec::new();
    // Receives that have their message: one is fetched, one has come in part.
    waiting.push(engine.receive(memory(40_000), Selection::new(5, u64::MAX), 0, port));
    let rendezvous = message(
        FROM,
        (2, 1),
        Content::Rendezvous(Rendezvous {
            match_info: 5,
            total: 40_000,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
        }),
        Place::Apart,
    );
    engine.event(&rendezvous, None, port);
    engine.work(port);
    waiting.push(engine.receive(memory(10_000), Selection::new(6, u64::MAX), 0, port));
    let payload = Memfd::create("fragment", 8192).unwrap();
    let fragment = message(
        FROM,
        (3, 1),
        Content::Medium(Medium {
            match_info: 6,
            total: 10_000,
            length: 8192,
            fragment: 0,
        }),
        Place::At(0),
    );
    engine.event(&fragment, Some(payload.slice()), port);
    // Messages that nobody has asked for: one that came, and an early one.
    engine.event(&tiny(4, 9), None, port);
    engine.event(&tiny(6, 9), None, port);
    // Sends that are not acknowledged, and one that has no room.
    waiting.push(send(&mut engine, port, to));
    waiting.push(engine.send(to, memory(20_000), 1, 0, false, port));
    waiting.push(engine.send(to, memory(40_000), 1, 0, false, port));
    port.room = 0;
    waiting.push(send(&mut engine, port, to));
    port.room = u32::MAX;
    port.sent = port.index;
    assert!(
        waiting
            .iter()
            .all(|request| engine.is_done(*request) == Some(false))
    );
    assert!(engine.probe(&Selection::new(9, u64::MAX)).is_some());
    (engine, to, waiting)
}

fn end(engine: &mut Engine, port: &mut Recorder, to: PartnerKey, why: Why) {
    match why {
        Why::Restarted => {
            let request = request_of(FROM, 0xbb, 1);
            engine.event(&request, None, port);
        }
        Why::Silent => {
            for second in 0..520 {
                engine.set_now(SECOND * second);
                engine.work(port);
            }
        }
        Why::Disconnected => engine.disconnect(to, port),
    }
}

/// What the next connect request announces as expected next.
fn announced(engine: &mut Engine, port: &mut Recorder) -> u16 {
    engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, port);
    let request = port
        .commands
        .iter()
        .rev()
        .find_map(|command| match command {
            Command {
                body: CommandBody::Connect(Connect::Request(c)),
                ..
            } => Some(c.next_expected),
            _ => None,
        });
    request.unwrap()
}

#[test]
fn however_a_relation_ends_all_that_waits_is_unreachable_and_nothing_is_left() {
    for why in [Why::Restarted, Why::Silent, Why::Disconnected] {
        let mut port = Recorder::new();
        let (mut engine, to, waiting) = busy(&mut port);
        end(&mut engine, &mut port, to, why);
        // The board gives up the pull that it was told to abort.
        let cookie = port
            .commands
            .iter()
            .rev()
            .find_map(|command| match command {
                Command {
                    body: CommandBody::AbortPull { cookie },
                    ..
                } => Some(*cookie),
                _ => None,
            });
        let aborted = Event::of_board(EventBody::PullDone(PullDone {
            cookie: cookie.unwrap(),
            status: PullStatus::Aborted,
            transferred: 0,
        }));
        engine.event(&aborted, None, &mut port);
        port.sent = port.index;
        engine.work(&mut port);
        for request in waiting {
            let outcome = engine.take_done(request).unwrap();
            assert_eq!(outcome.code, Code::RemoteEndpointUnreachable, "{why:?}");
            assert_eq!(outcome.transferred, 0, "{why:?}");
        }
        assert!(engine.probe(&Selection::new(0, 0)).is_none(), "{why:?}");
        assert_eq!(engine.holdings(), Holdings::default(), "{why:?}");
    }
}

#[test]
fn nothing_is_sent_to_the_partner_of_a_relation_that_ends() {
    for why in [Why::Restarted, Why::Disconnected] {
        let mut port = Recorder::new();
        let (mut engine, to, _) = busy(&mut port);
        port.commands.clear();
        end(&mut engine, &mut port, to, why);
        engine.set_now(SECOND);
        engine.work(&mut port);
        let own = |command: &Command| {
            matches!(
                command.body,
                CommandBody::AbortPull { .. } | CommandBody::Connect(Connect::Reply(_))
            )
        };
        assert!(
            port.commands.iter().all(own),
            "{why:?}: {:?}",
            port.commands
        );
    }
}

#[test]
fn a_relation_that_this_side_ended_has_the_next_number_and_no_messages_of_the_last_one_fit() {
    for (why, scramble) in [(Why::Silent, 0x30f0), (Why::Disconnected, 0x0f0f)] {
        let mut port = Recorder::new();
        let (mut engine, to, _) = busy(&mut port);
        end(&mut engine, &mut port, to, why);
        assert_eq!(
            announced(&mut engine, &mut port),
            0x4000 | (5 ^ scramble),
            "{why:?}"
        );
    }
}

#[test]
fn what_was_announced_to_a_partner_that_restarted_stays_true() {
    let mut port = Recorder::new();
    let (mut engine, to, _) = busy(&mut port);
    end(&mut engine, &mut port, to, Why::Restarted);
    assert_eq!(port.announced(), Some(5));
    let receive = receive(&mut engine, &mut port);
    engine.event(&tiny(5, 1), None, &mut port);
    assert!(engine.take_done(receive).is_some());
}

#[test]
fn connects_that_are_pending_end_with_a_relation_that_this_side_ends() {
    for why in [Why::Silent, Why::Disconnected] {
        let mut port = Recorder::new();
        let (mut engine, to, _) = busy(&mut port);
        let connect = engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
        end(&mut engine, &mut port, to, why);
        let outcome = engine.take_done(connect).unwrap();
        assert_eq!(outcome.code, Code::RemoteEndpointUnreachable, "{why:?}");
    }
}

#[test]
fn a_send_after_the_end_of_a_relation_fails_until_there_is_another_one() {
    for why in [Why::Silent, Why::Disconnected] {
        let mut port = Recorder::new();
        let (mut engine, to, _) = busy(&mut port);
        end(&mut engine, &mut port, to, why);
        let late = send(&mut engine, &mut port, to);
        let outcome = engine.take_done(late).unwrap();
        assert_eq!(outcome.code, Code::RemoteEndpointUnreachable);
        let hello = request_of(FROM, 0xb, 0x4123);
        engine.event(&hello, None, &mut port);
        port.commands.clear();
        send(&mut engine, &mut port, to);
        let seqs: Vec<_> = port
            .commands
            .iter()
            .map(|c| c.message().map(|m| m.seq))
            .collect();
        assert_eq!(seqs, [Some(0x4123)], "{why:?}");
    }
}
