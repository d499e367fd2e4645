//! How tag, data and kind of a message share the 64 bits of match info.
//!
//! | bits | a message with a tag | a message without | what applications do not see |
//! |---|---|---|---|
//! | 63 | 0, or the tag's where an endpoint has nothing but tags | 1 | 1 |
//! | 62..45 | data and 1, 0 for none, the greatest for data that goes beside; the tag's where an endpoint has no data | 1 with data, 0 for none | a code |
//! | 44..42 | the tag's | 0 | its kind |
//! | 41..0 | the tag's | data | a number |
//!
//! Data that has no room beside a tag is the number of a message of its own, `Remote::Data`, whose code stands in the
//! place of the data (`endpoint::beside`).

use crate::abi::flags::{ATOMIC, MSG, RMA, TAGGED};

/// Version of all this: endpoints of different ones refuse each other.
pub const VERSION: u32 = 2;

/// Bits of a tag beside data.
const TAG_BITS: u32 = 45;
const DATA_BITS: u32 = 18;
const NO_TAG: u64 = 1 << 63;
const FIELD_MAX: u64 = (1 << DATA_BITS) - 1;
const FIELD: u64 = FIELD_MAX << TAG_BITS;
const KIND_SHIFT: u32 = 42;
const KINDS: u64 = 7 << KIND_SHIFT;
const NUMBER: u64 = (1 << KIND_SHIFT) - 1;

/// How many messages to a receiver may have data beside them that it has not taken yet.
pub const BESIDE_COUNT: u32 = 1 << 16;
/// The field of the first of them.
const BESIDE: u64 = FIELD_MAX + 1 - BESIDE_COUNT as u64;
/// The greatest data beside a tag in one match info.
const TAG_DATA_MAX: u64 = BESIDE - 2;
/// The greatest data: all of the bytes that an application may ask for.
const DATA_MAX: u64 = u32::MAX as u64;

/// Messages that applications do not see: they read and write memory, or carry data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remote {
    /// Asks for memory to be read or written.
    Request = 1,
    /// Its bytes.
    Payload = 2,
    /// Tells that it was written, or why not.
    Answer = 3,
    /// Data of another message, which has the code of this one: its number.
    Data = 4,
    /// Tells that the data of that code was taken.
    Taken = 5,
}

/// The data of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    None,
    /// In its match info.
    Here(u64),
    /// Too much for that: it comes by the message of this code.
    Beside(u32),
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
    pub data: Data,
}

impl Layout {
    /// Of an endpoint with these capabilities; `data`: whether its messages may carry some.
    pub fn new(capabilities: u64, data: bool) -> Self {
        Self {
            kinds: data || capabilities & (MSG | TAGGED | RMA | ATOMIC) != TAGGED,
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

    /// Whether data is too much for the match info of a message with a tag, and may go beside it.
    pub fn is_beside(self, tag: Option<u64>, data: u64) -> bool {
        self.data && tag.is_some() && (TAG_DATA_MAX + 1..=DATA_MAX).contains(&data)
    }

    /// Match info of a message: with a tag, or without; nothing for a tag or data that do not fit.
    pub fn of(self, tag: Option<u64>, data: Data) -> Option<u64> {
        let most = if tag.is_some() {
            TAG_DATA_MAX
        } else {
            DATA_MAX
        };
        let fits = match data {
            Data::None => true,
            Data::Here(data) => self.data && data <= most,
            Data::Beside(code) => self.data && tag.is_some() && code < BESIDE_COUNT,
        };
        if !fits {
            return None;
        }
        match tag {
            Some(tag) if tag & !self.tag_mask() != 0 => None,
            Some(tag) => {
                let field = match data {
                    Data::None => 0,
                    Data::Here(data) => data + 1,
                    Data::Beside(code) => BESIDE + u64::from(code),
                };
                Some(tag | field << TAG_BITS)
            }
            None => {
                let data = match data {
                    Data::Here(data) => 1 << TAG_BITS | data,
                    _ => 0,
                };
                Some(self.no_tag() | data)
            }
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
            let data = match field {
                0 => Data::None,
                _ => Data::Here(info & NUMBER),
            };
            return Parts { tag: 0, data };
        }
        let data = match field {
            0 => Data::None,
            BESIDE.. => Data::Beside((field - BESIDE) as u32),
            field => Data::Here(field - 1),
        };
        let tag = info & self.tag_mask();
        Parts { tag, data }
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

    /// What a look for the one of that code wants. Its number is left open.
    pub fn wanted_code(self, code: u32) -> (u64, u64) {
        (self.info(0, code), NO_TAG | FIELD | KINDS)
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
        let beside = [0, BESIDE_COUNT - 1].map(Data::Beside);
        let here = [Data::None, Data::Here(0), Data::Here(TAG_DATA_MAX)];
        for data in here.into_iter().chain(beside) {
            let info = layout.of(Some(tag), data).unwrap();
            assert_eq!(layout.parts(info), Parts { tag, data });
        }
        for data in [Data::None, Data::Here(0), Data::Here(DATA_MAX)] {
            let info = layout.of(None, data).unwrap();
            assert_eq!(layout.parts(info), Parts { tag: 0, data });
        }
        assert_eq!(layout.of(Some(1 << TAG_BITS), Data::None), None);
        assert_eq!(layout.of(Some(0), Data::Here(TAG_DATA_MAX + 1)), None);
        assert_eq!(layout.of(Some(0), Data::Beside(BESIDE_COUNT)), None);
        assert_eq!(layout.of(None, Data::Here(DATA_MAX + 1)), None);
        assert_eq!(layout.of(None, Data::Beside(0)), None);
        let plain = Layout::new(TAGGED, false);
        assert_eq!(plain.of(Some(u64::MAX), Data::None), Some(u64::MAX));
        assert_eq!(plain.of(Some(0), Data::Here(0)), None);
        assert_eq!(plain.of(Some(0), Data::Beside(0)), None);
    }

    #[test]
    fn data_goes_beside_a_tag_only_where_match_info_has_no_room_for_it() {
        let layout = Layout::new(MSG | TAGGED, true);
        for data in [0, TAG_DATA_MAX, TAG_DATA_MAX + 1, DATA_MAX, DATA_MAX + 1] {
            let here = layout.of(Some(0), Data::Here(data)).is_some();
            let beside = layout.is_beside(Some(0), data);
            assert_eq!(
                (here, beside),
                (
                    data <= TAG_DATA_MAX,
                    data > TAG_DATA_MAX && data <= DATA_MAX
                )
            );
            assert!(!layout.is_beside(None, data));
            assert!(!Layout::new(MSG | TAGGED, false).is_beside(Some(0), data));
        }
    }

    #[test]
    fn receives_find_their_kind_their_tag_and_any_data() {
        let fits = |info: u64, (wanted, mask): (u64, u64)| info & mask == wanted;
        for data in [false, true] {
            let layout = Layout::new(TAGGED | ATOMIC, data);
            let carried = if data { Data::Here(7) } else { Data::None };
            let tagged = layout.of(Some(0x105), carried).unwrap();
            let plain = layout.of(None, carried).unwrap();
            assert!(fits(tagged, layout.wanted(Some(0x105), 0)));
            assert!(fits(tagged, layout.wanted(Some(0x1ff), 0xff)));
            assert!(!fits(tagged, layout.wanted(Some(0x2ff), 0xff)));
            assert!(!fits(plain, layout.wanted(Some(0), u64::MAX)));
            assert!(fits(plain, layout.wanted(None, 0)));
            assert!(!fits(tagged, layout.wanted(None, 0)));
            let kinds = [
                Remote::Request,
                Remote::Payload,
                Remote::Answer,
                Remote::Data,
                Remote::Taken,
            ];
            for kind in kinds {
                let remote = kind.info(0x105, 3);
                assert_eq!(Remote::parts(remote), (0x105, 3));
                assert!(fits(remote, kind.wanted(None)));
                assert!(fits(remote, kind.wanted(Some(0x105))));
                assert!(!fits(remote, kind.wanted(Some(0x106))));
                assert!(fits(remote, kind.wanted_code(3)));
                assert!(!fits(remote, kind.wanted_code(2)));
                let others = kinds.into_iter().filter(|other| *other != kind);
                assert!(
                    others
                        .into_iter()
                        .all(|other| !fits(remote, other.wanted(None)))
                );
                assert!(!fits(plain, kind.wanted_code(3)));
                assert!(!fits(tagged, kind.wanted_code(3)));
                assert!(!fits(remote, layout.wanted(None, 0)));
                assert!(!fits(remote, layout.wanted(Some(0), u64::MAX)));
                assert!(!fits(plain, kind.wanted(None)));
                assert!(!fits(tagged, kind.wanted(None)));
            }
        }
    }
}
