//! The frames of classic pcap files, whole and of Ethernet.

use std::time::Duration;

use pcap_file::pcap::{PcapParseError, PcapParser};

/// Why a file is no capture of whole Ethernet frames.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PcapError {
    /// Neither byte order, neither resolution.
    #[error("not a classic pcap file; convert pcapng by `editcap -F pcap`")]
    Magic,
    /// Another link type than 1.
    #[error("link type {0} is not Ethernet; capture on the interface itself, not on \"any\"")]
    LinkType(u32),
    /// The file ends within a record.
    #[error("the file ends within record {0}; was the capture still running?")]
    Truncated(usize),
    /// A record that cannot be.
    #[error("record {record}: {problem}; the file is damaged")]
    Damaged {
        /// Its number, from 1.
        record: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A frame was not captured whole.
    #[error("record {record} holds {captured} of {length} bytes; capture with `-s 0`")]
    Snapped {
        /// Its number, from 1.
        record: usize,
        /// Bytes in the file.
        captured: usize,
        /// Bytes on the wire.
        length: usize,
    },
}

/// The frames of a capture.
#[derive(Debug)]
pub struct Frames<'a> {
    parser: PcapParser,
    rest: &'a [u8],
    record: usize,
    time: Duration,
}

impl<'a> Frames<'a> {
    /// Reads the file's header.
    pub fn new(file: &'a [u8]) -> Result<Self, PcapError> {
        let (rest, parser) = PcapParser::new(file).map_err(|_| PcapError::Magic)?;
        // What else is in that word concerns the frame check.
        match u32::from(parser.header().datalink) & 0xffff {
            1 => Ok(Self {
                parser,
                rest,
                record: 0,
                time: Duration::ZERO,
            }),
            other => Err(PcapError::LinkType(other)),
        }
    }

    /// When the frame that was read last was captured, since the Epoch.
    pub const fn time(&self) -> Duration {
        self.time
    }

    fn record(&mut self) -> Result<&'a [u8], PcapError> {
        self.record += 1;
        let record = self.record;
        let (rest, packet) = self
            .parser
            .next_packet(self.rest)
            .map_err(|error| match error {
                PcapParseError::IncompleteBuffer(..) => PcapError::Truncated(record),
                PcapParseError::Validation(problem) => PcapError::Damaged {
                    record,
                    problem: problem.to_string(),
                },
            })?;
        let (captured, length) = (packet.data().len(), packet.orig_len() as usize);
        if captured != length {
            return Err(PcapError::Snapped {
                record,
                captured,
                length,
            });
        }
        self.time = packet.timestamp();
        // The frame is the end of what was read.
        let end = self.rest.len() - rest.len();
        let frame = &self.rest[end - captured..end];
        self.rest = rest;
        Ok(frame)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<&'a [u8], PcapError>;

    /// Ends after the first error.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.rest = &[];
        }
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A capture of one frame "abc", of which `captured` bytes are said to be in the file.
    fn capture(captured: u32, word: fn(u32) -> [u8; 4]) -> Vec<u8> {
        let header = [0xa1b2_c3d4, 0x0004_0002, 0, 0, 65535, 1];
        let record = [5, 7, captured, 3];
        let words = header.into_iter().chain(record).flat_map(word);
        words.chain(*b"abc").collect()
    }

    #[test]
    fn both_byte_orders_are_read() {
        for word in [u32::to_le_bytes, u32::to_be_bytes] {
            let file = capture(3, word);
            let mut frames = Frames::new(&file).expect("a header");
            assert_eq!(frames.next(), Some(Ok(&b"abc"[..])));
            assert_eq!(frames.time(), Duration::new(5, 7000));
            assert_eq!(frames.next(), None);
        }
    }

    #[test]
    fn a_frame_that_is_not_whole_is_an_error_and_the_end() {
        let file = capture(2, u32::to_le_bytes);
        let mut frames = Frames::new(&file).expect("a header");
        let snapped = PcapError::Snapped {
            record: 1,
            captured: 2,
            length: 3,
        };
        assert_eq!(frames.next(), Some(Err(snapped)));
        assert_eq!(frames.next(), None);

        let file = capture(4, u32::to_le_bytes);
        let mut frames = Frames::new(&file).expect("a header");
        assert_eq!(frames.next(), Some(Err(PcapError::Truncated(1))));
        assert_eq!(frames.next(), None);
    }

    #[test]
    fn other_files_and_other_links_are_refused() {
        assert_eq!(
            Frames::new(b"PK\x03\x04").map(|_| ()),
            Err(PcapError::Magic)
        );
        let mut file = capture(3, u32::to_le_bytes);
        file[20] = 113;
        assert_eq!(
            Frames::new(&file).map(|_| ()),
            Err(PcapError::LinkType(113))
        );
    }
}
