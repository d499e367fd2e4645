//! What comes from the wire: of an interface by a ring of memory that the kernel fills, of a datagram socket by system calls, one
//! for up to 32 frames.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use mx_ring::packet_ring::{self, PacketRing};
use nix::sys::socket::{MsgFlags, MultiHeaders, SockaddrStorage};
use tracing::warn;

/// Frames of a burst.
const BURST: usize = 32;
/// Bytes of a receive buffer: more than any frame has, so that one that is too long is seen to be.
const BUFFER: usize = 9216;

/// What comes from the wire.
pub struct Incoming {
    socket: Option<Arc<OwnedFd>>,
    way: Way,
    /// Frames that found no room, and of how many was told.
    lost: u64,
    told: u64,
}

enum Way {
    /// Nothing comes.
    None,
    Ring(PacketRing),
    Bursts(Bursts),
}

impl Incoming {
    /// Nothing ever comes.
    pub const fn none() -> Self {
        Self::by(None, Way::None)
    }

    /// What comes by a socket: into the ring, if it has one.
    pub fn of_socket(socket: Arc<OwnedFd>, ring: Option<PacketRing>) -> Self {
        Self::by(Some(socket), Way::by(ring))
    }

    const fn by(socket: Option<Arc<OwnedFd>>, way: Way) -> Self {
        Self {
            socket,
            way,
            lost: 0,
            told: 0,
        }
    }

    /// From now on of another socket.
    pub fn replace(&mut self, socket: Arc<OwnedFd>, ring: Option<PacketRing>) {
        self.way = Way::by(ring);
        self.socket = Some(socket);
    }

    /// Whether [`Self::waits`] tells all that comes.
    pub const fn shows(&self) -> bool {
        !matches!(&self.way, Way::Bursts(_))
    }

    /// Whether frames wait, if that can be seen without a system call.
    pub fn waits(&self) -> bool {
        matches!(&self.way, Way::Ring(ring) if ring.waits())
    }

    /// Gives a burst of frames to `take`. Fails when the socket is unusable.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
        match &mut self.way {
            Way::None => Ok(()),
            Way::Bursts(bursts) => bursts.receive(socket, take),
            Way::Ring(ring) => {
                let lost = ring.has_lost();
                for _ in 0..BURST {
                    if !ring.take(&mut take) {
                        break;
                    }
                }
                if lost {
                    self.count_lost();
                }
                Ok(())
            }
        }
    }

    /// Says what found no room: the first time, and whenever it has become twice as much.
    fn count_lost(&mut self) {
        let counted = self.socket.as_ref().map(packet_ring::lost);
        self.lost += u64::from(counted.and_then(Result::ok).unwrap_or(0));
        if self.lost >= self.told.max(1) * 2 || self.told == 0 && self.lost > 0 {
            self.told = self.lost;
            warn!(
                "{} frames were dropped before this node took them: they came faster than it could (is its processor busy?)",
                self.lost
            );
        }
    }
}

impl Way {
    fn by(ring: Option<PacketRing>) -> Self {
        ring.map_or_else(|| Self::Bursts(Bursts::new()), Self::Ring)
    }
}

struct Bursts {
    buffers: Vec<[u8; BUFFER]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Bursts {
    fn new() -> Self {
        Self {
            buffers: vec![[0; BUFFER]; BURST],
            headers: MultiHeaders::preallocate(BURST, None),
        }
    }

    fn receive(&mut self, socket: &OwnedFd, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let mut lengths = [0; BURST];
        let mut slices: Vec<[IoSliceMut<'_>; 1]> = self
            .buffers
            .iter_mut()
            .map(|buffer| [IoSliceMut::new(buffer)])
            .collect();
        let received = nix::sys::socket::recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_DONTWAIT,
            None,
        );
        match received {
            Ok(messages) => {
                for (length, message) in lengths.iter_mut().zip(messages) {
                    *length = message.bytes;
                }
            }
            Err(error) => return forgive(error.into()),
        }
        let came = self.buffers.iter().zip(lengths);
        for (buffer, length) in came.filter(|(_, length)| *length > 0) {
            take(&buffer[..length.min(BUFFER)]);
        }
        Ok(())
    }
}

/// Errors of a far end that is not there, or of an interface that is down or gone, pass.
fn forgive(error: io::Error) -> io::Result<()> {
    use nix::libc::{EBADF, EFAULT, EINVAL, ENOTSOCK};
    match error.raw_os_error() {
        Some(EBADF | EFAULT | EINVAL | ENOTSOCK) => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;

    #[test]
    fn a_socket_that_gets_no_ring_is_received_from_by_system_calls() {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut incoming = Incoming::of_socket(Arc::new(near.into()), None);
        assert!(!incoming.shows());
        incoming.receive(|_| panic!("nothing came")).unwrap();
        for frame in [&[1; 60][..], &[2; 9000]] {
            far.send(frame).unwrap();
        }
        let mut came = Vec::new();
        incoming.receive(|frame| came.push(frame.to_vec())).unwrap();
        assert!(came == [vec![1; 60], vec![2; 9000]]);
    }
}
