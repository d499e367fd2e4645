//! The longest frame that passes to a peer at which `omx_check --answer` waits.
//!
//! A message whose sender waits until it was taken is fetched by the other side, whatever its length: one that fits into a frame comes in
//! one (wire.md §6.9). Each is tried by an endpoint of its own: what is lost once would be sent again and again before the next
//! one.

use std::time::Duration;

use mx_ring::board_page::BoardDescription;
use open_mx::{Backend, Buffer, Code, Endpoint, EndpointOptions, Error};

/// What both sides present to connect.
pub const KEY: u32 = 0x0c4e_c0de;

/// Bytes of a frame that brings a piece of a message which are not the message's.
const HEADERS: u32 = 32;
/// Bytes that a message has at least: a frame with less would be no longer than those that ask for it.
const LEAST: u32 = 64;

/// How long a message may take, unless round trips take long.
const LIMIT: Duration = Duration::from_secs(1);
const ROUND_TRIPS: u32 = 50;

/// The way to a peer.
pub struct Way<'a> {
    pub backend: &'a Backend,
    /// Number of the own board.
    pub board: u32,
    /// Bytes of the longest piece of a message.
    pub piece: u32,
    /// Address of the peer's board, and the endpoint there.
    pub peer: (u64, u32),
    /// How long an answer takes.
    pub round_trip: Duration,
}

/// Bytes of the longest piece of a message that one frame brings.
pub fn piece(board: &BoardDescription) -> u32 {
    match board.mx_wire {
        true => board.medium_fragment.into(),
        false => u32::from(board.mtu).saturating_sub(HEADERS),
    }
}

impl Way<'_> {
    /// Bytes of the longest frame that brings a piece of a message.
    pub fn longest(&self) -> u32 {
        self.piece + HEADERS
    }

    /// Bytes of the longest one that passes; none when no message does.
    pub fn longest_that_passes(&self) -> Result<Option<u32>, Error> {
        if self.passes(self.piece)? {
            return Ok(Some(self.longest()));
        }
        // The one passes, the other does not.
        let (mut passes, mut lost) = (LEAST, self.piece);
        if !self.passes(LEAST)? {
            return Ok(None);
        }
        while lost - passes > 1 {
            let middle = passes + (lost - passes) / 2;
            match self.passes(middle)? {
                true => passes = middle,
                false => lost = middle,
            }
        }
        Ok(Some(passes + HEADERS))
    }

    /// Whether a message of this length is taken by the other side in time.
    fn passes(&self, length: u32) -> Result<bool, Error> {
        let limit = LIMIT.max(self.round_trip * ROUND_TRIPS);
        let options = EndpointOptions {
            board: Some(self.board),
            ..EndpointOptions::new(KEY)
        };
        let endpoint = Endpoint::open(self.backend, &options)?;
        let (nic, remote) = self.peer;
        let address = endpoint.connect(nic, remote, KEY, Some(limit))?;
        let buffer = Buffer::new(length as usize)?;
        let memory = buffer.part(0, length as usize)?;
        let request = endpoint.isend(memory, address, 0, 0, true)?;
        let ended = endpoint.wait(request, Some(limit))?;
        Ok(ended.is_some_and(|status| status.code == Code::Success))
    }
}
