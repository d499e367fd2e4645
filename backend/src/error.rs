//! What may be wrong with a request to the backend, and with a process.

use core::fmt;

use mx_board::Blame;
use mx_ring::DescriptorError;

/// Why a region was not registered or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The endpoint is not open.
    NotOpen,
    /// The slot is in use, or still being given back.
    Busy,
    /// The slot is beyond the limit of an endpoint.
    BadSlot,
    /// There is no such region.
    NotFound,
    /// The region has no bytes or 4 GiB and more, or an inner part is no whole number of pages.
    BadParts,
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotOpen => "the endpoint of the region is not open",
            Self::Busy => {
                "the region's slot is in use, or still being given back: use another, or try again"
            }
            Self::BadSlot => "the region's slot is beyond an endpoint's limit: use a smaller one",
            Self::NotFound => "there is no region of that slot and generation",
            Self::BadParts => {
                "a region has 1 byte to 4 GiB, and all its parts but the first and the last are whole pages"
            }
        })
    }
}

impl core::error::Error for RegionError {}

/// What a process wrote that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misbehaviour {
    /// A descriptor of the command queue without a meaning.
    Descriptor(DescriptorError),
    /// A command that names memory outside of the endpoint's areas.
    OutOfArea,
    /// A consumer index that cannot be.
    ImpossibleIndex,
    /// A command that an honest library never gives.
    Command(Blame),
}

impl fmt::Display for Misbehaviour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descriptor(error) => error.fmt(f),
            Self::OutOfArea => {
                f.write_str("a command names memory outside of its endpoint's areas")
            }
            Self::ImpossibleIndex => {
                f.write_str("a consumer index that no order of events leads to")
            }
            Self::Command(blame) => blame.fmt(f),
        }
    }
}

impl core::error::Error for Misbehaviour {}
