//! Large sends for which memory is scarce. The events are the board's.

use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Engine, PartnerKey, RequestKey, Selection};
use mx_ring::{Command, CommandBody, Event, EventBody, Place, Reach, Wanted, Window};
use mx_wire::{Content, Message, Notify, Rendezvous};

use super::buffer::memory;
use super::peer::{FROM, message};
use super::recorder::Recorder;
use super::start::{engine, greeted};

const MESSAGE: u32 = 1 << 20;
const PIECE: u32 = 300_000;

/// An engine that has said hello, where only `pieces` pieces can be registered.
fn scarce(pieces: i64) -> (Engine, Recorder, PartnerKey) {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    (port.piece, port.pieces) = (PIECE, pieces);
    port.commands.clear();
    (engine, port, to)
}

fn send(engine: &mut Engine, port: &mut Recorder, to: PartnerKey) -> RequestKey {
    let memory = memory(MESSAGE as usize);
    engine.send(to, memory, 1, 0, false, port)
}

fn wanted(window: u8, offset: u32) -> Event {
    Event::of_board(EventBody::Wanted(Wanted {
        window,
        window_seqnum: 23,
        offset,
    }))
}

fn tell(engine: &mut Engine, port: &mut Recorder, event: Event) {
    engine.event(&event, None, port);
    engine.work(port);
}

fn window(port: &Recorder, id: usize) -> Option<(Reach, u32, u32)> {
    port.bound[id].map(
        |Window {
             reach,
             offset,
             length,
             ..
         }| (reach, offset, length),
    )
}

#[test]
fn a_message_without_memory_is_announced_at_once_and_exported_where_it_is_wanted() {
    let (mut engine, mut port, to) = scarce(1);
    let request = send(&mut engine, &mut port, to);
    let offers: Vec<_> = port.commands.iter().filter_map(Command::message).collect();
    assert!(matches!(
        offers[..],
        [Message {
            content: Content::Rendezvous(Rendezvous {
                window: 0,
                window_seqnum: 23,
                total: MESSAGE,
                ..
            }),
            ..
        }]
    ));
    assert_eq!(window(&port, 0), Some((Reach::Nothing, 0, MESSAGE)));
    engine.set_now(Duration::from_millis(5));
    for offset in [0, 290_000, MESSAGE - 1, 17] {
        tell(&mut engine, &mut port, wanted(0, offset));
        assert_eq!(window(&port, 0), Some((Reach::Piece, offset, MESSAGE)));
        assert_eq!(port.pieces, 0);
    }
    let notify = message(
        FROM,
        (2, 2),
        Content::Notify(Notify {
            transferred: MESSAGE,
            window: 0,
            window_seqnum: 23,
        }),
        Place::Apart,
    );
    tell(&mut engine, &mut port, notify);
    let outcome = engine.take_done(request).unwrap();
    assert_eq!(
        (outcome.code, outcome.transferred),
        (Code::Success, MESSAGE)
    );
    assert_eq!((window(&port, 0), port.pieces), (None, 1));
}

#[test]
fn a_message_is_shown_whole_once_there_is_memory() {
    let (mut engine, mut port, to) = scarce(1);
    send(&mut engine, &mut port, to);
    port.piece = u32::MAX;
    engine.set_now(Duration::from_millis(5));
    tell(&mut engine, &mut port, wanted(0, 4000));
    assert_eq!(window(&port, 0), Some((Reach::Whole, 0, MESSAGE)));
    // What the board said before it saw that.
    tell(&mut engine, &mut port, wanted(0, 5000));
    assert_eq!(window(&port, 0), Some((Reach::Whole, 0, MESSAGE)));
}

#[test]
fn a_piece_that_was_shown_for_a_while_makes_room_for_another_message() {
    let (mut engine, mut port, to) = scarce(1);
    let at = |engine: &mut Engine, millis| engine.set_now(Duration::from_millis(millis));
    send(&mut engine, &mut port, to);
    send(&mut engine, &mut port, to);
    at(&mut engine, 5);
    tell(&mut engine, &mut port, wanted(0, 0));
    tell(&mut engine, &mut port, wanted(1, 0));
    assert_eq!(window(&port, 1), Some((Reach::Nothing, 0, MESSAGE)));
    assert_eq!(engine.deadline(), Some(Duration::from_millis(10)));
    at(&mut engine, 10);
    engine.work(&mut port);
    assert_eq!(window(&port, 1), Some((Reach::Piece, 0, MESSAGE)));
    // The first one asks again for what it lost.
    tell(&mut engine, &mut port, wanted(0, 9000));
    assert_eq!(window(&port, 0), Some((Reach::Piece, 0, MESSAGE)));
    at(&mut engine, 15);
    engine.work(&mut port);
    assert_eq!(window(&port, 0), Some((Reach::Piece, 9000, MESSAGE)));
    assert_eq!(port.pieces, 0);
}

#[test]
fn receives_that_wait_for_memory_keep_no_send_waiting() {
    let (mut engine, mut port, to) = scarce(1);
    port.refuse_receives = true;
    let memory = memory(MESSAGE as usize);
    engine.receive(memory, Selection::new(1, u64::MAX), 0, &mut port);
    let rendezvous = message(
        FROM,
        (2, 1),
        Content::Rendezvous(Rendezvous {
            match_info: 1,
            total: MESSAGE,
            window: 3,
            window_seqnum: 4,
            window_offset: 0,
        }),
        Place::Apart,
    );
    tell(&mut engine, &mut port, rendezvous);
    send(&mut engine, &mut port, to);
    tell(&mut engine, &mut port, wanted(0, 0));
    for millis in [5, 10] {
        engine.set_now(Duration::from_millis(millis));
        engine.work(&mut port);
    }
    assert_eq!(window(&port, 0), Some((Reach::Piece, 0, MESSAGE)));
    // The receive did wait.
    (port.refuse_receives, port.pieces) = (false, 1);
    engine.set_now(Duration::from_millis(15));
    engine.work(&mut port);
    let pull = |command: &Command| matches!(&command.body, CommandBody::Pull(order) if order.length == PIECE);
    assert!(port.commands.iter().any(pull));
}

#[test]
fn what_is_wanted_of_no_message_or_beyond_it_is_without_effect() {
    let (mut engine, mut port, to) = scarce(1);
    send(&mut engine, &mut port, to);
    engine.set_now(Duration::from_millis(5));
    tell(&mut engine, &mut port, wanted(0, MESSAGE));
    tell(&mut engine, &mut port, wanted(1, 0));
    let earlier = Event::of_board(EventBody::Wanted(Wanted {
        window: 0,
        window_seqnum: 22,
        offset: 0,
    }));
    tell(&mut engine, &mut port, earlier);
    assert_eq!(window(&port, 0), Some((Reach::Nothing, 0, MESSAGE)));
    assert_eq!(port.pieces, 1);
}
