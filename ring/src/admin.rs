//! What the administrator of a machine may change at its boards, as tools ask for it (`omx_counters -c`, `omx_hostname`,
//! `omx_init_peers`; api.md §6).

use mx_wire::MacAddress;

use crate::board_page::HOSTNAME_MAX;

/// Bytes of a change in a call.
pub const SIZE: usize = 96;

/// A name, NUL-padded; an empty one is "not known".
pub type Name = [u8; HOSTNAME_MAX];

/// A change of a board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// All counters start from zero.
    ClearCounters,
    /// The board gets another name. Peers elsewhere learn it when they ask the next time.
    SetHostname(Name),
    /// All names of peers elsewhere are forgotten and asked for again.
    ClearPeerNames,
    /// All peers elsewhere are forgotten, until they are heard of or added again.
    ClearPeers,
    /// A peer is added without having been heard of, or gets another name.
    AddPeer {
        /// The Ethernet address of the peer.
        mac: MacAddress,
        /// Its name; an empty one will be asked for.
        name: Name,
    },
    /// The peer table is declared complete: its description names the one who did so as mapper.
    MarkPeersConfigured,
}

impl core::fmt::Display for Change {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::ClearCounters => "clear its counters",
            Self::SetHostname(_) => "set its name",
            Self::ClearPeerNames => "clear the names of its peers",
            Self::ClearPeers => "clear its peers",
            Self::AddPeer { .. } => "add a peer",
            Self::MarkPeersConfigured => "mark its peers as configured",
        })
    }
}

/// Bytes that are no change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a change of a board of unknown kind {0}")]
pub struct UnknownChange(pub u8);

mod at {
    use super::HOSTNAME_MAX;

    pub const KIND: usize = 0;
    pub const MAC: usize = 2;
    pub const NAME: usize = 8;
    pub const NAME_END: usize = NAME + HOSTNAME_MAX;
}
const _: () = assert!(at::NAME_END <= SIZE);

impl Change {
    /// As it is sent: kind, address, name.
    pub fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[at::KIND] = match self {
            Self::ClearCounters => 1,
            Self::SetHostname(_) => 2,
            Self::ClearPeerNames => 3,
            Self::ClearPeers => 4,
            Self::AddPeer { .. } => 5,
            Self::MarkPeersConfigured => 6,
        };
        if let Self::AddPeer { mac, .. } = self {
            bytes[at::MAC..at::NAME].copy_from_slice(&mac.0);
        }
        if let Self::SetHostname(name) | Self::AddPeer { name, .. } = self {
            bytes[at::NAME..at::NAME_END].copy_from_slice(name);
        }
        bytes
    }

    /// What is alleged to be a change. A name without a NUL loses its last byte.
    pub fn from_bytes(bytes: &[u8; SIZE]) -> Result<Self, UnknownChange> {
        let mut mac = MacAddress::default();
        mac.0.copy_from_slice(&bytes[at::MAC..at::NAME]);
        let mut name = [0; HOSTNAME_MAX];
        name[..HOSTNAME_MAX - 1].copy_from_slice(&bytes[at::NAME..at::NAME_END - 1]);
        Ok(match bytes[at::KIND] {
            1 => Self::ClearCounters,
            2 => Self::SetHostname(name),
            3 => Self::ClearPeerNames,
            4 => Self::ClearPeers,
            5 => Self::AddPeer { mac, name },
            6 => Self::MarkPeersConfigured,
            kind => return Err(UnknownChange(kind)),
        })
    }
}
