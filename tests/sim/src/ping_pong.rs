//! A ping-pong between two endpoints over a network without faults.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::{Code, Memory, PartnerKey, Selection};
use mx_ring::Geometry;
use mx_ring::mapping::Memfd;
use mx_testnet::Faults;
use mx_wire::Format;

use crate::fabric::{BoardPlace, Fabric};
use crate::traffic::connect_all;

/// Steps of the network without a message, after which something is stuck.
const STEPS: u32 = 10_000;

/// Where the two endpoints are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// On two boards of one backend.
    Local,
    /// At two backends with a network between them.
    Wire,
}

/// Sends so many messages of so many bytes, to and fro. In the first backend there are so many boards besides, each with an
/// endpoint that has nothing to do.
///
/// # Panics
/// When a message does not arrive.
pub fn run(way: Way, size: u32, messages: u32, idle_boards: usize) {
    let (busy_boards, other): (&[usize], _) = match way {
        Way::Local => (
            &[2],
            BoardPlace {
                backend: 0,
                board: 1,
            },
        ),
        Way::Wire => (
            &[1, 1],
            BoardPlace {
                backend: 1,
                board: 0,
            },
        ),
    };
    let mut boards = busy_boards.to_vec();
    boards[0] += idle_boards;
    let mut fabric = Fabric::new(
        Format::native(9000).expect("a frame size"),
        &boards,
        Faults::default(),
        1,
    );
    let first = BoardPlace {
        backend: 0,
        board: 0,
    };
    for (place, session) in [(first, 1), (other, 2)] {
        fabric.open(place, 0, session, Geometry::default());
    }
    for board in busy_boards[0]..boards[0] {
        fabric.open_idle(BoardPlace { backend: 0, board });
    }
    let pairs = [(0, 1), (1, 0)];
    let partners = connect_all(&mut fabric, &pairs, Duration::from_secs(120));
    let partners = pairs.map(|pair| partners[&pair]);
    let buffers = [0, 1].map(|_| {
        let size = (size as usize).max(1);
        Arc::new(Memfd::create("cost", size).expect("memory"))
    });
    for number in 0..messages as usize {
        message(&mut fabric, number % 2, &partners, &buffers, size);
    }
}

/// One message from one process to the other, whole.
fn message(
    fabric: &mut Fabric,
    from: usize,
    partners: &[PartnerKey; 2],
    buffers: &[Arc<Memfd>; 2],
    size: u32,
) {
    let memory = |side: usize| {
        let part = buffers[side]
            .slice()
            .part(0, size as usize)
            .expect("own memory");
        Memory::owned(part, buffers[side].clone()).expect("less than 4 GiB")
    };
    let to = 1 - from;
    let process = &mut fabric.processes[to].1;
    let receive = process
        .engine
        .receive(memory(to), Selection::new(0, 0), 0, &mut process.port);
    let process = &mut fabric.processes[from].1;
    let send = process
        .engine
        .send(partners[from], memory(from), 0, 0, false, &mut process.port);
    for _ in 0..STEPS {
        let done = |side: usize, request| fabric.processes[side].1.engine.is_done(request);
        if done(to, receive) == Some(true) && done(from, send) == Some(true) {
            for (side, request) in [(to, receive), (from, send)] {
                let outcome = fabric.processes[side].1.engine.take_done(request);
                assert!(outcome.is_some_and(|outcome| outcome.code == Code::Success));
            }
            return;
        }
        fabric.step(None);
    }
    panic!("a message does not arrive");
}
