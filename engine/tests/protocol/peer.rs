//! What a peer says, as the events in which it arrives.

use mx_ring::{Event, EventBody, Origin, Place};
use mx_wire::{Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, Message};

/// The peer of the tests with one.
pub const FROM: Origin = Origin {
    peer: 1,
    endpoint: 3,
    local: false,
};

/// A message with its sequence number and acknowledgement.
pub fn message(from: Origin, (seq, ack): (u16, u16), content: Content, place: Place) -> Event {
    let message = Message { seq, ack, content };
    Event {
        from,
        body: EventBody::Message(message, place),
    }
}

/// The first request to connect of a session.
pub fn request_of(from: Origin, session: u32, next_expected: u16) -> Event {
    let request = ConnectRequest {
        key: 7,
        next_expected,
        connect_seqnum: 0,
    };
    Event {
        from,
        body: EventBody::Connect {
            session,
            connect: Connect::Request(request),
        },
    }
}

pub fn request(next_expected: u16, connect_seqnum: u8) -> Event {
    Event {
        from: FROM,
        body: EventBody::Connect {
            session: 0xb,
            connect: Connect::Request(ConnectRequest {
                key: 7,
                next_expected,
                connect_seqnum,
            }),
        },
    }
}

pub fn reply(next_expected: u16, connect_seqnum: u8) -> Event {
    Event {
        from: FROM,
        body: EventBody::Connect {
            session: 0xb,
            connect: Connect::Reply(ConnectReply {
                requester_session: 0xa,
                next_expected,
                connect_seqnum,
                status: ConnectStatus::Success,
            }),
        },
    }
}

pub fn tiny(seq: u16, ack: u16) -> Event {
    message(
        FROM,
        (seq, ack),
        Content::Tiny(Eager {
            match_info: 1,
            length: 1,
        }),
        Place::Inline([1; 32]),
    )
}
