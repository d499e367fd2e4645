//! An open endpoint.

use mx_ring::EndpointLayout;
use mx_ring::registration::UseBits;
use mx_ring::sleep::EndpointWatch;

use crate::errno::Errno;
use crate::kernel::{Access, Kernel};
use crate::link::Bell;
use crate::page_set::PageSet;
use crate::quota::User;
use crate::region::{RegionState, Regions};
use crate::target::Target;

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
    /// In use as before for its process; its backend is gone, and another one is to take it.
    Adopting {
        /// See [`EndpointState`].
        posted: bool,
    },
    /// Its backend had closed it, or the next one did not take it. No backend knows it.
    Lost,
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
    /// A backend was told of it: its pages are as that one and its process have left them.
    pub told: bool,
    /// The backend has closed it.
    pub closed_by_backend: bool,
    /// Requests about it and its regions that wait for an answer.
    pub in_flight: usize,
    /// Its registered memory.
    pub regions: Regions<K>,
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

    fn watch(&self, kernel: &K) -> Option<EndpointWatch> {
        EndpointWatch::new(kernel.slice(self.r0()?, 1)).ok()
    }

    /// Tells the process, if it polls, that nobody will answer any more.
    pub fn backend_gone(&self, kernel: &K) {
        if let Some(watch) = self.watch(kernel) {
            watch.backend_gone();
        }
    }

    /// Whether the backend has closed it, as far as it has said so to anybody.
    pub fn is_closed(&self, kernel: &K) -> bool {
        self.closed_by_backend || self.watch(kernel).is_some_and(|watch| watch.is_closed())
    }

    /// Nobody is to be kicked until there is another backend.
    pub fn spare_kicks(&self, kernel: &K) {
        if let Some(watch) = self.watch(kernel) {
            watch.spare_kicks();
        }
    }

    /// What the backend may do with a page of the queues.
    pub fn queue_access(page: usize, w_pages: usize) -> Access {
        match page < w_pages {
            true => Access::Read,
            false => Access::Write,
        }
    }

    /// Whether a backend has opened it, and its process has it still.
    pub fn is_open(&self) -> bool {
        match self.state {
            EndpointState::Open | EndpointState::Adopting { .. } | EndpointState::Lost => true,
            EndpointState::Opening { .. }
            | EndpointState::Refused(_)
            | EndpointState::Closing { .. } => false,
        }
    }

    /// Whether another backend must have it, or one of its regions, before the board may answer the network.
    pub fn waits_for_adoption(&self) -> bool {
        match self.state {
            EndpointState::Adopting { .. } => true,
            EndpointState::Opening { .. } => self.told,
            EndpointState::Open => self
                .regions
                .iter()
                .any(|region| matches!(region.state, RegionState::Adopting { .. })),
            EndpointState::Lost | EndpointState::Refused(_) | EndpointState::Closing { .. } => {
                false
            }
        }
    }

    /// Grants the page sets from number `at` on (the queues, then the regions) to a backend, as far as it is to have them and
    /// the budget goes; where to go on. `whole` becomes false when one cannot be granted now that another backend had before.
    /// What none has had is refused then.
    pub fn grant(
        &mut self,
        kernel: &K,
        target: Target,
        mut at: usize,
        budget: &mut usize,
        whole: &mut bool,
    ) -> Option<usize> {
        let slots = usize::from(self.regions.slots());
        while at <= slots {
            let granted = match at.checked_sub(1) {
                None => self.grant_queues(kernel, target, budget),
                Some(slot) => self.grant_region(kernel, target, slot as u16, budget),
            };
            *whole &= granted.is_ok();
            if *budget == 0 {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn grant_queues(
        &mut self,
        kernel: &K,
        target: Target,
        budget: &mut usize,
    ) -> Result<(), Errno> {
        let adopting = match self.state {
            EndpointState::Adopting { .. } => true,
            EndpointState::Opening { .. } => self.told,
            _ => return Ok(()),
        };
        let (count, w_pages) = (self.shared_pages(), self.w_pages());
        let access = |page| Self::queue_access(page, w_pages);
        let granted = self.queues.grant(kernel, target, count, access, budget);
        match granted {
            Err(error) if !adopting => {
                self.state = EndpointState::Refused(error);
                Ok(())
            }
            granted => granted,
        }
    }

    fn grant_region(
        &mut self,
        kernel: &K,
        target: Target,
        slot: u16,
        budget: &mut usize,
    ) -> Result<(), Errno> {
        let usable = matches!(
            self.state,
            EndpointState::Open | EndpointState::Adopting { .. }
        );
        let Some((_, region)) = self.regions.in_slot(slot).filter(|_| usable) else {
            return Ok(());
        };
        let adopting = match region.state {
            RegionState::Adopting { .. } => true,
            RegionState::Registering { .. } => false,
            _ => return Ok(()),
        };
        let (count, access) = (region.page_set.total(), region.extent.access());
        let granted = region
            .page_set
            .grant(kernel, target, count, |_| access, budget);
        match granted {
            Err(error) if !adopting => {
                region.state = RegionState::Refused(error);
                Ok(())
            }
            granted => granted,
        }
    }

    /// Ends the grants of the page sets from number `at` on, as far as the budget goes; where to go on. `whole` becomes false
    /// when a backend still maps one.
    pub fn end_grants(
        &mut self,
        kernel: &K,
        mut at: usize,
        budget: &mut usize,
        whole: &mut bool,
    ) -> Option<usize> {
        let slots = usize::from(self.regions.slots());
        while at <= slots {
            let page_set = match at.checked_sub(1) {
                None => Some(&mut self.queues),
                Some(slot) => {
                    let region = self.regions.in_slot(slot as u16);
                    region.map(|(_, region)| &mut region.page_set)
                }
            };
            if let Some(page_set) = page_set {
                *whole &= page_set.end_grants(kernel, budget).is_ok();
            }
            if *budget == 0 {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    /// Whether its process may use it.
    pub fn check_use(&self, space: K::Space) -> Result<(), Errno> {
        match self.state {
            _ if self.opener.space != space => Err(Errno::NOT_PERMITTED),
            EndpointState::Lost => Err(Errno::IO),
            EndpointState::Open if self.closed_by_backend => Err(Errno::IO),
            EndpointState::Open | EndpointState::Adopting { .. } => Ok(()),
            _ => Err(Errno::INVALID),
        }
    }
}
