//! What happens to those who connect when this process has no descriptors left: each is told, and nobody waits for ever.

use std::os::fd::{AsFd, OwnedFd};

use mx_ring::uapi::{Call, CallRequest};
use mx_ring::uapi_socket;
use rustix::io::Errno;
use rustix::net::{SendFlags, SocketFlags, accept_with};
use tracing::warn;

use super::Server;
use crate::error::NodeError;

/// A descriptor that can be given up for another.
pub(super) struct Spare {
    /// Of no use, or the last connection that was turned away: open until its place is needed, so that the other side
    /// finds the refusal.
    held: Option<OwnedFd>,
    /// Whether the log says that connections are turned away.
    told: bool,
}

impl Spare {
    /// Of whatever is open.
    pub(super) fn of(open: impl AsFd) -> Result<Self, NodeError> {
        let held = rustix::io::fcntl_dupfd_cloexec(open, 0)
            .map_err(NodeError::system("keeping a descriptor in reserve"))?;
        Ok(Self {
            held: Some(held),
            told: false,
        })
    }

    /// Connections are taken again.
    pub(super) fn forget_complaint(&mut self) {
        self.told = false;
    }
}

impl Server {
    /// Takes a connection for which there is no descriptor in the place of the spare one, and refuses it.
    pub(super) fn turn_away(&mut self, errno: Errno) {
        self.tell_lack(errno);
        self.spare.held = None;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        match accept_with(&self.listener, flags) {
            Ok(socket) => {
                refuse(&socket);
                self.spare.held = Some(socket);
            }
            // Nobody is there, or it is memory that lacks: the next turn tries again.
            Err(_) => {
                self.spare.held = rustix::io::fcntl_dupfd_cloexec(&self.listener, 0).ok();
            }
        }
    }

    /// Says in the log, once, that there is no room for connections.
    pub(super) fn tell_lack(&mut self, errno: Errno) {
        if !std::mem::replace(&mut self.spare.told, true) {
            warn!(
                "connections are turned away until some are closed: {errno}; allow this process more descriptors \
                 (`ulimit -n`, LimitNOFILE=) or memory"
            );
        }
    }
}

/// Answers the first question of a connection, which is not asked yet, by a refusal.
pub(super) fn refuse(socket: &OwnedFd) {
    let hello = CallRequest::Hello {
        version: mx_ring::ABI_VERSION,
    };
    let refusal = Call {
        kind: hello.encode().kind,
        error: Errno::NFILE.raw_os_error().unsigned_abs(),
        ..Call::default()
    };
    // Whoever has gone already needs none.
    let _ = uapi_socket::send(socket, &refusal, &[], SendFlags::DONTWAIT);
}
