//! Endpoints whose backend is in the same process and served by the caller, for programs that count what a call costs.

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mx_ring::EndpointLayout;
use mx_ring::mapping::{Mapping, Memfd};
use mx_ring::uapi::{CallReply, CallRequest};
use rustix::io::Errno;

use crate::backend::{CallError, Channel, Greeted, Opened};
use crate::endpoint::{Endpoint, EndpointOptions};
use crate::error::Error;

/// What an endpoint shares with its backend.
pub struct Shared {
    /// The pages of its board.
    pub board: Mapping,
    /// The pages that the process writes.
    pub w: Mapping,
    /// The pages that the backend writes.
    pub r: Mapping,
    /// How they are laid out.
    pub layout: EndpointLayout,
    /// Its session.
    pub session: u32,
}

/// Whether the backend is to be woken.
#[derive(Clone, Debug, Default)]
pub struct Kick(Arc<AtomicBool>);

impl Kick {
    /// Whether it was since this was last asked.
    pub fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Opens endpoint 0 of board 0, whose backend has opened it already. Memory cannot be registered, so that no large message can
/// be sent or received, and no call may sleep.
pub fn open(shared: Shared, key: u32) -> Result<(Endpoint, Kick), Error> {
    let kick = Kick::default();
    let layout = shared.layout;
    let opened = Opened {
        endpoint: 0,
        session: shared.session,
        board: shared.board,
        w: shared.w,
        r: shared.r,
        notes: None,
    };
    let greeted = Greeted {
        channel: Arc::new(FakeChannel {
            opened: Mutex::new(Some(opened)),
            kick: kick.clone(),
        }),
        boards: 1,
        user_memory: true,
        queue_entries: 0,
    };
    let options = EndpointOptions {
        board: Some(0),
        endpoint: Some(0),
        ..EndpointOptions::new(key)
    };
    Ok((Endpoint::open_by(greeted, layout, &options)?, kick))
}

struct FakeChannel {
    /// Until it is opened.
    opened: Mutex<Option<Opened>>,
    kick: Kick,
}

const REFUSED: CallError = CallError(Errno::OPNOTSUPP);

impl Channel for FakeChannel {
    fn call(&self, _: &CallRequest, _: Option<&Memfd>) -> Result<CallReply, CallError> {
        Err(REFUSED)
    }

    fn attach(&self, _: u32) -> Result<Mapping, CallError> {
        Err(REFUSED)
    }

    fn open(&self, _: u32, _: u32, _: &EndpointLayout) -> Result<Opened, CallError> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.take().ok_or(CallError(Errno::BUSY))
    }

    fn open_raw(&self, _: u32) -> Result<OwnedFd, CallError> {
        Err(REFUSED)
    }

    fn process_arms(&self) -> bool {
        true
    }

    fn sleep(&self, _: (u32, u32), _: Option<Duration>, _: bool) -> Result<bool, CallError> {
        Err(REFUSED)
    }

    fn kick(&self) {
        self.kick.0.store(true, Ordering::Relaxed);
    }

    fn wakeup(&self) {}

    fn close(&self) {}

    fn alive(&self) -> bool {
        true
    }
}
