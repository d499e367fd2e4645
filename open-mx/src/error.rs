//! What can go wrong with a call, each with its cause and the way out.

use std::io;

use mx_engine::Code;
use mx_wire::MacAddress;
use rustix::io::Errno;

use crate::backend::call_error::CallError;
use crate::backend::place::Backend;
use crate::lack::lacking;

const MISBEHAVED: u32 = mx_ring::control::Status::Misbehaved as u32;

/// Why a call of the library failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// Neither the module's device nor a node's socket exists.
    NoBackend,
    /// The device or the socket exists but cannot be opened.
    Unreachable(Backend, io::ErrorKind),
    /// Library and backend share memory in different ways; the version of the backend.
    Version {
        /// The backend's version.
        backend: u32,
    },
    /// The backend answered something that makes no sense.
    Confused,
    /// The backend refused a call, or the process lacks what the call needs.
    Refused(Errno),
    /// There is no board of this number.
    NoBoard(u32),
    /// There is no board of this address.
    NoBoardAt(MacAddress),
    /// What was asked for is in use.
    Busy,
    /// The endpoint of this number is in use.
    EndpointInUse(u32),
    /// Any endpoint would have done, and all are in use.
    AllInUse,
    /// The user has as many endpoints, or as much memory in them, as one may have.
    UserLimit,
    /// There is no endpoint of this number.
    NoEndpoint(u32),
    /// The board's peer table does not know this address.
    NoPeer(u64),
    /// The board's peer table does not know this name.
    NoPeerName(String),
    /// Two machines say that this is their name; their addresses.
    NameTwice(String, [u64; 2]),
    /// A connect was refused, or nobody answered.
    Connect(Code),
    /// Another thread has woken who waited for a connect's answer.
    Woken,
    /// The backend closed the endpoint; the reason that it gave.
    Closed(u32),
    /// The backend is gone.
    BackendGone,
    /// The match info has bits outside of the mask.
    MatchMask,
    /// The mask leaves bits of the context id open.
    ContextMask,
    /// No memory where some is needed, or memory that lies outside of its buffer.
    Memory,
    /// A message of more than 2^32 - 1 bytes.
    Length,
    /// The process has as many endpoints open as it may.
    TooManyEndpoints,
    /// Not an open endpoint of this process.
    NotOpen,
    /// A message in more parts than 256; how many.
    Segments(u32),
    /// A board may be changed by administrators alone.
    NotAdministrator,
    /// The change is not this machine's to make: the board's name, in a guest.
    NotChangedHere,
    /// A frame of a raw endpoint that is empty or too long; its length.
    RawFrame(usize),
    /// A board cannot be changed in this way.
    BadChange,
    /// The board's peer table has no room.
    PeersFull,
    /// No endpoint can have so many queue entries.
    QueueEntries(u32),
    /// The call does not apply to this request, or there is none such.
    Request,
    /// The address is no remote endpoint's, or another local endpoint's.
    StrangeAddress,
    /// The call would wait for progress, or for the handler of unexpected messages, within that handler.
    InHandler,
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
            Self::Connect(_) => "cannot connect".to_owned(),
            other => other.to_string(),
        }
    }
}

impl core::fmt::Display for Error {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::NoBackend => write!(
                f,
                "no Open-MX board here: neither {} (load the frontend module) nor {} (start omxd, or name its socket \
                 in OMX_SOCKET) exists",
                mx_ring::uapi::DEVICE_PATH,
                mx_ring::uapi::SOCKET_PATH
            ),
            Self::Unreachable(Backend::Device(path), kind) => {
                write!(f, "{} cannot be opened: {kind}", path.display())
            }
            Self::Unreachable(Backend::Socket(path), io::ErrorKind::PermissionDenied) => write!(
                f,
                "{} may not be used by this user: omxd runs, or has run, and its socket, or a directory above it, bars others \
                 (`namei -l {}` shows which)",
                path.display(),
                path.display()
            ),
            Self::Unreachable(Backend::Socket(path), kind) => write!(
                f,
                "nobody answers at {}: {kind}; is omxd running?",
                path.display()
            ),
            Self::Version { backend } => write!(
                f,
                "the library shares memory by version {}, its backend by version {backend}: update the older one",
                mx_ring::ABI_VERSION
            ),
            Self::Confused => f.write_str("the backend answered a call with something else"),
            Self::Refused(errno) => match lacking(*errno) {
                Some(text) => f.write_str(text),
                None => write!(f, "the backend refused: {errno}"),
            },
            Self::NoBoard(board) => write!(f, "there is no board {board}"),
            Self::NoBoardAt(mac) => write!(
                f,
                "no board here has the address {mac}; omx_info lists those that there are"
            ),
            Self::Busy => f.write_str("it is in use: omx_endpoint_info names the owner"),
            Self::EndpointInUse(endpoint) => write!(
                f,
                "endpoint {endpoint} is in use: choose another, or end its owner, which omx_endpoint_info names"
            ),
            Self::AllInUse => f.write_str(
                "all endpoints are in use: omx_endpoint_info names their owners; a board has more with omxd's option \
                 --endpoints, or endpoints= of the driver domain (at most 256)",
            ),
            Self::UserLimit => f.write_str(
                "this user has as many endpoints, or as much memory in them, as one may have: close some, or start omxd with \
                 greater --endpoints-per-user and --memory-per-user",
            ),
            Self::NoEndpoint(endpoint) => write!(f, "there is no endpoint {endpoint}"),
            Self::NoPeer(nic) => {
                write!(f, "no peer has the address {:012x}", nic & 0xffff_ffff_ffff)
            }
            Self::NoPeerName(name) => write!(
                f,
                "no peer is called '{name}'; omx_info lists those that are known"
            ),
            Self::NameTwice(name, [first, second]) => write!(
                f,
                "two machines are called '{name}', {first:012x} and {second:012x}: rename one of them, or say which one is \
                 meant by omx_init_peers <address> <name>"
            ),
            Self::Connect(code) => write!(f, "{}: {code}", self.cause()),
            Self::Woken => f.write_str("omx_wakeup was called before the connect was answered"),
            Self::Closed(MISBEHAVED) => f.write_str(
                "the board's backend closed this endpoint: its queues held what no library writes (did the program \
                 overwrite memory?)",
            ),
            Self::Closed(reason) => {
                write!(f, "the board's backend closed this endpoint, with reason {reason}")
            }
            Self::BackendGone => f.write_str(
                "the board's backend has ended (omxd, or the guest's driver domain): open the endpoint again when it is back",
            ),
            Self::MatchMask => f.write_str("the match info has bits outside of the mask"),
            Self::ContextMask => f.write_str(
                "the mask leaves bits of the context id open: a receive is of one context",
            ),
            Self::Memory => {
                f.write_str("no memory is given, or it lies outside of its buffer")
            }
            Self::Length => {
                f.write_str("a message of 4 GiB or more: send it in several")
            }
            Self::TooManyEndpoints => {
                f.write_str("the process has 256 endpoints open: close one first")
            }
            Self::NotOpen => f.write_str(
                "this is no open endpoint of this process: it was closed, or opened before a fork",
            ),
            Self::Segments(count) => {
                write!(
                    f,
                    "a message of {count} parts: 256 are allowed, gather them first"
                )
            }
            Self::NotAdministrator => f.write_str(
                "only an administrator may change a board or open its raw endpoint: root, or the user who runs omxd",
            ),
            Self::NotChangedHere => f.write_str(
                "a guest's board has the guest's name: rename the guest in dom0 (xl rename), then detach and attach its \
                 board (xl-omx)",
            ),
            Self::RawFrame(length) => {
                write!(f, "a raw frame of {length} bytes: 1 to 1024 are possible")
            }
            Self::BadChange => f.write_str(
                "the backend refused the change: a name needs a character and must not be that of another board of \
                 this machine, an address must be a single station's",
            ),
            Self::QueueEntries(entries) => write!(
                f,
                "an endpoint cannot have {entries} queue entries: a power of two from {} to {} is possible",
                mx_ring::QUEUE_ENTRIES_MIN,
                mx_ring::QUEUE_ENTRIES_MAX
            ),
            Self::PeersFull => f.write_str("the board's peer table is full"),
            Self::Request => f.write_str("the call does not apply to this request"),
            Self::StrangeAddress => f.write_str(
                "the address is not of this endpoint's partners: connect from this endpoint first",
            ),
            Self::InHandler => f.write_str(
                "nothing progresses within the handler of unexpected messages: do this after it has returned",
            ),
        }
    }
}

impl std::error::Error for Error {}

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
