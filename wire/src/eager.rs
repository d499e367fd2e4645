//! TINY and SMALL: a whole message in one frame (wire.md §6.5).

use core::fmt;

use zerocopy::big_endian::U16;

use crate::envelope::Envelope;
use crate::header::{Matching, Start, announced, at_most, header, kind, split};
use crate::{Content, Frame, ParseError};

/// Bytes of a TINY at most.
pub const TINY_MAX: usize = 32;
/// Bytes of a SMALL at most.
pub const SMALL_MAX: usize = 128;

/// What a TINY (37) or a SMALL (38) says; the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eager {
    /// Match info.
    pub match_info: u64,
    /// Payload bytes: up to [`TINY_MAX`] or [`SMALL_MAX`].
    pub length: u16,
}

header! {
    /// TINY and SMALL.
    Layout: 24 {
        start: Start,
        data_length: U16,
        checksum: U16,
        matching: Matching,
    }
}

impl Eager {
    #[inline]
    pub(crate) fn parse(
        frame: Envelope,
        body: &[u8],
        kind: u8,
        content: impl FnOnce(Self) -> Content,
    ) -> Result<Frame<'_>, ParseError> {
        let (h, rest): (&Layout, _) = split(body)?;
        let length = h.data_length.get();
        check(kind, length)?;
        let data = announced(rest, usize::from(length))?;
        let eager = Self {
            match_info: h.matching.match_info.get(),
            length,
        };
        frame.matching(&h.start, &h.matching, content(eager), data)
    }

    #[inline]
    pub(crate) fn layout(&self, start: Start, matching: Matching) -> Result<Layout, ParseError> {
        check(start.kind, self.length)?;
        Ok(Layout {
            start,
            data_length: self.length.into(),
            checksum: 0.into(),
            matching,
        })
    }
}

#[inline]
fn check(kind: u8, length: u16) -> Result<(), ParseError> {
    let max = if kind == kind::TINY {
        TINY_MAX
    } else {
        SMALL_MAX
    };
    at_most(kind, length, max as u16)
}

impl fmt::Display for Eager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "match {:016x}, length {}", self.match_info, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    #[test]
    fn tiny() {
        let content = Content::Tiny(Eager {
            match_info: MATCH_INFO,
            length: 5,
        });
        is_both_ways(
            native(),
            a_to_b(message(A_TO_B, 1, 1, content), b"hello"),
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             25 02 01 00 00 05 00 00 00 01 00 01 11 22 33 44
             55 66 77 88 b1 b2 b3 b4 68 65 6c 6c 6f",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: TINY 1 > 2, session b1b2b3b4, seq 1, ack 1, \
             match 1122334455667788, length 5",
        );
    }

    #[test]
    fn small() {
        let content = Content::Small(Eager {
            match_info: MATCH_INFO,
            length: 40,
        });
        let data: [u8; 40] = core::array::from_fn(|at| at as u8);
        is_both_ways(
            native(),
            a_to_b(message(A_TO_B, 2, 1, content), &data),
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             26 02 01 00 00 28 00 00 00 02 00 01 11 22 33 44
             55 66 77 88 b1 b2 b3 b4 00 01 02 03 04 05 06 07
             08 09 0a 0b 0c 0d 0e 0f 10 11 12 13 14 15 16 17
             18 19 1a 1b 1c 1d 1e 1f 20 21 22 23 24 25 26 27",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: SMALL 1 > 2, session b1b2b3b4, seq 2, ack 1, \
             match 1122334455667788, length 40",
        );
    }
}
