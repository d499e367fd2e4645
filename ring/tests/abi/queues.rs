//! Commands and events in an endpoint's queues.

use mx_ring::{
    Command, CommandBody, Destination, EndpointLayout, Event, EventBody, Farewell, Origin, Place,
    Positions, PullDone, PullOrder, PullStatus, RegionKey, Wanted,
};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, FrameKind, LibAck,
    Medium, Message, NackCode, NackLib, Notify, Pulled, Rendezvous,
};

use crate::common::{self, Endpoint};
use crate::listing::{Listing, content};

/// Where the kind of the first command lies in W, and of the first unexpected event in R.
const FIRST_COMMAND: usize = EndpointLayout::COMMANDS;
const FIRST_EVENT: usize = EndpointLayout::UNEXPECTED;

const TO: Destination = Destination {
    peer: 0x0201,
    endpoint: 0x03,
    session: 0x0706_0504,
};
const FROM: Origin = Origin {
    peer: 0x0201,
    endpoint: 0x03,
    local: false,
};
pub const REGION: RegionKey = RegionKey {
    slot: 0x0201,
    generation: 0x0403,
};
const MATCH_INFO: u64 = 0x1716_1514_1312_1110;
const SEQ: u16 = 0x0908;

/// Bytes that rise from 0x80.
pub fn payload<const N: usize>() -> [u8; N] {
    core::array::from_fn(|i| 0x80 + i as u8)
}

pub fn list(listing: &mut Listing) {
    for (name, command) in commands() {
        posted(listing, name, &command);
    }
    listing.kinds("commands", command_is_known);
    for (name, event) in events() {
        delivered(listing, name, &event);
    }
    codes(listing);
    listing.kinds("events", event_is_known);
}

/// A message of each type, as a backend delivers it.
fn messages() -> [(&'static str, Content, Place); 5] {
    let match_info = MATCH_INFO;
    let tiny = Content::Tiny(Eager {
        match_info,
        length: 31,
    });
    let small = Content::Small(Eager {
        match_info,
        length: 127,
    });
    let medium = Content::Medium(Medium {
        match_info,
        total: 0x2322_2120,
        length: 0x0d0c,
        fragment: 0x0e,
    });
    let rendezvous = Content::Rendezvous(Rendezvous {
        match_info,
        total: 0x2322_2120,
        window: 0x30,
        window_seqnum: 0x31,
        window_offset: 0x3332,
    });
    let at = Place::At(0x3332_3130);
    [
        ("tiny", tiny, Place::Inline(payload())),
        ("small", small, at),
        ("medium", medium, at),
        ("rendezvous", rendezvous, Place::Apart),
        ("notify", Content::Notify(NOTIFY), Place::Apart),
    ]
}

const NOTIFY: Notify = Notify {
    transferred: 0x2322_2120,
    window: 0x30,
    window_seqnum: 0x31,
};

fn message(content: Content) -> Message {
    Message {
        seq: SEQ,
        ack: ACK.ack,
        content,
    }
}

const CONNECT_REQUEST: Connect = Connect::Request(ConnectRequest {
    key: 0x2322_2120,
    next_expected: SEQ,
    connect_seqnum: 0x30,
});
const CONNECT_REPLY: Connect = Connect::Reply(ConnectReply {
    requester_session: TO.session,
    next_expected: SEQ,
    connect_seqnum: 0x30,
    status: ConnectStatus::BadKey,
});
const ACK: LibAck = LibAck {
    ack: 0x0b0a,
    ack_number: 0x2322_2120,
};

fn commands() -> Vec<(&'static str, Command)> {
    let to_nobody_yet = Destination { session: 0, ..TO };
    let leave = |notice| {
        CommandBody::Leave(Farewell {
            ack: LibAck {
                ack_number: 0x2726_2524,
                ..ACK
            },
            notice,
        })
    };
    let pulled = Pulled {
        seq: SEQ,
        notify: NOTIFY,
    };
    let pull = PullOrder {
        region: REGION,
        offset: 0x2726_2524,
        length: 0x2322_2120,
        window: 0x30,
        window_seqnum: 0x31,
        window_offset: 0x3736_3534,
        cookie: 0x3b3a_3938,
        backend: 0x4342_4140,
    };
    let abort = CommandBody::AbortPull {
        cookie: 0x3b3a_3938,
    };
    let messages = messages().map(|(name, content, place)| {
        let (content, place) = common::posted(content, place);
        (name, TO, CommandBody::Message(message(content), place))
    });
    let others = [
        (
            "connect request",
            to_nobody_yet,
            CommandBody::Connect(CONNECT_REQUEST),
        ),
        ("connect reply", TO, CommandBody::Connect(CONNECT_REPLY)),
        ("acknowledgement", TO, CommandBody::Ack(ACK)),
        ("pull", TO, CommandBody::Pull(pull)),
        ("abort pull", Command::to_board(abort).to, abort),
        ("leave", TO, leave(None)),
        ("leave with a notice", TO, leave(Some(pulled))),
    ];
    let all = messages.into_iter().chain(others);
    all.map(|(name, to, body)| (name, Command { to, body }))
        .collect()
}

fn events() -> Vec<(&'static str, Event)> {
    let from = FROM;
    let here = Origin {
        local: true,
        ..FROM
    };
    let connect = |session, connect| EventBody::Connect { session, connect };
    let nack = NackLib {
        code: NackCode::BadSession,
        seq: SEQ,
    };
    let wanted = EventBody::Wanted(Wanted {
        window: 0x30,
        window_seqnum: 0x31,
        offset: 0x2322_2120,
    });
    let done = EventBody::PullDone(PullDone {
        cookie: 0x3b3a_3938,
        status: PullStatus::TimedOut,
        transferred: 0x2322_2120,
    });
    let mut listed = Vec::new();
    for (name, content, place) in messages() {
        let body = EventBody::Message(message(content), place);
        let is_tiny = content.kind() == FrameKind::Tiny;
        listed.push((name, Event { from, body }));
        if is_tiny {
            let name = "tiny of a board of the same backend";
            listed.push((name, Event { from: here, body }));
        }
    }
    let others = [
        ("connect request", connect(TO.session, CONNECT_REQUEST)),
        ("connect reply", connect(0x2322_2120, CONNECT_REPLY)),
        ("acknowledgement", EventBody::Ack(ACK)),
        ("nack", EventBody::Nack(nack)),
    ];
    listed.extend(others.map(|(name, body)| (name, Event { from, body })));
    listed.push(("wanted", Event::of_board(wanted)));
    listed.push(("pull done", Event::of_board(done)));
    listed
}

/// A command as the process writes it, which the backend reads as it was.
fn posted(listing: &mut Listing, name: &str, command: &Command) {
    let mut endpoint = Endpoint::at(Positions::default());
    let data: &[u8] = match command.message() {
        Some(message) if message.content.kind() == FrameKind::Small => &payload::<127>(),
        _ => &[],
    };
    assert!(endpoint.process.post(command, data));
    listing.title(format_args!("command: {name}"));
    listing.pages("W", &endpoint.w);
    assert_eq!(endpoint.backend.next_command(), Some(Ok((0, *command))));
}

/// An event as the backend writes it, which the process reads as it was.
fn delivered(listing: &mut Listing, name: &str, event: &Event) {
    listing.title(format_args!("event: {name}"));
    listing.bytes("R", &after(event));
}

/// The R area after the delivery of an event.
fn after(event: &Event) -> Vec<u8> {
    let mut endpoint = Endpoint::at(Positions::default());
    let delivered = endpoint.backend.deliver(event);
    delivered.expect("an empty queue has room");
    let pages = content(&endpoint.r);
    assert_eq!(endpoint.process.next_unexpected(), Some(Ok(*event)));
    pages
}

/// The numbers of how a packet was refused and how a pull ended, each against the one before.
fn codes(listing: &mut Listing) {
    let from = FROM;
    let nacks = (1..=3).map(|code| Event {
        from,
        body: EventBody::nack(code, 0),
    });
    let pulls = (0..=6).map(|status| {
        Event::of_board(EventBody::PullDone(PullDone {
            cookie: 0,
            status: PullStatus::from_byte(status),
            transferred: 0,
        }))
    });
    let listed: [(_, Vec<Event>); 2] = [
        ("nack: bad endpoint, closed, bad session", nacks.collect()),
        (
            "pull done: ok, bad endpoint, closed, bad session, bad window, aborted, timeout",
            pulls.collect(),
        ),
    ];
    for (title, events) in listed {
        listing.title(format_args!("event: {title}"));
        let mut before = Vec::new();
        for event in &events {
            let pages = after(event);
            listing.changed("R", &before, &pages);
            before = pages;
        }
    }
}

/// Whether a backend takes a command of this kind, whatever else is in it.
fn command_is_known(kind: u8) -> bool {
    let mut endpoint = Endpoint::at(Positions::default());
    let any = Command::to_board(CommandBody::AbortPull { cookie: 0 });
    assert!(endpoint.process.post(&any, &[]));
    endpoint.w.write(FIRST_COMMAND, &[kind]).expect("inside");
    endpoint.backend.next_command().expect("a command").is_ok()
}

/// Whether a process takes an event of this kind, whatever else is in it.
fn event_is_known(kind: u8) -> bool {
    let mut endpoint = Endpoint::at(Positions::default());
    let any = Event::of_board(EventBody::PullDone(PullDone {
        cookie: 0,
        status: PullStatus::Done,
        transferred: 0,
    }));
    endpoint
        .backend
        .deliver(&any)
        .expect("an empty queue has room");
    endpoint.r.write(FIRST_EVENT, &[kind]).expect("inside");
    endpoint
        .process
        .next_unexpected()
        .expect("an event")
        .is_ok()
}
