//! What can go wrong with a call, each with its cause and the way out.

use std::fmt::{self, Display};
use std::io;

use mx_engine::Code;
use mx_wire::MacAddress;
use rustix::io::Errno;

use crate::backend::call_error::CallError;
use crate::backend::place::Backend;
use crate::lack::lacking;

const MISBEHAVED: u32 = mx_ring::control::Status::Misbehaved as u32;

/// Why a call of the library failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Neither the module's device nor a node's socket exists.
    #[error(
        "no Open-MX board here: neither {device} (load the frontend module) nor {socket} (start omxd, or name its socket in \
         OMX_SOCKET) exists",
        device = mx_ring::uapi::DEVICE_PATH,
        socket = mx_ring::uapi::SOCKET_PATH
    )]
    NoBackend,
    /// The device or the socket exists but cannot be opened.
    #[error("{}", unreachable_backend(.0, *.1))]
    Unreachable(Backend, io::ErrorKind),
    /// Library and backend share memory in different ways; the version of the backend.
    #[error(
        "the library shares memory by version {own}, its backend by version {backend}: update the older one",
        own = mx_ring::ABI_VERSION
    )]
    Version {
        /// The backend's version.
        backend: u32,
    },
    /// The backend answered something that makes no sense.
    #[error("the backend answered a call with something else")]
    Confused,
    /// The backend refused a call, or the process lacks what the call needs.
    #[error("{}", refused(*.0))]
    Refused(Errno),
    /// There is no board of this number.
    #[error("there is no board {0}")]
    NoBoard(u32),
    /// There is no board of this address.
    #[error("no board here has the address {0}; omx_info lists those that there are")]
    NoBoardAt(MacAddress),
    /// What was asked for is in use.
    #[error("it is in use: omx_endpoint_info names the owner")]
    Busy,
    /// The endpoint of this number is in use.
    #[error(
        "endpoint {0} is in use: choose another, or end its owner, which omx_endpoint_info names"
    )]
    EndpointInUse(u32),
    /// Any endpoint would have done, and all are in use.
    #[error(
        "all endpoints are in use: omx_endpoint_info names their owners; a board has more with omxd's option --endpoints, or \
         endpoints= of the driver domain (at most 256)"
    )]
    AllInUse,
    /// The user has as many endpoints, or as much memory in them, as one may have.
    #[error(
        "this user has as many endpoints, or as much memory in them, as one may have: close some, or start omxd with greater \
         --endpoints-per-user and --memory-per-user"
    )]
    UserLimit,
    /// There is no endpoint of this number.
    #[error("there is no endpoint {0}")]
    NoEndpoint(u32),
    /// The board's peer table does not know this address.
    #[error("no peer has the address {:012x}", .0 & 0xffff_ffff_ffff)]
    NoPeer(u64),
    /// The board's peer table does not know this name.
    #[error("no peer is called '{0}'; omx_info lists those that are known")]
    NoPeerName(String),
    /// Two machines say that this is their name; their addresses.
    #[error(
        "two machines are called '{0}', {first:012x} and {second:012x}: rename one of them, or say which one is meant by \
         omx_init_peers <address> <name>",
        first = .1[0],
        second = .1[1]
    )]
    NameTwice(String, [u64; 2]),
    /// A connect was refused, or nobody answered.
    #[error("{CANNOT_CONNECT}: {0}")]
    Connect(Code),
    /// Another thread has woken who waited for a connect's answer.
    #[error("omx_wakeup was called before the connect was answered")]
    Woken,
    /// The backend closed the endpoint; the reason that it gave.
    #[error("the board's backend closed this endpoint{}", closing_reason(*.0))]
    Closed(u32),
    /// The backend is gone.
    #[error(
        "the board's backend has ended (omxd, or the guest's driver domain): open the endpoint again when it is back"
    )]
    BackendGone,
    /// The match info has bits outside of the mask.
    #[error("the match info has bits outside of the mask")]
    MatchMask,
    /// The mask leaves bits of the context id open.
    #[error("the mask leaves bits of the context id open: a receive is of one context")]
    ContextMask,
    /// No memory where some is needed, or memory that lies outside of its buffer.
    #[error("no memory is given, or it lies outside of its buffer")]
    Memory,
    /// A message of more than 2^32 - 1 bytes.
    #[error("a message of 4 GiB or more: send it in several")]
    Length,
    /// The process has as many endpoints open as it may.
    #[error("the process has 256 endpoints open: close one first")]
    TooManyEndpoints,
    /// Not an open endpoint of this process.
    #[error("this is no open endpoint of this process: it was closed, or opened before a fork")]
    NotOpen,
    /// A message in more parts than 256; how many.
    #[error("a message of {0} parts: 256 are allowed, gather them first")]
    Segments(u32),
    /// A board may be changed by administrators alone.
    #[error(
        "only an administrator may change a board or open its raw endpoint: root, or the user who runs omxd"
    )]
    NotAdministrator,
    /// The change is not this machine's to make: the board's name, in a guest.
    #[error(
        "a guest's board has the guest's name: rename the guest in dom0 (xl rename), then detach and attach its board (xl-omx)"
    )]
    NotChangedHere,
    /// A frame of a raw endpoint that is empty or too long; its length.
    #[error("a raw frame of {0} bytes: 1 to 1024 are possible")]
    RawFrame(usize),
    /// A board cannot be changed in this way.
    #[error(
        "the backend refused the change: a name needs a character and must not be that of another board of this machine, an \
         address must be a single station's"
    )]
    BadChange,
    /// The board's peer table has no room.
    #[error("the board's peer table is full")]
    PeersFull,
    /// No endpoint can have so many queue entries.
    #[error(
        "an endpoint cannot have {0} queue entries: a power of two from {least} to {most} is possible",
        least = mx_ring::QUEUE_ENTRIES_MIN,
        most = mx_ring::QUEUE_ENTRIES_MAX
    )]
    QueueEntries(u32),
    /// The call does not apply to this request, or there is none such.
    #[error("the call does not apply to this request")]
    Request,
    /// The address is no remote endpoint's, or another local endpoint's.
    #[error("the address is not of this endpoint's partners: connect from this endpoint first")]
    StrangeAddress,
    /// The call would wait for progress, or for the handler of unexpected messages, within that handler.
    #[error(
        "nothing progresses within the handler of unexpected messages: do this after it has returned"
    )]
    InHandler,
}

const CANNOT_CONNECT: &str = "cannot connect";

/// Why a device or a socket cannot be opened.
fn unreachable_backend(backend: &Backend, kind: io::ErrorKind) -> impl Display {
    fmt::from_fn(move |f| match backend {
        Backend::Device(path) => write!(f, "{} cannot be opened: {kind}", path.display()),
        Backend::Socket(path) if kind == io::ErrorKind::PermissionDenied => write!(
            f,
            "{0} may not be used by this user: omxd runs, or has run, and its socket, or a directory above it, bars others \
             (`namei -l {0}` shows which)",
            path.display()
        ),
        Backend::Socket(path) => {
            write!(
                f,
                "nobody answers at {}: {kind}; is omxd running?",
                path.display()
            )
        }
    })
}

/// Why the backend, or the system, refused.
fn refused(errno: Errno) -> impl Display {
    fmt::from_fn(move |f| match lacking(errno) {
        Some(text) => f.write_str(text),
        None => write!(f, "the backend refused: {errno}"),
    })
}

/// What follows the sentence that an endpoint was closed.
fn closing_reason(reason: u32) -> impl Display {
    fmt::from_fn(move |f| match reason {
        MISBEHAVED => f.write_str(
            ": its queues held what no library writes (did the program overwrite memory?)",
        ),
        reason => write!(f, ", with reason {reason}"),
    })
}

impl Error {
    /// The process lacks memory.
    pub const NO_MEMORY: Self = Self::Refused(Errno::NOMEM);

    /// Open-MX's code for it.
    pub fn code(&self) -> Code {
        match self {
            Self::NoBackend => Code::NoDeviceFile,
            Self::Unreachable(_, io::ErrorKind::PermissionDenied) => Code::AccessDenied,
            Self::Unreachable(_, io::ErrorKind::NotFound) => Code::NoDeviceFile,
            Self::Unreachable(..) | Self::Confused | Self::BackendGone => Code::NoDriver,
            Self::Version { backend } if *backend < mx_ring::ABI_VERSION => Code::BadKernelAbi,
            Self::Version { .. } => Code::BadLibAbi,
            Self::Refused(Errno::BUSY) | Self::Busy | Self::EndpointInUse(_) | Self::AllInUse => {
                Code::Busy
            }
            Self::Refused(Errno::ACCESS | Errno::PERM) | Self::NotAdministrator => {
                Code::AccessDenied
            }
            Self::NotChangedHere => Code::NotImplemented,
            Self::BadChange | Self::RawFrame(_) => Code::BadError,
            Self::QueueEntries(_) => Code::EndpointParamBadValue,
            Self::PeersFull => Code::NoResources,
            Self::Refused(_) | Self::UserLimit => Code::NoSystemResources,
            Self::NoBoard(_) | Self::NoBoardAt(_) => Code::BoardNotFound,
            Self::NoEndpoint(_) | Self::NotOpen | Self::Closed(_) => Code::BadEndpoint,
            Self::NoPeer(_) => Code::NicIdNotFound,
            Self::NoPeerName(_) | Self::NameTwice(..) => Code::PeerNotFound,
            Self::Connect(code) => *code,
            Self::Woken => Code::Cancelled,
            Self::MatchMask => Code::BadMatchMask,
            Self::ContextMask => Code::BadMatchingForContextIdMask,
            Self::Memory | Self::Length | Self::TooManyEndpoints => Code::NoResources,
            Self::Segments(_) => Code::SegmentsBadCount,
            Self::Request => Code::BadRequest,
            Self::StrangeAddress => Code::BadEndpoint,
            Self::InHandler => Code::NotSupportedInHandler,
        }
    }

    /// What is to be said beside the text of its code: the whole error, unless that names the code.
    pub fn cause(&self) -> String {
        match self {
            Self::Connect(_) => CANNOT_CONNECT.to_owned(),
            other => other.to_string(),
        }
    }
}

impl From<CallError> for Error {
    fn from(CallError(errno): CallError) -> Self {
        match errno {
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => Self::BackendGone,
            Errno::BUSY => Self::Busy,
            Errno::DQUOT => Self::UserLimit,
            errno => Self::Refused(errno),
        }
    }
}
