//! The rules that a receiver checks and a builder keeps (wire.md §2, §4, §6).

use crate::layout::kind;
use crate::{Format, MacAddress, Medium, ParseError};

/// Bytes of a TINY at most.
const TINY_MAX: u16 = 32;
/// Bytes of a SMALL at most.
const SMALL_MAX: u16 = 128;
/// Bytes of a host name at most, its NUL included.
const HOST_NAME_MAX: u8 = 80;
/// Bytes of a RAW frame at most, less those up to its type.
const RAW_PAYLOAD_MAX: u16 = 1024 - 17;

#[inline]
pub fn addresses(kind: u8, destination: MacAddress, source: MacAddress) -> Result<(), ParseError> {
    if source.is_group() {
        return Err(ParseError::GroupSource(source));
    }
    if destination.is_group() && kind != kind::RAW {
        return Err(ParseError::GroupDestination(destination));
    }
    Ok(())
}

/// TINY or SMALL.
#[inline]
pub fn message(kind: u8, length: u16) -> Result<(), ParseError> {
    let max = if kind == kind::TINY {
        TINY_MAX
    } else {
        SMALL_MAX
    };
    at_most(kind, length, max)
}

/// Every fragment carries M bytes at its number times M, but for the last, which carries the rest.
#[inline]
pub fn medium(format: &Format, m: &Medium) -> Result<(), ParseError> {
    let refused = ParseError::Fragment {
        total: m.total,
        fragment: m.fragment,
        length: m.length,
    };
    if m.total > format.max_medium() {
        return Err(refused);
    }
    let full = u32::from(format.medium_fragment());
    let Some(rest) = m.total.checked_sub(u32::from(m.fragment) * full) else {
        return Err(refused);
    };
    // An empty message is fragment 0 of length 0; no other fragment is empty.
    let surplus = rest == 0 && m.fragment != 0;
    if surplus || u32::from(m.length) != rest.min(full) {
        return Err(refused);
    }
    Ok(())
}

#[inline]
pub fn pull_reply(format: &Format, length: u16) -> Result<(), ParseError> {
    at_most(kind::PULL_REPLY, length, format.pull_reply())
}

/// The length counts the NUL.
pub fn host_reply(length: usize) -> Result<u8, ParseError> {
    match u8::try_from(length) {
        Ok(length @ 1..=HOST_NAME_MAX) => Ok(length),
        _ => Err(ParseError::DataLength {
            kind: kind::HOST_REPLY,
            length,
        }),
    }
}

/// The length is the payload's.
pub fn raw(length: usize) -> Result<u16, ParseError> {
    match u16::try_from(length) {
        Ok(length @ 0..=RAW_PAYLOAD_MAX) => Ok(length),
        _ => Err(ParseError::RawTooLarge(length)),
    }
}

#[inline]
fn at_most(kind: u8, length: u16, max: u16) -> Result<(), ParseError> {
    if length > max {
        return Err(ParseError::DataLength {
            kind,
            length: usize::from(length),
        });
    }
    Ok(())
}
