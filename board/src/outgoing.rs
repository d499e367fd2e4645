//! From a process's command to the packet that carries it. The board stamps what says who sent it.

use mx_ring::{Command, Counter, Destination};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, Ends, Format, LibAck,
    Medium, Message, Notify, Packet, Rendezvous, SMALL_MAX,
};

use crate::key::{EndpointKey, Source};
use crate::ports::{Blame, CommandError, Full};

/// Whether a packet goes out because somebody here wants something of its receiver, and not because the receiver asked.
#[inline]
pub(crate) const fn is_unasked(packet: &Packet) -> bool {
    match packet {
        Packet::Message { message, .. } => !matches!(message.content, Content::Notify(_)),
        Packet::Connect { connect, .. } => matches!(connect, Connect::Request(_)),
        Packet::Pull(_) => true,
        _ => false,
    }
}

/// Checks a command that carries a packet, and gives the packet, its peer and its payload to `send`. `index` is the
/// command's place in the endpoint's queue, `session` the sender's. What `send` gets is built where it is needed: a packet
/// is not moved on its way to the wire.
#[inline]
pub(crate) fn packet(
    format: &Format,
    owner: EndpointKey,
    session: u32,
    index: u32,
    command: &Command,
    send: impl FnOnce(u16, &Packet, Source<'_>) -> Result<(), Full>,
) -> Result<(), CommandError> {
    let ends = |destination| Ends {
        destination,
        source: owner.endpoint,
    };
    let message = |to: Destination, seq, ack, content| Packet::Message {
        ends: ends(to.endpoint),
        session: to.session,
        message: Message { seq, ack, content },
    };
    let sent = match *command {
        Command::Tiny {
            to,
            seq,
            ack,
            match_info,
            length,
            ref data,
        } => {
            let payload = data
                .get(..usize::from(length))
                .ok_or(Blame::PayloadTooLong)?;
            let length = length.into();
            let content = Content::Tiny(Eager { match_info, length });
            let packet = message(to, seq, ack, content);
            send(to.peer, &packet, Source::Bytes(payload))
        }
        Command::Small {
            to,
            seq,
            ack,
            match_info,
            length,
        } => {
            if usize::from(length) > SMALL_MAX {
                return Err(Blame::PayloadTooLong.into());
            }
            let payload = Source::CommandData {
                owner,
                index,
                length,
            };
            let length = length.into();
            let content = Content::Small(Eager { match_info, length });
            send(to.peer, &message(to, seq, ack, content), payload)
        }
        Command::Medium {
            to,
            seq,
            ack,
            match_info,
            total,
            fragment,
            length,
            offset,
        } => {
            let medium = Medium {
                match_info,
                total,
                length,
                fragment,
            };
            if !medium.fits(format) {
                return Err(Blame::BadFragment.into());
            }
            let payload = Source::Transmit {
                owner,
                index,
                offset,
                length,
            };
            let packet = message(to, seq, ack, Content::Medium(medium));
            send(to.peer, &packet, payload)
        }
        Command::Rendezvous {
            to,
            seq,
            ack,
            match_info,
            total,
            window,
            window_seqnum,
        } => {
            let content = Content::Rendezvous(Rendezvous {
                match_info,
                total,
                window,
                window_seqnum,
                window_offset: 0,
            });
            send(to.peer, &message(to, seq, ack, content), Source::NONE)
        }
        Command::Notify {
            to,
            seq,
            ack,
            transferred,
            window,
            window_seqnum,
        } => {
            let content = Content::Notify(Notify {
                transferred,
                window,
                window_seqnum,
            });
            send(to.peer, &message(to, seq, ack, content), Source::NONE)
        }
        Command::ConnectRequest {
            peer,
            endpoint,
            key,
            next_expected,
            connect_seqnum,
        } => {
            let packet = Packet::Connect {
                ends: ends(endpoint),
                sender_index: peer,
                session,
                connect: Connect::Request(ConnectRequest {
                    key,
                    next_expected,
                    connect_seqnum,
                }),
            };
            send(peer, &packet, Source::NONE)
        }
        Command::ConnectReply {
            peer,
            endpoint,
            requester_session,
            next_expected,
            connect_seqnum,
            status,
        } => {
            let packet = Packet::Connect {
                ends: ends(endpoint),
                sender_index: peer,
                session,
                connect: Connect::Reply(ConnectReply {
                    requester_session,
                    next_expected,
                    connect_seqnum,
                    status: ConnectStatus::from_byte(status),
                }),
            };
            send(peer, &packet, Source::NONE)
        }
        Command::Ack {
            to,
            ack,
            ack_number,
        } => {
            let packet = Packet::LibAck {
                ends: ends(to.endpoint),
                session: to.session,
                ack: LibAck { ack, ack_number },
            };
            send(to.peer, &packet, Source::NONE)
        }
        // These are orders to the board itself.
        Command::Pull { .. } | Command::AbortPull { .. } | Command::Leave { .. } => Ok(()),
    };
    Ok(sent?)
}

/// What a packet handed to the wire raises.
pub(crate) const fn sent(packet: &Packet) -> Counter {
    match packet {
        Packet::Raw => Counter::SendRaw,
        Packet::HostQuery(_) => Counter::SendHostQuery,
        Packet::HostReply(_) => Counter::SendHostReply,
        Packet::LibAck { .. } => Counter::SendLibAck,
        Packet::Connect { connect, .. } => match connect {
            Connect::Request(_) => Counter::SendConnectRequest,
            Connect::Reply(_) => Counter::SendConnectReply,
        },
        Packet::Message { message, .. } => match message.content {
            Content::Tiny(_) => Counter::SendTiny,
            Content::Small(_) => Counter::SendSmall,
            Content::Medium(_) => Counter::SendMediumSqFrag,
            Content::Rendezvous(_) => Counter::SendRndv,
            Content::Notify(_) => Counter::SendNotify,
        },
        Packet::Pull(_) => Counter::SendPullRequest,
        Packet::PullReply(_) => Counter::SendPullReply,
        Packet::NackLib { .. } => Counter::SendNackLib,
        Packet::NackMcp(_) => Counter::SendNackMcp,
    }
}

/// What a packet handed to a board of the same home raises. Open-MX counts no nacks there.
pub(crate) const fn shared(packet: &Packet) -> Option<Counter> {
    Some(match packet {
        Packet::LibAck { .. } => Counter::SharedLibAck,
        Packet::Connect { connect, .. } => match connect {
            Connect::Request(_) => Counter::SharedConnectRequest,
            Connect::Reply(_) => Counter::SharedConnectReply,
        },
        Packet::Message { message, .. } => match message.content {
            Content::Tiny(_) => Counter::SharedTiny,
            Content::Small(_) => Counter::SharedSmall,
            Content::Medium(_) => Counter::SharedMediumSqFrag,
            Content::Rendezvous(_) => Counter::SharedRndv,
            Content::Notify(_) => Counter::SharedNotify,
        },
        _ => return None,
    })
}
