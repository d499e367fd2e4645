//! PULL and PULL_REPLY: the bytes of a large message (wire.md §6.8, §6.9).

use core::fmt;

use zerocopy::big_endian::{U16, U32};

use crate::envelope::Envelope;
use crate::header::{Start, announced, at_most, header, kind, split};
use crate::{BuildError, Ends, Format, Frame, Packet, ParseError};

/// PULL (41): "send me this block of your window".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pull {
    /// Both endpoints; the destination owns the window.
    pub ends: Ends,
    /// Session of the destination endpoint.
    pub session: u32,
    /// Bytes of the whole pull; informational.
    pub total: u32,
    /// Window id. Native sends 32 bits; a window above 255 does not exist.
    pub window: u32,
    /// The window's use as the RNDV named it.
    pub window_seqnum: u8,
    /// Where the message starts in the window.
    pub window_offset: u32,
    /// The puller's handle, opaque to the replier.
    pub handle: u32,
    /// The puller's endpoint XOR [`Pull::MAGIC`].
    pub magic: u32,
    /// Offset inside the block's first frame.
    pub first_frame_offset: u32,
    /// Bytes of the block.
    pub block_length: u32,
    /// Index of the block's first frame in the message.
    pub frame_index: u32,
}

header! {
    /// PULL, native.
    Native: 44 {
        start: Start,
        session: U32,
        total: U32,
        window: U32,
        window_seqnum: u8,
        pad17: [u8; 3],
        window_offset: U32,
        handle: U32,
        magic: U32,
        first_frame_offset: U32,
        block_length: U32,
        frame_index: U32,
    }
}

header! {
    /// PULL, MX-wire.
    MxWire: 32 {
        start: Start,
        session: U32,
        total: U32,
        window: u8,
        window_seqnum: u8,
        window_offset: U16,
        handle: U32,
        magic: U32,
        first_frame_offset: U16,
        block_length: U16,
        frame_index: U32,
    }
}

impl Pull {
    /// XORed with the endpoint index it gives the magic.
    pub const MAGIC: u32 = 0x2107_1980;

    #[inline]
    pub(crate) fn parse_native(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&Native, _) = split(body)?;
        let pull = Self {
            ends: h.start.ends(),
            session: h.session.get(),
            total: h.total.get(),
            window: h.window.get(),
            window_seqnum: h.window_seqnum,
            window_offset: h.window_offset.get(),
            handle: h.handle.get(),
            magic: h.magic.get(),
            first_frame_offset: h.first_frame_offset.get(),
            block_length: h.block_length.get(),
            frame_index: h.frame_index.get(),
        };
        frame.of(Packet::Pull(pull), &[])
    }

    #[inline]
    pub(crate) fn parse_mx_wire(frame: Envelope, body: &[u8]) -> Result<Frame<'_>, ParseError> {
        let (h, _): (&MxWire, _) = split(body)?;
        let pull = Self {
            ends: h.start.ends(),
            session: h.session.get(),
            total: h.total.get(),
            window: u32::from(h.window),
            window_seqnum: h.window_seqnum,
            window_offset: u32::from(h.window_offset.get()),
            handle: h.handle.get(),
            magic: h.magic.get(),
            first_frame_offset: u32::from(h.first_frame_offset.get()),
            block_length: u32::from(h.block_length.get()),
            frame_index: h.frame_index.get(),
        };
        frame.of(Packet::Pull(pull), &[])
    }

    #[inline]
    pub(crate) fn native(&self) -> Native {
        Native {
            start: Start::new(kind::PULL, self.ends),
            session: self.session.into(),
            total: self.total.into(),
            window: self.window.into(),
            window_seqnum: self.window_seqnum,
            pad17: [0; 3],
            window_offset: self.window_offset.into(),
            handle: self.handle.into(),
            magic: self.magic.into(),
            first_frame_offset: self.first_frame_offset.into(),
            block_length: self.block_length.into(),
            frame_index: self.frame_index.into(),
        }
    }

    #[inline]
    pub(crate) fn mx_wire(&self) -> Result<MxWire, BuildError> {
        let window = u8::try_from(self.window).map_err(|_| BuildError::MxWireField {
            field: "window",
            value: self.window,
        })?;
        let narrow = |field, value| {
            u16::try_from(value).map_err(|_| BuildError::MxWireField { field, value })
        };
        Ok(MxWire {
            start: Start::new(kind::PULL, self.ends),
            session: self.session.into(),
            total: self.total.into(),
            window,
            window_seqnum: self.window_seqnum,
            window_offset: narrow("window offset", self.window_offset)?.into(),
            handle: self.handle.into(),
            magic: self.magic.into(),
            first_frame_offset: narrow("first frame offset", self.first_frame_offset)?.into(),
            block_length: narrow("block length", self.block_length)?.into(),
            frame_index: self.frame_index.into(),
        })
    }
}

/// PULL_REPLY (42); the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PullReply {
    /// The frame's index in the message, modulo 256.
    pub frame_seqnum: u8,
    /// Payload bytes.
    pub length: u16,
    /// Where the payload belongs in the message.
    pub message_offset: u32,
    /// The puller's handle, echoed.
    pub handle: u32,
    /// The puller's magic, echoed.
    pub magic: u32,
}

header! {
    /// PULL_REPLY.
    Reply: 16 {
        kind: u8,
        frame_seqnum: u8,
        length: U16,
        message_offset: U32,
        handle: U32,
        magic: U32,
    }
}

impl PullReply {
    #[inline]
    pub(crate) fn parse<'a>(
        frame: Envelope,
        format: &Format,
        body: &'a [u8],
    ) -> Result<Frame<'a>, ParseError> {
        let (h, rest): (&Reply, _) = split(body)?;
        let reply = Self {
            frame_seqnum: h.frame_seqnum,
            length: h.length.get(),
            message_offset: h.message_offset.get(),
            handle: h.handle.get(),
            magic: h.magic.get(),
        };
        at_most(kind::PULL_REPLY, reply.length, format.pull_reply())?;
        let payload = announced(rest, usize::from(reply.length))?;
        frame.of(Packet::PullReply(reply), payload)
    }

    #[inline]
    pub(crate) fn layout(&self, format: &Format) -> Result<Reply, ParseError> {
        at_most(kind::PULL_REPLY, self.length, format.pull_reply())?;
        Ok(Reply {
            kind: kind::PULL_REPLY,
            frame_seqnum: self.frame_seqnum,
            length: self.length.into(),
            message_offset: self.message_offset.into(),
            handle: self.handle.into(),
            magic: self.magic.into(),
        })
    }
}

impl fmt::Display for Pull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, session {:08x}, {} of {} bytes of window {} use {} at {}, frame {} at {}, handle {:08x}, magic {:08x}",
            self.ends,
            self.session,
            self.block_length,
            self.total,
            self.window,
            self.window_seqnum,
            self.window_offset,
            self.frame_index,
            self.first_frame_offset,
            self.handle,
            self.magic,
        )
    }
}

impl fmt::Display for PullReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "frame {} at {}, handle {:08x}, magic {:08x}, length {}",
            self.frame_seqnum, self.message_offset, self.handle, self.magic, self.length
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PullBlock;
    use crate::example::*;

    /// B pulls the first block of A's window 0.
    fn pull(block_length: u32) -> Pull {
        Pull {
            ends: B_TO_A,
            session: SESSION_A,
            total: 1 << 20,
            window: 0,
            window_seqnum: 0x17,
            window_offset: 0,
            handle: 0x23,
            magic: Pull::MAGIC ^ 2,
            first_frame_offset: 0,
            block_length,
            frame_index: 0,
        }
    }

    #[test]
    fn native_pull() {
        let pull = pull(286_976);
        is_both_ways(
            native(),
            b_to_a(Packet::Pull(pull), &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             29 01 02 00 a1 a2 a3 a4 00 10 00 00 00 00 00 00
             17 00 00 00 00 00 00 00 00 00 00 23 21 07 19 82
             00 00 00 00 00 04 61 00 00 00 00 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: PULL 2 > 1, session a1a2a3a4, \
             286976 of 1048576 bytes of window 0 use 23 at 0, frame 0 at 0, handle 00000023, magic 21071982",
        );
        let block = PullBlock::new(&native(), &pull).expect("servable");
        assert_eq!(block.replies(), 32);
    }

    #[test]
    fn mx_wire_pull() {
        let pull = pull(32_768);
        let format = Format::mx_wire();
        is_both_ways(
            format,
            b_to_a(Packet::Pull(pull), &[]),
            "02 00 00 00 0a 01 02 00 00 00 0b 02 86 df 00 03
             29 01 02 00 a1 a2 a3 a4 00 10 00 00 00 17 00 00
             00 00 00 23 21 07 19 82 00 00 80 00 00 00 00 00",
            "02:00:00:00:0b:02 > 02:00:00:00:0a:01 index 3: PULL 2 > 1, session a1a2a3a4, \
             32768 of 1048576 bytes of window 0 use 23 at 0, frame 0 at 0, handle 00000023, magic 21071982",
        );
        let block = PullBlock::new(&format, &pull).expect("servable");
        assert_eq!(block.replies(), 8);
    }

    #[test]
    fn reply() {
        let reply = PullReply {
            frame_seqnum: 1,
            length: 8968,
            message_offset: 8968,
            handle: 0x23,
            magic: Pull::MAGIC ^ 2,
        };
        let payload = [0x55; 8968];
        let frame = Frame {
            sender_index: Some(0),
            ..a_to_b(Packet::PullReply(reply), &payload)
        };
        is_both_ways(
            native(),
            frame,
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 00
             2a 01 23 08 00 00 23 08 00 00 00 23 21 07 19 82",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 0: PULL_REPLY frame 1 at 8968, handle 00000023, \
             magic 21071982, length 8968",
        );

        let block = PullBlock::new(&native(), &pull(286_976)).expect("servable");
        let second = block.reply(1).expect("32 replies");
        assert_eq!(second.frame_seqnum, reply.frame_seqnum);
        assert_eq!(second.length, reply.length);
        assert_eq!(second.message_offset, reply.message_offset);
    }
}
