//! What may be wrong with a request to the backend, and with a process.

use mx_board::Blame;
use mx_ring::DescriptorError;

/// Why a region was not registered or given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegionError {
    /// The endpoint is not open.
    #[error("the endpoint of the region is not open")]
    NotOpen,
    /// The slot is in use, or still being given back.
    #[error("the region's slot is in use, or still being given back: use another, or try again")]
    Busy,
    /// The slot is beyond the limit of an endpoint.
    #[error("the region's slot is beyond an endpoint's limit: use a smaller one")]
    BadSlot,
    /// There is no such region.
    #[error("there is no region of that slot and generation")]
    NotFound,
    /// The region has no bytes or 4 GiB and more, or an inner part is no whole number of pages.
    #[error(
        "a region has 1 byte to 4 GiB, and all its parts but the first and the last are whole pages"
    )]
    BadParts,
    /// There is no memory to keep it.
    #[error("the backend has no memory for another region: give one back")]
    NoMemory,
}

/// What a process wrote that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misbehaviour {
    /// A descriptor of the command queue without a meaning.
    #[error(transparent)]
    Descriptor(DescriptorError),
    /// A command that names memory outside of the endpoint's areas.
    #[error("a command names memory outside of its endpoint's areas")]
    OutOfArea,
    /// A consumer index that cannot be.
    #[error("a consumer index that no order of events leads to")]
    ImpossibleIndex,
    /// A command that an honest library never gives.
    #[error(transparent)]
    Command(Blame),
}
