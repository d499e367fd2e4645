//! MEDIUM: a message in fragments (wire.md §6.6).

use core::fmt;

use zerocopy::big_endian::U16;

use crate::envelope::Envelope;
use crate::header::{Matching, Start, announced, header, split};
use crate::{Content, Format, Frame, Mode, ParseError};

/// Log2 of the stride of fragments in MX-wire mode.
pub(crate) const PIPELINE: u8 = 12;

/// One fragment of a MEDIUM (39); the payload follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Medium {
    /// Match info.
    pub match_info: u64,
    /// Bytes of the whole message.
    pub total: u32,
    /// Payload bytes of this fragment.
    pub length: u16,
    /// Which fragment: its offset is this times M.
    pub fragment: u8,
}

header! {
    /// MEDIUM in both modes: the total is 32 bits, or 16 bits and a pad.
    Layout: 32 {
        start: Start,
        total: [u8; 4],
        matching: Matching,
        length: U16,
        fragment: u8,
        /// A pad in native mode.
        pipeline: u8,
        checksum: U16,
        pad30: [u8; 2],
    }
}

impl Medium {
    /// Where the fragment belongs in the message. A parsed fragment ends within [`Medium::total`].
    pub const fn offset(&self, format: &Format) -> u32 {
        self.fragment as u32 * format.medium_fragment() as u32
    }

    /// Whether the fragment carries M bytes at its number times M, or the rest if it is the last. An empty message is
    /// fragment 0 of length 0; no other fragment is empty.
    #[inline]
    pub fn fits(&self, format: &Format) -> bool {
        let full = u32::from(format.medium_fragment());
        self.total <= format.max_medium()
            && self
                .total
                .checked_sub(self.offset(format))
                .is_some_and(|rest| {
                    u32::from(self.length) == rest.min(full) && (rest > 0 || self.fragment == 0)
                })
    }

    #[inline]
    fn check(&self, format: &Format) -> Result<(), ParseError> {
        if self.fits(format) {
            return Ok(());
        }
        Err(ParseError::Fragment {
            total: self.total,
            fragment: self.fragment,
            length: self.length,
        })
    }

    #[inline]
    pub(crate) fn parse<'a>(
        frame: Envelope,
        format: &Format,
        body: &'a [u8],
    ) -> Result<Frame<'a>, ParseError> {
        let (h, rest): (&Layout, _) = split(body)?;
        let [a, b, c, d] = h.total;
        let total = match format.mode() {
            Mode::Native => u32::from_be_bytes([a, b, c, d]),
            Mode::MxWire if h.pipeline != PIPELINE => {
                return Err(ParseError::Pipeline(h.pipeline));
            }
            Mode::MxWire => u32::from(u16::from_be_bytes([a, b])),
        };
        let medium = Self {
            match_info: h.matching.match_info.get(),
            total,
            length: h.length.get(),
            fragment: h.fragment,
        };
        medium.check(format)?;
        let payload = announced(rest, usize::from(medium.length))?;
        frame.matching(&h.start, &h.matching, Content::Medium(medium), payload)
    }

    #[inline]
    pub(crate) fn layout(
        &self,
        format: &Format,
        start: Start,
        matching: Matching,
    ) -> Result<Layout, ParseError> {
        self.check(format)?;
        let [a, b, c, d] = self.total.to_be_bytes();
        let (total, pipeline) = match format.mode() {
            Mode::Native => ([a, b, c, d], 0),
            // The check of the fragment has bounded the total below 2^16.
            Mode::MxWire => ([c, d, 0, 0], PIPELINE),
        };
        Ok(Layout {
            start,
            total,
            matching,
            length: self.length.into(),
            fragment: self.fragment,
            pipeline,
            checksum: 0.into(),
            pad30: [0; 2],
        })
    }
}

impl fmt::Display for Medium {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "match {:016x}, fragment {} of {} bytes, length {}",
            self.match_info, self.fragment, self.total, self.length
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::example::*;

    /// The fragment at offset 8192 of a message of 10 000 bytes: its number depends on M.
    fn is_both_ways_as(format: Format, fragment: u8, header: &str, text: &str) {
        let medium = Medium {
            match_info: MATCH_INFO,
            total: 10_000,
            length: 1808,
            fragment,
        };
        assert_eq!(medium.offset(&format), 8192);
        let packet = message(A_TO_B, 3, 1, Content::Medium(medium));
        let payload = [0xaa; 1808];
        is_both_ways(format, a_to_b(packet, &payload), header, text);
    }

    #[test]
    fn native_fragment() {
        is_both_ways_as(
            native(),
            1,
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             27 02 01 00 00 00 27 10 00 03 00 01 11 22 33 44
             55 66 77 88 b1 b2 b3 b4 07 10 01 00 00 00 00 00",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: MEDIUM 1 > 2, session b1b2b3b4, seq 3, ack 1, \
             match 1122334455667788, fragment 1 of 10000 bytes, length 1808",
        );
    }

    #[test]
    fn mx_wire_fragment() {
        is_both_ways_as(
            Format::mx_wire(),
            2,
            "02 00 00 00 0b 02 02 00 00 00 0a 01 86 df 00 07
             27 02 01 00 27 10 00 00 00 03 00 01 11 22 33 44
             55 66 77 88 b1 b2 b3 b4 07 10 02 0c 00 00 00 00",
            "02:00:00:00:0a:01 > 02:00:00:00:0b:02 index 7: MEDIUM 1 > 2, session b1b2b3b4, seq 3, ack 1, \
             match 1122334455667788, fragment 2 of 10000 bytes, length 1808",
        );
    }
}
