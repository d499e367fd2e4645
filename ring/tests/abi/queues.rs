//! Commands and events in an endpoint's queues.

use mx_ring::{
    Command, Destination, EndpointLayout, Event, Farewell, Origin, Positions, Pulled, RegionKey,
};

use crate::common::Endpoint;
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

fn commands() -> Vec<(&'static str, Command)> {
    let (to, region, match_info) = (TO, REGION, MATCH_INFO);
    let (seq, ack) = (0x0908, 0x0b0a);
    let leave = |notice| Command::Leave {
        to,
        farewell: Farewell {
            ack,
            ack_number: 0x2726_2524,
            notice,
        },
    };
    let pulled = Pulled {
        seq,
        transferred: 0x2322_2120,
        window: 0x30,
        window_seqnum: 0x31,
    };
    vec![
        (
            "tiny",
            Command::Tiny {
                to,
                seq,
                ack,
                match_info,
                length: 31,
                data: payload(),
            },
        ),
        (
            "small",
            Command::Small {
                to,
                seq,
                ack,
                match_info,
                length: 127,
            },
        ),
        (
            "medium",
            Command::Medium {
                to,
                seq,
                ack,
                match_info,
                total: 0x2322_2120,
                fragment: 0x0e,
                length: 0x0d0c,
                offset: 0x3332_3130,
            },
        ),
        (
            "rendezvous",
            Command::Rendezvous {
                to,
                seq,
                ack,
                match_info,
                total: 0x2322_2120,
                window: 0x30,
                window_seqnum: 0x31,
            },
        ),
        (
            "notify",
            Command::Notify {
                to,
                seq,
                ack,
                transferred: 0x2322_2120,
                window: 0x30,
                window_seqnum: 0x31,
            },
        ),
        (
            "connect request",
            Command::ConnectRequest {
                peer: to.peer,
                endpoint: to.endpoint,
                key: 0x2322_2120,
                next_expected: seq,
                connect_seqnum: 0x30,
            },
        ),
        (
            "connect reply",
            Command::ConnectReply {
                peer: to.peer,
                endpoint: to.endpoint,
                requester_session: to.session,
                next_expected: seq,
                connect_seqnum: 0x30,
                status: 11,
            },
        ),
        (
            "acknowledgement",
            Command::Ack {
                to,
                ack,
                ack_number: 0x2322_2120,
            },
        ),
        (
            "pull",
            Command::Pull {
                to,
                region,
                offset: 0x2726_2524,
                length: 0x2322_2120,
                window: 0x30,
                window_seqnum: 0x31,
                window_offset: 0x3736_3534,
                cookie: 0x3b3a_3938,
            },
        ),
        (
            "abort pull",
            Command::AbortPull {
                cookie: 0x3b3a_3938,
            },
        ),
        ("leave", leave(None)),
        ("leave with a notice", leave(Some(pulled))),
    ]
}

fn events() -> Vec<(&'static str, Event)> {
    let match_info = MATCH_INFO;
    let (seq, ack) = (0x0908, 0x0b0a);
    let from = FROM;
    let tiny = |local| Event::Tiny {
        from: Origin { local, ..from },
        seq,
        ack,
        match_info,
        length: 31,
        data: payload(),
    };
    vec![
        ("tiny", tiny(false)),
        ("tiny of a board of the same home", tiny(true)),
        (
            "small",
            Event::Small {
                from,
                seq,
                ack,
                match_info,
                length: 127,
                position: 0x3332_3130,
            },
        ),
        (
            "medium",
            Event::Medium {
                from,
                seq,
                ack,
                match_info,
                total: 0x2322_2120,
                fragment: 0x0e,
                length: 0x0d0c,
                position: 0x3332_3130,
            },
        ),
        (
            "rendezvous",
            Event::Rendezvous {
                from,
                seq,
                ack,
                match_info,
                total: 0x2322_2120,
                window: 0x30,
                window_seqnum: 0x31,
                window_offset: 0x3332,
            },
        ),
        (
            "notify",
            Event::Notify {
                from,
                seq,
                ack,
                transferred: 0x2322_2120,
                window: 0x30,
                window_seqnum: 0x31,
            },
        ),
        (
            "connect request",
            Event::ConnectRequest {
                from,
                session: 0x0706_0504,
                key: 0x2322_2120,
                next_expected: seq,
                connect_seqnum: 0x30,
            },
        ),
        (
            "connect reply",
            Event::ConnectReply {
                from,
                requester_session: 0x0706_0504,
                session: 0x2322_2120,
                next_expected: seq,
                connect_seqnum: 0x30,
                status: 11,
            },
        ),
        (
            "acknowledgement",
            Event::Ack {
                from,
                ack,
                ack_number: 0x2322_2120,
            },
        ),
        ("nack", Event::Nack { from, seq, code: 3 }),
        (
            "wanted",
            Event::Wanted {
                window: 0x30,
                window_seqnum: 0x31,
                offset: 0x2322_2120,
            },
        ),
        (
            "pull done",
            Event::PullDone {
                cookie: 0x3b3a_3938,
                status: 6,
                transferred: 0x2322_2120,
            },
        ),
    ]
}

/// A command as the process writes it, which the home reads as it was.
fn posted(listing: &mut Listing, name: &str, command: &Command) {
    let mut endpoint = Endpoint::at(Positions::default());
    let data: &[u8] = match command {
        Command::Small { .. } => &payload::<127>(),
        _ => &[],
    };
    assert!(endpoint.process.post(command, data));
    listing.title(format_args!("command: {name}"));
    listing.pages("W", &endpoint.w);
    assert_eq!(endpoint.home.next_command(), Some(Ok((0, *command))));
}

/// An event as the home writes it, which the process reads as it was.
fn delivered(listing: &mut Listing, name: &str, event: &Event) {
    listing.title(format_args!("event: {name}"));
    listing.bytes("R", &after(event));
}

/// The R area after the delivery of an event.
fn after(event: &Event) -> Vec<u8> {
    let mut endpoint = Endpoint::at(Positions::default());
    let delivered = endpoint.home.deliver(event);
    delivered.expect("an empty queue has room");
    let pages = content(&endpoint.r);
    assert_eq!(endpoint.process.next_unexpected(), Some(Ok(*event)));
    pages
}

/// The numbers of how a packet was refused and how a pull ended, each against the one before.
fn codes(listing: &mut Listing) {
    let from = FROM;
    let nacks = (1..=3).map(|code| Event::Nack { from, seq: 0, code });
    let pulls = (0..=6).map(|status| Event::PullDone {
        cookie: 0,
        status,
        transferred: 0,
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

/// Whether a home takes a command of this kind, whatever else is in it.
fn command_is_known(kind: u8) -> bool {
    let mut endpoint = Endpoint::at(Positions::default());
    let any = Command::AbortPull { cookie: 0 };
    assert!(endpoint.process.post(&any, &[]));
    endpoint.w.write(FIRST_COMMAND, &[kind]).expect("inside");
    endpoint.home.next_command().expect("a command").is_ok()
}

/// Whether a process takes an event of this kind, whatever else is in it.
fn event_is_known(kind: u8) -> bool {
    let mut endpoint = Endpoint::at(Positions::default());
    let any = Event::PullDone {
        cookie: 0,
        status: 0,
        transferred: 0,
    };
    endpoint
        .home
        .deliver(&any)
        .expect("an empty queue has room");
    endpoint.r.write(FIRST_EVENT, &[kind]).expect("inside");
    endpoint
        .process
        .next_unexpected()
        .expect("an event")
        .is_ok()
}
