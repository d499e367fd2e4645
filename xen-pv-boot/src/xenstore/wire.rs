//! Messages of xenstore as bytes: requests built, replies put together from pieces and checked. No ring, no waiting.

use alloc::string::String;
use alloc::vec::Vec;

use xen_sys::xs_wire as abi;

/// What the four words of a message's head say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub kind: u32,
    pub request: u32,
    pub transaction: u32,
    pub length: u32,
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; abi::HEADER_SIZE] {
        let mut bytes = [0; abi::HEADER_SIZE];
        let words = [self.kind, self.request, self.transaction, self.length];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let word = |index: usize| {
            let bytes = bytes.get(index * 4..index * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        Some(Self {
            kind: word(0)?,
            request: word(1)?,
            transaction: word(2)?,
            length: word(3)?,
        })
    }
}

/// A message from the daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub header: Header,
    pub payload: Vec<u8>,
}

/// The stream is out of step: a message claims to be longer than any message may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfStep(pub u32);

/// Puts messages together from the pieces that the ring yields.
#[derive(Default)]
pub(crate) struct Assembler {
    bytes: Vec<u8>,
}

impl Assembler {
    /// How many bytes are needed for the next step.
    pub(crate) fn wants(&self) -> Result<usize, OutOfStep> {
        let Some(header) = Header::parse(&self.bytes) else {
            return Ok(abi::HEADER_SIZE - self.bytes.len());
        };
        if header.length as usize > abi::XENSTORE_PAYLOAD_MAX {
            return Err(OutOfStep(header.length));
        }
        Ok(abi::HEADER_SIZE + header.length as usize - self.bytes.len())
    }

    /// Takes at most as many bytes as [`Self::wants`] said.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The message, when it is whole.
    pub(crate) fn take(&mut self) -> Option<Message> {
        let header = Header::parse(&self.bytes)?;
        let whole = abi::HEADER_SIZE.checked_add(header.length as usize)?;
        if self.bytes.len() < whole {
            return None;
        }
        let payload = self.bytes.get(abi::HEADER_SIZE..whole)?.into();
        self.bytes.clear();
        Some(Message { header, payload })
    }
}

/// A watch that fired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchEvent {
    /// The node that changed.
    pub path: String,
    /// What the watch was set with.
    pub token: String,
}

impl WatchEvent {
    /// Path and token, each ended by a NUL.
    pub(crate) fn parse(payload: &[u8]) -> Option<Self> {
        let mut parts = payload.split(|&byte| byte == 0);
        Some(Self {
            path: text(parts.next()?)?,
            token: text(parts.next()?)?,
        })
    }
}

/// Text of a reply: valid UTF-8, a NUL at the end left off.
pub(crate) fn text(bytes: &[u8]) -> Option<String> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    core::str::from_utf8(bytes).ok().map(String::from)
}

/// Names of a directory's entries, each ended by a NUL. Names that are not UTF-8 are left out.
pub(crate) fn names(payload: &[u8]) -> Vec<String> {
    payload
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty())
        .filter_map(text)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(kind: u32, payload: &[u8]) -> Vec<u8> {
        let header = Header {
            kind,
            request: 7,
            transaction: 3,
            length: payload.len() as u32,
        };
        [header.to_bytes().as_slice(), payload].concat()
    }

    #[test]
    fn a_length_beyond_the_limit_is_noticed_before_it_is_waited_for() {
        let mut assembler = Assembler::default();
        let header = Header {
            kind: 2,
            request: 1,
            transaction: 0,
            length: 4097,
        };
        assembler.push(&header.to_bytes());
        assert_eq!(assembler.wants(), Err(OutOfStep(4097)));
    }

    #[test]
    fn a_watch_event_is_a_path_and_a_token() {
        let event = WatchEvent::parse(b"backend/omx/3\0frontends\0").unwrap();
        assert_eq!(
            (event.path.as_str(), event.token.as_str()),
            ("backend/omx/3", "frontends")
        );
        assert_eq!(WatchEvent::parse(b"only"), None);
        assert_eq!(WatchEvent::parse(b"\xff\0x\0"), None);
    }

    #[test]
    fn a_directory_may_be_empty() {
        assert!(names(b"").is_empty());
        assert_eq!(names(b"0\x001\0"), ["0", "1"]);
    }

    proptest! {
        #[test]
        fn messages_come_out_whole_however_they_are_cut(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..5),
            cuts in proptest::collection::vec(1usize..50, 1..20),
        ) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| message(2, payload)).collect();
            let mut assembler = Assembler::default();
            let mut rest = stream.as_slice();
            let mut cuts = cuts.iter().cycle();
            let mut received = Vec::new();
            while !rest.is_empty() {
                let wants = assembler.wants().unwrap();
                let (piece, after) = rest.split_at(wants.min(*cuts.next().unwrap()).min(rest.len()));
                assembler.push(piece);
                rest = after;
                if let Some(message) = assembler.take() {
                    received.push(message.payload);
                }
            }
            prop_assert_eq!(received, payloads);
        }

        #[test]
        fn no_bytes_make_the_parsers_fail_hard(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut assembler = Assembler::default();
            let mut rest = bytes.as_slice();
            while let Ok(wants) = assembler.wants() {
                if rest.is_empty() { break; }
                let (piece, after) = rest.split_at(wants.min(rest.len()));
                assembler.push(piece);
                rest = after;
                let _ = assembler.take();
            }
            let _ = WatchEvent::parse(&bytes);
            let _ = names(&bytes);
            let _ = text(&bytes);
        }
    }
}
