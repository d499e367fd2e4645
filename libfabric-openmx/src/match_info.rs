//! How tag, data and kind of a message share the 64 bits of match info.
//!
//! | bits | a message with a tag | a message without | what remote memory needs |
//! |---|---|---|---|
//! | 63 | 0, or the tag's where an endpoint has nothing but tags | 1 | 1 |
//! | 62..45 | data and 1, 0 for none; the tag's where an endpoint has no data | 1 with data, 0 for none | a code |
//! | 44..43 | the tag's | 0 | its kind |
//! | 42..0 | the tag's | data | a number |

use crate::abi::flags::{MSG, RMA, TAGGED};

/// Bits of a tag beside data.
const TAG_BITS: u32 = 45;
const DATA_BITS: u32 = 18;
const NO_TAG: u64 = 1 << 63;
const FIELD: u64 = ((1 << DATA_BITS) - 1) << TAG_BITS;
const KIND_SHIFT: u32 = 43;
const KINDS: u64 = 3 << KIND_SHIFT;
const NUMBER: u64 = (1 << KIND_SHIFT) - 1;

/// The greatest data beside a tag.
pub const TAG_DATA_MAX: u64 = (1 << DATA_BITS) - 2;
/// The greatest data of a message without a tag: all of the bytes that an application may ask for.
pub const DATA_MAX: u64 = u32::MAX as u64;

/// Messages that applications do not see: they read and write memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Asks for memory to be read or written.
    Request = 1,
    /// Its bytes.
    Payload = 2,
    /// Tells that it was written, or why not.
    Answer = 3,
}

/// Which of these an endpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Bit 63 is no tag's.
    kinds: bool,
    data: bool,
}

/// What match info says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parts {
    /// The tag, 0 without one.
    pub tag: u64,
    /// The data beside it.
    pub data: Option<u64>,
}

impl Layout {
    /// Of an endpoint with these capabilities; `data`: whether its messages may carry some.
    pub fn new(capabilities: u64, data: bool) -> Self {
        Self {
            kinds: data || capabilities & (MSG | TAGGED | RMA) != TAGGED,
            data,
        }
    }

    /// Bits of a tag.
    pub fn tag_bits(self) -> u32 {
        match self {
            Self { data: true, .. } => TAG_BITS,
            Self { kinds: true, .. } => 63,
            _ => 64,
        }
    }

    fn tag_mask(self) -> u64 {
        u64::MAX >> (64 - self.tag_bits())
    }

    /// The bit of what has no tag.
    fn no_tag(self) -> u64 {
        if self.kinds { NO_TAG } else { 0 }
    }

    /// Match info of a message: with a tag, or without; nothing for a tag or data that do not fit.
    pub fn of(self, tag: Option<u64>, data: Option<u64>) -> Option<u64> {
        let most = if tag.is_some() {
            TAG_DATA_MAX
        } else {
            DATA_MAX
        };
        if data.is_some_and(|data| !self.data || data > most) {
            return None;
        }
        match tag {
            Some(tag) if tag & !self.tag_mask() != 0 => None,
            Some(tag) => Some(tag | data.map_or(0, |data| (data + 1) << TAG_BITS)),
            None => Some(self.no_tag() | data.map_or(0, |data| 1 << TAG_BITS | data)),
        }
    }

    /// What a receive wants: match info and mask. A tag's bits in `ignore` are left open.
    pub fn wanted(self, tag: Option<u64>, ignore: u64) -> (u64, u64) {
        match tag {
            Some(tag) => {
                let mask = self.tag_mask() & !ignore;
                (tag & mask, mask | self.no_tag())
            }
            None => (self.no_tag(), self.no_tag() | KINDS),
        }
    }

    /// What a message's match info says.
    pub fn parts(self, info: u64) -> Parts {
        let field = match self.data {
            true => (info & FIELD) >> TAG_BITS,
            false => 0,
        };
        if info & self.no_tag() != 0 {
            return Parts {
                tag: 0,
                data: (field != 0).then_some(info & NUMBER),
            };
        }
        Parts {
            tag: info & self.tag_mask(),
            data: field.checked_sub(1),
        }
    }
}

impl Remote {
    /// Match info of such a message with a number, and a code of 18 bits beside it.
    pub fn info(self, number: u32, code: u32) -> u64 {
        let code = u64::from(code) << TAG_BITS & FIELD;
        NO_TAG | code | (self as u64) << KIND_SHIFT | u64::from(number)
    }

    /// What a receive of the message with that number wants; of any without one. Its code is left open.
    pub fn wanted(self, number: Option<u32>) -> (u64, u64) {
        let mask = NO_TAG | KINDS | number.map_or(0, |_| NUMBER);
        (self.info(number.unwrap_or(0), 0), mask)
    }

    /// Number and code.
    pub fn parts(info: u64) -> (u32, u32) {
        (info as u32, ((info & FIELD) >> TAG_BITS) as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_carries_comes_out_again() {
        let layout = Layout::new(MSG | TAGGED, true);
        let tag = (1 << TAG_BITS) - 1;
        for data in [None, Some(0), Some(TAG_DATA_MAX)] {
            let info = layout.of(Some(tag), data).unwrap();
            assert_eq!(layout.parts(info), Parts { tag, data });
        }
        for data in [None, Some(0), Some(DATA_MAX)] {
            let info = layout.of(None, data).unwrap();
            assert_eq!(layout.parts(info), Parts { tag: 0, data });
        }
        assert_eq!(layout.of(Some(1 << TAG_BITS), None), None);
        assert_eq!(layout.of(Some(0), Some(TAG_DATA_MAX + 1)), None);
        assert_eq!(layout.of(None, Some(DATA_MAX + 1)), None);
        let plain = Layout::new(TAGGED, false);
        assert_eq!(plain.of(Some(u64::MAX), None), Some(u64::MAX));
        assert_eq!(plain.of(Some(0), Some(0)), None);
    }

    #[test]
    fn receives_find_their_kind_their_tag_and_any_data() {
        let fits = |info: u64, (wanted, mask): (u64, u64)| info & mask == wanted;
        for data in [false, true] {
            let layout = Layout::new(MSG | TAGGED | RMA, data);
            let carried = data.then_some(7);
            let tagged = layout.of(Some(0x105), carried).unwrap();
            let plain = layout.of(None, carried).unwrap();
            assert!(fits(tagged, layout.wanted(Some(0x105), 0)));
            assert!(fits(tagged, layout.wanted(Some(0x1ff), 0xff)));
            assert!(!fits(tagged, layout.wanted(Some(0x2ff), 0xff)));
            assert!(!fits(plain, layout.wanted(Some(0), u64::MAX)));
            assert!(fits(plain, layout.wanted(None, 0)));
            assert!(!fits(tagged, layout.wanted(None, 0)));
            for kind in [Remote::Request, Remote::Payload, Remote::Answer] {
                let remote = kind.info(0x105, 3);
                assert_eq!(Remote::parts(remote), (0x105, 3));
                assert!(fits(remote, kind.wanted(None)));
                assert!(fits(remote, kind.wanted(Some(0x105))));
                assert!(!fits(remote, kind.wanted(Some(0x106))));
                assert!(!fits(remote, layout.wanted(None, 0)));
                assert!(!fits(remote, layout.wanted(Some(0), u64::MAX)));
                assert!(!fits(plain, kind.wanted(None)));
                assert!(!fits(tagged, kind.wanted(None)));
            }
        }
    }
}
