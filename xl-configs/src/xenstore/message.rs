//! The messages of xenstore (public/io/xs_wire.h): a header of four 32-bit words, then up to 4096 bytes.

use std::io::{self, Read, Write};

use super::StoreError;

/// Bytes of a payload at most (XENSTORE_PAYLOAD_MAX).
pub const PAYLOAD_MAX: usize = 4096;

/// Request kinds (enum xsd_sockmsg_type).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    /// List children.
    Directory = 1,
    /// Read a value.
    Read = 2,
    /// Watch a path.
    Watch = 4,
    /// Start a transaction.
    TransactionStart = 6,
    /// End one.
    TransactionEnd = 7,
    /// Write a value.
    Write = 11,
    /// Remove a subtree.
    Remove = 13,
    /// Set permissions.
    SetPermissions = 14,
}

const WATCH_EVENT: u32 = 15;
const ERROR: u32 = 16;

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
    /// A watch fired: the path.
    Event(String),
}

/// Sends a request.
pub fn send(
    to: &mut impl Write,
    kind: Kind,
    id: u32,
    transaction: u32,
    payload: &[u8],
) -> io::Result<()> {
    let length = u32::try_from(payload.len())
        .ok()
        .filter(|_| payload.len() <= PAYLOAD_MAX);
    let length = length.ok_or_else(|| io::Error::other("a request longer than xenstore takes"))?;
    let mut message = Vec::with_capacity(16 + payload.len());
    for word in [kind as u32, id, transaction, length] {
        message.extend_from_slice(&word.to_ne_bytes());
    }
    message.extend_from_slice(payload);
    to.write_all(&message)
}

/// Receives the next message.
pub fn receive(from: &mut impl Read) -> Result<Incoming, StoreError> {
    let mut header = [0; 16];
    from.read_exact(&mut header)?;
    let word =
        |i: usize| u32::from_ne_bytes([header[i], header[i + 1], header[i + 2], header[i + 3]]);
    let (kind, id, length) = (word(0), word(4), word(12) as usize);
    if length > PAYLOAD_MAX {
        return Err(StoreError::Malformed("a payload longer than 4096 bytes"));
    }
    let mut payload = vec![0; length];
    from.read_exact(&mut payload)?;
    Ok(match kind {
        WATCH_EVENT => Incoming::Event(first_string(&payload)),
        ERROR => Incoming::Reply {
            id,
            result: Err(first_string(&payload)),
        },
        _ => Incoming::Reply {
            id,
            result: Ok(payload),
        },
    })
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

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = receive(&mut bytes.as_slice());
        }

        #[test]
        fn an_error_answer_carries_its_name(id: u32, name in "[A-Z]{1,12}") {
            let mut bytes = Vec::new();
            for word in [ERROR, id, 0, name.len() as u32 + 1] {
                bytes.extend_from_slice(&word.to_ne_bytes());
            }
            bytes.extend_from_slice(name.as_bytes());
            bytes.push(0);
            let got = receive(&mut bytes.as_slice()).unwrap();
            prop_assert_eq!(got, Incoming::Reply { id, result: Err(name) });
        }
    }

    #[test]
    fn an_oversized_request_is_not_sent() {
        let mut sent = Vec::new();
        assert!(send(&mut sent, Kind::Write, 1, 0, &[0; PAYLOAD_MAX + 1]).is_err());
        assert!(sent.is_empty());
    }
}
