//! What belongs to a process: its connection, and the endpoint that it opened there.

use std::os::fd::OwnedFd;

use mx_board::{BoardId, EndpointKey};
use mx_ring::mapping::Memfd;
use mx_ring::uapi::Call;
use mx_ring::{EndpointLayout, RegionKey};

use crate::bell::Bell;
use crate::credentials::Credentials;
use crate::error::NodeError;
use crate::poller::ClientId;
use crate::regions::Regions;

/// A connection of a process.
pub struct Client {
    /// What its calls come by, a packet each; it never blocks.
    pub socket: OwnedFd,
    /// Who it was when it connected.
    pub credentials: Credentials,
    /// What the connection has become.
    pub role: Role,
    /// Watched for the end of its process, with which the connection ends, whatever children have it open, too.
    pub _end: Option<OwnedFd>,
    /// The call that is not answered yet; no other is read meanwhile.
    pub pending: Option<Pending>,
}

/// What a connection has become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Nothing yet.
    New,
    /// A view of a board.
    Viewer,
    /// The owner of an endpoint.
    Owner(EndpointKey),
    /// The raw endpoint of a board.
    Raw(BoardId),
}

/// A call that is answered later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pending {
    /// An open whose endpoint is still being given back by its former owner.
    Open {
        /// What is to be answered.
        call: Call,
        /// What it waits for.
        endpoint: EndpointKey,
    },
    /// A deregistration of a region that is still in use.
    Deregister {
        /// What is to be answered.
        call: Call,
        /// What it waits for.
        region: RegionKey,
    },
}

/// An endpoint of a client: open, or being closed.
pub struct ClientEndpoint {
    /// The connection, unless it has gone.
    pub client: Option<ClientId>,
    /// Whose it is.
    pub credentials: Credentials,
    /// How its pages are laid out.
    pub layout: EndpointLayout,
    /// Pages that the process writes.
    pub w: Memfd,
    /// Pages that the backend writes.
    pub r: Memfd,
    /// Wakes the process, and the node.
    pub bell: Bell,
    /// Registered memory.
    pub regions: Regions,
}

impl ClientEndpoint {
    /// Fresh pages, and a bell, whose other end is for the process.
    pub fn new(
        layout: &EndpointLayout,
        client: ClientId,
        credentials: Credentials,
    ) -> Result<(Self, OwnedFd), NodeError> {
        let w = Memfd::create("open-mx W", layout.w_size())?;
        let r = Memfd::create("open-mx R", layout.r_size())?;
        r.bar_writers()?;
        let (bell, other) = Bell::new().map_err(NodeError::system("making a pair of sockets"))?;
        let endpoint = Self {
            client: Some(client),
            credentials,
            layout: *layout,
            w,
            r,
            bell,
            regions: Regions::default(),
        };
        Ok((endpoint, other))
    }

    /// Bytes of its queues and of its registered memory.
    pub fn bytes(&self) -> u64 {
        (self.w.slice().len() + self.r.slice().len()) as u64 + self.regions.bytes()
    }
}
