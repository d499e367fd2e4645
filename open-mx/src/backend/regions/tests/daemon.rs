//! The cache against a backend that takes memfds, and runs out of what it needs to map them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mx_engine::{Refused, Use};
use mx_ring::RegionKey;
use mx_ring::mapping::Memfd;
use mx_ring::registration::{RESERVE_MAX, RESERVES};
use mx_ring::uapi::{CallReply, CallRequest};
use rustix::io::Errno;

use super::super::Regions;
use super::{Application, PAGE, Registers, To, divisible};
use crate::backend::CallError;

/// What a [`Daemon`] has no room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Nothing,
    /// More than buffers of last resort.
    Others,
    All,
    /// The calls themselves.
    Calls,
}

/// What `omxd` does: memory comes as a memfd, which it maps.
struct Daemon {
    /// Which slots are buffers of last resort.
    table: Mutex<BTreeMap<u16, bool>>,
    lack: Mutex<Lack>,
}

impl Daemon {
    /// And an endpoint that was just opened there.
    fn open() -> (Arc<To<Self>>, Regions) {
        let daemon = Arc::new(To(Self {
            table: Mutex::default(),
            lack: Mutex::new(Lack::Nothing),
        }));
        let mut regions = Regions::new(daemon.clone(), false, None, true);
        regions.make_reserves().unwrap();
        (daemon, regions)
    }

    fn lacks(&self, what: Lack) {
        *self.lack.lock().unwrap() = what;
    }
}

impl Registers for Daemon {
    fn call(&self, request: &CallRequest, memfd: Option<&Memfd>) -> Result<CallReply, CallError> {
        let mut table = self.table.lock().unwrap();
        if *self.lack.lock().unwrap() == Lack::Calls {
            return Err(CallError(Errno::NOBUFS));
        }
        match *request {
            CallRequest::Register {
                length, reserve, ..
            } => {
                assert_eq!(memfd.unwrap().slice().len(), length as usize);
                match *self.lack.lock().unwrap() {
                    Lack::All => return Err(CallError(Errno::NOMEM)),
                    Lack::Others if !reserve => return Err(CallError(Errno::NOMEM)),
                    _ => {}
                }
                let reserves = table.values().filter(|it| **it).count();
                if reserve && reserves == RESERVES {
                    return Err(CallError(Errno::AGAIN));
                }
                let slot = (0..).find(|slot| !table.contains_key(slot)).unwrap();
                table.insert(slot, reserve);
                let generation = 0;
                Ok(CallReply::Registered {
                    region: RegionKey { slot, generation },
                })
            }
            CallRequest::Deregister { region } => {
                table.remove(&region.slot);
                Ok(CallReply::Done)
            }
            _ => Err(CallError(Errno::OPNOTSUPP)),
        }
    }
}

#[test]
fn buffers_of_last_resort_are_there_from_the_open_on_where_they_need_what_a_process_may_lack() {
    let (daemon, mut regions) = Daemon::open();
    let reserves = || {
        daemon
            .table
            .lock()
            .unwrap()
            .values()
            .filter(|it| **it)
            .count()
    };
    assert_eq!(reserves(), RESERVES);
    daemon.lacks(Lack::Others);
    let application = Application::new(1024);
    let memory = application.message(0, 1024 * PAGE);
    let piece = divisible(&memory);
    for used in [Use::Send, Use::Receive, Use::Send, Use::Receive] {
        let registered = regions.register_part(&memory, piece, used).unwrap();
        assert_eq!(registered.length, RESERVE_MAX);
        let another = regions.register_part(&memory, piece, used).unwrap_err();
        assert_eq!(another, Refused::Later, "who has it gives it back");
        regions.release(&registered);
    }
}

#[test]
fn a_message_waits_for_memory_only_while_somebody_may_give_some_back() {
    let (daemon, mut regions) = Daemon::open();
    let application = Application::new(1024);
    let memory = application.message(0, 1024 * PAGE);
    let piece = divisible(&memory);
    let other = regions.register_part(&memory, piece, Use::Receive).unwrap();
    daemon.lacks(Lack::Others);
    let sent = regions.register_part(&memory, piece, Use::Send).unwrap();
    // It is registered anew for each piece.
    regions.release(&sent);
    daemon.lacks(Lack::All);
    let refused = regions
        .register_part(&memory, piece, Use::Send)
        .unwrap_err();
    assert_eq!(refused, Refused::Later);
    regions.release(&other);
    let refused = regions
        .register_part(&memory, piece, Use::Send)
        .unwrap_err();
    assert_eq!(refused, Refused::Never);
    daemon.lacks(Lack::Nothing);
    assert!(regions.register_part(&memory, piece, Use::Send).is_ok());
}

#[test]
fn what_could_not_be_given_back_is_before_more_is_registered() {
    let (daemon, mut regions) = Daemon::open();
    daemon.lacks(Lack::Others);
    let application = Application::new(1024);
    let memory = application.message(0, 1024 * PAGE);
    let piece = divisible(&memory);
    let other = regions.register_part(&memory, piece, Use::Receive).unwrap();
    let sent = regions.register_part(&memory, piece, Use::Send).unwrap();
    daemon.lacks(Lack::Calls);
    regions.release(&sent);
    let refused = regions
        .register_part(&memory, piece, Use::Send)
        .unwrap_err();
    assert_eq!(refused, Refused::Later);
    daemon.lacks(Lack::Others);
    let sent = regions.register_part(&memory, piece, Use::Send).unwrap();
    assert_eq!(daemon.table.lock().unwrap().len(), RESERVES);
    regions.release(&sent);
    regions.release(&other);
}

#[test]
fn a_message_does_not_wait_for_ever_for_a_receive_that_may_be_its_own() {
    let (daemon, mut regions) = Daemon::open();
    daemon.lacks(Lack::Others);
    let application = Application::new(1024);
    let memory = application.message(0, 1024 * PAGE);
    let piece = divisible(&memory);
    let _own = regions.register_part(&memory, piece, Use::Receive).unwrap();
    let sent = regions.register_part(&memory, piece, Use::Send).unwrap();
    daemon.lacks(Lack::Calls);
    regions.release(&sent);
    for _ in 0..10 {
        let refused = regions
            .register_part(&memory, piece, Use::Send)
            .unwrap_err();
        assert_eq!(refused, Refused::Later);
    }
    regions.timeout = Duration::ZERO;
    let mut tries = std::iter::repeat_with(|| regions.register_part(&memory, piece, Use::Send));
    // The clock has steps of milliseconds.
    assert!(tries.any(|tried| matches!(tried, Err(Refused::Never))));
}
