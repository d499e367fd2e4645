//! Processes that speak to a node without the library.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use mx_ring::mapping::{Access, Mapping};
use mx_ring::uapi::{Call, CallReply, CallRequest};
use mx_ring::{EndpointLayout, Geometry, uapi_socket};
use nodes::Node;
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::NODE;

/// A connection without a library.
pub struct Liar(pub OwnedFd);

impl Liar {
    /// Connects to a node.
    pub fn connect(node: &Node) -> Self {
        let flags = SocketFlags::CLOEXEC;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
        let socket = socket.unwrap();
        let address = SocketAddrUnix::new(&node.socket).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        Self(socket)
    }

    /// Sends a datagram.
    pub fn say(&self, call: &Call, memory: &[BorrowedFd<'_>]) -> Result<(), Errno> {
        uapi_socket::send(&self.0, call, memory, SendFlags::empty())
    }

    /// The next answer; nothing when the node has hung up.
    pub fn hear(&self) -> Option<(Call, Vec<OwnedFd>)> {
        let (answer, received) = uapi_socket::receive(&self.0, RecvFlags::empty()).ok()?;
        Some((answer?, received.descriptors))
    }

    /// Asks, and waits for the answer.
    pub fn ask(
        &self,
        request: &CallRequest,
        memory: &[&OwnedFd],
    ) -> Result<(CallReply, Vec<OwnedFd>), Errno> {
        let memory: Vec<_> = memory.iter().map(|it| it.as_fd()).collect();
        self.say(&request.encode(), &memory).unwrap();
        let (answer, received) = self.hear().expect("an answer");
        match answer.error {
            0 => Ok((CallReply::decode(&answer), received)),
            error => Err(Errno::from_raw_os_error(error as i32)),
        }
    }

    /// Opens an endpoint; its W and R areas, and its end of the bell.
    pub fn open(&self, endpoint: u32) -> Result<(Mapping, Mapping, OwnedFd), Errno> {
        let geometry = Geometry::default();
        let request = CallRequest::OpenEndpoint {
            board: 0,
            endpoint,
            geometry,
        };
        let (_, mut descriptors) = self.ask(&request, &[])?;
        let layout = EndpointLayout::new(geometry).unwrap();
        let w = Mapping::of(&descriptors[1], 0, layout.w_size(), Access::ReadWrite).unwrap();
        assert!(
            Mapping::of(&descriptors[2], 0, layout.r_size(), Access::ReadWrite).is_err(),
            "what the node writes cannot be written by others"
        );
        assert!(Mapping::of(&descriptors[0], 0, 4096, Access::ReadWrite).is_err());
        let r = Mapping::of(&descriptors[2], 0, layout.r_size(), Access::Read).unwrap();
        Ok((w, r, descriptors.remove(3)))
    }
}

/// A node without a wire.
pub fn alone() -> (tempfile::TempDir, Node) {
    let directory = tempfile::tempdir().unwrap();
    let options = ["--alone", "--name", "one", "--endpoints", "8"];
    let node = Node::start(NODE, directory.path().join("sock"), &options);
    node.wait_for_peers(0, &["one"]);
    (directory, node)
}
