//! The calls of processes: a `SOCK_SEQPACKET` socket, one connection for each view of a board or endpoint.

mod calls;
mod full;
mod listen;
mod raw;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use mx_backend::{Backend, EndpointKey, Misbehaviour, Sleepers};
use mx_board::{BoardId, Instant};
use mx_ring::uapi::{Call, CallReply, CallRequest, EndpointDescriptors};
use mx_ring::{BackendSide, RegionKey, heap, uapi_socket};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use tracing::{debug, info, warn};

use crate::bell::Heard;
use crate::boards::Board;
use crate::cli::NodeOptions;
use crate::client::{Client, ClientEndpoint, Pending, Role};
use crate::closing::Closing;
use crate::complaints::{Complaint, Complaints};
use crate::credentials::Credentials;
use crate::error::{NodeError, is_lack};
use crate::limits::{Held, Limits};
use crate::poller::{ClientId, Poller, Source};
use crate::wire::Outgoing;
use full::{Spare, refuse};
use listen::listen;
use raw::Raw;

/// Connections that a user may have.
const CONNECTIONS_PER_USER: usize = 512;
/// The user whom nothing is counted for.
const NOBODY: u32 = u32::MAX;

/// What a call can touch besides the server.
pub struct Surroundings {
    /// The boards' backend.
    pub backend: Backend,
    /// The descriptors that are watched.
    pub poller: Poller,
    /// The way out of the node.
    pub outgoing: Outgoing,
    /// The time of this turn.
    pub now: Instant,
}

/// What a call leads to.
enum Answer {
    /// A reply, and what goes along.
    Now(CallReply, Along),
    /// The reply comes later.
    Later(Pending),
}

/// Descriptors that go along with a reply.
enum Along {
    Nothing,
    /// A board's pages.
    Board(usize),
    /// A board's pages, and all of an endpoint, with the process's end of its bell.
    Endpoint(usize, EndpointKey, OwnedFd),
}

/// The node's socket, its connections and their endpoints.
pub struct Server {
    path: PathBuf,
    listener: OwnedFd,
    boards: Vec<Board>,
    endpoint_max: u16,
    limits: Limits,
    clients: BTreeMap<ClientId, Client>,
    endpoints: BTreeMap<EndpointKey, ClientEndpoint>,
    raws: BTreeMap<BoardId, Raw>,
    next_client: u32,
    closing: Closing,
    /// For those who connect when there are no descriptors left.
    spare: Spare,
    complaints: Complaints,
}

impl Server {
    /// Opens the socket.
    pub fn open(options: &NodeOptions, boards: Vec<Board>) -> Result<Self, NodeError> {
        let path: &Path = &options.socket;
        let listener = listen(path)?;
        info!("processes find this node at {}", path.display());
        Ok(Self {
            path: path.into(),
            spare: Spare::of(&listener)?,
            complaints: Complaints::default(),
            listener,
            boards,
            endpoint_max: options.endpoints,
            limits: Limits::new(options),
            clients: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            raws: BTreeMap::new(),
            next_client: 0,
            closing: Closing::default(),
        })
    }

    /// The socket to watch.
    pub fn listener(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }

    /// The boards by their numbers, as processes name them.
    pub fn boards(&self) -> &[Board] {
        &self.boards
    }

    /// Whether all endpoints are closed.
    pub fn is_quiet(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Takes a connection. Failures cost the one who connects only.
    pub fn accept(&mut self, poller: &Poller) {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = match rustix::net::accept_with(&self.listener, flags) {
            Ok(socket) => socket,
            Err(errno) if is_lack(errno) => {
                self.turn_away(errno);
                return;
            }
            // Whoever it was has gone, or the next turn tries again.
            Err(_) => return,
        };
        let Ok(credentials) = Credentials::of(&socket) else {
            self.closing.hang_up(NOBODY, socket);
            return;
        };
        let uid = credentials.uid;
        let same_user = |client: &&Client| client.credentials.uid == uid;
        let connections = self.clients.values().filter(same_user).count();
        if connections + self.closing.count(uid) >= CONNECTIONS_PER_USER {
            if self.complaints.is_new(&credentials, Complaint::TurnedAway) {
                warn!(
                    "{credentials} was turned away: its user has {CONNECTIONS_PER_USER} connections"
                );
            }
            self.closing.hang_up(uid, socket);
            return;
        }
        let id = ClientId(self.next_client);
        let watched = match heap::has_room(heap::ROOM) {
            true => watch_both(id, &socket, &credentials, poller),
            false => Err(Errno::NOMEM),
        };
        let end = match watched {
            Ok(end) => end,
            Err(errno) => {
                if is_lack(errno) {
                    self.tell_lack(errno);
                    refuse(&socket);
                } else {
                    warn!("{credentials} was turned away: {errno}");
                }
                self.closing.hang_up(uid, socket);
                return;
            }
        };
        self.next_client = self.next_client.wrapping_add(1);
        debug!("{credentials} has connected");
        let client = Client {
            socket,
            credentials,
            role: Role::New,
            _end: end,
            pending: None,
        };
        self.clients.insert(id, client);
    }

    /// A client has said something, or has gone.
    pub fn heard(&mut self, id: ClientId, around: &mut Surroundings) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        // Nothing is read from a client that waits for an answer, so this is its end.
        if client.pending.is_some() {
            self.disconnect(id, around);
            return;
        }
        if let Role::Raw(board) = client.role {
            self.raw_heard(id, board, around);
            return;
        }
        match uapi_socket::receive(&client.socket, RecvFlags::DONTWAIT) {
            Ok((Some(call), received)) => {
                self.call(id, &call, &received.descriptors, around);
                if self.gives_more_than_memory(id, received.descriptors) {
                    self.disconnect(id, around);
                }
            }
            Ok((None, received)) => {
                if received.length != 0 {
                    info!(
                        "{} is disconnected: it sent what is no call",
                        client.credentials
                    );
                }
                self.gives_more_than_memory(id, received.descriptors);
                self.disconnect(id, around);
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(error) => {
                let credentials = &client.credentials;
                if self.complaints.is_new(credentials, Complaint::Disconnected) {
                    info!("{credentials} is disconnected: {error}");
                }
                self.disconnect(id, around);
            }
        }
    }

    /// Closes what came with a datagram; whether it was more than memory, which no library sends.
    fn gives_more_than_memory(&self, id: ClientId, descriptors: Vec<OwnedFd>) -> bool {
        let Some(client) = self.clients.get(&id) else {
            // It went while its call was served.
            return !self.closing.close(NOBODY, descriptors);
        };
        let more = !self.closing.close(client.credentials.uid, descriptors);
        if more {
            info!(
                "{} sends descriptors that are no memory",
                client.credentials
            );
        }
        more
    }

    fn call(
        &mut self,
        id: ClientId,
        call: &Call,
        descriptors: &[OwnedFd],
        around: &mut Surroundings,
    ) {
        let answer = match CallRequest::decode(call) {
            Err(unknown) => {
                debug!("{unknown}");
                Err(Errno::NOSYS)
            }
            Ok(request) => self.carry_out(id, call, &request, descriptors, around),
        };
        let (pending, sent) = match answer {
            Ok(Answer::Later(pending)) => (Some(pending), Ok(())),
            Ok(Answer::Now(reply, along)) => (None, self.answer(id, &reply.encode(call), &along)),
            Err(errno) => {
                let refusal = Call::refusal(call, errno.raw_os_error().unsigned_abs());
                (None, self.answer(id, &refusal, &Along::Nothing))
            }
        };
        if sent.is_err() {
            self.disconnect(id, around);
        } else if let (Some(pending), Some(client)) = (pending, self.clients.get_mut(&id)) {
            client.pending = Some(pending);
            // A failure leaves it watched: it is then taken for gone, which frees all that it has.
            let _ = around.poller.mute(&client.socket, Source::Client(id), true);
        }
    }

    /// A client that does not take its answer has one outstanding call too many: an error.
    fn answer(&self, id: ClientId, answer: &Call, along: &Along) -> Result<(), Errno> {
        let client = self.clients.get(&id).ok_or(Errno::NOTCONN)?;
        let pages = |index: &usize| {
            self.boards
                .get(*index)
                .map(|board| board.pages.descriptor())
        };
        let mut descriptors = Vec::new();
        match along {
            Along::Nothing => {}
            Along::Board(index) => descriptors.extend(pages(index)),
            Along::Endpoint(index, key, bell) => {
                if let (Some(board), Some(endpoint)) = (pages(index), self.endpoints.get(key)) {
                    let all = EndpointDescriptors {
                        board,
                        w: endpoint.w.descriptor(),
                        r: endpoint.r.descriptor(),
                        bell: bell.as_fd(),
                    };
                    descriptors.extend(all.into_array());
                }
            }
        }
        retry_on_intr(|| {
            uapi_socket::send(&client.socket, answer, &descriptors, SendFlags::DONTWAIT)
        })
    }

    /// What a user has: endpoints of a board, bytes of all.
    fn held(&self, uid: u32, board: BoardId) -> Held {
        let own = self
            .endpoints
            .iter()
            .filter(|(_, endpoint)| endpoint.credentials.uid == uid);
        own.fold(Held::default(), |held, (key, endpoint)| Held {
            endpoints: held.endpoints + usize::from(key.board == board),
            bytes: held.bytes.saturating_add(endpoint.bytes()),
        })
    }

    /// The connection is over, or its process: what it owned is closed.
    pub fn disconnect(&mut self, id: ClientId, around: &mut Surroundings) {
        let Some(client) = self.clients.remove(&id) else {
            return;
        };
        debug!("{} has gone", client.credentials);
        self.spare.forget_complaint();
        if let Role::Raw(board) = client.role {
            self.raws.remove(&board);
            around.backend.close_raw(board);
        }
        if let Role::Owner(key) = client.role
            && let Some(endpoint) = self.endpoints.get_mut(&key)
        {
            endpoint.client = None;
            // Refused when the backend has begun to close it already.
            let _ = around.backend.close_endpoint(key);
        }
        // Whoever closes it last may take his time.
        if let Err(error) = around.poller.forget(&client.socket) {
            warn!("a connection that has ended is still heard: {error}");
        }
        self.closing.hang_up(client.credentials.uid, client.socket);
    }

    /// A process has kicked its endpoint.
    pub fn kicked(&mut self, key: EndpointKey, around: &mut Surroundings) {
        let Some(endpoint) = self.endpoints.get(&key) else {
            return;
        };
        if endpoint.bell.hear() == Heard::End
            && let Err(error) = around.poller.forget(&endpoint.bell)
        {
            warn!("a bell that rings no more is still heard: {error}");
        }
        around.backend.kicked(around.now, key);
    }

    /// The backend closes an endpoint whose process wrote what cannot be.
    pub fn misbehaved(&self, key: EndpointKey, misbehaviour: &Misbehaviour) {
        if let Some(endpoint) = self.endpoints.get(&key) {
            warn!(
                "endpoint {} of board {} is closed: {} wrote {misbehaviour}",
                key.endpoint, key.board.0, endpoint.credentials
            );
            // It finds the reason in its endpoint's status.
            endpoint.bell.ring();
        }
    }

    /// The backend has let go of an endpoint: its memory goes, and who waited for its index is served.
    pub fn closed(&mut self, key: EndpointKey, around: &mut Surroundings) {
        let Some(endpoint) = self.endpoints.remove(&key) else {
            return;
        };
        let (uid, bytes) = (endpoint.credentials.uid, endpoint.regions.freed_at_last());
        self.closing.free(uid, endpoint.regions, bytes);
        // The backend closed it by itself, or the node ends: the process sees its connection go.
        if let Some(id) = endpoint.client {
            self.disconnect(id, around);
        }
        let waits = |client: &Client| match client.pending {
            Some(Pending::Open { call, endpoint }) if endpoint == key => Some(call),
            _ => None,
        };
        let waiting: Vec<_> = self
            .clients
            .iter()
            .filter_map(|(id, client)| Some((*id, waits(client)?)))
            .collect();
        // The first gets it, the others are told that it is busy.
        for (id, call) in waiting {
            if self.go_on(id, around) {
                self.call(id, &call, &[], around);
            }
        }
    }

    /// The backend has let go of a region.
    pub fn released(&mut self, key: EndpointKey, region: RegionKey, around: &mut Surroundings) {
        let Some(endpoint) = self.endpoints.get_mut(&key) else {
            return;
        };
        if let Some(memory) = endpoint.regions.take(region) {
            let bytes = memory.freed_at_last;
            self.closing.free(endpoint.credentials.uid, memory, bytes);
        }
        let Some(id) = endpoint.client else {
            return;
        };
        let pending = self.clients.get(&id).and_then(|client| client.pending);
        if let Some(Pending::Deregister { call, region: of }) = pending
            && of == region
            && self.go_on(id, around)
        {
            let answer = CallReply::Done.encode(&call);
            if self.answer(id, &answer, &Along::Nothing).is_err() {
                self.disconnect(id, around);
            }
        }
    }

    /// Listens again to a client whose call is about to be answered. One that cannot be heard is disconnected, and not left
    /// to wait for ever with its next call.
    fn go_on(&mut self, id: ClientId, around: &mut Surroundings) -> bool {
        let Some(client) = self.clients.get_mut(&id) else {
            return false;
        };
        client.pending = None;
        let heard = around
            .poller
            .mute(&client.socket, Source::Client(id), false);
        if let Err(error) = &heard {
            warn!(
                "{} is disconnected: it can no longer be heard: {error}",
                client.credentials
            );
            self.disconnect(id, around);
        }
        heard.is_ok()
    }
}

/// Watches a connection, and the process that made it: the descriptor that tells its end.
fn watch_both(
    id: ClientId,
    socket: &OwnedFd,
    credentials: &Credentials,
    poller: &Poller,
) -> Result<Option<OwnedFd>, Errno> {
    let end = credentials.end()?;
    if let Some(end) = &end {
        poller.watch(end, Source::End(id))?;
    }
    poller.watch(socket, Source::Client(id))?;
    Ok(end)
}

impl Sleepers for Server {
    fn wake_if_armed(&mut self, key: EndpointKey, side: &mut BackendSide) {
        if side.wake_needed()
            && let Some(endpoint) = self.endpoints.get(&key)
        {
            endpoint.bell.ring();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for client in std::mem::take(&mut self.clients).into_values() {
            self.closing.hang_up(client.credentials.uid, client.socket);
        }
        // Best effort: a socket that stays behind is recognised by the next node.
        let _ = std::fs::remove_file(&self.path);
    }
}
