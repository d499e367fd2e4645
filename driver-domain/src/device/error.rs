//! Why a device could not be connected.

use crate::account::Refused;
use alloc::string::String;
use mx_ring::VolatileSliceError;
use mx_ring::control::ControlError;

/// Why a device could not be connected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// No room for its pages.
    #[error("no room to map its pages")]
    NoSpace,
    /// Its guest has what it may have.
    #[error("refused: {0}")]
    Refused(#[from] Refused),
    /// A page could not be mapped.
    #[error("its pages cannot be mapped: {0}")]
    Grant(String),
    /// Its control page makes no sense.
    #[error(transparent)]
    Control(ControlError),
    /// The board was not added.
    #[error(transparent)]
    Board(mx_backend::AddBoardError),
}

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
