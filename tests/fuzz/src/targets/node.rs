//! A running omxd, whose socket is open to every process of the machine.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mx_ring::mapping::Memfd;
use mx_ring::uapi::{Call, CallReply, CallRequest};
use mx_ring::{Geometry, uapi_socket};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};

use super::calls::padded;
use crate::input::Input;

/// Datagrams of one connection.
const CALLS: u32 = 24;
/// So long a node may take to answer, however busy the machine is.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The node of this process. It ends with it.
fn node() -> &'static PathBuf {
    static SOCKET: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, socket) = SOCKET.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder for a socket");
        let socket = folder.path().join("omxd");
        let options = ["--alone", "--name", "fuzzed", "--endpoints", "4"];
        mx_testnode::start(&socket, options);
        (folder, socket)
    });
    socket
}

fn connect() -> OwnedFd {
    let flags = SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None);
    let socket = socket.expect("a socket");
    let address = SocketAddrUnix::new(node()).expect("a short path");
    let start = Instant::now();
    while let Err(error) = rustix::net::connect(&socket, &address) {
        assert!(start.elapsed() < TIMEOUT, "the node is gone: {error}");
        std::thread::sleep(Duration::from_millis(1));
    }
    socket
}

/// What the node says within a time; nothing when it says nothing, or has hung up.
fn answer(socket: &OwnedFd, within: Duration) -> Option<Call> {
    let timeout = Timespec {
        tv_sec: within.as_secs() as i64,
        tv_nsec: within.subsec_nanos().into(),
    };
    let mut waiting = [PollFd::new(socket, PollFlags::IN)];
    if poll(&mut waiting, Some(&timeout)).ok()? == 0 {
        return None;
    }
    uapi_socket::receive(socket, RecvFlags::empty()).ok()?.0
}

/// A connection that says anything; then an honest one, which must be served.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let mut seen = Vec::new();
    let liar = connect();
    let memory = Memfd::create("fuzz region", 3 * 4096).expect("memory");
    for _ in 0..CALLS {
        if input.is_empty() {
            break;
        }
        let choice = input.byte();
        let call = Call::from_bytes(&padded(input.bytes(128)));
        let geometry = Geometry::default();
        let call = match choice % 5 {
            0 => Call {
                kind: call.kind % 24,
                ..call
            },
            1 => CallRequest::OpenEndpoint {
                board: 0,
                endpoint: call.kind % 6,
                geometry,
            }
            .encode(),
            2 => {
                let datagram = input.bytes(usize::from(choice) * 2);
                if rustix::net::send(&liar, datagram, SendFlags::NOSIGNAL).is_err() {
                    break;
                }
                continue;
            }
            _ => call,
        };
        let descriptors: [BorrowedFd<'_>; 3] =
            [memory.descriptor(), liar.as_fd(), memory.descriptor()];
        let count = usize::from(choice >> 5) % 4;
        if uapi_socket::send(&liar, &call, &descriptors[..count], SendFlags::empty()).is_err() {
            break;
        }
        let said = answer(&liar, Duration::from_millis(2));
        seen.push(said.map(|said| (said.kind % 32, said.error)));
    }
    drop(liar);
    let honest = connect();
    let request = CallRequest::AttachBoard { board: 0 };
    uapi_socket::send(&honest, &request.encode(), &[], SendFlags::empty())
        .expect("the node listens");
    let said = answer(&honest, TIMEOUT).expect("an answer");
    assert_eq!(
        said.error,
        0,
        "an honest call is refused: {:?}",
        CallReply::decode(&said)
    );
    super::kind(seen)
}
