//! [`Call`]s over the unix socket between a library and `omxd`: one datagram each, descriptors along with it.

use core::mem::MaybeUninit;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::vec::Vec;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};

use crate::call::Call;

/// Descriptors that a datagram may carry: board, W, R, wake, kick.
pub const DESCRIPTORS_MAX: usize = 5;

/// Sends a call or its answer. Fails at once with `WouldBlock` where a non-blocking socket has no room, and without
/// SIGPIPE when the other side has gone.
pub fn send(socket: impl AsFd, call: &Call, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let bytes = call.to_bytes();
    let sent = rustix::net::sendmsg(
        socket,
        &[IoSlice::new(&bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )?;
    if sent == bytes.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::WriteZero.into())
    }
}

/// Receives a call or its answer, and what came along. `Ok(None)`: the other side has gone. A datagram of another size
/// is `InvalidData`; descriptors beyond [`DESCRIPTORS_MAX`] are closed by the kernel.
pub fn receive(socket: impl AsFd) -> io::Result<Option<(Call, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS_MAX))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut bytes = [0; size_of::<Call>()];
    let received = rustix::net::recvmsg(
        socket,
        &mut [IoSliceMut::new(&mut bytes)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let descriptors: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        })
        .flatten()
        .collect();
    match received.bytes {
        0 => Ok(None),
        n if n == bytes.len() && !received.flags.contains(ReturnFlags::TRUNC) => {
            Ok(Some((Call::from_bytes(&bytes), descriptors)))
        }
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
