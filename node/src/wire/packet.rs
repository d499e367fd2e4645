//! An interface: a raw socket for Open-MX's EtherType.

use std::io;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use mx_wire::{Format, MacAddress};
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::{LinkAddr, SockaddrLike};
use rustix::net::{AddressFamily, Protocol, SocketFlags, SocketType};
use tracing::warn;

use crate::error::NodeError;

/// Bytes of an Ethernet header, which an interface's MTU does not count.
const HEADER: u16 = 14;

/// Opens the interface, and tells its address.
pub fn open(interface: &str, format: Format) -> Result<(OwnedFd, MacAddress), NodeError> {
    let link = link_address(interface)?;
    let mac = link.addr().map(MacAddress);
    let mac = mac.ok_or_else(|| NodeError::NoInterface(interface.into()))?;
    check_mtu(interface, format)?;
    // The kernel wants the protocol in network order.
    let protocol = u32::from(mx_wire::ETHERTYPE.to_be());
    let socket = rustix::net::socket_with(
        AddressFamily::PACKET,
        SocketType::RAW,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        NonZeroU32::new(protocol).map(Protocol::from_raw),
    )
    .map_err(|error| match error {
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
            NodeError::NotAllowed(interface.into())
        }
        error => NodeError::System(format!("opening {interface}"), error.into()),
    })?;
    nix::sys::socket::bind(socket.as_raw_fd(), &link)
        .map_err(NodeError::system(format!("binding to {interface}")))?;
    discard_waiting(&socket);
    Ok((socket, mac))
}

fn link_address(interface: &str) -> Result<LinkAddr, NodeError> {
    let interfaces = nix::ifaddrs::getifaddrs()
        .map_err(NodeError::system("listing the interfaces of this machine"))?;
    interfaces
        .filter(|candidate| candidate.interface_name == interface)
        .find_map(|candidate| candidate.address?.as_link_addr().copied())
        .filter(|link| link.family().is_some())
        .ok_or_else(|| NodeError::NoInterface(interface.into()))
}

fn check_mtu(interface: &str, format: Format) -> Result<(), NodeError> {
    let path = format!("/sys/class/net/{interface}/mtu");
    let has = std::fs::read_to_string(&path)
        .ok()
        .and_then(|text| text.trim().parse().ok());
    let needed = u32::from(format.mtu() - HEADER);
    match has {
        Some(has) if has < needed => Err(NodeError::InterfaceMtu {
            interface: interface.into(),
            has,
            needed,
        }),
        Some(_) => Ok(()),
        None => {
            warn!(
                "cannot read {path}: whether frames of {} bytes pass is unknown",
                format.mtu()
            );
            Ok(())
        }
    }
}

/// Between its creation and its binding the socket has heard all interfaces.
fn discard_waiting(socket: &OwnedFd) {
    let mut frame = [0; 1];
    while rustix::net::recv(socket, &mut frame[..], rustix::net::RecvFlags::TRUNC).is_ok() {}
}

/// Whether an interface has a link.
pub struct Carrier {
    interface: String,
}

impl Carrier {
    /// Of that interface.
    pub fn of(interface: &str) -> Self {
        Self {
            interface: interface.into(),
        }
    }

    /// Now. An interface that is down, or gone, has none.
    pub fn is_up(&self) -> bool {
        nix::ifaddrs::getifaddrs().is_ok_and(|mut interfaces| {
            interfaces.any(|interface| {
                interface.interface_name == self.interface
                    && interface.flags.contains(InterfaceFlags::IFF_RUNNING)
            })
        })
    }
}

/// The error of a descriptor that reports one through poll: an interface that went down does.
pub fn take_error(socket: impl AsFd) -> Option<io::Error> {
    match rustix::net::sockopt::socket_error(socket) {
        Ok(Err(error)) => Some(error.into()),
        Ok(Ok(())) => None,
        Err(error) => Some(error.into()),
    }
}
