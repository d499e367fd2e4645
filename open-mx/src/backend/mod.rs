//! How the library reaches its boards: through the frontend module of a guest, or through `omxd`.
//!
//! Both answer the same calls ([`mx_ring::uapi`]) and share the same pages. A [`Channel`] is one open file or
//! connection; it becomes a view of a board or an endpoint. Calls are for opening, registering and sleeping: no message
//! needs one.

pub mod call_error;
mod caller;
mod device;
pub mod place;
mod regions;
mod sleep;
mod socket;

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mx_ring::mapping::{Mapping, Memfd};
use mx_ring::uapi::{Call, CallReply, CallRequest, DEVICE_PATH, SOCKET_PATH};
use mx_ring::{EndpointLayout, RegionKey};
use rustix::io::Errno;

use crate::error::Error;
use crate::lack::is_lack;
pub use call_error::CallError;
pub use place::Backend;
pub use regions::{Marks, Regions};
pub use sleep::{Signals, Slept, sleep_on_all};

impl Backend {
    /// Looks for the boards: the socket that `OMX_SOCKET` names, else the module's device, else the usual socket.
    pub fn find() -> Result<Self, Error> {
        if let Some(path) = std::env::var_os("OMX_SOCKET") {
            return Ok(Self::Socket(path.into()));
        }
        let device = PathBuf::from(DEVICE_PATH);
        let socket = PathBuf::from(SOCKET_PATH);
        if device.exists() {
            Ok(Self::Device(device))
        } else if socket.exists() {
            Ok(Self::Socket(socket))
        } else {
            Err(Error::NoBackend)
        }
    }

    /// Asks whether somebody serves boards there, in this library's version of the shared memory.
    pub fn greet(&self) -> Result<(), Error> {
        self.channel().map(drop)
    }

    /// Opens a channel and compares versions.
    pub(crate) fn channel(&self) -> Result<Greeted, Error> {
        let opened: io::Result<Arc<dyn Channel>> = match self {
            Self::Device(path) => device::Device::open(path).map(|d| Arc::new(d) as Arc<_>),
            Self::Socket(path) => socket::Socket::connect(path).map(|s| Arc::new(s) as Arc<_>),
        };
        let channel = opened.map_err(|error| match Errno::from_io_error(&error) {
            Some(errno) if is_lack(errno) => Error::Refused(errno),
            _ => Error::Unreachable(self.clone(), error.kind()),
        })?;
        let hello = CallRequest::Hello {
            version: mx_ring::ABI_VERSION,
        };
        match channel.call(&hello, None)? {
            CallReply::Hello { version, .. } if version != mx_ring::ABI_VERSION => {
                Err(Error::Version { backend: version })
            }
            CallReply::Hello {
                boards,
                user_memory,
                queue_entries,
                ..
            } => Ok(Greeted {
                channel,
                boards,
                user_memory,
                queue_entries,
            }),
            _ => Err(Error::Confused),
        }
    }
}

/// A channel whose other side has told what it is.
pub struct Greeted {
    /// By which the backend is asked, and by which both wake each other.
    pub channel: Arc<dyn Channel>,
    /// Boards that may exist: indices from 0, with gaps.
    pub boards: u32,
    /// Whether the process's own memory can be registered by its address.
    pub user_memory: bool,
    /// Queue entries of an endpoint whose program does not ask for another number; 0: the board tells.
    pub queue_entries: u32,
}

/// What an opened endpoint consists of.
pub struct Opened {
    /// Index on its board, below 256.
    pub endpoint: u32,
    /// What tells this opening from earlier ones of the index.
    pub session: u32,
    /// Description, counters and peers of its board, read-only.
    pub board: Mapping,
    /// The pages that the process writes.
    pub w: Mapping,
    /// The pages that the backend writes.
    pub r: Mapping,
    /// What the kernel notes about regions, where it does.
    pub notes: Option<Mapping>,
}

/// What an answer says.
fn reply(answer: &Call) -> Result<CallReply, CallError> {
    match answer.error {
        0 => Ok(CallReply::decode(answer)),
        errno @ 1..=ERRNO_MAX => Err(CallError(Errno::from_raw_os_error(errno as i32))),
        _ => Err(CallError(Errno::PROTO)),
    }
}

/// The greatest number of an error in Linux.
const ERRNO_MAX: u32 = 4095;

/// One open file or connection. Several threads may use it.
pub trait Channel: Send + Sync {
    /// Asks and waits for the answer. `memory` goes along with a registration where memory is not named by address.
    fn call(&self, request: &CallRequest, memory: Option<&Memfd>) -> Result<CallReply, CallError>;
    /// Makes this channel a view of a board.
    fn attach(&self, board: u32) -> Result<Mapping, CallError>;
    /// Makes this channel an endpoint.
    fn open(&self, board: u32, endpoint: u32, layout: &EndpointLayout)
    -> Result<Opened, CallError>;
    /// Makes this channel the raw endpoint of a board: each datagram, `read` or `write` of the descriptor is a frame.
    fn open_raw(&self, board: u32) -> Result<OwnedFd, CallError>;
    /// Whether the process itself must announce in shared memory that it goes to sleep.
    fn process_arms(&self) -> bool;
    /// Wakes the backend if `kick`, then sleeps until there are events beyond these consumer indices, a wakeup, or the
    /// deadline (CLOCK_MONOTONIC). May return early. Whether a signal ended it.
    fn sleep(
        &self,
        consumed: (u32, u32),
        deadline: Option<Duration>,
        kick: bool,
    ) -> Result<bool, CallError>;
    /// What tells that [`Self::sleep`] would return, for a sleep on several channels. Fails where descriptors lack; once it
    /// has not, it does not, and [`Self::wakeup`] is told by it.
    fn signals(&self) -> Result<Signals<'_>, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }
    /// Wakes the backend.
    fn kick(&self);
    /// Makes sleepers of this endpoint return.
    fn wakeup(&self);
    /// Closes what was opened, also when a child has this channel open, too.
    fn close(&self);
    /// Whether the other side is still there, as far as that can be seen.
    fn alive(&self) -> bool;
}

/// Registers memory: by its address, or by the memfd that goes along.
fn register(
    channel: &dyn Channel,
    request: &CallRequest,
    memory: Option<&Memfd>,
) -> Result<RegionKey, CallError> {
    match channel.call(request, memory)? {
        CallReply::Registered { region } => Ok(region),
        _ => Err(CallError(Errno::PROTO)),
    }
}
