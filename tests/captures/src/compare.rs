//! One frame: parse it, build it again, compare.

use mx_wire::{Beacon, BuildError, Format, Frame, Packet, ParseError};

use crate::uninitialised::fields;

/// Name of the bytes behind the payload.
const PADDING: &str = "Ethernet padding";

/// Why a frame does not hold against `mx-wire`.
#[derive(Debug, thiserror::Error)]
pub enum Mismatch {
    /// It does not parse.
    #[error("does not parse: {0}")]
    Parse(#[from] ParseError),
    /// What was parsed cannot be built.
    #[error("cannot be built again: {0}")]
    Build(#[from] BuildError),
    /// The frame built is longer or shorter.
    #[error("has {captured} bytes, built again {built}")]
    Length {
        /// Bytes of the captured frame.
        captured: usize,
        /// Bytes of ours.
        built: usize,
    },
    /// A byte differs that has a meaning.
    #[error("byte {at} is {captured:02x}, built again {built:02x}")]
    Byte {
        /// Its place in the frame.
        at: usize,
        /// In the captured frame.
        captured: u8,
        /// In ours.
        built: u8,
    },
    /// A beacon of discovery changes when it is read and written.
    #[error("the beacon differs when it is built again")]
    Beacon,
}

/// Compares a captured frame with what is built from its parsed values. Returns the frame, and the names of the
/// uninitialised fields that differ.
pub fn compare<'a>(
    format: &Format,
    captured: &'a [u8],
) -> Result<(Frame<'a>, Vec<&'static str>), Mismatch> {
    let frame = Frame::parse(format, captured)?;
    let mut buffer = [0; 9000];
    let length = frame.emit(format, &mut buffer)?;
    let built = &mut buffer[..length];
    if length != captured.len() {
        return Err(Mismatch::Length {
            captured: captured.len(),
            built: length,
        });
    }

    let header = frame.packet.header(
        format,
        frame.destination,
        frame.source,
        frame.sender_index,
        frame.payload.len(),
    )?;
    // The NUL behind a name has a meaning, though it belongs to no payload.
    let nul = usize::from(matches!(frame.packet, Packet::HostReply(_)));
    let padding = header.as_bytes().len() + frame.payload.len() + nul..length;
    let uninitialised = fields(format.mode(), &frame.packet)
        .iter()
        .map(|field| (field.name, field.bytes.clone()))
        .chain([(PADDING, padding)]);
    let mut differing = Vec::new();
    for (name, bytes) in uninitialised {
        if built[bytes.clone()] != captured[bytes.clone()] {
            differing.push(name);
            built[bytes.clone()].copy_from_slice(&captured[bytes]);
        }
    }
    if let Some(at) = (0..length).find(|&at| built[at] != captured[at]) {
        return Err(Mismatch::Byte {
            at,
            captured: captured[at],
            built: built[at],
        });
    }
    if let Some(beacon) = beacon(&frame)
        && beacon.payload() != frame.payload
    {
        return Err(Mismatch::Beacon);
    }
    Ok((frame, differing))
}

/// Broadcast RAW frames of a beacon's length are beacons.
fn beacon(frame: &Frame<'_>) -> Option<Beacon> {
    let raw = frame.packet == Packet::Raw && frame.payload.len() == Beacon::LENGTH;
    (raw && frame.destination.is_group())
        .then(|| Beacon::parse(frame.payload))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mx_wire::{Content, Eager, Ends, LibAck, MacAddress, Message};

    /// A TINY of 2 bytes, and its format.
    fn tiny() -> (Format, Vec<u8>) {
        let format = Format::native(9000).expect("in range");
        let frame = Frame {
            destination: MacAddress([2, 0, 0, 0, 0, 1]),
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            sender_index: Some(1),
            packet: Packet::Message {
                ends: Ends {
                    destination: 1,
                    source: 2,
                },
                session: 0,
                message: Message {
                    seq: 1,
                    ack: 1,
                    content: Content::Tiny(Eager {
                        match_info: 0,
                        length: 2,
                    }),
                },
            },
            payload: b"ab",
        };
        let mut bytes = vec![0; 60];
        let length = frame.emit(&format, &mut bytes).expect("buildable");
        assert_eq!(length, 60);
        (format, bytes)
    }

    #[test]
    fn stale_bytes_are_excepted_by_name() {
        let (format, mut bytes) = tiny();
        for at in [19, 23, 42, 59] {
            bytes[at] = 0xcc;
        }
        let (_, differing) = compare(&format, &bytes).expect("holds");
        assert_eq!(differing, ["TINY generation", "TINY checksum", PADDING]);
    }

    #[test]
    fn a_frame_of_another_length_does_not_hold() {
        let (format, mut bytes) = tiny();
        bytes.push(0);
        let mismatch = compare(&format, &bytes).expect_err("one byte too many");
        let expected = Mismatch::Length {
            captured: 61,
            built: 60,
        };
        assert_eq!(mismatch.to_string(), expected.to_string());
    }

    #[test]
    fn a_byte_with_a_meaning_that_parsing_loses_is_told() {
        let format = Format::native(9000).expect("in range");
        let mut bytes = [0; 60];
        let ack = Packet::LibAck {
            ends: Ends {
                destination: 1,
                source: 2,
            },
            session: 7,
            ack: LibAck {
                ack: 5,
                ack_number: 1,
            },
        };
        let frame = Frame {
            destination: MacAddress([2, 0, 0, 0, 0, 1]),
            source: MacAddress([2, 0, 0, 0, 0, 2]),
            sender_index: Some(1),
            packet: ack,
            payload: &[],
        };
        frame.emit(&format, &mut bytes).expect("buildable");
        // The send sequence number of a TRUC, which no receiver reads.
        bytes[41] = 9;
        let mismatch = compare(&format, &bytes).expect_err("not what we send");
        assert!(matches!(
            mismatch,
            Mismatch::Byte {
                at: 41,
                captured: 9,
                built: 5
            }
        ));
    }
}
