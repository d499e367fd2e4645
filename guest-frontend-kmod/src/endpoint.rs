//! An open endpoint.

use mx_ring::EndpointLayout;
use mx_ring::registration::UseBits;
use mx_ring::sleep::EndpointWatch;

use crate::errno::Errno;
use crate::kernel::{DomainId, Kernel};
use crate::link::Bell;
use crate::page_set::PageSet;
use crate::quota::User;
use crate::region::Regions;

/// Who opens an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opener<S> {
    /// User who pays for it.
    pub user: User,
    /// Address space that alone may use it.
    pub space: S,
    /// For those who list endpoints.
    pub process: Process,
}

/// A process as it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// The number of its thread group (`pid` as users see it).
    pub pid: u32,
    /// Its command name, NUL-padded.
    pub command: [u8; 16],
}

/// Where an endpoint is in its life. `posted`: the request waits for its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndpointState {
    /// The backend is to take it.
    Opening {
        /// See [`EndpointState`].
        posted: bool,
    },
    /// In use.
    Open,
    /// The backend did not take it; the opener has not taken note yet.
    Refused(Errno),
    /// The backend is to give it back. Only when nothing else waits for an answer, the request is posted.
    Closing {
        /// See [`EndpointState`].
        posted: bool,
    },
}

/// An endpoint of a process, whose queues are granted to the backend.
pub struct GrantedEndpoint<K: Kernel> {
    /// Which use of this index it is.
    pub incarnation: u32,
    /// Who opened it.
    pub opener: Opener<K::Space>,
    /// The session that the backend gave it when it was opened.
    pub session: u32,
    /// Sizes of its queues.
    pub layout: EndpointLayout,
    /// Pages of W, then of R; then the page of the notes about regions, which is not granted.
    pub queues: PageSet<K>,
    /// Where it is in its life.
    pub state: EndpointState,
    /// The opener was killed before the backend answered.
    pub abandoned: bool,
    /// The backend has closed it.
    pub closed_by_backend: bool,
    /// Requests about it and its regions that wait for an answer.
    pub in_flight: usize,
    /// Its registered memory.
    pub regions: Regions<K>,
    /// The backend's domain.
    pub domain: DomainId,
    /// How its backend is rung.
    pub bell: Bell<K>,
}

impl<K: Kernel> GrantedEndpoint<K> {
    /// Pages of the W area; the ones of R follow.
    pub fn w_pages(&self) -> usize {
        self.layout.w_size() / mx_ring::PAGE_SIZE
    }

    /// Pages of W and R.
    pub fn shared_pages(&self) -> usize {
        self.w_pages() + self.layout.r_size() / mx_ring::PAGE_SIZE
    }

    /// The page of the notes about regions.
    pub fn notes(&self) -> Option<K::Page> {
        self.queues.pages().get(self.shared_pages()).copied()
    }

    /// What the process says of its use of regions.
    pub fn uses(&self, kernel: &K) -> Option<UseBits> {
        UseBits::new(kernel.slice(self.w0()?, 1)).ok()
    }

    /// The first page of the W area.
    pub fn w0(&self) -> Option<K::Page> {
        self.queues.pages().first().copied()
    }

    /// The first page of the R area.
    pub fn r0(&self) -> Option<K::Page> {
        self.queues.pages().get(self.w_pages()).copied()
    }

    /// Tells the process, if it polls, that nobody will answer any more.
    pub fn backend_gone(&self, kernel: &K) {
        if let Some(page) = self.r0()
            && let Ok(watch) = EndpointWatch::new(kernel.slice(page, 1))
        {
            watch.backend_gone();
        }
    }

    /// Whether its process may use it.
    pub fn check_use(&self, space: K::Space) -> Result<(), Errno> {
        match self.state {
            _ if self.opener.space != space => Err(Errno::NOT_PERMITTED),
            EndpointState::Open if self.closed_by_backend => Err(Errno::IO),
            EndpointState::Open => Ok(()),
            _ => Err(Errno::INVALID),
        }
    }
}
