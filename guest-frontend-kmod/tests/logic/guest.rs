//! A guest with one connected board, its backend, and what its processes do.

use std::task::Poll;

use mx_ring::RegionKey;
use mx_ring::control::{ControlRequest, Status};
use mx_ring::registration::{RegionNotes, UseBits};
use open_mx_frontend::board::{Board, Opening};
use open_mx_frontend::endpoint::{Opener, Process};
use open_mx_frontend::endpoint_id::EndpointId;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::frontend::Frontend;
use open_mx_frontend::kernel::{Access, DomainId, Kernel};
use open_mx_frontend::page_set::PageSet;
use open_mx_frontend::quota::Limits;
use open_mx_frontend::region::Extent;
use open_mx_frontend::shared::Shared;

use crate::model::{BACKEND, Backend, ENDPOINT_PAGES, Model, SPACE, small_queues};

/// The user who pays for everything.
pub const USER: u32 = 1000;

/// The guest.
pub struct Guest {
    pub model: Model,
    pub frontend: Frontend<Model>,
    pub backend: Backend,
    /// The watch of what was registered last.
    pub last_watch: u32,
}

/// What a process asks for when it opens an endpoint.
pub fn opening(
    frontend: &Frontend<Model>,
    endpoint: Option<u8>,
    limits: Option<Limits>,
) -> Opening<u32> {
    Opening {
        endpoint,
        opener: Opener {
            user: USER,
            space: SPACE,
            process: Process {
                pid: 1,
                command: [0; 16],
            },
        },
        limits,
        layout: small_queues(),
        session: 0x1234,
        incarnation: frontend.next_incarnation(),
    }
}

/// What can be said of registered memory.
pub fn extent(pages: usize, writable: bool) -> Extent {
    Extent {
        offset: 16,
        length: (pages * 4096 - 16) as u32,
        writable,
        reserve: false,
    }
}

/// What the backend may do with it.
pub fn access(writable: bool) -> Access {
    if writable {
        Access::Write
    } else {
        Access::Read
    }
}

/// Takes all responses of board 0.
pub fn respond_all(frontend: &Frontend<Model>) {
    let (board, shared) = frontend.board(0).expect("board 0");
    while board.respond(shared).expect("an honest backend") {}
}

impl Guest {
    /// Board 0 is connected.
    pub fn new() -> Self {
        let model = Model::new();
        let frontend = Frontend::new(model.clone()).expect("the test has memory");
        let (board, shared) = frontend.board(0).unwrap();
        let ring_ref = board.attach(shared, BACKEND).unwrap();
        board.connect(shared);
        let backend = Backend::new(&model, BACKEND, ring_ref);
        Self {
            model,
            frontend,
            backend,
            last_watch: 0,
        }
    }

    /// The backend dies, and another domain is there in its stead, which the guest connects to.
    pub fn succeeded(&mut self, domain: DomainId) {
        let (board, shared) = self.board();
        board.orphan(shared);
        assert_eq!(board.attach(shared, domain), Err(Errno::BUSY));
        self.backend.dies();
        let (board, shared) = self.board();
        let ring_ref = board.attach(shared, domain).unwrap();
        self.backend = Backend::new(&self.model, domain, ring_ref);
        let (board, shared) = self.board();
        board.connect(shared);
    }

    /// Board 0.
    pub fn board(&self) -> (&Board<Model>, &Shared<Model>) {
        self.frontend.board(0).expect("board 0")
    }

    /// Allocates and grants queues and begins to open an endpoint over them.
    pub fn begin_open(
        &self,
        endpoint: Option<u8>,
        limits: Option<Limits>,
    ) -> Poll<Result<EndpointId, Errno>> {
        let pages = std::iter::repeat_n(1, ENDPOINT_PAGES);
        let pages = PageSet::allocate(&self.model, USER, pages).unwrap();
        let opening = opening(&self.frontend, endpoint, limits);
        let (board, shared) = self.board();
        let mut queues = match board.grant_queues(shared, &opening, pages) {
            Ok(queues) => Some(queues),
            Err(error) => return Poll::Ready(Err(error)),
        };
        let begun = board.open(shared, &opening, &mut queues);
        if let Some(queues) = queues {
            shared.give_back(queues);
        }
        begun
    }

    pub fn opened(&self, id: EndpointId) -> Poll<Result<u32, Errno>> {
        let (board, shared) = self.board();
        board.opened(shared, id)
    }

    /// The backend takes and answers everything that waits.
    pub fn serve(&mut self, status: Status) -> Vec<ControlRequest> {
        let mut served = Vec::new();
        while self.backend.take() {
            served.push(self.backend.answer(0, status, false));
            respond_all(&self.frontend);
        }
        served
    }

    /// Opens an endpoint.
    pub fn open(&mut self) -> EndpointId {
        let Poll::Ready(Ok(id)) = self.begin_open(None, None) else {
            panic!("opens")
        };
        assert_eq!(self.opened(id), Poll::Pending);
        self.serve(Status::Ok);
        assert_eq!(self.opened(id), Poll::Ready(Ok(0x1234)));
        id
    }

    pub fn close(&self, id: EndpointId) {
        let (board, shared) = self.board();
        board.close(shared, id);
    }

    /// Pins and grants memory and begins to register it.
    pub fn register(
        &mut self,
        id: EndpointId,
        pages: usize,
        writable: bool,
    ) -> Result<RegionKey, Errno> {
        self.register_within(id, extent(pages, writable), None)
    }

    /// The same, within limits.
    pub fn register_within(
        &mut self,
        id: EndpointId,
        extent: Extent,
        limits: Option<Limits>,
    ) -> Result<RegionKey, Errno> {
        let pages = (usize::from(extent.offset) + extent.length as usize).div_ceil(4096);
        let writable = extent.writable;
        let notes = self.board().0.at(id.index, |endpoint| endpoint.notes());
        let notes = notes.flatten().unwrap();
        let (pinned, watch) = self.model.pin(USER, notes, writable, pages);
        self.last_watch = watch;
        let (board, shared) = self.board();
        let admitted = shared.admit(pinned, limits)?;
        let granted = board.grant(shared, admitted, pages, |_| access(writable))?;
        let mut granted = Some(granted);
        let begun = board.register(shared, id, SPACE, extent, &mut granted);
        if let Some(unused) = granted {
            shared.give_back(unused);
        }
        begun
    }

    pub fn registered(&self, id: EndpointId, key: RegionKey) -> Poll<Result<(), Errno>> {
        let (board, shared) = self.board();
        board.registered(shared, id, key)
    }

    pub fn deregister(&self, id: EndpointId, key: RegionKey) -> Result<(), Errno> {
        let (board, shared) = self.board();
        board.deregister(shared, id, SPACE, key)
    }

    /// Whether the region has been given back to this caller, who gives back its pages.
    pub fn deregistered(&self, id: EndpointId, key: RegionKey) -> Poll<bool> {
        let (board, shared) = self.board();
        board.deregistered(id, key).map(|pages| {
            let left = pages.is_some();
            if let Some(pages) = pages {
                shared.give_back(pages);
                assert_eq!(shared.deferred_unmaps(), 0, "the backend has let go");
            }
            left
        })
    }

    /// Registers memory and takes note of it, as a caller does: its key and its watch.
    pub fn registered_region(&mut self, id: EndpointId) -> (RegionKey, u32) {
        let key = self.register(id, 3, true).unwrap();
        self.serve(Status::Ok);
        assert_eq!(self.registered(id, key), Poll::Ready(Ok(())));
        (key, self.last_watch)
    }

    /// What the library of the process sees and writes.
    pub fn process(&self, id: EndpointId) -> (UseBits, RegionNotes) {
        let seen = self.board().0.at(id.index, |endpoint| {
            let notes = self.model.slice(endpoint.notes().unwrap(), 1);
            (endpoint.uses(&self.model).unwrap(), notes)
        });
        let (uses, notes) = seen.unwrap();
        (uses, RegionNotes::new(notes).unwrap())
    }

    pub fn sweep(&self, id: EndpointId) {
        let (board, shared) = self.board();
        board.sweep(shared, id.index);
    }

    /// Detaches the board; nothing may be left once the backend is dead.
    pub fn end(self) {
        let (board, shared) = self.board();
        board.detach(shared);
        let Self {
            model,
            frontend,
            mut backend,
            ..
        } = self;
        backend.dies();
        frontend.shared.reap();
        assert_eq!(model.world().held(), (0, 0, 0));
        assert_eq!(frontend.shared.deferred_unmaps(), 0);
        assert_eq!(frontend.shared.users(), 0);
    }
}
