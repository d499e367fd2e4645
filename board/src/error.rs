//! Why a board or an endpoint was not opened, closed or changed.

use core::fmt;

use mx_wire::{MacAddress, ParseError};

use crate::key::BOARDS;
use crate::name::HostName;
use crate::ports::Full;

/// Why a board was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddBoardError {
    /// A group address, or all zeros: no station has it.
    BadAddress(MacAddress),
    /// Another board of this backend has it.
    AddressInUse(MacAddress),
    /// The backend holds as many boards as it can.
    TooMany,
}

impl fmt::Display for AddBoardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadAddress(mac) => write!(
                f,
                "{mac} is no address of a station: choose one whose first octet is even, not all zeros"
            ),
            Self::AddressInUse(mac) => write!(
                f,
                "{mac} belongs to another board here: every board needs an address of its own"
            ),
            Self::TooMany => write!(f, "there are {BOARDS} boards already: remove one first"),
        }
    }
}

impl core::error::Error for AddBoardError {}

/// Why a board was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// There is no such board.
    NoBoard,
    /// An empty name, which means "not known".
    NoName,
    /// A group address, or all zeros: no station has it.
    BadAddress(MacAddress),
    /// The peer table has no room.
    PeersFull,
    /// A board of this backend has that name.
    NameTaken(HostName),
}

impl fmt::Display for ChangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBoard => f.write_str("there is no such board"),
            Self::NoName => f.write_str("a board needs a name of at least one character"),
            Self::BadAddress(mac) => write!(f, "{mac} is no address of a station"),
            Self::NameTaken(name) => write!(
                f,
                "{name} is the name of another board here: choose another name"
            ),
            Self::PeersFull => {
                f.write_str("the peer table is full: restart the backend to empty it")
            }
        }
    }
}

impl core::error::Error for ChangeError {}

/// Why an endpoint was not opened or closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// There is no such board.
    NoBoard,
    /// The index is beyond what a board may have open.
    BadIndex,
    /// The endpoint is open, or still being closed.
    Busy,
    /// The endpoint is not open.
    NotOpen,
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoBoard => "there is no such board",
            Self::BadIndex => {
                "the endpoint's index is beyond the board's limit: choose a smaller one"
            }
            Self::Busy => {
                "the endpoint is open, or still being closed: choose another, or try again"
            }
            Self::NotOpen => "the endpoint is not open",
        })
    }
}

impl core::error::Error for EndpointError {}

/// Why a frame of a raw endpoint was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawError {
    /// The board is gone.
    NoBoard,
    /// It is no frame of this protocol, or longer than 1024 bytes.
    Unreadable(ParseError),
    /// It is of another type than RAW.
    OtherType,
    /// It names another sender than the board.
    OtherSource(MacAddress),
    /// It is a beacon of another board.
    OtherBeacon(MacAddress),
    /// The outgoing side is full: send it again later.
    Full,
}

impl From<Full> for RawError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBoard => f.write_str("the board is gone"),
            Self::Unreadable(error) => write!(f, "not a RAW frame: {error}"),
            Self::OtherType => f.write_str("a raw endpoint may send frames of type RAW only"),
            Self::OtherSource(mac) => {
                write!(
                    f,
                    "{mac} is not the board's address: put that into the frame's source"
                )
            }
            Self::OtherBeacon(mac) => write!(
                f,
                "a beacon of {mac}, which is not the board: each board announces itself"
            ),
            Self::Full => f.write_str("the outgoing side is full: send the frame again later"),
        }
    }
}

impl core::error::Error for RawError {}
