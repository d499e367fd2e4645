//! A datagram socket as a wire, as QEMU's `-netdev dgram` speaks it: one Ethernet frame per datagram.

use std::io;
use std::net::UdpSocket;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::net::SocketAddrUnix;

use crate::cli::DatagramPair;
use crate::error::NodeError;

/// The other end of a unix datagram socket, which may not be there yet, or may come back as a new socket.
pub struct Reconnect {
    remote: SocketAddrUnix,
}

impl Reconnect {
    /// Connects to whoever is there now.
    pub fn connect(&self, socket: impl AsFd) -> io::Result<()> {
        Ok(rustix::net::connect(socket, &self.remote)?)
    }
}

/// Opens the near end. UDP takes datagrams of the far end only; the far end need not be there yet.
pub fn open(pair: &DatagramPair) -> Result<(OwnedFd, Option<Reconnect>), NodeError> {
    match pair {
        DatagramPair::Inet { local, remote } => {
            let opened = UdpSocket::bind(local).and_then(|socket| {
                socket.connect(remote)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            });
            let socket = opened.map_err(NodeError::system(format!(
                "opening {local} towards {remote}"
            )))?;
            Ok((socket.into(), None))
        }
        DatagramPair::Unix { local, remote } => {
            let opened = open_unix(local, remote);
            let doing = format!("opening {} towards {}", local.display(), remote.display());
            let (socket, reconnect) = opened.map_err(NodeError::system(doing))?;
            Ok((socket.into(), Some(reconnect)))
        }
    }
}

fn open_unix(local: &PathBuf, remote: &Path) -> io::Result<(UnixDatagram, Reconnect)> {
    // What an earlier life left behind; a file that is no socket is not ours to remove.
    if is_socket(local) {
        std::fs::remove_file(local)?;
    }
    let socket = UnixDatagram::bind(local)?;
    socket.set_nonblocking(true)?;
    let remote = SocketAddrUnix::new(remote)?;
    Ok((socket, Reconnect { remote }))
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}
