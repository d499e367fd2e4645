//! What an open file of the device is: nothing yet, a board's, an endpoint's, or a raw endpoint's.

use crate::endpoint_id::EndpointId;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// Just opened.
    Fresh,
    /// A thread is opening an endpoint on it.
    Opening,
    /// A view of a board.
    Board(usize),
    /// An endpoint: of which board, and which use of which index.
    Endpoint(usize, EndpointId),
    /// A board's raw endpoint, and which use of it.
    Raw(usize, u32),
}

impl FileState {
    /// As one word; 0 is [`FileState::Fresh`].
    pub fn pack(self) -> u64 {
        match self {
            Self::Fresh => 0,
            Self::Opening => 1,
            Self::Board(board) => 2 | (board as u64 & 0xff) << 8,
            Self::Endpoint(board, id) => {
                3 | (board as u64 & 0xff) << 8
                    | u64::from(id.index) << 16
                    | u64::from(id.incarnation) << 32
            }
            Self::Raw(board, number) => 4 | (board as u64 & 0xff) << 8 | u64::from(number) << 32,
        }
    }

    /// From a word of [`Self::pack`].
    pub fn unpack(word: u64) -> Self {
        let board = (word >> 8 & 0xff) as usize;
        match word & 0xff {
            0 => Self::Fresh,
            1 => Self::Opening,
            2 => Self::Board(board),
            4 => Self::Raw(board, (word >> 32) as u32),
            _ => Self::Endpoint(
                board,
                EndpointId {
                    index: (word >> 16) as u8,
                    incarnation: (word >> 32) as u32,
                },
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_state_comes_back_from_its_word() {
        let endpoint = |index, incarnation| EndpointId { index, incarnation };
        for file_state in [
            FileState::Fresh,
            FileState::Opening,
            FileState::Board(0),
            FileState::Board(3),
            FileState::Endpoint(3, endpoint(255, u32::MAX)),
            FileState::Endpoint(0, endpoint(0, 0)),
            FileState::Raw(3, u32::MAX),
            FileState::Raw(0, 0),
        ] {
            assert_eq!(FileState::unpack(file_state.pack()), file_state);
        }
        assert_eq!(
            FileState::Fresh.pack(),
            0,
            "the shim allocates a file zeroed"
        );
    }
}
