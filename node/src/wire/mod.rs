//! The way to other machines: a socket that carries one Ethernet frame per message.

mod bursts;
mod datagram;
mod interface;
mod links;
mod packet;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use mx_wire::Format;
use tracing::warn;

use crate::cli::NodeOptions;
use crate::error::NodeError;
pub use bursts::{Incoming, Outgoing};
pub use interface::{Interface, padded};

/// Bytes that a socket's buffers should hold: a window of pull replies of several peers.
const SOCKET_BUFFER: usize = 8 << 20;

/// A wire that was opened.
pub struct Wire {
    /// What comes.
    pub incoming: Incoming,
    /// What goes.
    pub outgoing: Outgoing,
    /// The socket, for polling; none for a node that is alone.
    pub socket: Option<Arc<OwnedFd>>,
    /// Name of the interface, for the board pages.
    pub interface: String,
    /// Name of what drives it, for the board pages.
    pub driver: &'static str,
    /// The interface, where there is one.
    pub followed: Option<Interface>,
}

impl Wire {
    /// Opens the wire that the options name.
    pub fn open(options: &NodeOptions, format: Format) -> Result<Self, NodeError> {
        let (socket, reconnect, followed) = match (&options.interface, &options.dgram) {
            (Some(name), _) => {
                let interface = Interface::open(name, format)?;
                (Some(interface.socket()), None, Some(interface))
            }
            (None, Some(pair)) => {
                let (socket, reconnect) = datagram::open(pair)?;
                (Some(shared(socket)), reconnect, None)
            }
            (None, None) => (None, None, None),
        };
        let (interface, driver) = match (&options.interface, &options.dgram) {
            (Some(interface), _) => (interface.clone(), "af_packet"),
            (None, Some(_)) => ("dgram".into(), "dgram"),
            (None, None) => ("none".into(), "none"),
        };
        Ok(Self {
            incoming: Incoming::new(socket.clone()),
            outgoing: Outgoing::new(socket.clone(), reconnect),
            socket,
            interface,
            driver,
            followed,
        })
    }
}

/// A socket that both directions use.
pub fn shared(socket: OwnedFd) -> Arc<OwnedFd> {
    enlarge_buffers(&socket);
    Arc::new(socket)
}

/// A burst of replies must fit a socket, or it is lost and sent again after a timeout.
fn enlarge_buffers(socket: impl AsFd) {
    use rustix::net::sockopt;
    let socket = socket.as_fd();
    let forced = sockopt::set_socket_recv_buffer_size_force(socket, SOCKET_BUFFER)
        .and_then(|()| sockopt::set_socket_send_buffer_size_force(socket, SOCKET_BUFFER));
    if forced.is_ok() {
        return;
    }
    let asked = sockopt::set_socket_recv_buffer_size(socket, SOCKET_BUFFER)
        .and_then(|()| sockopt::set_socket_send_buffer_size(socket, SOCKET_BUFFER));
    let has = sockopt::socket_recv_buffer_size(socket).unwrap_or(0);
    // The kernel reports twice what was asked for.
    if asked.is_err() || has < SOCKET_BUFFER {
        warn!(
            "the wire's receive buffer holds only {has} bytes: large messages may be slow; run as root, or raise it \
             with `sysctl net.core.rmem_max={SOCKET_BUFFER} net.core.wmem_max={SOCKET_BUFFER}`"
        );
    }
}

/// Whether an operation would have had to wait.
fn would_block(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock || error.raw_os_error() == Some(nix::libc::ENOBUFS)
}
