//! Frames in bursts: one system call for up to 32 of them.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use mx_backend::{FrameSink, Handed, Payload, Token};
use mx_board::Full;
use nix::sys::socket::{ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage};
use tracing::debug;

use super::datagram::Reconnect;
use super::{packet, would_block};

/// Frames of a burst.
const BURST: usize = 32;
/// Bytes of a receive buffer: more than any frame has, so that one that is too long is seen to be.
const BUFFER: usize = 9216;

/// What comes from the wire.
pub struct Incoming {
    socket: Option<Arc<OwnedFd>>,
    buffers: Vec<[u8; BUFFER]>,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Incoming {
    /// Of that socket; nothing comes without one.
    pub fn new(socket: Option<Arc<OwnedFd>>) -> Self {
        Self {
            socket,
            buffers: vec![[0; BUFFER]; BURST],
            headers: MultiHeaders::preallocate(BURST, None),
        }
    }

    /// From now on of another socket.
    pub fn replace(&mut self, socket: Arc<OwnedFd>) {
        self.socket = Some(socket);
    }

    /// Gives a burst of frames to `take`. Fails when the socket is unusable.
    pub fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<()> {
        let Some(socket) = &self.socket else {
            return Ok(());
        };
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
        for (buffer, length) in self.buffers.iter().zip(lengths) {
            if length > 0 {
                take(&buffer[..length.min(BUFFER)]);
            }
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

/// What goes to the wire.
pub struct Outgoing {
    socket: Option<Arc<OwnedFd>>,
    reconnect: Option<Reconnect>,
    connected: bool,
    /// Frames that wait, the first `waiting` of them.
    frames: Vec<Vec<u8>>,
    waiting: usize,
    /// Bytes of the longest frame that gets through.
    longest: usize,
    headers: MultiHeaders<SockaddrStorage>,
}

impl Outgoing {
    /// To that socket; without one, frames vanish.
    pub fn new(socket: Option<Arc<OwnedFd>>, reconnect: Option<Reconnect>) -> Self {
        Self {
            socket,
            reconnect,
            connected: false,
            frames: vec![Vec::new(); BURST],
            waiting: 0,
            longest: usize::MAX,
            headers: MultiHeaders::preallocate(BURST, None),
        }
    }

    /// From now on to another socket.
    pub fn replace(&mut self, socket: Arc<OwnedFd>) {
        self.socket = Some(socket);
        self.waiting = 0;
    }

    /// Longer frames do not get through: they are refused, and so not counted as sent.
    pub fn limit(&mut self, longest: usize) {
        self.longest = longest;
    }

    /// Sends what waits, as far as the socket takes it. A frame that cannot be sent is lost, as on any wire.
    pub fn flush(&mut self) {
        let mut sent = 0;
        let mut told = false;
        while sent < self.waiting {
            match self.send(sent) {
                Ok(count) => sent += count.max(1),
                Err(error) if would_block(&error) => break,
                // What became of an earlier frame: this one has not been tried yet.
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused && !told => {
                    told = true;
                    self.connected = false;
                }
                Err(error) => {
                    debug!("a frame was not sent: {error}");
                    self.connected = false;
                    sent += 1;
                }
            }
        }
        self.frames[..self.waiting].rotate_left(sent);
        self.waiting -= sent;
    }

    /// Whether frames wait for room in the socket.
    pub fn is_blocked(&self) -> bool {
        self.waiting > 0
    }

    /// Takes an error that the socket reports by poll.
    pub fn take_error(&self) {
        if let Some(error) = self.socket.as_ref().and_then(packet::take_error) {
            debug!("the wire reports: {error}");
        }
    }

    fn send(&mut self, from: usize) -> io::Result<usize> {
        let Some(socket) = &self.socket else {
            return Ok(self.waiting - from);
        };
        if let Some(reconnect) = self.reconnect.as_ref().filter(|_| !self.connected) {
            reconnect.connect(socket.as_fd())?;
            self.connected = true;
        }
        let slices: Vec<[IoSlice<'_>; 1]> = self.frames[from..self.waiting]
            .iter()
            .map(|frame| [IoSlice::new(frame)])
            .collect();
        let addresses = [None::<SockaddrStorage>; BURST];
        let no_control: [ControlMessage<'_>; 0] = [];
        let sent = nix::sys::socket::sendmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            &slices,
            &addresses[..slices.len()],
            no_control,
            MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL,
        )?;
        Ok(sent.count())
    }
}

impl FrameSink for Outgoing {
    fn transmit(&mut self, header: &[u8], payload: Payload<'_>, _: Token) -> Result<Handed, Full> {
        if header.len() + payload.length() > self.longest {
            return Ok(Handed::Lost);
        }
        if self.waiting == BURST {
            self.flush();
        }
        let frame = self.frames.get_mut(self.waiting).ok_or(Full)?;
        frame.clear();
        frame.extend_from_slice(header);
        payload.append_to(frame).map_err(|_| Full)?;
        self.waiting += 1;
        Ok(Handed::Copied)
    }
}
