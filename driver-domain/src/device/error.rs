//! Why a device could not be connected.

use alloc::string::String;
use core::fmt;

use mx_ring::VolatileSliceError;
use mx_ring::control::ControlError;

/// Why a device could not be connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// No room for its pages.
    NoSpace,
    /// A page could not be mapped.
    Grant(String),
    /// Its control page makes no sense.
    Control(ControlError),
    /// The board was not added.
    Board(mx_backend::AddBoardError),
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no room to map its pages"),
            Self::Grant(why) => write!(f, "its pages cannot be mapped: {why}"),
            Self::Control(error) => error.fmt(f),
            Self::Board(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ConnectError {}

impl From<ControlError> for ConnectError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

impl From<VolatileSliceError> for ConnectError {
    fn from(error: VolatileSliceError) -> Self {
        Self::Control(ControlError::Slice(error))
    }
}
