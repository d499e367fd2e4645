//! Failures of calls, as numbers.

use std::io;

use mx_ring::mapping::MappingError;
use rustix::io::Errno;

/// Why a call failed: an `errno` of the other side or of the way there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallError(pub Errno);

impl From<io::Error> for CallError {
    fn from(error: io::Error) -> Self {
        Self(Errno::from_io_error(&error).unwrap_or(Errno::IO))
    }
}

impl From<MappingError> for CallError {
    fn from(error: MappingError) -> Self {
        match error {
            MappingError::System(errno) => Self(errno),
            _ => Self(Errno::NOMEM),
        }
    }
}
