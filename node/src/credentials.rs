//! Who a process is.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::getsockopt;
use nix::sys::socket::sockopt::PeerCredentials;
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process at the other end of a unix socket, at the time it connected.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// Number of the process; 0 where it is of a PID namespace that this one does not see.
    pub pid: u32,
    /// User that it ran as, by which limits are counted.
    pub uid: u32,
    /// The first 15 bytes of its command's name, NUL-padded.
    pub command: [u8; 16],
}

impl Credentials {
    /// Of whoever connected this socket.
    pub fn of(socket: impl AsFd) -> std::io::Result<Self> {
        let socket = socket.as_fd();
        let peer = getsockopt(&socket, PeerCredentials)?;
        // 0: the process is of a PID namespace that this one does not see.
        let pid = peer.pid().unsigned_abs();
        let mut command = [0; 16];
        // A process that has gone, or that another user hides, has no name.
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        let name = name.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let used = name.len().min(15);
        command[..used].copy_from_slice(&name[..used]);
        Ok(Self {
            pid,
            uid: peer.uid(),
            command,
        })
    }

    /// A descriptor that is readable when this process has ended; nothing where the kernel has none, or the process is of
    /// a PID namespace that this one does not see. Asked for when it has just connected and waits for its first answer,
    /// so that its number is not another process's yet.
    pub fn end(&self) -> Result<Option<OwnedFd>, Errno> {
        let Some(pid) = Pid::from_raw(self.pid.cast_signed()) else {
            return Ok(None);
        };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(end) => Ok(Some(end)),
            Err(Errno::NOSYS | Errno::PERM) => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// Whether it may change boards: root may, and whoever runs this node.
    pub fn may_administer(&self) -> bool {
        self.uid == 0 || self.uid == rustix::process::geteuid().as_raw()
    }
}

impl std::fmt::Display for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self
            .command
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        write!(f, "process {} ({})", self.pid, name.escape_ascii())
    }
}
