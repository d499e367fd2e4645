//! The messages of xenstore (public/io/xs_wire.h): a header of four 32-bit words, then up to 4096 bytes.

use std::io::{self, Write};

use xen_sys::xs_wire::{HEADER_SIZE, XENSTORE_PAYLOAD_MAX, XS_ERROR, XS_WATCH_EVENT};

use super::StoreError;

/// Bytes of a message at most.
pub const LONGEST: usize = HEADER_SIZE + XENSTORE_PAYLOAD_MAX;

/// What xenstored sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The answer to a request of that id.
    Reply {
        /// As in the request.
        id: u32,
        /// The answer, or the name of an error.
        result: Result<Vec<u8>, String>,
    },
    /// A watch fired.
    Event,
}

/// Sends a request of a kind (`XS_…`).
pub fn send(
    to: &mut impl Write,
    kind: u32,
    id: u32,
    transaction: u32,
    payload: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= XENSTORE_PAYLOAD_MAX);
    let length = length.ok_or_else(|| io::Error::other("a request longer than xenstore takes"))?;
    let mut message = Vec::with_capacity(HEADER_SIZE + payload.len());
    for word in [kind, id, transaction, length] {
        message.extend_from_slice(&word.to_ne_bytes());
    }
    message.extend_from_slice(payload);
    to.write_all(&message)
}

/// The first message in `bytes` and its length; nothing while it is not complete.
pub fn parse(bytes: &[u8]) -> Result<Option<(Incoming, usize)>, StoreError> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_SIZE>() else {
        return Ok(None);
    };
    let word =
        |i: usize| u32::from_ne_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
    let (kind, id, length) = (word(0), word(4), word(12) as usize);
    if length > XENSTORE_PAYLOAD_MAX {
        return Err(StoreError::Malformed("a payload longer than 4096 bytes"));
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let incoming = match kind {
        XS_WATCH_EVENT => Incoming::Event,
        XS_ERROR => Incoming::Reply {
            id,
            result: Err(first_string(payload)),
        },
        _ => Incoming::Reply {
            id,
            result: Ok(payload.to_vec()),
        },
    };
    Ok(Some((incoming, HEADER_SIZE + length)))
}

/// The text before the first NUL.
fn first_string(payload: &[u8]) -> String {
    let end = payload
        .iter()
        .position(|b| *b == 0)
        .unwrap_or(payload.len());
    String::from_utf8_lossy(&payload[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use xen_sys::xs_wire::XS_WRITE;

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        #[test]
        fn an_error_answer_carries_its_name(id: u32, name in "[A-Z]{1,12}") {
            let mut bytes = Vec::new();
            for word in [XS_ERROR, id, 0, name.len() as u32 + 1] {
                bytes.extend_from_slice(&word.to_ne_bytes());
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            for cut in 0..bytes.len() {
                prop_assert!(parse(&bytes[..cut]).unwrap().is_none());
            }
            let (got, length) = parse(&bytes).unwrap().unwrap();
            prop_assert_eq!(got, Incoming::Reply { id, result: Err(name) });
            prop_assert_eq!(length, bytes.len());
        }
    }

    #[test]
    fn an_oversized_request_is_not_sent() {
        let mut sent = Vec::new();
        assert!(send(&mut sent, XS_WRITE, 1, 0, &[0; XENSTORE_PAYLOAD_MAX + 1]).is_err());
        assert!(sent.is_empty());
    }
}
