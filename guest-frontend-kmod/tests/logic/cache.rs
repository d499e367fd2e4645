//! Regions that the library keeps, and memory that changes below them.

use std::task::Poll;

use mx_ring::control::{ControlRequest, Status};
use open_mx_frontend::errno::Errno;

use crate::guest::{Guest, respond_all};

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
    let grants = guest.model.world().grants_left;
    guest.model.change(watch);
    assert!(!uses.begin(&notes, key));
    guest.sweep(id);
    assert_eq!(
        guest.serve(Status::Ok),
        [ControlRequest::Deregister {
            endpoint: id.index,
            region: key
        }]
    );
    guest.frontend.shared.reap();
    assert_eq!(guest.model.world().accounted, 0);
    assert_eq!(guest.model.world().grants_left, grants + 3);
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
    assert!(guest.backend.take());
    // The backend lies: the pages, and with them the watch, are kept.
    guest.backend.answer(0, Status::Ok, true);
    respond_all(&guest.frontend);
    let (board, shared) = guest.board();
    let Poll::Ready(Some(page_set)) = board.deregistered(id, old) else {
        panic!("given back")
    };
    shared.defer_unmap(page_set);
    let (new, _) = guest.registered_region(id);
    assert_eq!(new.slot, old.slot);
    guest.model.change(watch);
    let (uses, notes) = guest.process(id);
    assert!(uses.begin(&notes, new));
    assert!(!notes.is_valid(old));
    guest.end();
}

#[test]
fn a_look_at_a_stale_region_leaves_the_use_of_its_slots_next_region_alone() {
    let mut guest = Guest::new();
    let id = guest.open();
    let (old, watch) = guest.registered_region(id);
    guest.model.change(watch);
    guest.sweep(id);
    guest.serve(Status::Ok);
    guest.frontend.shared.reap();
    let (new, watch) = guest.registered_region(id);
    assert_eq!(new.slot, old.slot);
    let (uses, notes) = guest.process(id);
    assert!(uses.begin(&notes, new));
    assert!(!uses.begin(&notes, old));
    assert!(uses.in_use(new.slot));
    guest.model.change(watch);
    guest.sweep(id);
    assert!(guest.serve(Status::Ok).is_empty(), "the transfer goes on");
    uses.end(new);
    guest.end();
}
