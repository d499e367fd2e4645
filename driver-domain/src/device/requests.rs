//! What the guest's kernel asks for: checked, refused or begun.

use mx_backend::{Backend, ChangeError, EndpointError, FrameSink, Instant, RegionError};
use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, STAGING_REFS, Status};
use mx_ring::{EndpointLayout, PAGE_SIZE, RegionKey};

use super::counted::Counted;
use super::endpoint::{Region, Wanted};
use super::giving_back::Waste;
use super::mapping::Job;
use super::{Device, answer};
use crate::account::{self, Limit, Refused};
use crate::memory::{Access, GuestPages, PageMapper};

/// Neighbouring slots whose memory comes and goes together.
const REGION_GROUP: u16 = 64;

impl<M: PageMapper> Device<M> {
    pub(super) fn request(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        sink: &mut impl FrameSink,
        budget: &mut usize,
        id: u32,
        request: ControlRequest,
    ) {
        let refused = match request {
            ControlRequest::OpenEndpoint {
                endpoint,
                session,
                geometry,
                adopt,
            } => match EndpointLayout::new(geometry) {
                Ok(layout) => self.open(id, endpoint, session, layout, adopt),
                Err(_) => Err(Status::Invalid),
            },
            ControlRequest::CloseEndpoint { endpoint } => self.close(id, endpoint, backend),
            ControlRequest::Register {
                endpoint,
                region,
                writable,
                offset,
                length,
                first_page,
                pages,
                staging,
            } => self.register(
                id,
                endpoint,
                Wanted {
                    key: region,
                    writable,
                    offset,
                    length,
                },
                first_page as usize,
                pages as usize,
                staging as usize,
            ),
            ControlRequest::Deregister { endpoint, region } => {
                self.deregister(id, endpoint, region, backend)
            }
            ControlRequest::Ready => {
                backend.board_ready(now, self.board);
                self.respond(id, Status::Ok);
                Ok(())
            }
            ControlRequest::Raw { open } => {
                let done = self.set_raw(open, backend);
                done.map(|()| self.respond(id, Status::Ok))
            }
            ControlRequest::SendRaw { length } => {
                let done = self.send_raw(now, backend, sink, length, budget);
                done.map(|()| self.respond(id, Status::Ok))
            }
            ControlRequest::TakeRaw => {
                let done = self.take_raw(backend);
                done.map(|()| self.respond(id, Status::Ok))
            }
            ControlRequest::Change(change) => {
                let done = self.change(now, backend, &change);
                done.map(|()| self.respond(id, Status::Ok))
            }
        };
        if let Err(status) = refused {
            log::debug!("board {}: request {request:?}: {status:?}", self.board.0);
            self.respond(id, status);
        }
    }

    /// Changes the board for an administrator of its guest. Its name is the host's to give (`xl-omx attach`): others
    /// find the guest by it.
    fn change(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        change: &Change,
    ) -> Result<(), Status> {
        if matches!(change, Change::SetHostname(_)) {
            return Err(Status::Denied);
        }
        backend
            .change(now, self.board, change)
            .map_err(|error| match error {
                ChangeError::NoBoard => Status::NotFound,
                ChangeError::NoName | ChangeError::BadAddress(_) | ChangeError::NameTaken(_) => {
                    Status::Invalid
                }
                ChangeError::PeersFull => Status::NoSpace,
            })
    }

    /// Addresses for pages, and whatever else the guest has to have for what it wants.
    pub(super) fn reserve<const N: usize>(
        &mut self,
        pages: usize,
        access: Access,
        besides: [(Limit, usize); N],
    ) -> Result<Counted<M::Pages>, Status> {
        if self.memory.is_short() {
            return Err(self.refuse(Refused::NoMemory));
        }
        let charge = self
            .account
            .charge([(Limit::Pages, pages)])
            .and_then(|charge| charge.and(besides))
            .map_err(|why| self.refuse(why))?;
        let reserved = self.memory.reserve(pages, access).ok_or(Status::NoSpace)?;
        self.held += pages;
        Ok(Counted {
            pages: reserved,
            _charge: charge,
        })
    }

    pub(super) fn open(
        &mut self,
        id: u32,
        endpoint: u8,
        session: u32,
        layout: EndpointLayout,
        adopt: bool,
    ) -> Result<(), Status> {
        let (w, r) = (layout.w_size() / PAGE_SIZE, layout.r_size() / PAGE_SIZE);
        if u16::from(endpoint) >= self.endpoint_max || w + r > STAGING_REFS {
            return Err(Status::Invalid);
        }
        if self.endpoints.contains_key(&endpoint) {
            return Err(Status::Busy);
        }
        let heap = account::endpoint(&layout.geometry());
        let besides = [(Limit::Endpoints, 1), (Limit::Heap, heap)];
        let w = self.reserve(w, Access::Read, besides)?;
        let r = match self.reserve(r, Access::ReadWrite, []) {
            Ok(r) => r,
            Err(status) => {
                self.discard([w], None);
                return Err(status);
            }
        };
        self.job = Some(Job::Open {
            id,
            endpoint,
            session,
            layout,
            adopt,
            queues: [w, r],
        });
        Ok(())
    }

    pub(super) fn close(
        &mut self,
        id: u32,
        endpoint: u8,
        backend: &mut Backend,
    ) -> Result<(), Status> {
        let key = self.key(endpoint);
        let open = self.endpoints.get_mut(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() {
            return Err(Status::Busy);
        }
        if open.queues.is_none() {
            // The backend had closed it; its pages may still be on their way out, in order.
            self.endpoints.remove(&endpoint);
            self.waste.push_back(Waste {
                pages: None,
                then: Some(answer(id, Status::Ok)),
            });
            return Ok(());
        }
        open.closing = Some(id);
        match backend.close_endpoint(key) {
            // Busy: closing already, because its process misbehaved.
            Ok(()) | Err(EndpointError::Busy) => Ok(()),
            Err(EndpointError::NoBoard | EndpointError::NotOpen | EndpointError::BadIndex) => {
                self.endpoint_closed(endpoint);
                Ok(())
            }
        }
    }

    pub(super) fn register(
        &mut self,
        id: u32,
        endpoint: u8,
        wanted: Wanted,
        first_page: usize,
        pages: usize,
        staging: usize,
    ) -> Result<(), Status> {
        let total = wanted.pages().ok_or(Status::Invalid)?;
        let fits = pages > 0
            && first_page
                .checked_add(pages)
                .is_some_and(|end| end <= total)
            && staging
                .checked_add(pages)
                .is_some_and(|end| end <= STAGING_REFS);
        if !fits {
            return Err(Status::Invalid);
        }
        let slot = wanted.key.slot;
        let open = self.endpoints.get(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() || open.queues.is_none() {
            return Err(Status::NotFound);
        }
        match (first_page, open.regions.get(&slot)) {
            (0, Some(_)) => return Err(Status::Busy),
            (0, None) => {
                let access = if wanted.writable {
                    Access::ReadWrite
                } else {
                    Access::Read
                };
                let group = slot / REGION_GROUP;
                let alone = !open
                    .regions
                    .keys()
                    .any(|other| other / REGION_GROUP == group);
                let heap = account::REGION + if alone { account::REGION_GROUP } else { 0 };
                let besides = [(Limit::Regions, 1), (Limit::Heap, heap)];
                let pages = self.reserve(total, access, besides)?;
                let region = Region {
                    key: wanted.key,
                    writable: wanted.writable,
                    offset: wanted.offset,
                    length: wanted.length,
                    pages,
                    registered: false,
                    leaving: None,
                };
                if let Some(open) = self.endpoints.get_mut(&endpoint) {
                    open.regions.insert(slot, region);
                }
            }
            (_, None) => return Err(Status::NotFound),
            (_, Some(region)) => {
                let same = region.key == wanted.key
                    && region.writable == wanted.writable
                    && region.offset == wanted.offset
                    && region.length == wanted.length;
                if !same || region.registered || region.pages.mapped() != first_page {
                    return Err(Status::Invalid);
                }
            }
        }
        self.job = Some(Job::Register {
            id,
            endpoint,
            slot,
            staging,
            left: pages,
        });
        Ok(())
    }

    pub(super) fn deregister(
        &mut self,
        id: u32,
        endpoint: u8,
        key: RegionKey,
        backend: &mut Backend,
    ) -> Result<(), Status> {
        let endpoint_key = self.key(endpoint);
        let open = self.endpoints.get_mut(&endpoint).ok_or(Status::NotFound)?;
        if open.closing.is_some() || open.queues.is_none() {
            return Err(Status::NotFound);
        }
        let region = open
            .regions
            .get_mut(&key.slot)
            .filter(|region| region.key == key)
            .ok_or(Status::NotFound)?;
        if region.leaving.is_some() {
            return Err(Status::Busy);
        }
        region.leaving = Some(id);
        if region.registered {
            match backend.deregister_region(endpoint_key, key) {
                Ok(()) => return Ok(()),
                // The endpoint is being closed by the backend: everything goes together.
                Err(RegionError::NotOpen) => return Ok(()),
                Err(_) => {}
            }
        }
        self.region_released(endpoint, key);
        Ok(())
    }
}
