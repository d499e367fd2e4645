//! Why a node cannot start or go on.

use std::io;
use std::path::PathBuf;

use mx_backend::AddBoardError;
use mx_ring::mapping::MappingError;
use mx_wire::{FormatError, MacAddress};
use rustix::io::Errno;

/// Each sentence names the cause and the way out.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The MTU cannot be.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A board cannot be added.
    #[error("board {name} with address {mac}: {error}")]
    Board {
        /// As the options name it.
        name: String,
        /// The address that it was to have.
        mac: MacAddress,
        /// Why.
        error: AddBoardError,
    },
    /// No shared memory.
    #[error(transparent)]
    Memory(#[from] MappingError),
    /// There is no interface of that name with an Ethernet address.
    #[error("there is no Ethernet interface '{0}': `ip link` lists those of this machine")]
    NoInterface(String),
    /// No interface can have that name.
    #[error("'{}' cannot be the name of an interface, which has 1 to 15 characters: `ip link` lists those of this machine",
        .0.escape_default()
    )]
    InterfaceName(String),
    /// No board can have that name.
    #[error(
        "'{}' cannot be the name of a board, which has 1 to 77 characters, letters, digits and signs: give another \
         with --name or --board",
        .0.escape_default()
    )]
    BoardName(String),
    /// Two boards of that name.
    #[error(
        "two boards are called '{0}', and nobody could tell one from the other: give each a name of its own with \
         --name and --board"
    )]
    NameTwice(String),
    /// The interface's MTU (payload bytes) is too small for the frames.
    #[error(
        "{interface} has an MTU of {has} bytes, the frames need {needed}: raise it with \
         `ip link set dev {interface} mtu {needed}`, or give --mtu {} to all nodes of the fabric",
        .has + 14
    )]
    InterfaceMtu {
        /// Name of the interface.
        interface: String,
        /// Payload bytes that it takes.
        has: u32,
        /// Payload bytes of the longest frame.
        needed: u32,
    },
    /// A raw socket was refused.
    #[error("raw access to {0} was refused: run as root, or give the program CAP_NET_RAW")]
    NotAllowed(String),
    /// Another node serves the socket.
    #[error("another node serves {}: choose another path with --socket",
        .0.display()
    )]
    SocketInUse(PathBuf),
    /// There is something else in the place of the capture.
    #[error(
        "{} is there already, and is no plain file of this user: choose another name with --pcap",
        .0.display()
    )]
    CaptureTaken(PathBuf),
    /// A system call failed while it did what the text says.
    #[error("{0}: {1}")]
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

/// Whether descriptors lack, or memory in the kernel, which may be there again later.
pub fn is_lack(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM
    )
}
