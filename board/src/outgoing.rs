//! From a process's command to the packet that carries it. The board stamps what says who sent it.

use mx_ring::{Command, CommandBody, Place};
use mx_wire::{Connect, Content, Ends, Format, Packet, SMALL_MAX};

use crate::key::{EndpointKey, Source};
use crate::ports::{Blame, CommandError, Full};

/// Whether a packet goes out because somebody here wants something of its receiver, and not because the receiver asked.
#[inline]
pub(crate) const fn is_unasked(packet: &Packet) -> bool {
    match packet {
        Packet::Message { message, .. } => !message.content.is_answer(),
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
    let to = command.to;
    let ends = Ends {
        destination: to.endpoint,
        source: owner.endpoint,
    };
    let sent = match command.body {
        CommandBody::Message(message, ref place) => {
            let length = message.content.length();
            let payload = match (&message.content, place) {
                (Content::Tiny(_), Place::Inline(data)) => Source::Bytes(
                    data.get(..usize::from(length))
                        .ok_or(Blame::PayloadTooLong)?,
                ),
                (Content::Small(_), _) if usize::from(length) > SMALL_MAX => {
                    return Err(Blame::PayloadTooLong.into());
                }
                (Content::Small(_), _) => Source::CommandData {
                    owner,
                    index,
                    length: length as u8,
                },
                (Content::Medium(medium), _) if !medium.fits(format) => {
                    return Err(Blame::BadFragment.into());
                }
                (Content::Medium(_), Place::At(offset)) => Source::Transmit {
                    owner,
                    index,
                    offset: *offset,
                    length,
                },
                _ => Source::NONE,
            };
            let packet = Packet::Message {
                ends,
                session: to.session,
                message,
            };
            send(to.peer, &packet, payload)
        }
        CommandBody::Connect(connect) => {
            let packet = Packet::Connect {
                ends,
                sender_index: to.peer,
                session,
                connect,
            };
            send(to.peer, &packet, Source::NONE)
        }
        CommandBody::Ack(ack) => {
            let packet = Packet::LibAck {
                ends,
                session: to.session,
                ack,
            };
            send(to.peer, &packet, Source::NONE)
        }
        // These are orders to the board itself.
        CommandBody::Pull(_) | CommandBody::AbortPull { .. } | CommandBody::Leave(_) => Ok(()),
    };
    Ok(sent?)
}
