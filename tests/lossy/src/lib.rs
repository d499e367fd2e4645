#![forbid(unsafe_code)]
//! A wire that loses a share of its frames.
//!
//! Nodes, and QEMU's cards, have datagram sockets as wires: one frame for each datagram. A [`LossyWire`] lies between two
//! of them, as the far end of both. Neighbours: the tests that start it. It refuses to look into frames.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use mx_testnet::Faults;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;

/// How often a wire looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Bytes of frames that may wait for the wire.
const ROOM: usize = 8 << 20;
/// More than any frame has.
const FRAME_MAX: usize = 1 << 16;

/// One end of the wire: where it listens, and who is there.
#[derive(Clone, Debug)]
pub enum End {
    /// UDP.
    Inet {
        /// The wire's own address.
        local: SocketAddr,
        /// Of the node or card.
        remote: SocketAddr,
    },
    /// Unix datagrams.
    Unix {
        /// The wire's own socket.
        local: PathBuf,
        /// Of the node.
        remote: PathBuf,
    },
}

enum Socket {
    Inet(UdpSocket, SocketAddr),
    Unix(UnixDatagram, PathBuf),
}

impl Socket {
    fn open(end: &End) -> io::Result<Self> {
        match end {
            End::Inet { local, remote } => {
                let socket = UdpSocket::bind(local)?;
                // Without the right to it the wire loses some more of a burst.
                let _ = set_socket_recv_buffer_size_force(&socket, ROOM);
                socket.set_read_timeout(Some(LOOK))?;
                Ok(Self::Inet(socket, *remote))
            }
            End::Unix { local, remote } => {
                let socket = UnixDatagram::bind(local)?;
                socket.set_read_timeout(Some(LOOK))?;
                // A node that is stopped does not stop the wire.
                socket.set_write_timeout(Some(LOOK))?;
                Ok(Self::Unix(socket, remote.clone()))
            }
        }
    }

    fn receive(&self, frame: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Inet(socket, _) => socket.recv(frame),
            Self::Unix(socket, _) => socket.recv(frame),
        }
    }

    /// A frame for whoever is at this end. Without anybody there it is lost, as on every wire.
    fn send(&self, frame: &[u8]) {
        let _lost = match self {
            Self::Inet(socket, remote) => socket.send_to(frame, remote),
            Self::Unix(socket, remote) => socket.send_to(frame, remote),
        };
    }
}

/// What both ways look at.
struct State {
    ends: AtomicBool,
    percent: AtomicU8,
    lost: AtomicU64,
}

/// A running wire. It ends when it is dropped.
pub struct LossyWire {
    state: Arc<State>,
    threads: Vec<JoinHandle<()>>,
}

impl LossyWire {
    /// Joins two ends. Each way loses so many frames of a hundred, the same ones for the same seed.
    pub fn start(ends: [&End; 2], percent: u8, seed: u64) -> io::Result<Self> {
        let [left, right] = ends;
        let left = Arc::new(Socket::open(left)?);
        let right = Arc::new(Socket::open(right)?);
        let state = Arc::new(State {
            ends: AtomicBool::new(false),
            percent: AtomicU8::new(percent),
            lost: AtomicU64::new(0),
        });
        let ways = [(left.clone(), right.clone()), (right, left)];
        let threads = ways.into_iter().zip(seed..).map(|((from, to), seed)| {
            let state = state.clone();
            std::thread::spawn(move || carry(&from, &to, &state, seed))
        });
        let threads = threads.collect();
        Ok(Self { state, threads })
    }

    /// From now on each way loses so many frames of a hundred.
    pub fn set_percent(&self, percent: u8) {
        self.state.percent.store(percent, Ordering::Relaxed);
    }

    /// Frames that it has lost so far.
    pub fn lost(&self) -> u64 {
        self.state.lost.load(Ordering::Relaxed)
    }
}

impl Drop for LossyWire {
    fn drop(&mut self) {
        self.state.ends.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

fn carry(from: &Socket, to: &Socket, state: &State, seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut frame = vec![0; FRAME_MAX];
    while !state.ends.load(Ordering::Relaxed) {
        // An error is the end of a pause, or tells that nobody was there for the last frame.
        let Ok(length) = from.receive(&mut frame) else {
            continue;
        };
        let faults = Faults {
            loss: state.percent.load(Ordering::Relaxed),
            ..Faults::NONE
        };
        let arrivals = faults.arrivals(&mut random, &frame[..length]);
        if arrivals.is_empty() {
            state.lost.fetch_add(1, Ordering::Relaxed);
        }
        for arrival in arrivals {
            to.send(&arrival.frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wire_loses_its_share_of_frames_and_passes_the_others_in_order_both_ways() {
        let directory = std::env::temp_dir();
        let at = |name: &str| directory.join(format!("lossy-{}-{name}", std::process::id()));
        let names = ["a", "a.wire", "b", "b.wire"];
        for name in names {
            // Of a process with the same number that was killed.
            let _ = std::fs::remove_file(at(name));
        }
        let [a, b] = ["a", "b"].map(|name| UnixDatagram::bind(at(name)).unwrap());
        let end = |name: &str| End::Unix {
            local: at(&format!("{name}.wire")),
            remote: at(name),
        };
        let wire = LossyWire::start([&end("a"), &end("b")], 20, 7).unwrap();
        for (from, way, to) in [(&a, "a.wire", &b), (&b, "b.wire", &a)] {
            to.set_read_timeout(Some(Duration::from_millis(500)))
                .unwrap();
            let mut came = Vec::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    (0..100).for_each(|n| assert_eq!(from.send_to(&[n], at(way)).unwrap(), 1))
                });
                let mut frame = [0];
                while to.recv(&mut frame).is_ok() {
                    came.push(frame[0]);
                }
            });
            assert!(came.is_sorted(), "{came:?}");
            assert!((60..95).contains(&came.len()), "{} came", came.len());
        }
        assert!(wire.lost() > 10);
        for name in names {
            let _ = std::fs::remove_file(at(name));
        }
    }
}
