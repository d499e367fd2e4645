//! How tag, data and kind of a message share the 64 bits of match info.
//!
//! | bits | with data | without |
//! |---|---|---|
//! | 63 | kind, where an endpoint has both: 1 without a tag | the same |
//! | 62..45 | data and 1, 0 for none | tag |
//! | 44..0 | tag | tag |

use crate::abi::flags::{MSG, TAGGED};

/// Bits of a tag beside data.
const TAG_BITS: u32 = 45;
const DATA_BITS: u32 = 18;
const KIND: u64 = 1 << 63;
const DATA: u64 = ((1 << DATA_BITS) - 1) << TAG_BITS;

/// The greatest data that a message carries.
pub const DATA_MAX: u64 = (1 << DATA_BITS) - 2;

/// Which of these an endpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    both_kinds: bool,
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
            both_kinds: capabilities & MSG != 0 && capabilities & TAGGED != 0,
            data,
        }
    }

    /// Bits of a tag.
    pub fn tag_bits(self) -> u32 {
        match self {
            Self { data: true, .. } => TAG_BITS,
            Self {
                both_kinds: true, ..
            } => 63,
            _ => 64,
        }
    }

    fn tag_mask(self) -> u64 {
        u64::MAX >> (64 - self.tag_bits())
    }

    /// The bit of messages without tag.
    fn kind(self) -> u64 {
        if self.both_kinds { KIND } else { 0 }
    }

    /// Match info of a message: with a tag, or without; nothing for a tag or data that do not fit.
    pub fn of(self, tag: Option<u64>, data: Option<u64>) -> Option<u64> {
        let data = match data {
            Some(data) if self.data && data <= DATA_MAX => (data + 1) << TAG_BITS,
            Some(_) => return None,
            None => 0,
        };
        match tag {
            Some(tag) if tag & !self.tag_mask() != 0 => None,
            Some(tag) => Some(tag | data),
            None => Some(self.kind() | data),
        }
    }

    /// What a receive wants: match info and mask. A tag's bits in `ignore` are left open.
    pub fn wanted(self, tag: Option<u64>, ignore: u64) -> (u64, u64) {
        match tag {
            Some(tag) => {
                let mask = self.tag_mask() & !ignore;
                (tag & mask, mask | self.kind())
            }
            None => (self.kind(), self.kind()),
        }
    }

    /// What a message's match info says.
    pub fn parts(self, info: u64) -> Parts {
        let data = match self.data {
            true => ((info & DATA) >> TAG_BITS).checked_sub(1),
            false => None,
        };
        Parts {
            tag: info & self.tag_mask(),
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_message_carries_comes_out_again() {
        let layout = Layout::new(MSG | TAGGED, true);
        let tag = (1 << TAG_BITS) - 1;
        for data in [None, Some(0), Some(DATA_MAX)] {
            let info = layout.of(Some(tag), data).unwrap();
            assert_eq!(layout.parts(info), Parts { tag, data });
        }
        assert_eq!(layout.of(Some(1 << TAG_BITS), None), None);
        assert_eq!(layout.of(Some(0), Some(DATA_MAX + 1)), None);
        let plain = Layout::new(TAGGED, false);
        assert_eq!(plain.of(Some(u64::MAX), None), Some(u64::MAX));
        assert_eq!(plain.of(Some(0), Some(0)), None);
    }

    #[test]
    fn receives_find_their_kind_their_tag_and_any_data() {
        let fits = |info: u64, (wanted, mask): (u64, u64)| info & mask == wanted;
        for data in [false, true] {
            let layout = Layout::new(MSG | TAGGED, data);
            let carried = data.then_some(7);
            let tagged = layout.of(Some(0x105), carried).unwrap();
            let plain = layout.of(None, carried).unwrap();
            assert!(fits(tagged, layout.wanted(Some(0x105), 0)));
            assert!(fits(tagged, layout.wanted(Some(0x1ff), 0xff)));
            assert!(!fits(tagged, layout.wanted(Some(0x2ff), 0xff)));
            assert!(!fits(plain, layout.wanted(Some(0), u64::MAX)));
            assert!(fits(plain, layout.wanted(None, 0)));
            assert!(!fits(tagged, layout.wanted(None, 0)));
        }
    }
}
