//! A message longer than the memory of the machine that tests it: its bytes repeat, and so does the memory that they come
//! from and go to. What arrived is looked at as it comes, and counted.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Memory, RequestKey, Selection};
use mx_ring::PAGE_SIZE;
use mx_ring::mapping::Memfd;

use crate::fabric::Fabric;
use crate::traffic::connect_all;

/// The bytes repeat after so many. No power of two: bytes at a wrong place are seen.
const PERIOD: usize = 1025 * PAGE_SIZE;
/// What no message has.
const POISON: u8 = 0xff;

/// How such a message went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// How the send ended.
    pub sent: Option<Code>,
    /// How the receive ended, and how many bytes its status tells.
    pub received: Option<(Code, u32)>,
    /// Right bytes that were written to where the message is received.
    pub written: u64,
}

impl Carried {
    /// As it should go.
    pub const fn whole(length: u32) -> Self {
        Self {
            sent: Some(Code::Success),
            received: Some((Code::Success, length)),
            written: length as u64,
        }
    }
}

/// Sends a message of `length` bytes from process 0 to process 1 of a fabric, which have no other messages.
///
/// # Panics
/// When the processes do not find each other, memory lacks, or the message is shorter than a period.
pub fn carry(fabric: &mut Fabric, length: u32, within: Duration) -> Carried {
    let partners = connect_all(fabric, &[(0, 1)], within);
    let partner = partners[&(0, 1)];
    for (_, process) in &mut fabric.processes {
        process.port.repeats_after(PERIOD);
    }
    // Only the first period of either is ever touched.
    let [from, to] = [0, 1].map(|_| Memfd::create("sim long message", length as usize));
    let (from, to) = (
        Arc::new(from.expect("memory")),
        Arc::new(to.expect("memory")),
    );
    let view =
        |memory: &Arc<Memfd>| Memory::owned(memory.slice(), memory.clone()).expect("a length");
    let pattern: Vec<u8> = (0..PERIOD).map(|at| (at % 251) as u8).collect();
    from.slice().write(0, &pattern).expect("a period");
    let mut look = Look::new(to.clone(), pattern);

    let sender = &mut fabric.processes[0].1;
    let sent = sender
        .engine
        .send(partner, view(&from), 1, 0, false, &mut sender.port);
    let receiver = &mut fabric.processes[1].1;
    let received = receiver.engine.receive(
        view(&to),
        Selection::new(1, u64::MAX),
        0,
        &mut receiver.port,
    );
    let mut carried = Carried::default();
    while (carried.sent.is_none() || carried.received.is_none()) && fabric.elapsed() < within {
        fabric.step(None);
        carried.written += look.complete();
        let mut done = |process: usize, request: RequestKey| {
            fabric.processes[process].1.engine.take_done(request)
        };
        carried.sent = carried.sent.or(done(0, sent).map(|outcome| outcome.code));
        let outcome = done(1, received).map(|outcome| (outcome.code, outcome.transferred));
        carried.received = carried.received.or(outcome);
    }
    carried.written += look.rest();
    carried
}

/// The memory that is written, a period: right bytes are counted and wiped, page by page as they come.
struct Look {
    memory: Arc<Memfd>,
    pattern: Vec<u8>,
    /// The page that is written next.
    next: usize,
}

const POISONED: [u8; PAGE_SIZE] = [POISON; PAGE_SIZE];

impl Look {
    fn new(memory: Arc<Memfd>, pattern: Vec<u8>) -> Self {
        let look = Self {
            memory,
            pattern,
            next: 0,
        };
        (0..PERIOD / PAGE_SIZE).for_each(|page| look.wipe(page));
        look
    }

    fn wipe(&self, page: usize) {
        let written = self.memory.slice().write(page * PAGE_SIZE, &POISONED);
        written.expect("within a period");
    }

    fn page(&self, page: usize) -> [u8; PAGE_SIZE] {
        let mut bytes = [0; PAGE_SIZE];
        let read = self.memory.slice().read(page * PAGE_SIZE, &mut bytes);
        read.expect("within a period");
        bytes
    }

    fn expected(&self, page: usize) -> &[u8] {
        &self.pattern[page * PAGE_SIZE..][..PAGE_SIZE]
    }

    /// Counts and wipes the next pages that are complete.
    fn complete(&mut self) -> u64 {
        let mut counted = 0;
        while self.page(self.next) == self.expected(self.next) {
            self.wipe(self.next);
            self.next = (self.next + 1) % (PERIOD / PAGE_SIZE);
            counted += PAGE_SIZE as u64;
        }
        counted
    }

    /// Counts what is there at the end, when nothing but the last page is incomplete.
    fn rest(&self) -> u64 {
        let pages = (0..PERIOD / PAGE_SIZE).filter(|page| self.page(*page) != POISONED);
        let counted = pages.map(|page| {
            let bytes = self.page(page);
            let right = |(byte, expected): &(&u8, &u8)| byte == expected;
            bytes.iter().zip(self.expected(page)).filter(right).count() as u64
        });
        counted.sum()
    }
}
