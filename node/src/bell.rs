//! How a process kicks the node, and the node wakes a process: a byte through a pair of stream sockets.
//!
//! Why no eventfd: whoever holds a descriptor of an eventfd may make the other side's `write` or `read` of it wait, since
//! whether they do (O_NONBLOCK) and the count belong to all holders. Here each side has an end of its own, and says with
//! each call that it does not wait.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair,
};

use crate::error::is_lack;

/// How often a byte is sent for which the kernel has no memory: a process that is not woken may sleep for ever.
const TRIES: u32 = 8;

/// The node's end.
pub struct Bell(OwnedFd);

/// Whether the process can still be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It can.
    Kicks,
    /// It has closed its end.
    End,
}

impl Bell {
    /// A new pair: the node's end, and the process's.
    pub fn new() -> Result<(Self, OwnedFd), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (own, other) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        for end in [&own, &other] {
            // The least there is: of many bytes that nobody has read, one is enough.
            set_socket_send_buffer_size(end, 0)?;
        }
        Ok((Self(own), other))
    }

    /// Wakes the process, if it sleeps.
    pub fn ring(&self) {
        // Without room there are bytes that it has not read yet. An end that it has closed wakes nobody.
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        for _ in 0..TRIES {
            match retry_on_intr(|| send(&self.0, &[1], flags)) {
                Err(errno) if is_lack(errno) => std::thread::yield_now(),
                _ => return,
            }
        }
    }

    /// Forgets kicks so far. What is left when there were very many is told again.
    pub fn hear(&self) -> Heard {
        match recv(&self.0, &mut [0; 256][..], RecvFlags::DONTWAIT) {
            Ok((0, _)) | Err(Errno::CONNRESET) => Heard::End,
            _ => Heard::Kicks,
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

    #[test]
    fn nothing_that_a_process_does_with_its_end_makes_the_node_wait() {
        let (bell, process) = Bell::new().unwrap();
        let flags = fcntl_getfl(&process).unwrap();
        fcntl_setfl(&process, flags - OFlags::NONBLOCK).unwrap();
        for _ in 0..100_000 {
            bell.ring();
        }
        assert_eq!(bell.hear(), Heard::Kicks);
        assert!(recv(&process, &mut [0; 64][..], RecvFlags::DONTWAIT).is_ok());
        bell.ring();
        send(&process, &[1; 3], SendFlags::empty()).unwrap();
        assert_eq!(bell.hear(), Heard::Kicks);
        drop(process);
        bell.ring();
        assert_eq!(bell.hear(), Heard::End);
    }

    #[test]
    fn a_process_that_never_reads_costs_little_memory() {
        let (bell, process) = Bell::new().unwrap();
        let mut bytes = 0;
        for _ in 0..1000 {
            bell.ring();
        }
        while let Ok((1.., _)) = recv(&process, &mut [0; 1][..], RecvFlags::DONTWAIT) {
            bytes += 1;
        }
        assert!((1..32).contains(&bytes), "{bytes} wakes are kept");
    }
}
