//! From a process's command to the packet that carries it. The board stamps what says who sent it.

use mx_ring::{Command, Counter};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, Ends, Format, LibAck, Medium, Message, Notify, Packet,
    Rendezvous,
};

use crate::key::{EndpointKey, Source};
use crate::ports::{Blame, CommandError, Full};

/// Whether a packet goes out because somebody here wants something of its receiver, and not because the receiver asked.
#[inline]
pub(crate) const fn is_unasked(packet: &Packet) -> bool {
    matches!(
        packet,
        Packet::Tiny(_)
            | Packet::Small(_)
            | Packet::Medium(_)
            | Packet::Rendezvous(_)
            | Packet::Pull(_)
            | Packet::Connect(Connect::Request(_))
    )
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
            let packet = Packet::Tiny(Message {
                ends: ends(to.endpoint),
                length: length.into(),
                seq,
                ack,
                match_info,
                session: to.session,
            });
            send(to.peer, &packet, Source::Bytes(payload))
        }
        Command::Small {
            to,
            seq,
            ack,
            match_info,
            length,
        } => {
            if length > 128 {
                return Err(Blame::PayloadTooLong.into());
            }
            let packet = Packet::Small(Message {
                ends: ends(to.endpoint),
                length: length.into(),
                seq,
                ack,
                match_info,
                session: to.session,
            });
            let payload = Source::CommandData {
                owner,
                index,
                length,
            };
            send(to.peer, &packet, payload)
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
                ends: ends(to.endpoint),
                total,
                seq,
                ack,
                match_info,
                session: to.session,
                length,
                fragment,
            };
            if !fits(format, &medium) {
                return Err(Blame::BadFragment.into());
            }
            let payload = Source::Transmit {
                owner,
                index,
                offset,
                length,
            };
            send(to.peer, &Packet::Medium(medium), payload)
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
            let packet = Packet::Rendezvous(Rendezvous {
                ends: ends(to.endpoint),
                seq,
                ack,
                match_info,
                session: to.session,
                total,
                window,
                window_seqnum,
                window_offset: 0,
            });
            send(to.peer, &packet, Source::NONE)
        }
        Command::Notify {
            to,
            seq,
            ack,
            transferred,
            window,
            window_seqnum,
        } => {
            let packet = Packet::Notify(Notify {
                ends: ends(to.endpoint),
                session: to.session,
                transferred,
                window,
                window_seqnum,
                seq,
                ack,
            });
            send(to.peer, &packet, Source::NONE)
        }
        Command::ConnectRequest {
            peer,
            endpoint,
            key,
            next_expected,
            connect_seqnum,
        } => {
            let packet = Packet::Connect(Connect::Request(ConnectRequest {
                ends: ends(endpoint),
                sender_index: peer,
                session,
                key,
                next_expected,
                connect_seqnum,
            }));
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
            let packet = Packet::Connect(Connect::Reply(ConnectReply {
                ends: ends(endpoint),
                sender_index: peer,
                requester_session,
                session,
                next_expected,
                connect_seqnum,
                status,
            }));
            send(peer, &packet, Source::NONE)
        }
        Command::Ack {
            to,
            ack,
            ack_number,
        } => {
            let packet = Packet::LibAck(LibAck {
                ends: ends(to.endpoint),
                session: to.session,
                ack,
                ack_number,
            });
            send(to.peer, &packet, Source::NONE)
        }
        // These are orders to the board itself.
        Command::Pull { .. } | Command::AbortPull { .. } | Command::Leave { .. } => Ok(()),
    };
    Ok(sent?)
}

/// Whether a fragment carries M bytes at its number times M, or the rest if it is the last (wire.md §6.6).
fn fits(format: &Format, medium: &Medium) -> bool {
    let full = u32::from(format.medium_fragment());
    medium.total <= format.max_medium()
        && medium
            .total
            .checked_sub(medium.offset(format))
            .is_some_and(|rest| {
                u32::from(medium.length) == rest.min(full) && (rest > 0 || medium.fragment == 0)
            })
}

/// What a packet handed to the wire raises.
pub(crate) const fn sent(packet: &Packet) -> Counter {
    match packet {
        Packet::Raw => Counter::SendRaw,
        Packet::HostQuery(_) => Counter::SendHostQuery,
        Packet::HostReply(_) => Counter::SendHostReply,
        Packet::LibAck(_) => Counter::SendLibAck,
        Packet::Connect(Connect::Request(_)) => Counter::SendConnectRequest,
        Packet::Connect(Connect::Reply(_)) => Counter::SendConnectReply,
        Packet::Tiny(_) => Counter::SendTiny,
        Packet::Small(_) => Counter::SendSmall,
        Packet::Medium(_) => Counter::SendMediumSqFrag,
        Packet::Rendezvous(_) => Counter::SendRndv,
        Packet::Pull(_) => Counter::SendPullRequest,
        Packet::PullReply(_) => Counter::SendPullReply,
        Packet::Notify(_) => Counter::SendNotify,
        Packet::NackLib(_) => Counter::SendNackLib,
        Packet::NackMcp(_) => Counter::SendNackMcp,
    }
}

/// What a packet handed to a board of the same home raises. Open-MX counts no nacks there.
pub(crate) const fn shared(packet: &Packet) -> Option<Counter> {
    Some(match packet {
        Packet::LibAck(_) => Counter::SharedLibAck,
        Packet::Connect(Connect::Request(_)) => Counter::SharedConnectRequest,
        Packet::Connect(Connect::Reply(_)) => Counter::SharedConnectReply,
        Packet::Tiny(_) => Counter::SharedTiny,
        Packet::Small(_) => Counter::SharedSmall,
        Packet::Medium(_) => Counter::SharedMediumSqFrag,
        Packet::Rendezvous(_) => Counter::SharedRndv,
        Packet::Notify(_) => Counter::SharedNotify,
        _ => return None,
    })
}
