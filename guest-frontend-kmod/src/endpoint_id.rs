//! How endpoints are named.

/// Which endpoint of a board, and which use of its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointId {
    /// Index.
    pub index: u8,
    /// Which use of it.
    pub incarnation: u32,
}
