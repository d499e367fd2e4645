//! Packets that are mostly near to what an honest peer would send.

use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, Ends, Format, HostQuery,
    HostReply, LibAck, Medium, Message, NackCode, NackLib, NackMcp, Notify, Packet, Pull,
    PullBlock, PullReply, Rendezvous,
};

use crate::input::Input;

/// The session of the endpoint that they are for.
pub const SESSION: u32 = 0xa;
/// Packet types that the first byte chooses from.
pub const KINDS: u8 = 14;

/// A packet, and how long its payload is. `asked` is what a puller asked for.
pub fn packet(input: &mut Input<'_>, format: &Format, asked: Option<&Pull>) -> (Packet, usize) {
    let kind = input.byte() % KINDS;
    let odd = input.byte();
    let ends = Ends {
        destination: if odd & 3 == 3 { input.byte() } else { 0 },
        source: input.byte() % 3,
    };
    let session = if odd & 12 == 12 {
        input.double()
    } else {
        SESSION
    };
    let seq = u16::from(input.byte());
    let ack = u16::from(input.byte());
    let size = input.size();
    let message = |content| Packet::Message {
        ends,
        session,
        message: Message { seq, ack, content },
    };
    let eager = |length| Eager {
        match_info: u64::from(seq),
        length,
    };
    match kind {
        0 => {
            let length = (size % 33) as u16;
            (message(Content::Tiny(eager(length))), length.into())
        }
        1 => {
            let length = (size % 129) as u16;
            (message(Content::Small(eager(length))), length.into())
        }
        2 => {
            let full = u32::from(format.medium_fragment());
            let total = size % format.max_medium() + 1;
            let fragment = u32::from(odd >> 4) % total.div_ceil(full);
            let length = (total - fragment * full).min(full) as u16;
            let medium = Medium {
                match_info: 1,
                total,
                length,
                fragment: fragment as u8,
            };
            (message(Content::Medium(medium)), length.into())
        }
        3 => {
            let rendezvous = Rendezvous {
                match_info: 1,
                total: size,
                window: input.byte(),
                window_seqnum: input.byte(),
                window_offset: input.word(),
            };
            (message(Content::Rendezvous(rendezvous)), 0)
        }
        4 | 5 => (Packet::Pull(pull(input, format, ends, session, size)), 0),
        6 | 7 => reply(input, format, asked, size),
        8 => {
            let notify = Notify {
                transferred: size,
                window: input.byte(),
                window_seqnum: input.byte(),
            };
            (message(Content::Notify(notify)), 0)
        }
        9 => {
            let ack_number = input.double();
            let ack = LibAck { ack, ack_number };
            (Packet::LibAck { ends, session, ack }, 0)
        }
        10 => {
            let code = NackCode::ALL[usize::from(odd % 3)];
            let nack = NackLib { code, seq };
            (Packet::NackLib { ends, nack }, 0)
        }
        11 => {
            let nack = NackMcp {
                source: ends.source,
                code: NackCode::ALL[usize::from(odd % 4)],
                handle: asked.map_or(size, |pull| pull.handle),
                magic: asked.map_or(size, |pull| pull.magic),
            };
            (Packet::NackMcp(nack), 0)
        }
        12 => {
            let packet = Packet::Connect {
                ends,
                sender_index: 1,
                session: size,
                connect: connect(odd, session, seq),
            };
            (packet, 0)
        }
        _ => {
            let sender_index = input.word();
            let magic = HostQuery::FIRST_MAGIC;
            match odd % 3 {
                0 => {
                    let query = HostQuery {
                        sender_index,
                        magic,
                    };
                    (Packet::HostQuery(query), 0)
                }
                1 => {
                    let reply = HostReply {
                        sender_index,
                        magic,
                    };
                    (Packet::HostReply(reply), (size % 79 + 1) as usize)
                }
                _ => (Packet::Raw, (size % 900) as usize),
            }
        }
    }
}

fn pull(input: &mut Input<'_>, format: &Format, ends: Ends, session: u32, size: u32) -> Pull {
    let odd = input.byte();
    Pull {
        ends,
        session,
        total: size,
        window: u32::from(input.byte() % 3),
        window_seqnum: if odd & 3 == 3 { input.byte() } else { 23 },
        window_offset: u32::from(input.word()) >> (odd % 17),
        handle: u32::from(odd),
        magic: Pull::MAGIC ^ u32::from(ends.source),
        first_frame_offset: u32::from(input.word()) >> (odd / 17),
        block_length: size % (format.block_length() + 2),
        frame_index: u32::from(input.byte()),
    }
}

/// The reply to some frame that was asked for, and now and then to another.
fn reply(
    input: &mut Input<'_>,
    format: &Format,
    asked: Option<&Pull>,
    size: u32,
) -> (Packet, usize) {
    let (place, odd) = (input.byte(), input.byte());
    let honest = asked.and_then(|pull| {
        let block = PullBlock::new(format, pull).ok()?;
        let reply = block.reply(u32::from(place) % block.replies())?;
        Some(PullReply {
            frame_seqnum: reply.frame_seqnum,
            length: reply.length,
            message_offset: reply.message_offset,
            handle: pull.handle,
            magic: pull.magic,
        })
    });
    let mut reply = honest.unwrap_or(PullReply {
        frame_seqnum: place,
        length: 1,
        message_offset: size,
        handle: size,
        magic: Pull::MAGIC,
    });
    match odd {
        0..8 => reply.frame_seqnum = reply.frame_seqnum.wrapping_add(odd),
        8..16 => reply.message_offset = size,
        16..24 => reply.length = (size % u32::from(format.pull_reply())) as u16,
        24..32 => reply.handle = reply.handle.wrapping_add(1 << (odd - 24)),
        32..40 => reply.magic ^= 1 << (odd - 32),
        _ => {}
    }
    (Packet::PullReply(reply), reply.length.into())
}

fn connect(odd: u8, session: u32, seq: u16) -> Connect {
    if odd & 0x40 == 0 {
        Connect::Request(ConnectRequest {
            key: 7,
            next_expected: seq,
            connect_seqnum: odd,
        })
    } else {
        Connect::Reply(ConnectReply {
            requester_session: session,
            next_expected: seq,
            connect_seqnum: odd & 3,
            status: ConnectStatus::from_byte(odd & 0x80),
        })
    }
}
