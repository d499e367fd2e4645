//! [`Call`]s over the unix socket between a library and `omxd`: one datagram each, descriptors along with it.
//!
//! Each function is one system call, which may fail for each reason that it has, a signal (`INTR`) among them.

use core::mem::MaybeUninit;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec::Vec;

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::uapi::Call;

/// Descriptors that an answer may carry: board, W, R, and an end of the pair that kicks and wakes.
pub const DESCRIPTORS_MAX: usize = 4;

/// Descriptors that the kernel lets a datagram carry. There is room for all of them: what does not fit the kernel would
/// close at once, and some descriptors take their time to close.
const CARRIED_MAX: usize = 253;

/// A datagram, and what came along.
#[derive(Debug)]
pub struct Received {
    /// Its bytes, as many as there was room for. 0: the other side has gone, or sent nothing.
    pub length: usize,
    /// The descriptors that came along, in the order in which they were sent.
    pub descriptors: Vec<OwnedFd>,
}

/// Receives a datagram of any kind, without waiting with [`RecvFlags::DONTWAIT`].
pub fn receive_bytes(
    socket: impl AsFd,
    bytes: &mut [u8],
    flags: RecvFlags,
) -> Result<Received, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(CARRIED_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = flags | RecvFlags::CMSG_CLOEXEC;
    let mut place = [IoSliceMut::new(bytes)];
    let received = rustix::net::recvmsg(socket, &mut place, &mut control, flags)?;
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(Received {
        length: received.bytes,
        descriptors: rights.flatten().collect(),
    })
}

impl Received {
    /// The call or answer among the bytes that were received; `None` for what is neither.
    pub fn call(&self, bytes: &[u8; ROOM]) -> Option<Call> {
        let (call, _) = bytes.split_first_chunk()?;
        (self.length == size_of::<Call>()).then(|| Call::from_bytes(call))
    }
}

/// Room for a call, and for one byte more, which tells a datagram that is longer.
pub const ROOM: usize = size_of::<Call>() + 1;

/// Receives a call or its answer; `None` for what is neither.
pub fn receive(socket: impl AsFd, flags: RecvFlags) -> Result<(Option<Call>, Received), Errno> {
    let mut bytes = [0; ROOM];
    let received = receive_bytes(socket, &mut bytes, flags)?;
    Ok((received.call(&bytes), received))
}

/// Sends bytes as one datagram, and how many went. Without SIGPIPE when the other side has gone, and without waiting with
/// [`SendFlags::DONTWAIT`].
pub fn send_bytes(
    socket: impl AsFd,
    bytes: &[u8],
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<usize, Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(Errno::INVAL);
    }
    let flags = flags | SendFlags::NOSIGNAL;
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut control, flags)
}

/// Sends a call or its answer.
pub fn send(
    socket: impl AsFd,
    call: &Call,
    descriptors: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> Result<(), Errno> {
    // A datagram goes as a whole or not at all.
    send_bytes(socket, &call.to_bytes(), descriptors, flags).map(drop)
}
