//! Packets as the bytes of their bodies. Pads, generations and checksums are zero.

use crate::layout::{self, kind};
use crate::{
    BuildError, Connect, HostQuery, HostReply, LibAck, Medium, Message, Mode, NackLib, NackMcp,
    Notify, Pull, PullReply, Rendezvous,
};

#[inline]
pub fn message(kind: u8, m: &Message) -> layout::Message {
    layout::Message {
        kind,
        destination: m.ends.destination,
        source: m.ends.source,
        generation: 0,
        data_length: m.length.into(),
        checksum: 0.into(),
        seq: m.seq.into(),
        ack: m.ack.into(),
        match_info: m.match_info.into(),
        session: m.session.into(),
    }
}

#[inline]
pub fn medium(mode: Mode, m: &Medium) -> layout::Medium {
    let [a, b, c, d] = m.total.to_be_bytes();
    let (total, pipeline) = match mode {
        Mode::Native => ([a, b, c, d], 0),
        // The check of the fragment has bounded the total below 2^16.
        Mode::MxWire => ([c, d, 0, 0], layout::PIPELINE),
    };
    layout::Medium {
        kind: kind::MEDIUM,
        destination: m.ends.destination,
        source: m.ends.source,
        generation: 0,
        total,
        seq: m.seq.into(),
        ack: m.ack.into(),
        match_info: m.match_info.into(),
        session: m.session.into(),
        length: m.length.into(),
        fragment: m.fragment,
        pipeline,
        checksum: 0.into(),
        pad30: [0; 2],
    }
}

#[inline]
pub fn rendezvous(r: &Rendezvous) -> layout::Rendezvous {
    layout::Rendezvous {
        message: layout::Message {
            kind: kind::RNDV,
            destination: r.ends.destination,
            source: r.ends.source,
            generation: 0,
            data_length: layout::RENDEZVOUS_DATA.into(),
            checksum: 0.into(),
            seq: r.seq.into(),
            ack: r.ack.into(),
            match_info: r.match_info.into(),
            session: r.session.into(),
        },
        total: r.total.into(),
        window: r.window,
        window_seqnum: r.window_seqnum,
        window_offset: r.window_offset.into(),
    }
}

#[inline]
pub fn native_pull(p: &Pull) -> layout::NativePull {
    layout::NativePull {
        kind: kind::PULL,
        destination: p.ends.destination,
        source: p.ends.source,
        generation: 0,
        session: p.session.into(),
        total: p.total.into(),
        window: p.window.into(),
        window_seqnum: p.window_seqnum,
        pad17: [0; 3],
        window_offset: p.window_offset.into(),
        handle: p.handle.into(),
        magic: p.magic.into(),
        first_frame_offset: p.first_frame_offset.into(),
        block_length: p.block_length.into(),
        frame_index: p.frame_index.into(),
    }
}

#[inline]
pub fn mx_wire_pull(p: &Pull) -> Result<layout::MxWirePull, BuildError> {
    let window = u8::try_from(p.window).map_err(|_| BuildError::MxWireField {
        field: "window",
        value: p.window,
    })?;
    let narrow =
        |field, value| u16::try_from(value).map_err(|_| BuildError::MxWireField { field, value });
    Ok(layout::MxWirePull {
        kind: kind::PULL,
        destination: p.ends.destination,
        source: p.ends.source,
        generation: 0,
        session: p.session.into(),
        total: p.total.into(),
        window,
        window_seqnum: p.window_seqnum,
        window_offset: narrow("window offset", p.window_offset)?.into(),
        handle: p.handle.into(),
        magic: p.magic.into(),
        first_frame_offset: narrow("first frame offset", p.first_frame_offset)?.into(),
        block_length: narrow("block length", p.block_length)?.into(),
        frame_index: p.frame_index.into(),
    })
}

#[inline]
pub fn pull_reply(r: &PullReply) -> layout::PullReply {
    layout::PullReply {
        kind: kind::PULL_REPLY,
        frame_seqnum: r.frame_seqnum,
        length: r.length.into(),
        message_offset: r.message_offset.into(),
        handle: r.handle.into(),
        magic: r.magic.into(),
    }
}

#[inline]
pub fn notify(n: &Notify) -> layout::Notify {
    layout::Notify {
        kind: kind::NOTIFY,
        destination: n.ends.destination,
        source: n.ends.source,
        generation: 0,
        session: n.session.into(),
        transferred: n.transferred.into(),
        window: n.window,
        window_seqnum: n.window_seqnum,
        pad14: [0; 4],
        seq: n.seq.into(),
        ack: n.ack.into(),
        pad22: [0; 2],
    }
}

#[inline]
pub fn truc(a: &LibAck) -> layout::Truc {
    layout::Truc {
        kind: kind::TRUC,
        destination: a.ends.destination,
        source: a.ends.source,
        generation: 0,
        data_length: layout::CONTROL_DATA,
        pad5: [0; 3],
        session: a.session.into(),
        subtype: layout::TRUC_ACK,
        pad13: 0,
        ack: a.ack.into(),
        acked_session: a.session.into(),
        ack_number: a.ack_number.into(),
        send_seq: a.ack.into(),
        resent: 0,
        pad27: 0,
    }
}

pub fn connect(c: &Connect) -> layout::Connect {
    match c {
        Connect::Request(q) => layout::Connect {
            kind: kind::CONNECT,
            destination: q.ends.destination,
            source: q.ends.source,
            generation: 0,
            data_length: layout::CONTROL_DATA,
            pad5: [0; 3],
            seq: 0.into(),
            sender_index: q.sender_index.into(),
            pad12: [0; 4],
            requester_session: q.session.into(),
            key_or_session: q.key.into(),
            next_expected: q.next_expected.into(),
            is_reply: 0,
            connect_seqnum: q.connect_seqnum,
            status: 0,
            pad29: [0; 3],
        },
        Connect::Reply(r) => layout::Connect {
            kind: kind::CONNECT,
            destination: r.ends.destination,
            source: r.ends.source,
            generation: 0,
            data_length: layout::CONTROL_DATA,
            pad5: [0; 3],
            seq: 0.into(),
            sender_index: r.sender_index.into(),
            pad12: [0; 4],
            requester_session: r.requester_session.into(),
            key_or_session: r.session.into(),
            next_expected: r.next_expected.into(),
            is_reply: 1,
            connect_seqnum: r.connect_seqnum,
            status: r.status,
            pad29: [0; 3],
        },
    }
}

/// The packet repeats the sender index of the Ethernet header.
pub fn nack_lib(n: &NackLib, sender_index: u16) -> layout::NackLib {
    layout::NackLib {
        kind: kind::NACK_LIB,
        source: n.ends.source,
        generation: 0,
        code: n.code,
        pad4: [0; 5],
        destination: n.ends.destination,
        sender_index: sender_index.into(),
        seq: n.seq.into(),
        pad14: [0; 2],
    }
}

pub fn nack_mcp(n: &NackMcp) -> layout::NackMcp {
    layout::NackMcp {
        kind: kind::NACK_MCP,
        source: n.source,
        generation: 0,
        code: n.code,
        pad4: [0; 4],
        handle: n.handle.into(),
        magic: n.magic.into(),
    }
}

pub fn host_query(q: &HostQuery) -> layout::Host {
    layout::Host {
        kind: kind::HOST_QUERY,
        name_length: 0,
        sender_index: q.sender_index.into(),
        pad4: [0; 4],
        magic: q.magic.into(),
        pad12: [0; 4],
    }
}

/// The length counts the NUL.
pub fn host_reply(r: &HostReply, name_length: u8) -> layout::Host {
    layout::Host {
        kind: kind::HOST_REPLY,
        name_length,
        sender_index: r.sender_index.into(),
        pad4: [0; 4],
        magic: r.magic.into(),
        pad12: [0; 4],
    }
}
