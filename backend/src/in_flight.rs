//! What frames in flight keep pinned: tokens, and the commands of an endpoint that its process must not reuse yet.

use alloc::vec;
use alloc::vec::Vec;

use mx_board::{BoardId, EndpointKey};
use mx_ring::RegionKey;

use crate::frame_sink::Token;

/// Whose memory a frame in flight keeps pinned, because a card may read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pinned {
    /// Nobody's.
    Nothing,
    /// The transmit area of an endpoint, for the command of that index.
    Command(EndpointKey, u32),
    /// A region of an endpoint.
    Region(EndpointKey, RegionKey),
}

const COMMAND: u64 = 1;
const REGION: u64 = 2;

impl Token {
    /// Board, endpoint, kind and value, in 16, 8, 8 and 32 bits.
    pub(crate) fn new(pinned: Pinned) -> Self {
        let pack = |key: EndpointKey, kind: u64, value: u32| {
            u64::from(key.board.0) << 48
                | u64::from(key.endpoint) << 40
                | kind << 32
                | u64::from(value)
        };
        Self(match pinned {
            Pinned::Nothing => 0,
            Pinned::Command(key, index) => pack(key, COMMAND, index),
            Pinned::Region(key, region) => pack(
                key,
                REGION,
                u32::from(region.slot) | u32::from(region.generation) << 16,
            ),
        })
    }

    pub(crate) fn pinned(self) -> Pinned {
        let key = EndpointKey {
            board: BoardId((self.0 >> 48) as u16),
            endpoint: (self.0 >> 40) as u8,
        };
        let value = self.0 as u32;
        match self.0 >> 32 & 0xff {
            COMMAND => Pinned::Command(key, value),
            REGION => Pinned::Region(
                key,
                RegionKey {
                    slot: value as u16,
                    generation: (value >> 16) as u16,
                },
            ),
            _ => Pinned::Nothing,
        }
    }
}

/// Which commands of an endpoint are still pinned, as a bit per entry of its queue.
#[derive(Debug)]
pub(crate) struct CommandsInFlight {
    bits: Vec<u64>,
    entries: u32,
    /// No command below this index is read any more.
    sent: u32,
}

impl CommandsInFlight {
    /// `entries` is a power of two, 64 at least; the next command has the index `next`.
    pub fn new(entries: u32, next: u32) -> Self {
        Self {
            bits: vec![0; entries as usize / 64],
            entries,
            sent: next,
        }
    }

    fn word(&mut self, index: u32) -> Option<(&mut u64, u64)> {
        let slot = index & (self.entries - 1);
        let word = self.bits.get_mut(slot as usize / 64)?;
        Some((word, 1 << (slot % 64)))
    }

    pub fn start(&mut self, index: u32) {
        if let Some((word, bit)) = self.word(index) {
            *word |= bit;
        }
    }

    pub fn end(&mut self, index: u32) {
        if let Some((word, bit)) = self.word(index) {
            *word &= !bit;
        }
    }

    /// The index below which no command is read, given the next one to be taken.
    pub fn sent(&mut self, next: u32) -> u32 {
        while self.sent != next {
            let sent = self.sent;
            match self.word(sent) {
                Some((word, bit)) if *word & bit != 0 => break,
                _ => self.sent = sent.wrapping_add(1),
            }
        }
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_what_it_pins() {
        let key = EndpointKey {
            board: BoardId(0xfffe),
            endpoint: 255,
        };
        let region = RegionKey {
            slot: 0xabcd,
            generation: 0xffff,
        };
        for pinned in [
            Pinned::Nothing,
            Pinned::Command(key, u32::MAX),
            Pinned::Region(key, region),
        ] {
            assert_eq!(Token::new(pinned).pinned(), pinned);
        }
    }

    #[test]
    fn sent_stops_at_the_oldest_command_in_flight_and_wraps_with_the_index() {
        let mut commands = CommandsInFlight::new(64, u32::MAX - 1);
        commands.start(u32::MAX);
        commands.start(1);
        assert_eq!(commands.sent(3), u32::MAX);
        commands.end(1);
        assert_eq!(commands.sent(3), u32::MAX);
        commands.end(u32::MAX);
        assert_eq!(commands.sent(3), 3);
    }
}
