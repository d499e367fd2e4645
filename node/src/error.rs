//! Why a node cannot start or go on.

use std::fmt;
use std::io;
use std::path::PathBuf;

use mx_backend::AddBoardError;
use mx_ring::mapping::MappingError;
use mx_wire::{FormatError, MacAddress};
use rustix::io::Errno;

/// Each sentence names the cause and the way out.
#[derive(Debug)]
pub enum NodeError {
    /// The MTU cannot be.
    Format(FormatError),
    /// A board cannot be added.
    Board {
        /// Its name.
        name: String,
        /// Its address.
        mac: MacAddress,
        /// Why.
        error: AddBoardError,
    },
    /// No shared memory.
    Memory(MappingError),
    /// There is no interface of that name with an Ethernet address.
    NoInterface(String),
    /// No interface can have that name.
    InterfaceName(String),
    /// No board can have that name.
    BoardName(String),
    /// Two boards of that name.
    NameTwice(String),
    /// The interface's MTU (payload bytes) is too small for the frames.
    InterfaceMtu {
        /// The interface.
        interface: String,
        /// Its MTU.
        has: u32,
        /// The one that is needed.
        needed: u32,
    },
    /// A raw socket was refused.
    NotAllowed(String),
    /// Another node serves the socket.
    SocketInUse(PathBuf),
    /// A system call failed while it did what the text says.
    System(String, io::Error),
}

impl NodeError {
    /// Names what was being done when a system call failed.
    pub fn system<E: Into<io::Error>>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        |error| Self::System(doing.into(), error.into())
    }

    /// The system's number of it, if it was the system that refused.
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Memory(MappingError::System(errno)) => Some(*errno),
            Self::System(_, error) => Errno::from_io_error(error),
            _ => None,
        }
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(error) => error.fmt(f),
            Self::Board { name, mac, error } => {
                write!(f, "board {name} with address {mac}: {error}")
            }
            Self::Memory(error) => error.fmt(f),
            Self::NoInterface(name) => write!(
                f,
                "there is no Ethernet interface '{name}': `ip link` lists those of this machine"
            ),
            Self::InterfaceName(name) => write!(
                f,
                "'{}' cannot be the name of an interface, which has 1 to 15 characters: `ip link` lists those of this machine",
                name.escape_default()
            ),
            Self::BoardName(name) => write!(
                f,
                "'{}' cannot be the name of a board, which has 1 to 77 characters, letters, digits and signs: give another \
                 with --name or --board",
                name.escape_default()
            ),
            Self::NameTwice(name) => write!(
                f,
                "two boards are called '{name}', and nobody could tell one from the other: give each a name of its own with \
                 --name and --board"
            ),
            Self::InterfaceMtu {
                interface,
                has,
                needed,
            } => write!(
                f,
                "{interface} has an MTU of {has} bytes, the frames need {needed}: raise it with \
                 `ip link set dev {interface} mtu {needed}`, or give --mtu {} to all nodes of the fabric",
                has + 14
            ),
            Self::NotAllowed(interface) => write!(
                f,
                "raw access to {interface} was refused: run as root, or give the program CAP_NET_RAW"
            ),
            Self::SocketInUse(path) => write!(
                f,
                "another node serves {}: choose another path with --socket",
                path.display()
            ),
            Self::System(doing, error) => write!(f, "{doing}: {error}"),
        }
    }
}

impl std::error::Error for NodeError {}

impl From<FormatError> for NodeError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

impl From<MappingError> for NodeError {
    fn from(error: MappingError) -> Self {
        Self::Memory(error)
    }
}

/// Whether descriptors lack, or memory in the kernel, which may be there again later.
pub fn is_lack(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}
