//! Large messages as both libraries see them: announced, fetched by the boards, notified (protocol.md §6).

use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Engine, Holdings, PartnerKey, RequestKey, Selection};
use mx_ring::{
    Command, CommandBody, Destination, Event, EventBody, Farewell, Origin, Place, PullDone,
    PullStatus,
};
use mx_wire::{Content, LibAck, Notify, Pulled, Rendezvous};

use super::buffer::memory;
use super::peer::{FROM, message, request_of, tiny};
use super::recorder::Recorder;
use super::start::{engine, greeted};

const LENGTH: usize = 40_000;

fn announce(engine: &mut Engine, port: &mut Recorder, to: PartnerKey) -> RequestKey {
    let memory = memory(LENGTH);
    engine.send(to, memory, 1, 0, false, port)
}

fn notify(seq: u16, ack: u16, transferred: u32, (window, window_seqnum): (u8, u8)) -> Event {
    message(
        FROM,
        (seq, ack),
        Content::Notify(Notify {
            transferred,
            window,
            window_seqnum,
        }),
        Place::Apart,
    )
}

/// Posts a receive for the next large message of [`FROM`], which comes; the receive and its pull's cookie.
fn fetched(engine: &mut Engine, port: &mut Recorder, seq: u16, room: usize) -> (RequestKey, u32) {
    let memory = memory(room);
    let receive = engine.receive(memory, Selection::new(0, 0), 0, port);
    let rendezvous = message(
        FROM,
        (seq, 1),
        Content::Rendezvous(Rendezvous {
            match_info: 1,
            total: LENGTH as u32,
            window: 7,
            window_seqnum: 30,
            window_offset: 0,
        }),
        Place::Apart,
    );
    engine.event(&rendezvous, None, port);
    engine.work(port);
    let pull = port
        .commands
        .iter()
        .rev()
        .find_map(|command| match &command.body {
            CommandBody::Pull(order) => Some((order.cookie, order.length)),
            _ => None,
        });
    let (cookie, length) = pull.unwrap();
    assert_eq!(length as usize, room.min(LENGTH));
    (receive, cookie)
}

/// Length, window and its use, of the last notify.
fn notified(port: &Recorder) -> Option<(u32, u8, u8)> {
    port.commands
        .iter()
        .rev()
        .find_map(|command| match command.message()?.content {
            Content::Notify(n) => Some((n.transferred, n.window, n.window_seqnum)),
            _ => None,
        })
}

#[test]
fn a_large_send_is_done_when_it_was_acknowledged_and_notified_in_whatever_order() {
    // The notify carries the acknowledgement or not; or a message did before.
    for (before, ack) in [(None, 2), (Some(2), 2), (None, 1)] {
        let (mut engine, mut port) = (engine(), Recorder::new());
        let to = greeted(&mut engine, &mut port);
        let send = announce(&mut engine, &mut port, to);
        let mut seq = 2;
        if let Some(ack) = before {
            engine.event(&tiny(seq, ack), None, &mut port);
            seq += 1;
            assert_eq!(engine.is_done(send), Some(false), "acknowledged alone");
        }
        engine.event(&notify(seq, ack, LENGTH as u32, (0, 23)), None, &mut port);
        if ack == 1 {
            assert_eq!(engine.is_done(send), Some(false), "notified alone");
            engine.event(&tiny(seq + 1, 2), None, &mut port);
        }
        let outcome = engine.take_done(send).unwrap();
        assert_eq!(
            (outcome.code, outcome.transferred),
            (Code::Success, LENGTH as u32)
        );
        assert_eq!(engine.holdings().windows, 0);
    }
}

#[test]
fn a_notify_counts_for_the_use_of_its_window_and_from_whom_the_message_was_for() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let send = announce(&mut engine, &mut port, to);
    engine.event(&notify(2, 2, LENGTH as u32, (0, 22)), None, &mut port);
    engine.event(&notify(3, 2, LENGTH as u32, (1, 23)), None, &mut port);
    let stranger = Origin {
        endpoint: 4,
        ..FROM
    };
    let hello = request_of(stranger, 0xc, 1);
    engine.event(&hello, None, &mut port);
    let of_stranger = message(
        stranger,
        (1, 1),
        Content::Notify(Notify {
            transferred: LENGTH as u32,
            window: 0,
            window_seqnum: 23,
        }),
        Place::Apart,
    );
    engine.event(&of_stranger, None, &mut port);
    assert_eq!(engine.is_done(send), Some(false));
    engine.event(&notify(4, 2, LENGTH as u32, (0, 23)), None, &mut port);
    assert_eq!(engine.take_done(send).unwrap().code, Code::Success);
    // The next use of the window has the next number.
    let again = announce(&mut engine, &mut port, to);
    engine.event(&notify(5, 3, LENGTH as u32, (0, 23)), None, &mut port);
    assert_eq!(engine.is_done(again), Some(false));
}

#[test]
fn a_sender_learns_from_the_notify_how_much_of_its_message_was_wanted() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    let to = greeted(&mut engine, &mut port);
    let send = announce(&mut engine, &mut port, to);
    engine.event(&notify(2, 2, 17, (0, 23)), None, &mut port);
    let outcome = engine.take_done(send).unwrap();
    assert_eq!(
        (outcome.code, outcome.transferred),
        (Code::MessageTruncated, 17)
    );
}

#[test]
fn each_way_for_a_pull_to_fail_has_its_status_and_the_sender_is_notified_of_nothing() {
    for (status, code) in [
        (1, Code::RemoteEndpointBadId),
        (2, Code::RemoteEndpointClosed),
        (3, Code::RemoteEndpointBadSession),
        (4, Code::RemoteRdmaWindowBadId),
        (5, Code::MessageAborted),
        (6, Code::RemoteEndpointUnreachable),
        (77, Code::MessageAborted),
    ] {
        let (mut engine, mut port) = (engine(), Recorder::new());
        greeted(&mut engine, &mut port);
        let (receive, cookie) = fetched(&mut engine, &mut port, 2, LENGTH);
        let failed = Event::of_board(EventBody::PullDone(PullDone {
            cookie,
            status: PullStatus::from_byte(status),
            transferred: 5,
        }));
        engine.event(&failed, None, &mut port);
        engine.work(&mut port);
        let outcome = engine.take_done(receive).unwrap();
        assert_eq!((outcome.code, outcome.transferred), (code, 0));
        assert_eq!(outcome.message_length as usize, LENGTH);
        assert_eq!(notified(&port), Some((0, 7, 30)));
    }
}

#[test]
fn a_pull_ends_its_receive_and_is_notified_with_what_was_asked_for() {
    for (room, code) in [(LENGTH, Code::Success), (9000, Code::MessageTruncated)] {
        let (mut engine, mut port) = (engine(), Recorder::new());
        greeted(&mut engine, &mut port);
        let (receive, cookie) = fetched(&mut engine, &mut port, 2, room);
        assert_eq!(notified(&port), None);
        let done = Event::of_board(EventBody::PullDone(PullDone {
            cookie,
            status: PullStatus::Done,
            transferred: room as u32,
        }));
        engine.event(&done, None, &mut port);
        engine.work(&mut port);
        let outcome = engine.take_done(receive).unwrap();
        assert_eq!((outcome.code, outcome.transferred as usize), (code, room));
        assert_eq!(notified(&port), Some((room as u32, 7, 30)));
        // Told twice, it has ended once.
        engine.event(&done, None, &mut port);
        engine.event(&tiny(3, 2), None, &mut port);
        assert!(engine.settled());
        let left = Holdings {
            kept: engine.holdings().kept,
            ..Holdings::default()
        };
        assert_eq!(engine.holdings(), left);
    }
}

#[test]
fn an_announcement_is_acknowledged_when_it_is_known_not_when_it_was_fetched() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    greeted(&mut engine, &mut port);
    fetched(&mut engine, &mut port, 2, LENGTH);
    engine.set_now(Duration::from_millis(20));
    engine.work(&mut port);
    assert!(matches!(
        port.commands.last(),
        Some(Command {
            body: CommandBody::Ack(LibAck { ack: 3, .. }),
            ..
        })
    ));
}

#[test]
fn an_endpoint_leaves_what_it_has_received_and_the_notices_that_are_not_acknowledged() {
    let (mut engine, mut port) = (engine(), Recorder::new());
    assert_eq!(engine.take_leave(&mut port), [], "nobody has sent anything");
    let to = greeted(&mut engine, &mut port);
    let (peer, endpoint, session) = engine.describe(to).unwrap();
    let to = Destination {
        peer,
        endpoint,
        session: session.unwrap(),
    };
    let farewell = |ack, notice| Command {
        to,
        body: CommandBody::Leave(Farewell {
            ack: LibAck { ack, ack_number: 1 },
            notice,
        }),
    };
    assert_eq!(engine.take_leave(&mut port), [farewell(2, None)]);
    let (_, cookie) = fetched(&mut engine, &mut port, 2, LENGTH);
    // Its sender asks whether anybody will fetch it, and nobody will.
    assert_eq!(engine.take_leave(&mut port), []);
    let done = Event::of_board(EventBody::PullDone(PullDone {
        cookie,
        status: PullStatus::Done,
        transferred: LENGTH as u32,
    }));
    engine.event(&done, None, &mut port);
    engine.work(&mut port);
    let pulled = Pulled {
        seq: 1,
        notify: Notify {
            transferred: LENGTH as u32,
            window: 7,
            window_seqnum: 30,
        },
    };
    assert_eq!(engine.take_leave(&mut port), [farewell(3, Some(pulled))]);
    let unexpected = message(
        FROM,
        (3, 1),
        Content::Rendezvous(Rendezvous {
            match_info: u64::MAX,
            total: LENGTH as u32,
            window: 8,
            window_seqnum: 1,
            window_offset: 0,
        }),
        Place::Apart,
    );
    engine.event(&unexpected, None, &mut port);
    assert_eq!(engine.take_leave(&mut port), [], "it waits for a receive");
}
