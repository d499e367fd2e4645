//! Numbers, order and acknowledgements of what two endpoints send each other (protocol.md §4, §5, §7).

use std::time::Duration;

use mx_engine::{Config, Engine, PartnerKey, RequestKey, Selection};
use mx_ring::mapping::Memfd;
use mx_ring::{CommandBody, Event, EventBody, Origin, Place};
use mx_wire::{Content, Eager, LibAck, Medium, Notify, Rendezvous};

use super::buffer::{Buffer, memory};
use super::peer::{FROM, message, request, request_of, tiny};
use super::recorder::Recorder;
use super::start::{engine, greeted, receive, send};

const MS: Duration = Duration::from_millis(1);
/// The first number of the relation with session number 1.
const OTHER_RELATION: u16 = 0x4000;

/// Sends a message of that length.
fn send_long(
    engine: &mut Engine,
    port: &mut Recorder,
    to: PartnerKey,
    length: usize,
    synchronous: bool,
) -> RequestKey {
    let memory = memory(length);
    engine.send(to, memory, 1, 0, synchronous, port)
}

/// What was posted: a letter for its kind, and its number.
fn posted(port: &mut Recorder) -> Vec<(char, u16)> {
    let known = port
        .commands
        .drain(..)
        .filter_map(|command| match command.body {
            CommandBody::Message(m, _) => Some((m.content.kind().name().chars().next()?, m.seq)),
            CommandBody::Ack(ack) => Some(('a', ack.ack)),
            _ => None,
        });
    known.collect()
}

fn work_at(engine: &mut Engine, port: &mut Recorder, time: Duration) -> Vec<(char, u16)> {
    engine.set_now(time);
    engine.work(port);
    posted(port)
}

/// A synchronous message of no bytes: its receiver has nothing to pull, so that it notifies at once.
fn empty_rendezvous(seq: u16) -> Event {
    message(
        FROM,
        (seq, 1),
        Content::Rendezvous(Rendezvous {
            match_info: 1,
            total: 0,
            window: 0,
            window_seqnum: 23,
            window_offset: 0,
        }),
        Place::Apart,
    )
}

fn fragment(seq: u16, number: u8, total: u32, payload: &Memfd) -> (Event, mx_ring::VolatileSlice) {
    let start = u32::from(number) * 8192;
    let length = (total - start).min(8192) as u16;
    let event = message(
        FROM,
        (seq, 1),
        Content::Medium(Medium {
            match_info: 1,
            total,
            length,
            fragment: number,
        }),
        Place::At(0),
    );
    (event, payload.slice().part(0, length.into()).unwrap())
}

#[test]
fn each_message_and_each_notify_takes_one_number_and_nothing_else_does() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    port.commands.clear();
    for (length, synchronous) in [
        (0, false),
        (33, false),
        (20_000, false),
        (0, true),
        (40_000, false),
    ] {
        send_long(&mut engine, &mut port, to, length, synchronous);
    }
    receive(&mut engine, &mut port);
    engine.event(&empty_rendezvous(2), None, &mut port);
    engine.connect(FROM.peer, FROM.endpoint, 7, 0, 0, &mut port);
    engine.work(&mut port);
    send(&mut engine, &mut port, to);
    assert_eq!(
        posted(&mut port),
        [
            ('t', 1),
            ('s', 2),
            ('m', 3),
            ('m', 3),
            ('m', 3),
            ('r', 4),
            ('r', 5),
            ('n', 6),
            ('t', 7)
        ]
    );
}

#[test]
fn the_length_decides_how_a_message_goes_and_a_synchronous_one_is_always_announced() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    for (length, synchronous, kind) in [
        (0, false, 't'),
        (32, false, 't'),
        (33, false, 's'),
        (128, false, 's'),
        (129, false, 'm'),
        (32_768, false, 'm'),
        (32_769, false, 'r'),
        (0, true, 'r'),
        (100, true, 'r'),
    ] {
        port.commands.clear();
        send_long(&mut engine, &mut port, to, length, synchronous);
        assert_eq!(posted(&mut port).first().unwrap().0, kind, "{length} bytes");
    }
}

#[test]
fn at_8191_unacknowledged_messages_those_to_this_partner_wait_and_no_others() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let other = other_partner(&mut engine, &mut port);
    port.commands.clear();
    for _ in 0..8200 {
        send(&mut engine, &mut port, to);
    }
    assert_eq!(posted(&mut port).len(), 8191);
    send(&mut engine, &mut port, other);
    assert_eq!(posted(&mut port), [('t', 1)]);
    engine.event(&tiny(2, 6), None, &mut port);
    let next: Vec<_> = (8192..8197).map(|seq| ('t', seq)).collect();
    assert_eq!(work_at(&mut engine, &mut port, MS), next);
}

/// Another endpoint of the same node, connected.
fn other_partner(engine: &mut Engine, port: &mut Recorder) -> PartnerKey {
    let from = Origin {
        endpoint: 4,
        ..FROM
    };
    let hello = request_of(from, 0xc, 1);
    engine.event(&hello, None, port);
    let receive = receive(engine, port);
    let message = message(
        from,
        (1, 1),
        Content::Tiny(Eager {
            match_info: 1,
            length: 0,
        }),
        Place::Inline([0; 32]),
    );
    engine.event(&message, None, port);
    engine.take_done(receive).unwrap().partner.unwrap()
}

#[test]
fn what_waits_for_room_keeps_all_later_messages_waiting_whoever_they_are_for_and_a_notify_goes_first()
 {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let other = other_partner(&mut engine, &mut port);
    receive(&mut engine, &mut port);
    port.commands.clear();
    // Room for one fragment of three: all of them wait.
    port.room = 1;
    send_long(&mut engine, &mut port, to, 20_000, false);
    send(&mut engine, &mut port, other);
    send(&mut engine, &mut port, to);
    assert_eq!(posted(&mut port), []);
    engine.event(&empty_rendezvous(2), None, &mut port);
    port.room = 10;
    assert_eq!(
        work_at(&mut engine, &mut port, MS),
        [('n', 1), ('m', 2), ('m', 2), ('m', 2), ('t', 1), ('t', 3)]
    );
}

#[test]
fn a_medium_message_is_not_sent_again_while_the_board_still_reads_it_and_then_as_a_whole() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    port.commands.clear();
    send_long(&mut engine, &mut port, to, 20_000, false);
    posted(&mut port);
    let again = |engine: &mut Engine, port: &mut Recorder, time| {
        let mut all = work_at(engine, port, time * MS);
        all.retain(|(kind, _)| *kind == 'm');
        all
    };
    assert_eq!(again(&mut engine, &mut port, 600), []);
    port.sent = port.index;
    assert_eq!(again(&mut engine, &mut port, 2000), [('m', 1); 3]);
}

#[test]
fn a_message_of_an_unknown_endpoint_is_dropped_without_a_word() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    engine.event(&tiny(1, 1), None, &mut port);
    engine.set_now(600 * MS);
    engine.work(&mut port);
    assert!(engine.probe(&Selection::new(0, 0)).is_none());
    assert_eq!(port.commands, []);
}

#[test]
fn a_message_or_an_acknowledgement_of_another_relation_is_dropped_as_a_whole() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    for (seq, ack) in [(OTHER_RELATION | 2, 2), (2, OTHER_RELATION | 2)] {
        engine.event(&tiny(seq, ack), None, &mut port);
        assert!(
            engine.probe(&Selection::new(0, 0)).is_none(),
            "message {seq:x}"
        );
        assert!(!engine.settled(), "acknowledgement {ack:x}");
    }
    let explicit = |ack| Event {
        from: FROM,
        body: EventBody::Ack(LibAck { ack, ack_number: 1 }),
    };
    engine.event(&explicit(OTHER_RELATION | 2), None, &mut port);
    assert!(!engine.settled());
    engine.event(&explicit(2), None, &mut port);
    assert!(engine.settled());
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_is_without_effect() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    for ack in [1, 3, 100, 0x3fff] {
        engine.event(&tiny(2, ack), None, &mut port);
        assert!(!engine.settled(), "acknowledgement {ack}");
    }
    engine.event(&tiny(3, 2), None, &mut port);
    assert!(engine.settled());
}

#[test]
fn a_message_up_to_255_ahead_is_kept_and_one_beyond_is_not() {
    for (ahead, kept) in [(255, true), (256, false)] {
        let (mut engine, mut port) = (engine(), Recorder::new());
        greeted(&mut engine, &mut port);
        engine.event(&tiny(2 + ahead, 1), None, &mut port);
        for seq in 2..2 + ahead {
            let receive = receive(&mut engine, &mut port);
            engine.event(&tiny(seq, 1), None, &mut port);
            assert!(engine.take_done(receive).is_some());
        }
        assert_eq!(
            engine.probe(&Selection::new(1, u64::MAX)).is_some(),
            kept,
            "{ahead} ahead"
        );
    }
}

#[test]
fn early_messages_are_matched_in_order_and_each_once() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    let early = |seq: u16| {
        message(
            FROM,
            (seq, 1),
            Content::Tiny(Eager {
                match_info: seq.into(),
                length: 0,
            }),
            Place::Inline([0; 32]),
        )
    };
    for seq in [5, 4, 5, 3, 4, 3] {
        engine.event(&early(seq), None, &mut port);
    }
    let receives: Vec<_> = (0..6).map(|_| receive(&mut engine, &mut port)).collect();
    engine.event(&early(2), None, &mut port);
    let seen: Vec<_> = receives
        .iter()
        .map(|receive| engine.take_done(*receive).map(|outcome| outcome.match_info))
        .collect();
    assert_eq!(seen, [Some(2), Some(3), Some(4), Some(5), None, None]);
}

#[test]
fn an_early_message_that_comes_again_takes_no_room() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    engine.event(&tiny(4, 1), None, &mut port);
    let kept = engine.holdings().kept;
    assert!(kept > 0);
    engine.event(&tiny(4, 1), None, &mut port);
    assert_eq!(engine.holdings().kept, kept);
}

#[test]
fn a_message_that_is_not_whole_holds_back_the_acknowledgement_of_all_after_it() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    work_at(&mut engine, &mut port, 16 * MS);
    let payload = Memfd::create("fragment", 8192).unwrap();
    let (first, slice) = fragment(2, 0, 10_000, &payload);
    engine.event(&first, Some(slice), &mut port);
    for seq in 3..9 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    assert_eq!(work_at(&mut engine, &mut port, 200 * MS), []);
    let (last, slice) = fragment(2, 1, 10_000, &payload);
    engine.event(&last, Some(slice), &mut port);
    assert_eq!(work_at(&mut engine, &mut port, 200 * MS), [('a', 9)]);
}

#[test]
fn a_receive_posted_in_the_middle_of_a_message_gets_what_came_and_the_rest() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    let payload = Memfd::create("fragment", 8192).unwrap();
    payload.slice().write(0, &[5; 8192]).unwrap();
    let (last, slice) = fragment(2, 1, 10_000, &payload);
    engine.event(&last, Some(slice), &mut port);
    assert_eq!(
        engine
            .probe(&Selection::new(1, u64::MAX))
            .unwrap()
            .message_length,
        10_000
    );
    let buffer = Buffer::new(10_000);
    let receive = engine.receive(buffer.part(0, 10_000), Selection::new(0, 0), 0, &mut port);
    assert!(engine.probe(&Selection::new(1, u64::MAX)).is_none());
    assert_eq!(engine.is_done(receive), Some(false));
    let (first, slice) = fragment(2, 0, 10_000, &payload);
    engine.event(&first, Some(slice), &mut port);
    assert_eq!(engine.take_done(receive).unwrap().transferred, 10_000);
    let mut bytes = vec![0; 10_000];
    buffer.read(0, &mut bytes);
    assert!(bytes.iter().all(|byte| *byte == 5));
}

#[test]
fn a_message_without_room_for_it_is_not_received_and_taken_when_it_comes_again() {
    let mut config = engine().config().clone();
    config.kept_bytes_max = 500;
    let (mut engine, mut port) = (Engine::new(config), Recorder::new());
    greeted(&mut engine, &mut port);
    for seq in 2..10 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    let acks = work_at(&mut engine, &mut port, 20 * MS);
    let [('a', taken)] = acks[..] else {
        panic!("{acks:?}");
    };
    assert!((3..9).contains(&taken), "{taken}");
    for _ in 2..taken {
        let receive = receive(&mut engine, &mut port);
        assert!(engine.take_done(receive).is_some());
    }
    for seq in taken..10 {
        let receive = receive(&mut engine, &mut port);
        engine.event(&tiny(seq, 1), None, &mut port);
        assert!(engine.take_done(receive).is_some(), "message {seq}");
    }
}

#[test]
fn a_message_carries_the_acknowledgement_that_was_due_and_again_the_newest_when_it_is_repeated() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    send(&mut engine, &mut port, to);
    let acks = |port: &mut Recorder| {
        let acks = port
            .commands
            .drain(..)
            .filter_map(|command| match command.body {
                CommandBody::Message(m, Place::Inline(_)) => Some(m.ack),
                CommandBody::Ack(ack) => Some(ack.ack),
                _ => None,
            });
        acks.collect::<Vec<_>>()
    };
    assert_eq!(acks(&mut port), [2]);
    engine.set_now(16 * MS);
    engine.work(&mut port);
    assert_eq!(acks(&mut port), []);
    engine.set_now(495 * MS);
    engine.event(&tiny(2, 1), None, &mut port);
    engine.event(&tiny(3, 1), None, &mut port);
    engine.set_now(500 * MS);
    engine.work(&mut port);
    assert_eq!(acks(&mut port), [4]);
    engine.set_now(530 * MS);
    engine.work(&mut port);
    assert_eq!(acks(&mut port), []);
}

#[test]
fn a_notify_is_acknowledged_at_once_where_the_wire_is_mx_and_with_delay_where_it_is_not() {
    for mx_wire in [false, true] {
        let config = Config::new(0xa, 7, 4096, mx_wire);
        let (mut engine, mut port) = (Engine::new(config), Recorder::new());
        greeted(&mut engine, &mut port);
        work_at(&mut engine, &mut port, 20 * MS);
        let notify = message(
            FROM,
            (2, 1),
            Content::Notify(Notify {
                transferred: 0,
                window: 9,
                window_seqnum: 9,
            }),
            Place::Apart,
        );
        engine.event(&notify, None, &mut port);
        let at_once = work_at(&mut engine, &mut port, 20 * MS);
        assert_eq!(at_once.is_empty(), !mx_wire);
        let later = work_at(&mut engine, &mut port, 36 * MS);
        assert_eq!(later.is_empty(), mx_wire);
    }
}

#[test]
fn acknowledgements_that_wait_are_sent_before_the_endpoint_closes() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    port.commands.clear();
    engine.take_leave(&mut port);
    assert_eq!(posted(&mut port), [('a', 2)]);
    engine.take_leave(&mut port);
    assert_eq!(posted(&mut port), []);
}

#[test]
fn numbers_of_explicit_acknowledgements_count_on_from_1_and_begin_again_with_a_relation() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let numbers = |port: &mut Recorder| {
        let numbers = port
            .commands
            .drain(..)
            .filter_map(|command| match command.body {
                CommandBody::Ack(ack) => Some(ack.ack_number),
                _ => None,
            });
        numbers.collect::<Vec<_>>()
    };
    greeted(&mut engine, &mut port);
    for seq in 2..14 {
        engine.event(&tiny(seq, 1), None, &mut port);
        engine.work(&mut port);
    }
    assert_eq!(numbers(&mut port), [1, 2, 3]);
    let again = request_of(FROM, 0xbb, 1);
    engine.event(&again, None, &mut port);
    for seq in 14..18 {
        engine.event(&tiny(seq, 1), None, &mut port);
    }
    engine.work(&mut port);
    assert_eq!(numbers(&mut port), [1]);
}

#[test]
fn sends_are_done_when_they_are_posted_while_there_are_few_and_else_when_they_are_acknowledged() {
    let mut config = engine().config().clone();
    config.zombies_max = 2;
    let (mut engine, mut port) = (Engine::new(config), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let sends: Vec<_> = (0..4).map(|_| send(&mut engine, &mut port, to)).collect();
    let done = |engine: &Engine| {
        sends
            .iter()
            .filter(|s| engine.is_done(**s) == Some(true))
            .count()
    };
    assert_eq!(done(&engine), 2);
    assert_eq!(engine.holdings().zombies, 2);
    engine.event(&tiny(2, 4), None, &mut port);
    assert_eq!(done(&engine), 3);
    assert_eq!(engine.holdings().zombies, 0);
    send(&mut engine, &mut port, to);
    assert_eq!(engine.holdings().zombies, 1);
    engine.event(&request(1, 1), None, &mut port);
    assert_eq!(done(&engine), 3);
}

#[test]
fn a_refused_message_ends_alone_with_the_reason_and_those_beside_it_wait_on() {
    use mx_engine::Code;
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let sends: Vec<_> = (0..4)
        .map(|_| send_long(&mut engine, &mut port, to, 10, true))
        .collect();
    let refuse = |engine: &mut Engine, port: &mut Recorder, seq, code| {
        let nack = Event {
            from: FROM,
            body: EventBody::nack(code, seq),
        };
        engine.event(&nack, None, port);
    };
    refuse(&mut engine, &mut port, OTHER_RELATION | 2, 2);
    refuse(&mut engine, &mut port, 9, 2);
    assert!(
        sends
            .iter()
            .all(|send| engine.is_done(*send) == Some(false))
    );
    let codes = [
        (1, Code::RemoteEndpointBadId),
        (2, Code::RemoteEndpointClosed),
        (3, Code::RemoteEndpointBadSession),
    ];
    // Not in the order of sending.
    for (at, (wire, code)) in [1, 0, 2].into_iter().zip(codes) {
        refuse(&mut engine, &mut port, at as u16 + 1, wire);
        assert_eq!(engine.take_done(sends[at]).unwrap().code, code);
    }
    assert_eq!(engine.is_done(sends[3]), Some(false));
}
