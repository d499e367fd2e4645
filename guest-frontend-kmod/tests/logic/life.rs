//! The life of boards, endpoints and regions, step by step.

use std::task::Poll;

use crate::model::{ENDPOINT_PAGES, HOME, Home, Model, SPACE, reap, small_queues};
use mx_ring::RegionKey;
use mx_ring::control::{Request, Response, STAGING_REFS, Status};
use mx_ring::registration::{RegionNotes, UseBits};
use mx_ring::sleep::EndpointWatch;
use open_mx_frontend::batch::Batch;
use open_mx_frontend::board::{EndpointId, Fault, Opening};
use open_mx_frontend::endpoint::Opener;
use open_mx_frontend::errno::Errno;
use open_mx_frontend::frontend::Frontend;
use open_mx_frontend::kernel::Kernel;
use open_mx_frontend::quota::Limits;
use open_mx_frontend::region::Extent;

struct Guest {
    model: Model,
    frontend: Frontend<Model>,
    home: Home,
    /// The watch of what was registered last.
    last_watch: u32,
}

fn opening(
    frontend: &mut Frontend<Model>,
    endpoint: Option<u8>,
    limits: Option<Limits>,
) -> Opening<u32> {
    Opening {
        endpoint,
        opener: Opener {
            user: 1000,
            space: SPACE,
            pid: 1,
            command: [0; 16],
        },
        limits,
        layout: small_queues(),
        session: 0x1234,
        incarnation: frontend.next_incarnation(),
    }
}

/// Takes all responses of board 0.
fn respond_all(frontend: &mut Frontend<Model>) {
    let (board, pool) = frontend.board(0).expect("board 0");
    while board.respond(pool).expect("an honest home") {}
}

impl Guest {
    /// Board 0 is connected.
    fn new() -> Self {
        let model = Model::new();
        let mut frontend = Frontend::new(model.clone());
        let (board, pool) = frontend.board(0).unwrap();
        let ring_ref = board.attach(pool, HOME).unwrap();
        board.connect();
        let home = Home::new(&model, ring_ref);
        Self {
            model,
            frontend,
            home,
            last_watch: 0,
        }
    }

    fn begin_open(
        &mut self,
        endpoint: Option<u8>,
        limits: Option<Limits>,
    ) -> Poll<Result<EndpointId, Errno>> {
        let pages = std::iter::repeat_n(1, ENDPOINT_PAGES);
        let mut queues = Some(Batch::allocate(&self.model, 1000, pages).unwrap());
        let opening = opening(&mut self.frontend, endpoint, limits);
        let (board, pool) = self.frontend.board(0).unwrap();
        let begun = board.open(pool, &opening, &mut queues);
        if let Some(mut queues) = queues {
            assert!(queues.give_back(&self.model));
        }
        begun
    }

    fn opened(&mut self, id: EndpointId) -> Poll<Result<u32, Errno>> {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.opened(pool, id)
    }

    /// The home takes and answers everything that waits.
    fn serve(&mut self, status: Status) -> Vec<Request> {
        let mut served = Vec::new();
        while self.home.take() {
            served.push(self.home.answer(0, status, false));
            respond_all(&mut self.frontend);
        }
        served
    }

    fn open(&mut self) -> EndpointId {
        let Poll::Ready(Ok(id)) = self.begin_open(None, None) else {
            panic!("opens")
        };
        assert_eq!(self.opened(id), Poll::Pending);
        self.serve(Status::Ok);
        assert_eq!(self.opened(id), Poll::Ready(Ok(0x1234)));
        id
    }

    fn close(&mut self, id: EndpointId) {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.close(pool, id);
    }

    fn register(
        &mut self,
        id: EndpointId,
        pages: usize,
        writable: bool,
    ) -> Result<RegionKey, Errno> {
        let (board, _) = self.frontend.board(0).unwrap();
        let notes = board.at(id.index).and_then(|endpoint| endpoint.notes());
        let (batch, watch) = self.model.pin(1000, notes.unwrap(), writable, pages);
        self.last_watch = watch;
        let mut batch = Some(batch);
        let extent = Extent {
            offset: 16,
            length: (pages * 4096 - 16) as u32,
            writable,
        };
        let (board, pool) = self.frontend.board(0).unwrap();
        let begun = board.register(pool, id, extent, None, &mut batch);
        if let Some(mut batch) = batch {
            assert!(batch.give_back(&self.model));
        }
        begun
    }

    fn registered(&mut self, id: EndpointId, key: RegionKey) -> Poll<Result<(), Errno>> {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.registered(pool, id, key)
    }

    fn deregister(&mut self, id: EndpointId, key: RegionKey) -> Result<(), Errno> {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.deregister(pool, id, key)
    }

    fn deregistered(&mut self, id: EndpointId, key: RegionKey) -> Poll<bool> {
        let (board, pool) = self.frontend.board(0).unwrap();
        match board.deregistered(id, key) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(None) => Poll::Ready(false),
            Poll::Ready(Some(mut batch)) => {
                let (user, pages) = (batch.user(), batch.total());
                assert!(batch.give_back(&self.model));
                pool.dismiss(user, pages);
                Poll::Ready(true)
            }
        }
    }

    /// Detaches the board; nothing may be left once the home is dead.
    fn end(mut self) {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.detach(pool);
        self.home.dies();
        reap(&mut self.frontend);
        assert_eq!(self.model.0.borrow().held(), (0, 0, 0));
        assert!(self.frontend.pool.lingering.is_empty());
        assert_eq!(self.frontend.pool.quotas.users(), 0);
    }
}

#[test]
fn a_board_that_is_attached_and_detached_leaves_nothing() {
    Guest::new().end();
}

#[test]
fn an_attach_that_runs_out_of_grants_or_memory_leaves_nothing() {
    for (grants, memory) in [(3, 100), (100, 3), (17, 16), (16, 17)] {
        let model = Model::new();
        model.0.borrow_mut().grants_left = grants;
        model.0.borrow_mut().memory_left = memory;
        let mut frontend = Frontend::new(model.clone());
        let (board, pool) = frontend.board(0).unwrap();
        assert!(board.attach(pool, HOME).is_err());
        assert!(board.connected().is_err());
        reap(&mut frontend);
        assert_eq!(model.0.borrow().held(), (0, 0, 0));
    }
}

#[test]
fn an_endpoint_is_open_when_the_home_says_so_and_gone_when_it_has_let_go() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.close(id);
    assert_eq!(
        guest.serve(Status::Ok),
        [Request::CloseEndpoint { endpoint: id.index }]
    );
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::NO_DEVICE)));
    reap(&mut guest.frontend);
    assert_eq!(
        guest.model.0.borrow().held(),
        (17, 17, 0),
        "the device pages are left"
    );
    guest.end();
}

#[test]
fn pages_that_the_home_still_maps_linger_whatever_it_answers() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.close(id);
    assert!(guest.home.take());
    guest.home.answer(0, Status::Ok, true);
    respond_all(&mut guest.frontend);
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held().0, 17 + 40);
    guest.home.let_go();
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held().0, 17);
    guest.end();
}

#[test]
fn what_lingers_when_the_module_goes_is_left_to_the_kernel_and_no_more() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.register(id, 10, true).unwrap();
    guest.serve(Status::Ok);
    let (board, pool) = guest.frontend.board(0).unwrap();
    board.detach(pool);
    reap(&mut guest.frontend);
    while let Some(batch) = guest.frontend.pool.lingering.take() {
        batch.give_up(&guest.model);
    }
    assert_eq!(guest.model.0.borrow().held(), (0, 0, 0));
    assert_eq!(guest.model.0.borrow().left, 17 + 40 + 10);
}

#[test]
fn a_refused_endpoint_is_told_once_and_its_index_is_free_again() {
    let mut guest = Guest::new();
    let Poll::Ready(Ok(id)) = guest.begin_open(Some(5), None) else {
        panic!("begins")
    };
    guest.serve(Status::NoSpace);
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::AGAIN)));
    assert_eq!(guest.opened(id), Poll::Ready(Err(Errno::NO_DEVICE)));
    assert!(matches!(
        guest.begin_open(Some(5), None),
        Poll::Ready(Ok(_))
    ));
    guest.end();
}

#[test]
fn an_open_index_is_busy_and_a_closing_one_is_to_be_asked_again() {
    let mut guest = Guest::new();
    let id = guest.open();
    assert_eq!(
        guest.begin_open(Some(id.index), None),
        Poll::Ready(Err(Errno::BUSY))
    );
    guest.close(id);
    assert_eq!(guest.begin_open(Some(id.index), None), Poll::Pending);
    guest.serve(Status::Ok);
    assert!(matches!(
        guest.begin_open(Some(id.index), None),
        Poll::Ready(Ok(_))
    ));
    guest.end();
}

#[test]
fn an_opener_that_was_killed_leaves_an_endpoint_that_the_answer_closes() {
    let mut guest = Guest::new();
    let Poll::Ready(Ok(id)) = guest.begin_open(None, None) else {
        panic!("begins")
    };
    guest.close(id);
    let served = guest.serve(Status::Ok);
    assert!(matches!(
        served[..],
        [Request::OpenEndpoint { .. }, Request::CloseEndpoint { .. }]
    ));
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held().0, 17);
    guest.end();
}

#[test]
fn a_region_is_granted_registered_and_given_back_with_its_accounting() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 1024, true).unwrap();
    assert_eq!(guest.registered(id, key), Poll::Pending);
    let served = guest.serve(Status::Ok);
    assert_eq!(
        served,
        [Request::Register {
            endpoint: id.index,
            region: key,
            writable: true,
            offset: 16,
            length: 1024 * 4096 - 16,
            first_page: 0,
            pages: 1024,
            staging: 0,
        }]
    );
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    guest.deregister(id, key).unwrap();
    assert_eq!(guest.deregistered(id, key), Poll::Pending);
    assert_eq!(guest.deregister(id, key), Err(Errno::INVALID));
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(id, key), Poll::Ready(true));
    assert_eq!(guest.model.0.borrow().accounted, 0);
    assert_eq!(
        guest.deregister(id, key),
        Err(Errno::INVALID),
        "a key is used once"
    );
    guest.end();
}

#[test]
fn a_region_beyond_the_staging_pages_goes_in_pieces() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 2 * STAGING_REFS + 3, false).unwrap();
    let served = guest.serve(Status::Ok);
    let pieces: Vec<_> = served
        .iter()
        .map(|request| match request {
            Request::Register {
                first_page, pages, ..
            } => (*first_page, *pages),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(pieces, [(0, 4096), (4096, 4096), (8192, 3)]);
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    guest.end();
}

#[test]
fn a_region_refused_in_its_second_piece_is_unmapped_before_its_caller_is_told() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, STAGING_REFS + 1, false).unwrap();
    assert!(guest.home.take());
    guest.home.answer(0, Status::Ok, false);
    respond_all(&mut guest.frontend);
    assert!(guest.home.take());
    guest.home.answer(0, Status::NoSpace, false);
    respond_all(&mut guest.frontend);
    assert_eq!(guest.registered(id, key), Poll::Pending);
    assert_eq!(
        guest.serve(Status::Ok),
        [Request::Deregister {
            endpoint: id.index,
            region: key
        }]
    );
    assert_eq!(guest.registered(id, key), Poll::Ready(Err(Errno::AGAIN)));
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().accounted, 0);
    guest.end();
}

#[test]
fn a_region_for_which_grants_run_out_is_refused_and_unmapped() {
    for grants in [100, STAGING_REFS + 100] {
        let mut guest = Guest::new();
        let id = guest.open();
        guest.model.0.borrow_mut().grants_left = grants;
        let key = guest.register(id, 2 * STAGING_REFS, false).unwrap();
        guest.serve(Status::Ok);
        assert_eq!(guest.registered(id, key), Poll::Ready(Err(Errno::AGAIN)));
        reap(&mut guest.frontend);
        assert_eq!(guest.model.0.borrow().accounted, 0);
        assert_eq!(guest.model.0.borrow().grants_left, grants);
        guest.end();
    }
}

#[test]
fn a_caller_killed_while_it_registers_leaves_a_region_that_the_answer_takes_away() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 10, true).unwrap();
    let (board, pool) = guest.frontend.board(0).unwrap();
    board.abandon(pool, id, key);
    let served = guest.serve(Status::Ok);
    assert!(matches!(
        served[..],
        [Request::Register { .. }, Request::Deregister { .. }]
    ));
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().accounted, 0);
    guest.end();
}

#[test]
fn an_endpoint_closed_under_a_registration_is_closed_after_the_answer() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 10, true).unwrap();
    assert!(guest.home.take());
    guest.close(id);
    assert!(!guest.home.take(), "no CloseEndpoint yet");
    guest.home.answer(0, Status::Ok, false);
    respond_all(&mut guest.frontend);
    assert_eq!(
        guest.serve(Status::Ok),
        [Request::CloseEndpoint { endpoint: id.index }]
    );
    assert_eq!(
        guest.registered(id, key),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held(), (17, 17, 0));
    guest.end();
}

#[test]
fn requests_beyond_the_ring_wait_for_room_and_all_come() {
    let mut guest = Guest::new();
    let ids: Vec<_> = (0..40)
        .map(|_| match guest.begin_open(None, None) {
            Poll::Ready(Ok(id)) => id,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(guest.serve(Status::Ok).len(), 40);
    for id in ids {
        assert!(guest.opened(id).is_ready());
        guest.close(id);
    }
    assert_eq!(guest.serve(Status::Ok).len(), 40);
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held().0, 17);
    guest.end();
}

#[test]
fn a_user_gets_what_the_limits_allow_and_has_it_back_after_close() {
    let mut guest = Guest::new();
    let limits = Some(Limits {
        endpoints: 2,
        pages: 1000,
    });
    for _ in 0..2 {
        assert!(matches!(guest.begin_open(None, limits), Poll::Ready(Ok(_))));
    }
    assert_eq!(
        guest.begin_open(None, limits),
        Poll::Ready(Err(Errno::AGAIN))
    );
    assert!(matches!(guest.begin_open(None, None), Poll::Ready(Ok(_))));
    let pages = Some(Limits {
        endpoints: 10,
        pages: 150,
    });
    assert_eq!(
        guest.begin_open(None, pages),
        Poll::Ready(Err(Errno::AGAIN))
    );
    guest.end();
}

#[test]
fn only_the_space_that_opened_an_endpoint_may_use_it() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (board, _) = guest.frontend.board(0).unwrap();
    assert!(board.usable(id, SPACE).is_ok());
    assert_eq!(
        board.usable(id, SPACE + 1).err(),
        Some(Errno::NOT_PERMITTED)
    );
    let other = EndpointId {
        incarnation: id.incarnation + 1,
        ..id
    };
    assert_eq!(board.usable(other, SPACE).err(), Some(Errno::NO_DEVICE));
    guest.end();
}

#[test]
fn an_endpoint_that_the_home_closed_fails_its_process_and_can_be_closed() {
    let mut guest = Guest::new();
    let id = guest.open();
    guest.home.say(&Response {
        id: 0,
        status: Status::Misbehaved,
        endpoint: id.index,
    });
    respond_all(&mut guest.frontend);
    let (board, _) = guest.frontend.board(0).unwrap();
    assert_eq!(board.usable(id, SPACE).err(), Some(Errno::IO));
    guest.close(id);
    assert_eq!(guest.serve(Status::NotFound).len(), 1);
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().held().0, 17);
    guest.end();
}

#[test]
fn an_answer_that_nobody_asked_for_is_a_fault_of_the_home() {
    let mut guest = Guest::new();
    guest.home.say(&Response {
        id: 77,
        status: Status::Ok,
        endpoint: 0,
    });
    let (board, pool) = guest.frontend.board(0).unwrap();
    assert_eq!(board.respond(pool), Err(Fault::UnknownRequest(77)));
    guest.end();
}

#[test]
fn a_board_that_loses_its_home_fails_all_calls_and_serves_the_next_home() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 5, true).unwrap();
    let (board, pool) = guest.frontend.board(0).unwrap();
    let r0 = board.at(id.index).and_then(|endpoint| endpoint.r0());
    let watch = EndpointWatch::new(guest.model.area(r0.unwrap(), 1)).unwrap();
    assert!(!watch.has_events(0, 0));
    board.detach(pool);
    assert!(watch.has_events(0, 0), "a process that polls is told");
    assert_eq!(
        guest.registered(id, key),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    assert_eq!(guest.deregistered(id, key), Poll::Ready(false));
    assert_eq!(
        guest.begin_open(None, None),
        Poll::Ready(Err(Errno::NO_DEVICE))
    );
    assert_eq!(guest.frontend.board_count(), 0);
    let (board, pool) = guest.frontend.board(0).unwrap();
    let ring_ref = board.attach(pool, HOME).unwrap();
    assert_eq!(board.attach(pool, HOME), Err(Errno::BUSY));
    board.connect();
    let successor = Home::new(&guest.model, ring_ref);
    std::mem::replace(&mut guest.home, successor).dies();
    reap(&mut guest.frontend);
    assert_eq!(
        guest.model.0.borrow().held().0,
        17,
        "only the new device pages"
    );
    guest.open();
    guest.end();
}

impl Guest {
    /// Registers memory and takes note of it, as a caller does: its key and its watch.
    fn registered_region(&mut self, id: EndpointId) -> (RegionKey, u32) {
        let key = self.register(id, 3, true).unwrap();
        self.serve(Status::Ok);
        assert_eq!(self.registered(id, key), Poll::Ready(Ok(())));
        (key, self.last_watch)
    }

    /// What the library of the process sees and writes.
    fn process(&mut self, id: EndpointId) -> (UseBits, RegionNotes) {
        let (board, _) = self.frontend.board(0).unwrap();
        let endpoint = board.at(id.index).unwrap();
        let notes = self.model.area(endpoint.notes().unwrap(), 1);
        let uses = endpoint.uses(&self.model).unwrap();
        (uses, RegionNotes::new(notes).unwrap())
    }

    fn sweep(&mut self, id: EndpointId) {
        let (board, pool) = self.frontend.board(0).unwrap();
        board.sweep(pool, id.index);
    }
}

#[test]
fn a_region_stays_usable_from_message_to_message_until_its_memory_changes() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (key, watch) = guest.registered_region(id);
    let (uses, notes) = guest.process(id);
    for _ in 0..3 {
        assert!(uses.begin(&notes, key));
        uses.end(key);
    }
    let grants = guest.model.0.borrow().grants_left;
    guest.model.change(watch);
    assert!(!uses.begin(&notes, key));
    guest.sweep(id);
    assert_eq!(
        guest.serve(Status::Ok),
        [Request::Deregister {
            endpoint: id.index,
            region: key
        }]
    );
    reap(&mut guest.frontend);
    assert_eq!(guest.model.0.borrow().accounted, 0);
    assert_eq!(guest.model.0.borrow().grants_left, grants + 3);
    assert_eq!(guest.deregister(id, key), Err(Errno::INVALID));
    guest.end();
}

#[test]
fn a_stale_region_that_a_message_uses_is_left_to_the_library() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (key, watch) = guest.registered_region(id);
    let (uses, notes) = guest.process(id);
    assert!(uses.begin(&notes, key));
    guest.model.change(watch);
    guest.sweep(id);
    assert!(guest.serve(Status::Ok).is_empty(), "the transfer goes on");
    uses.end(key);
    assert!(!uses.begin(&notes, key), "and no other begins");
    guest.deregister(id, key).unwrap();
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(id, key), Poll::Ready(true));
    guest.end();
}

#[test]
fn a_region_that_changes_before_it_is_ready_is_stale_from_the_start() {
    let mut guest = Guest::new();
    let id = guest.open();
    let key = guest.register(id, 3, false).unwrap();
    guest.model.change(guest.last_watch);
    guest.sweep(id);
    guest.serve(Status::Ok);
    assert_eq!(guest.registered(id, key), Poll::Ready(Ok(())));
    let (uses, notes) = guest.process(id);
    assert!(!uses.begin(&notes, key));
    guest.deregister(id, key).unwrap();
    guest.serve(Status::Ok);
    assert_eq!(guest.deregistered(id, key), Poll::Ready(true));
    guest.end();
}

#[test]
fn who_gives_back_a_region_that_is_being_swept_waits_for_its_end() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (key, watch) = guest.registered_region(id);
    guest.model.change(watch);
    guest.sweep(id);
    guest.deregister(id, key).unwrap();
    assert_eq!(guest.deregister(id, key), Err(Errno::INVALID), "one waits");
    assert_eq!(guest.deregistered(id, key), Poll::Pending);
    assert_eq!(guest.serve(Status::Ok).len(), 1);
    assert_eq!(guest.deregistered(id, key), Poll::Ready(true));
    guest.end();
}

#[test]
fn a_change_that_comes_after_the_slot_has_a_new_region_leaves_that_one_valid() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (old, watch) = guest.registered_region(id);
    guest.deregister(id, old).unwrap();
    assert!(guest.home.take());
    // The home lies: the pages, and with them the watch, linger.
    guest.home.answer(0, Status::Ok, true);
    respond_all(&mut guest.frontend);
    let (board, pool) = guest.frontend.board(0).unwrap();
    let Poll::Ready(Some(batch)) = board.deregistered(id, old) else {
        panic!("given back")
    };
    pool.linger(batch);
    let (new, _) = guest.registered_region(id);
    assert_eq!(new.slot, old.slot);
    guest.model.change(watch);
    let (uses, notes) = guest.process(id);
    assert!(uses.begin(&notes, new));
    assert!(!notes.is_valid(old));
    guest.end();
}
