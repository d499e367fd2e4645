//! A raw socket for Open-MX's EtherType on one interface.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mx_wire::MacAddress;
use nix::libc;
use nix::sys::socket::LinkAddr;
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType};
use socket2::{SockFilter, SockRef};

use crate::error::NodeError;

/// Opens a socket that hears the interface of that number and address; `name` is for errors.
pub fn open(index: u32, mac: MacAddress, name: &str) -> Result<OwnedFd, NodeError> {
    let address = address(index)?.ok_or_else(|| NodeError::NoInterface(name.into()))?;
    // The kernel wants the protocol in network order.
    let protocol = u32::from(mx_wire::ETHERTYPE.to_be());
    let socket = rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        NonZeroU32::new(protocol).map(Protocol::from_raw),
    )
    .map_err(|error| match error {
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => NodeError::NotAllowed(name.into()),
        error => NodeError::System(format!("opening {name}"), error.into()),
    })?;
    filter(&socket, mac).map_err(NodeError::system(format!(
        "filtering what comes from {name}"
    )))?;
    nix::sys::socket::bind(socket.as_raw_fd(), &address)
        .map_err(NodeError::system(format!("binding to {name}")))?;
    discard_waiting(&socket);
    Ok(socket)
}

/// The address by which a socket is bound to an interface.
fn address(index: u32) -> Result<Option<LinkAddr>, NodeError> {
    let interfaces = nix::ifaddrs::getifaddrs()
        .map_err(NodeError::system("listing the interfaces of this machine"))?;
    let mut addresses =
        interfaces.filter_map(|interface| interface.address?.as_link_addr().copied());
    Ok(addresses.find(|address| address.ifindex() == index as usize))
}

/// Lets a socket hear what is for this machine alone. `mac` is the interface's address.
///
/// Left out is what this machine sent, and what was tagged for a VLAN: the kernel takes the tag off, and leaves as its
/// only trace that the frame is somebody else's, although it goes to everybody or to the interface's own address. (Of a
/// frame to another address, for a further board on an interface that takes all, nothing tells.)
pub fn filter(socket: impl AsFd, mac: MacAddress) -> io::Result<()> {
    use libc::{BPF_ABS, BPF_B, BPF_H, BPF_JEQ, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};
    let load = |size: u32, at: u32| SockFilter::new((BPF_LD | size | BPF_ABS) as u16, 0, 0, at);
    // Jumps count the instructions that they leave out.
    let jump = |test: u32, value: u32, then: u8, otherwise: u8| {
        SockFilter::new((BPF_JMP | test | BPF_K) as u16, then, otherwise, value)
    };
    let end = |bytes: u32| SockFilter::new((BPF_RET | BPF_K) as u16, 0, 0, bytes);
    let [a, b, c, d, e, f] = mac.0;
    let packet_type = (libc::SKF_AD_OFF + libc::SKF_AD_PKTTYPE) as u32;
    SockRef::from(&socket).attach_filter(&[
        load(BPF_W, packet_type),
        jump(BPF_JEQ, libc::PACKET_OUTGOING.into(), 7, 0),
        jump(BPF_JEQ, libc::PACKET_OTHERHOST.into(), 0, 7),
        load(BPF_B, 0),
        jump(BPF_JSET, 1, 4, 0),
        load(BPF_W, 0),
        jump(BPF_JEQ, u32::from_be_bytes([a, b, c, d]), 0, 3),
        load(BPF_H, 4),
        jump(BPF_JEQ, u32::from_be_bytes([0, 0, e, f]), 0, 1),
        end(0),
        end(u32::MAX),
    ])
}

/// Between its creation and its binding the socket has heard all interfaces.
fn discard_waiting(socket: &OwnedFd) {
    let mut frame = [0; 1];
    while rustix::net::recv(socket, &mut frame[..], rustix::net::RecvFlags::TRUNC).is_ok() {}
}

/// The error of a descriptor that reports one through poll: an interface that went down does.
pub fn take_error(socket: impl AsFd) -> Option<io::Error> {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(Err(error)) => Some(error.into()),
        Ok(Ok(())) => None,
        Err(error) => Some(error.into()),
    }
}
