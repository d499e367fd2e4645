//! What each call of a process does.

use std::os::fd::OwnedFd;

use mx_backend::{Backend, ChangeError, EndpointError, EndpointKey, RegionError};
use mx_ring::mapping::{Access, Mapping, MappingError, freed_at_last};
use mx_ring::uapi::{ANY_ENDPOINT, Call, CallReply, CallRequest, RAW_ENDPOINT};
use mx_ring::{BackendSide, EndpointLayout, Geometry, RegionKey, heap};
use rustix::io::Errno;
use tracing::{debug, info, warn};

use super::{Along, Answer, Server, Surroundings};
use crate::boards::random;
use crate::client::{ClientEndpoint, Pending, Role};
use crate::complaints::Complaint;
use crate::poller::{ClientId, Source};
use crate::regions::Registered;

impl Server {
    /// Carries out a call of a client.
    pub(super) fn carry_out(
        &mut self,
        id: ClientId,
        call: &Call,
        request: &CallRequest,
        descriptors: &[OwnedFd],
        around: &mut Surroundings,
    ) -> Result<Answer, Errno> {
        match *request {
            CallRequest::Hello { version } => {
                let client = self.clients.get(&id).ok_or(Errno::BADF)?;
                if version != mx_ring::ABI_VERSION
                    && self
                        .complaints
                        .is_new(&client.credentials, Complaint::Version)
                {
                    warn!(
                        "a library speaks version {version} of the shared memory, this node {}: install matching versions",
                        mx_ring::ABI_VERSION
                    );
                }
                let reply = CallReply::Hello {
                    version: mx_ring::ABI_VERSION,
                    boards: self.boards.len() as u32,
                    user_memory: false,
                    // Each board's description tells.
                    queue_entries: 0,
                };
                Ok(Answer::Now(reply, Along::Nothing))
            }
            CallRequest::AttachBoard { board } => {
                let client = self.clients.get_mut(&id).ok_or(Errno::BADF)?;
                let index = board as usize;
                self.boards.get(index).ok_or(Errno::NODEV)?;
                match client.role {
                    Role::New | Role::Viewer => client.role = Role::Viewer,
                    Role::Owner(_) | Role::Raw(_) => return Err(Errno::BUSY),
                }
                Ok(Answer::Now(CallReply::Done, Along::Board(index)))
            }
            CallRequest::OpenEndpoint {
                board,
                endpoint,
                geometry,
            } => self.open_endpoint(id, call, (board, endpoint), geometry, around),
            CallRequest::Register {
                length,
                writable,
                reserve,
                ..
            } => {
                let wanted = (length, writable, reserve);
                let region = self.register(id, wanted, descriptors, &mut around.backend)?;
                Ok(Answer::Now(
                    CallReply::Registered { region },
                    Along::Nothing,
                ))
            }
            CallRequest::Deregister { region } => {
                let key = self.endpoint_of(id)?;
                around
                    .backend
                    .deregister_region(key, region)
                    .map_err(|error| match error {
                        RegionError::Busy => Errno::BUSY,
                        RegionError::NotFound => Errno::NOENT,
                        _ => Errno::BADF,
                    })?;
                let call = *call;
                Ok(Answer::Later(Pending::Deregister { call, region }))
            }
            CallRequest::EndpointInfo { board, endpoint } => {
                let board = self.boards.get(board as usize).ok_or(Errno::NODEV)?.id;
                let found = if endpoint == RAW_ENDPOINT {
                    self.raw_owner(board).map(|owner| (owner, 0))
                } else {
                    let endpoint = u8::try_from(endpoint).map_err(|_| Errno::INVAL)?;
                    let open = self.endpoints.get(&EndpointKey { board, endpoint });
                    open.map(|open| (&open.credentials, open.layout.geometry().commands))
                };
                let (owner, queue_entries) = found.unzip();
                let reply = CallReply::EndpointInfo {
                    open: owner.is_some(),
                    pid: owner.map_or(0, |owner| owner.pid),
                    command: owner.map_or([0; 16], |owner| owner.command),
                    queue_entries: queue_entries.unwrap_or(0),
                };
                Ok(Answer::Now(reply, Along::Nothing))
            }
            CallRequest::Change { board, change } => {
                let client = self.clients.get(&id).ok_or(Errno::BADF)?;
                if !client.credentials.may_administer() {
                    return Err(Errno::PERM);
                }
                let board = self.boards.get(board as usize).ok_or(Errno::NODEV)?;
                info!("board {}: {change}, for {}", board.id.0, client.credentials);
                around
                    .backend
                    .change(around.now, board.id, &change)
                    .map_err(|error| match error {
                        ChangeError::NoBoard => Errno::NODEV,
                        ChangeError::NoName
                        | ChangeError::BadAddress(_)
                        | ChangeError::NameTaken(_) => Errno::INVAL,
                        ChangeError::PeersFull => Errno::NOSPC,
                    })?;
                Ok(Answer::Now(CallReply::Done, Along::Nothing))
            }
            CallRequest::OpenRaw { board } => self.open_raw(id, board, around),
            CallRequest::Wait { .. }
            | CallRequest::Kick
            | CallRequest::Wakeup
            | CallRequest::Statistics
            | CallRequest::Close => Err(Errno::OPNOTSUPP),
        }
    }

    fn endpoint_of(&self, id: ClientId) -> Result<EndpointKey, Errno> {
        match self.clients.get(&id).map(|client| client.role) {
            Some(Role::Owner(key)) => Ok(key),
            _ => Err(Errno::BADF),
        }
    }

    fn open_endpoint(
        &mut self,
        id: ClientId,
        call: &Call,
        (board, endpoint): (u32, u32),
        geometry: Geometry,
        around: &mut Surroundings,
    ) -> Result<Answer, Errno> {
        let client = self.clients.get(&id).ok_or(Errno::BADF)?;
        if client.role != Role::New {
            return Err(Errno::BUSY);
        }
        let index = board as usize;
        let board = self.boards.get(index).ok_or(Errno::NODEV)?;
        let layout = EndpointLayout::new(geometry).map_err(|error| {
            warn!("no endpoint for {}: {error}", client.credentials);
            Errno::INVAL
        })?;
        let key_of = |endpoint| EndpointKey {
            board: board.id,
            endpoint,
        };
        let key = if endpoint == ANY_ENDPOINT {
            (0..=u8::MAX)
                .take(self.endpoint_max.into())
                .map(key_of)
                .find(|key| !self.endpoints.contains_key(key))
                .ok_or(Errno::BUSY)?
        } else {
            let wanted = u8::try_from(endpoint).ok();
            let wanted = wanted.filter(|it| u16::from(*it) < self.endpoint_max);
            key_of(wanted.ok_or(Errno::INVAL)?)
        };
        if let Some(taken) = self.endpoints.get(&key) {
            if taken.client.is_some() {
                return Err(Errno::BUSY);
            }
            let call = *call;
            return Ok(Answer::Later(Pending::Open {
                call,
                endpoint: key,
            }));
        }
        if !heap::has_room(heap::ROOM) {
            return Err(Errno::NOMEM);
        }
        let held = self.held(client.credentials.uid, key.board);
        let queues = (layout.w_size() + layout.r_size()) as u64;
        let of = &client.credentials;
        if !self.limits.allow_endpoint(of, held, queues) {
            if self.complaints.is_new(of, Complaint::UserLimit) {
                info!("no endpoint for {of}: its user has as much as he may");
            }
            return Err(Errno::DQUOT);
        }
        let client = self.clients.get_mut(&id).ok_or(Errno::BADF)?;
        let made = ClientEndpoint::new(&layout, id, client.credentials.clone());
        let (opened, bell) = made.map_err(|error| {
            let of = &client.credentials;
            if self.complaints.is_new(of, Complaint::NoEndpoint) {
                warn!("no endpoint for {of}: {error}");
            }
            match error.errno() {
                Some(Errno::MFILE | Errno::NFILE) => Errno::NFILE,
                _ => Errno::NOMEM,
            }
        })?;
        let session = random().map_err(|_| Errno::AGAIN)? as u32;
        let side = BackendSide::new(layout, opened.w.slice(), opened.r.slice());
        around
            .backend
            .open_endpoint(around.now, key, session, side.map_err(|_| Errno::INVAL)?)
            .map_err(|error| match error {
                EndpointError::NoBoard => Errno::NODEV,
                EndpointError::BadIndex => Errno::INVAL,
                EndpointError::Busy | EndpointError::NotOpen => Errno::BUSY,
            })?;
        if let Err(error) = around.poller.watch(&opened.bell, Source::Kick(key)) {
            let of = &client.credentials;
            if self.complaints.is_new(of, Complaint::NoEndpoint) {
                warn!("no endpoint for {of}: {error}");
            }
            // Just opened: it closes at once, and its completion finds nothing to give back.
            let _ = around.backend.close_endpoint(key);
            return Err(Errno::NOMEM);
        }
        client.role = Role::Owner(key);
        debug!(
            "{} has opened endpoint {} of board {}",
            client.credentials, key.endpoint, key.board.0
        );
        self.endpoints.insert(key, opened);
        let reply = CallReply::Opened {
            endpoint: key.endpoint.into(),
            session,
        };
        Ok(Answer::Now(reply, Along::Endpoint(index, key, bell)))
    }

    fn register(
        &mut self,
        id: ClientId,
        (length, writable, reserve): (u32, bool, bool),
        descriptors: &[OwnedFd],
        backend: &mut Backend,
    ) -> Result<RegionKey, Errno> {
        let key = self.endpoint_of(id)?;
        if !heap::has_room(heap::ROOM) {
            return Err(Errno::NOMEM);
        }
        let user = &self.endpoints.get(&key).ok_or(Errno::BADF)?.credentials;
        let held = self.held(user.uid, key.board);
        if !reserve && !self.limits.allow_bytes(user, held, length.into()) {
            return Err(Errno::AGAIN);
        }
        let endpoint = self.endpoints.get_mut(&key).ok_or(Errno::BADF)?;
        // None comes along when this process has no room for one.
        let memfd = descriptors.first().ok_or(Errno::NFILE)?;
        // A quota is used up: the library tries again when it has given something back.
        let region = endpoint
            .regions
            .next_key(length, reserve)
            .ok_or(Errno::AGAIN)?;
        let access = if writable {
            Access::ReadWrite
        } else {
            Access::Read
        };
        let mapping = Mapping::of_fixed(memfd, length as usize, access).map_err(|error| {
            let of = &endpoint.credentials;
            // Most often this very memory is registered already, or was.
            let again = error == MappingError::System(Errno::PERM);
            if !again && self.complaints.is_new(of, Complaint::NoRegion) {
                info!("{of} cannot register {length} bytes: {error}");
            }
            match error {
                MappingError::System(errno) => errno,
                _ => Errno::INVAL,
            }
        })?;
        backend
            .register_region(key, region, writable, vec![mapping.slice()])
            .map_err(|error| match error {
                RegionError::NotOpen => Errno::BADF,
                RegionError::Busy | RegionError::BadSlot => Errno::AGAIN,
                RegionError::NotFound | RegionError::BadParts => Errno::INVAL,
                RegionError::NoMemory => Errno::NOMEM,
            })?;
        let freed_at_last = freed_at_last(memfd);
        let memory = Registered {
            mapping,
            freed_at_last,
        };
        endpoint.regions.keep(region, memory, reserve);
        Ok(region)
    }
}
