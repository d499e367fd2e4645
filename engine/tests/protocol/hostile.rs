//! Events and frames that no honest peer or backend sends: nothing panics, nothing hangs, nothing is written beside.

use std::time::Duration;

use mx_engine::{Action, Config, ContextIds, Engine, Selection};
use mx_ring::mapping::Memfd;
use mx_ring::{CommandBody, Event, EventBody, Origin, Place, PullDone, PullStatus, Wanted};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, LibAck, Medium, Notify,
    Rendezvous,
};
use proptest::prelude::*;

use super::buffer::Buffer;
use super::peer::message;
use super::recorder::Recorder;

/// What happens to an engine.
#[derive(Clone, Debug)]
enum Step {
    Event(Event, usize),
    /// The same, but as the next message of a connected peer.
    Next(Event, usize),
    Send(u32, u64, bool),
    Receive(u32, u64, bool),
    Connect(u16, u8),
    Work(u32, u32),
    Cancel(bool),
    Disconnect,
    /// Unexpected messages are offered from now on, or not.
    Offered(bool),
    /// The next offer is answered: finished or not, at once or after its sender is gone.
    Answer(bool, bool),
    /// The last request gets a timeout in ms.
    Timeout(u64),
}

fn origin() -> impl Strategy<Value = Origin> {
    (0u16..3, 0u8..2, any::<bool>()).prop_map(|(peer, endpoint, local)| Origin {
        peer,
        endpoint,
        local,
    })
}

/// Mostly near the start of a relation, so that messages are taken; sometimes anything.
fn number() -> impl Strategy<Value = u16> {
    prop_oneof![4 => 0u16..12, 1 => any::<u16>()]
}

fn event() -> impl Strategy<Value = Event> {
    let sequenced = (origin(), number(), number(), 0u64..4);
    let window = (0u8..3, 22u8..26);
    prop_oneof![
        (sequenced, any::<u8>()).prop_map(|((from, seq, ack, match_info), length)| message(
            from,
            (seq, ack),
            Content::Tiny(Eager {
                match_info,
                length: length.into()
            }),
            Place::Inline([7; 32])
        )),
        ((origin(), number(), number(), 0u64..4), any::<u8>()).prop_map(
            |((from, seq, ack, match_info), length)| message(
                from,
                (seq, ack),
                Content::Small(Eager {
                    match_info,
                    length: length.into()
                }),
                Place::At(0)
            )
        ),
        (
            (origin(), number(), number(), 0u64..4),
            prop_oneof![0u32..40_000, any::<u32>()],
            prop_oneof![0u8..5, any::<u8>()],
        )
            .prop_map(|((from, seq, ack, match_info), total, fragment)| message(
                from,
                (seq, ack),
                Content::Medium(Medium {
                    match_info,
                    total,
                    length: 0,
                    fragment
                }),
                Place::At(0)
            )),
        (
            (origin(), number(), number(), 0u64..4),
            prop_oneof![0u32..100_000, any::<u32>()],
            (0u8..3, 22u8..26),
        )
            .prop_map(
                |((from, seq, ack, match_info), total, (window, window_seqnum))| {
                    message(
                        from,
                        (seq, ack),
                        Content::Rendezvous(Rendezvous {
                            match_info,
                            total,
                            window,
                            window_seqnum,
                            window_offset: 3,
                        }),
                        Place::Apart,
                    )
                }
            ),
        (origin(), number(), number(), any::<u32>(), window).prop_map(
            |(from, seq, ack, transferred, (window, window_seqnum))| message(
                from,
                (seq, ack),
                Content::Notify(Notify {
                    transferred,
                    window,
                    window_seqnum
                }),
                Place::Apart
            )
        ),
        (origin(), 0u32..3, 0u32..2, number(), 0u8..3).prop_map(
            |(from, session, key, next_expected, connect_seqnum)| Event {
                from,
                body: EventBody::Connect {
                    session,
                    connect: Connect::Request(ConnectRequest {
                        key,
                        next_expected,
                        connect_seqnum
                    })
                }
            }
        ),
        (
            origin(),
            0u32..2,
            0u32..3,
            number(),
            0u8..3,
            prop_oneof![Just(0u8), Just(11), any::<u8>()]
        )
            .prop_map(
                |(from, requester_session, session, next_expected, connect_seqnum, status)| {
                    Event {
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
                    }
                }
            ),
        (origin(), number(), 0u32..20).prop_map(|(from, ack, ack_number)| Event {
            from,
            body: EventBody::Ack(LibAck { ack, ack_number })
        }),
        (origin(), number(), 0u8..6).prop_map(|(from, seq, code)| Event {
            from,
            body: EventBody::nack(code, seq)
        }),
        (0u8..4, 23u8..26, any::<u32>(), 0u32..32).prop_map(
            |(window, window_seqnum, offset, shift)| Event::of_board(EventBody::Wanted(Wanted {
                window,
                window_seqnum,
                offset: offset >> shift
            }))
        ),
        (0u32..6, 0u8..8, any::<u32>()).prop_map(|(cookie, status, transferred)| Event::of_board(
            EventBody::PullDone(PullDone {
                cookie,
                status: PullStatus::from_byte(status),
                transferred
            })
        )),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let length = prop_oneof![0u32..200, 200u32..40_000];
    prop_oneof![
        10 => (event(), prop_oneof![0usize..200, Just(1000usize), Just(8192usize)])
            .prop_map(|(event, length)| Step::Event(event, length)),
        10 => (event(), prop_oneof![0usize..200, Just(1000usize), Just(8192usize)])
            .prop_map(|(event, length)| Step::Next(event, length)),
        2 => (length.clone(), 0u64..4, any::<bool>()).prop_map(|(l, i, s)| Step::Send(l, i, s)),
        2 => (length, 0u64..4, any::<bool>()).prop_map(|(l, i, any)| Step::Receive(l, i, any)),
        1 => (0u16..3, 0u8..2).prop_map(|(peer, endpoint)| Step::Connect(peer, endpoint)),
        2 => (0u32..2000, 0u32..300).prop_map(|(ms, room)| Step::Work(ms, room)),
        1 => any::<bool>().prop_map(Step::Cancel),
        1 => any::<bool>().prop_map(Step::Offered),
        4 => (any::<bool>(), any::<bool>()).prop_map(|(f, l)| Step::Answer(f, l)),
        1 => (0u64..3000).prop_map(Step::Timeout),
        1 => Just(Step::Disconnect),
    ]
}

const PEER: Origin = Origin {
    peer: 1,
    endpoint: 0,
    local: false,
};

/// Makes an event the next message of [`PEER`], if it is a message.
fn in_order(mut event: Event, next: u16) -> Event {
    if let EventBody::Message(message, _) = &mut event.body {
        event.from = PEER;
        message.seq = next;
        message.ack &= 0x3fff;
    }
    event
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn any_events_and_calls_in_any_order_are_survived(
        steps in proptest::collection::vec(step(), 1..300), context_bits in 0u8..3,
    ) {
        let mut engine = Engine::new(Config {
            kept_bytes_max: 1 << 20,
            zombies_max: 3,
            pulls_max: 4,
            context_ids: ContextIds::new(context_bits, 0).unwrap(),
            ..Config::new(1, 1, 8192, false)
        });
        let mut port = Recorder::new();
        port.room = 20;
        port.index = u32::MAX - 10;
        port.sent = u32::MAX - 10;
        port.refuse_sevenths = true;
        let payload = Memfd::create("test", 8192).unwrap();
        // A guard on both sides of every receive's memory.
        let receive = Buffer::new(60_000);
        let source = Buffer::new(40_000);
        let mut now = Duration::ZERO;
        let mut requests = Vec::new();
        let mut partner = engine.loopback();
        let hello = Event { from: PEER, body: EventBody::Connect { session: 1, connect: Connect::Request(ConnectRequest { key: 1, next_expected: 1, connect_seqnum: 0 }) } };
        engine.event(&hello, None, &mut port);
        for step in steps {
            match step {
                Step::Event(event, length) => {
                    let slice = payload.slice().part(0, length).unwrap();
                    engine.event(&event, Some(slice), &mut port);
                }
                Step::Next(event, length) => {
                    let announced = port.commands.iter().rev().find_map(|command| match &command.body {
                        CommandBody::Ack(ack) => Some(ack.ack),
                        CommandBody::Message(m, Place::Inline(_)) => Some(m.ack),
                        CommandBody::Connect(Connect::Reply(c)) => Some(c.next_expected),
                        _ => None,
                    });
                    let slice = payload.slice().part(0, length).unwrap();
                    let event = in_order(event, announced.unwrap_or(1));
                    engine.event(&event, Some(slice), &mut port);
                    port.room += 1;
                    now += Duration::from_millis(20);
                    engine.set_now(now);
                    engine.work(&mut port);
                }
                Step::Send(length, info, sync) => {
                    let memory = source.part(0, length as usize);
                    requests.push(engine.send(partner, memory, info, 0, sync, &mut port));
                }
                Step::Receive(length, info, any) => {
                    let memory = receive.part(10_000, length as usize);
                    let (info, mask) = if any { (0, 0) } else { (info, u64::MAX) };
                    requests.push(engine.receive(memory, Selection::new(info, mask), 0, &mut port));
                }
                Step::Connect(peer, endpoint) => {
                    requests.push(engine.connect(peer, endpoint, 1, 0, 0, &mut port));
                }
                Step::Work(ms, room) => {
                    now += Duration::from_millis(ms.into());
                    port.room = room;
                    port.sent = port.index.wrapping_sub(room & 3);
                    engine.set_now(now);
                    engine.work(&mut port);
                    prop_assert!(engine.deadline().is_none_or(|at| at > now || port.room < 20));
                }
                Step::Cancel(told) => {
                    if let Some(request) = requests.pop() {
                        engine.cancel(request, told);
                    }
                }
                Step::Offered(offered) => engine.offer_unexpected(offered),
                Step::Answer(finished, late) => {
                    if let Some(offer) = engine.next_offer() {
                        let length = offer.data.as_ref().map_or(offer.length, |data| data.len() as u32);
                        prop_assert_eq!(length, offer.length);
                        if late {
                            // The relation ends while the application looks at the message.
                            engine.disconnect(offer.partner, &mut port);
                        }
                        let action = if finished { Action::Finished } else { Action::Continue };
                        engine.answer(offer, action, &mut port);
                    }
                }
                Step::Timeout(ms) => {
                    let timeout = Duration::from_millis(ms);
                    engine.set_timeout(requests.last().copied(), timeout);
                }
                Step::Disconnect => engine.disconnect(partner, &mut port),
            }
            requests.retain(|request| match engine.take_done(*request) {
                Some(outcome) => {
                    if let Some(found) = outcome.partner {
                        partner = found;
                    }
                    false
                }
                None => true,
            });
        }
        let mut guard = [0; 10_000];
        receive.read(0, &mut guard);
        prop_assert!(guard.iter().all(|byte| *byte == 0));
        receive.read(50_000, &mut guard);
        prop_assert!(guard.iter().all(|byte| *byte == 0));
    }
}
