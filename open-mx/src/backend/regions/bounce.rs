//! Memory of the library that messages pass through.

use mx_ring::VolatileSlice;
use mx_ring::mapping::{Mapping, Memfd};
use rustix::io::Errno;

use crate::backend::CallError;

/// A bounce buffer's memory.
pub(super) enum Bounce {
    /// With the descriptor by which a backend that takes memfds can be shown it.
    Memfd(Memfd),
    /// Without one.
    Mapping(Mapping),
}

impl Bounce {
    /// Fresh memory of that size.
    pub fn new(user_memory: bool, size: u32) -> Result<Self, Errno> {
        let made = match user_memory {
            true => Mapping::anonymous(size as usize).map(Self::Mapping),
            false => Memfd::create("open-mx bounce", size as usize).map(Self::Memfd),
        };
        made.map_err(|error| {
            let CallError(errno) = error.into();
            errno
        })
    }

    /// Where its bytes lie, which the backend reads and writes, too.
    pub fn slice(&self) -> VolatileSlice {
        match self {
            Self::Memfd(memfd) => memfd.slice(),
            Self::Mapping(mapping) => mapping.slice(),
        }
    }

    /// The same bytes, when they are registered for as long as they are used.
    pub fn without_descriptor(self) -> Self {
        match self {
            Self::Memfd(memfd) => Self::Mapping(memfd.into_mapping()),
            mapping => mapping,
        }
    }

    /// What goes along with the registration.
    pub fn memfd(&self) -> Option<&Memfd> {
        match self {
            Self::Memfd(memfd) => Some(memfd),
            Self::Mapping(_) => None,
        }
    }
}
