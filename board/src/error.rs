//! Why a board or an endpoint was not opened, closed or changed.

use mx_wire::{MacAddress, ParseError};

use crate::key::BOARDS;
use crate::name::HostName;
use crate::ports::Full;

/// Why a board was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddBoardError {
    /// A group address, or all zeros: no station has it.
    #[error("{0} is no address of a station: choose one whose first octet is even, not all zeros")]
    BadAddress(MacAddress),
    /// Another board of this backend has it.
    #[error("{0} belongs to another board here: every board needs an address of its own")]
    AddressInUse(MacAddress),
    /// The backend holds as many boards as it can.
    #[error("there are {BOARDS} boards already: remove one first")]
    TooMany,
}

/// Why a board was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such board.
    #[error("there is no such board")]
    NoBoard,
    /// An empty name, which means "not known".
    #[error("a board needs a name of at least one character")]
    NoName,
    /// A group address, or all zeros: no station has it.
    #[error("{0} is no address of a station")]
    BadAddress(MacAddress),
    /// The peer table has no room.
    #[error("the peer table is full: restart the backend to empty it")]
    PeersFull,
    /// A board of this backend has that name.
    #[error("{0} is the name of another board here: choose another name")]
    NameTaken(HostName),
}

/// Why an endpoint was not opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// There is no such board.
    #[error("there is no such board")]
    NoBoard,
    /// The index is beyond what a board may have open.
    #[error("the endpoint's index is beyond the board's limit: choose a smaller one")]
    BadIndex,
    /// The endpoint is open, or still being closed.
    #[error("the endpoint is open, or still being closed: choose another, or try again")]
    Busy,
    /// The endpoint is not open.
    #[error("the endpoint is not open")]
    NotOpen,
}

/// Why a frame of a raw endpoint was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RawError {
    /// The board is gone.
    #[error("the board is gone")]
    NoBoard,
    /// It is no frame of this protocol, or longer than 1024 bytes.
    #[error("not a RAW frame: {0}")]
    Unreadable(ParseError),
    /// It is of another type than RAW.
    #[error("a raw endpoint may send frames of type RAW only")]
    OtherType,
    /// It names another sender than the board.
    #[error("{0} is not the board's address: put that into the frame's source")]
    OtherSource(MacAddress),
    /// It is a beacon of another board.
    #[error("a beacon of {0}, which is not the board: each board announces itself")]
    OtherBeacon(MacAddress),
    /// The outgoing side is full: send it again later.
    #[error("the outgoing side is full: send the frame again later")]
    Full,
}

impl From<Full> for RawError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}
