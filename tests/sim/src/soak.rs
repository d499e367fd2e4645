//! Very many messages of mixed sizes between two nodes, each verified byte by byte.
//!
//! Each node sends to the other at the same time. Receives are posted in order, sometimes before their message comes and
//! sometimes after. Memory is used again all the time, with guards around each message.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use mx_engine::Code;
use mx_engine::{ByKind, FrameKind, Memory, PartnerKey, RequestKey, Selection};
use mx_ring::mapping::Memfd;
use mx_ring::{Counter, Geometry};
use mx_testnet::Faults;
use mx_wire::Format;

use crate::death::Omission;
use crate::fabric::{BoardPlace, Fabric};
use crate::takeover::Takeovers;
use crate::traffic::connect_all;

const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;
/// Longest message.
const LENGTH_MAX: u32 = 400 << 10;
/// Longest message of a short slot.
const SHORT_MAX: u32 = 32 << 10;
/// The bits of the match info that tell which flow a message belongs to.
const TAG: u64 = 0xff << 56;
/// Messages of one direction under way: short ones, and long ones.
const UNDER_WAY: [usize; 2] = [96, 6];
/// The longest time between two calls of the application.
const SOON: Duration = Duration::from_micros(50);
/// Without any message ended for so long, something is stuck.
const TIMEOUT: Duration = Duration::from_secs(60);
const FIRST_CONTACT: Duration = Duration::from_secs(120);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Messages, of both directions together.
    pub messages: u64,
    /// Per cent of the messages that are long.
    pub long: u8,
    /// Per cent of the frames that are lost; as many are doubled, and as many come late.
    pub loss: u8,
    /// Frames that strangers send in each millisecond.
    pub strangers: u32,
    /// Determines everything.
    pub seed: u64,
    /// Backends die and are replaced.
    pub takeovers: Option<TakeoverPlan>,
}

/// How backends die and are replaced: a third node is there, a neighbour of the first one on the same backend.
#[derive(Clone, Copy, Debug)]
pub struct TakeoverPlan {
    /// The time between a takeover and the next death, on average.
    pub every: Duration,
    /// How long boards are without a backend, on average.
    pub without: Duration,
    /// What is left out.
    pub omission: Option<Omission>,
}

impl Default for TakeoverPlan {
    /// Deaths so near each other that they often meet, and so far that what waits for an answer gets it.
    fn default() -> Self {
        Self {
            every: Duration::from_millis(30),
            without: Duration::from_millis(1),
            omission: None,
        }
    }
}

/// A process for each board, by backend and number there, and who sends to whom.
const PAIR: ([BoardPlace; 2], [(usize, usize); 2]) = ([place(0, 0), place(1, 0)], [(0, 1), (1, 0)]);
const TRIO: ([BoardPlace; 3], [(usize, usize); 4]) = (
    [place(0, 0), place(1, 0), place(0, 1)],
    [(0, 1), (1, 0), (0, 2), (2, 0)],
);

const fn place(backend: usize, board: usize) -> BoardPlace {
    BoardPlace { backend, board }
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Messages that arrived and are right.
    pub messages: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The network's own time.
    pub virtual_time: Duration,
    /// Frames that libraries sent again.
    pub resent: Vec<(&'static str, u64)>,
    /// Frames that brought nothing new.
    pub duplicates: Vec<(&'static str, u64)>,
    /// Frames that strangers sent, and frames that they got.
    pub strangers: (u64, u64),
    /// Backends that died.
    pub deaths: u64,
    /// The longest time in which no message ended.
    pub longest_pause: Duration,
}

/// A piece of memory for one message at a time, between guards.
struct Slot {
    memory: Arc<Memfd>,
}

impl Slot {
    fn new(length: u32) -> Self {
        let size = length as usize + 2 * GUARD;
        Self {
            memory: Arc::new(Memfd::create("soak slot", size).expect("memory")),
        }
    }

    /// The memory of a message, its guards drawn.
    fn message(&self, length: u32) -> Memory {
        let slice = self.memory.slice();
        let end = GUARD + length as usize;
        for guard in [0, end] {
            slice
                .write(guard, &[GUARD_BYTE; GUARD])
                .expect("own memory");
        }
        let part = slice.part(GUARD, length as usize).expect("own memory");
        Memory::owned(part, self.memory.clone()).expect("less than 4 GiB")
    }

    /// What lies there is this message, and its guards are whole.
    fn holds(&self, message: &[u8], space: &mut Vec<u8>) -> bool {
        space.resize(message.len() + 2 * GUARD, 0);
        self.memory.slice().read(0, space).expect("own memory");
        let (before, rest) = space.split_at(GUARD);
        let (content, after) = rest.split_at(message.len());
        content == message && before.iter().chain(after).all(|byte| *byte == GUARD_BYTE)
    }
}

/// Slots for short and for long messages.
struct Slots([Vec<Slot>; 2]);

impl Slots {
    fn new() -> Self {
        let slots = |count, length| (0..count).map(|_| Slot::new(length)).collect();
        Self([
            slots(UNDER_WAY[0], SHORT_MAX),
            slots(UNDER_WAY[1], LENGTH_MAX),
        ])
    }

    fn take(&mut self, length: u32) -> Option<Slot> {
        self.0[usize::from(length > SHORT_MAX)].pop()
    }

    fn give_back(&mut self, slot: Slot, length: u32) {
        self.0[usize::from(length > SHORT_MAX)].push(slot);
    }
}

/// A message that is sent, or awaited.
struct Pending {
    request: RequestKey,
    number: u64,
    slot: Slot,
}

/// All messages from one process to the other.
struct Flow {
    from: usize,
    to: usize,
    /// What the match info of its messages has besides their number.
    tag: u64,
    partner: PartnerKey,
    seed: u64,
    long: u8,
    messages: u64,
    sent: u64,
    posted: u64,
    received: u64,
    bytes: u64,
    sends: VecDeque<Pending>,
    receives: VecDeque<Pending>,
    send_slots: Slots,
    receive_slots: Slots,
}

/// Bytes of messages, and room for those that are compared with them.
#[derive(Default)]
struct Scratch {
    message: Vec<u8>,
    seen: Vec<u8>,
}

impl Flow {
    fn length(&self, number: u64) -> u32 {
        let mut random = Rng::with_seed(self.seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
        if random.u8(..100) < self.long {
            return SHORT_MAX + 1 + random.u32(..LENGTH_MAX - SHORT_MAX);
        }
        match random.u32(..100) {
            0..50 => random.u32(..33),
            50..70 => 33 + random.u32(..96),
            70..93 => 129 + random.u32(..4 << 10),
            _ => 129 + random.u32(..SHORT_MAX - 128),
        }
    }

    fn fill(&self, number: u64, message: &mut Vec<u8>) {
        let length = self.length(number) as usize;
        let mut random = Rng::with_seed(self.seed.rotate_left(32) ^ number);
        message.clear();
        message.reserve(length + 8);
        while message.len() < length {
            message.extend_from_slice(&random.u64(..).to_le_bytes());
        }
        message.truncate(length);
    }

    /// Sends and posts receives, as many as the generator says and memory allows.
    fn call(&mut self, fabric: &mut Fabric, random: &mut Rng, scratch: &mut Scratch) {
        for _ in 0..random.u32(..12) {
            let length = self.length(self.sent);
            if self.sent == self.messages {
                break;
            }
            let Some(slot) = self.send_slots.take(length) else {
                break;
            };
            self.fill(self.sent, &mut scratch.message);
            let memory = slot.message(length);
            let slice = slot.memory.slice();
            slice.write(GUARD, &scratch.message).expect("own memory");
            let synchronous = random.u32(..64) == 0;
            let process = &mut fabric.processes[self.from].1;
            let (engine, port) = (&mut process.engine, &mut process.port);
            let request = engine.send(
                self.partner,
                memory,
                self.tag | self.sent,
                0,
                synchronous,
                port,
            );
            let number = self.sent;
            self.sends.push_back(Pending {
                request,
                number,
                slot,
            });
            self.sent += 1;
        }
        for _ in 0..random.u32(..12) {
            let length = self.length(self.posted);
            if self.posted == self.messages {
                break;
            }
            let Some(slot) = self.receive_slots.take(length) else {
                break;
            };
            let memory = slot.message(length);
            let process = &mut fabric.processes[self.to].1;
            let (engine, port) = (&mut process.engine, &mut process.port);
            let request = engine.receive(memory, Selection::new(self.tag, TAG), 0, port);
            let number = self.posted;
            self.receives.push_back(Pending {
                request,
                number,
                slot,
            });
            self.posted += 1;
        }
    }

    /// Takes what is done and verifies it; whether there was something.
    fn collect(&mut self, fabric: &mut Fabric, scratch: &mut Scratch) -> Result<bool, String> {
        let mut any = false;
        let engine = &mut fabric.processes[self.from].1.engine;
        let mut at = 0;
        while let Some(send) = self.sends.get(at) {
            let Some(outcome) = engine.take_done(send.request) else {
                at += 1;
                continue;
            };
            any = true;
            if outcome.code != Code::Success {
                return Err(format!(
                    "send {} from node {} ended with: {}",
                    send.number, self.from, outcome.code
                ));
            }
            if let Some(send) = self.sends.remove(at) {
                let length = self.length(send.number);
                self.send_slots.give_back(send.slot, length);
            }
        }
        let engine = &mut fabric.processes[self.to].1.engine;
        while let Some(receive) = self.receives.front()
            && let Some(outcome) = engine.take_done(receive.request)
        {
            any = true;
            self.fill(receive.number, &mut scratch.message);
            let length = self.length(receive.number);
            let right = outcome.code == Code::Success
                && outcome.match_info == self.tag | receive.number
                && (outcome.message_length, outcome.transferred) == (length, length)
                && receive.slot.holds(&scratch.message, &mut scratch.seen);
            if !right {
                return Err(format!(
                    "message {} to node {} of {length} bytes arrived wrongly: {outcome:?}",
                    receive.number, self.to
                ));
            }
            self.received += 1;
            self.bytes += u64::from(length);
            if let Some(receive) = self.receives.pop_front() {
                self.receive_slots.give_back(receive.slot, length);
            }
        }
        Ok(any)
    }

    fn is_over(&self) -> bool {
        self.received == self.messages && self.sent == self.messages && self.sends.is_empty()
    }
}

/// Carries a plan out. `progress` is told the messages that have arrived, again and again.
///
/// # Errors
/// What went wrong first: a message that arrived wrongly, a send that failed, an endpoint that was closed, a leak, or
/// nothing that moves any more.
pub fn run(plan: &Plan, mut progress: impl FnMut(u64)) -> Result<Report, String> {
    let faults = Faults {
        loss: plan.loss,
        duplication: plan.loss,
        reordering: plan.loss,
        ..Faults::default()
    };
    let format = Format::native(9000).map_err(|error| error.to_string())?;
    let (places, pairs): (&[BoardPlace], &[(usize, usize)]) = match plan.takeovers {
        None => (&PAIR.0, &PAIR.1),
        Some(_) => (&TRIO.0, &TRIO.1),
    };
    let boards: [usize; 2] = core::array::from_fn(|backend| {
        let there = places.iter().filter(|place| place.backend == backend);
        there.count()
    });
    let mut fabric = Fabric::new(format, &boards, faults, plan.seed);
    for (number, place) in places.iter().enumerate() {
        let process = fabric.open(*place, 0, 1 + number as u32, Geometry::default());
        if plan.takeovers.is_some() {
            fabric.processes[process].1.keep_regions();
        }
    }
    if plan.strangers > 0 {
        fabric.disturb(format, plan.strangers, plan.seed);
    }
    let mut random = Rng::with_seed(plan.seed);
    let partners = connect_all(&mut fabric, pairs, FIRST_CONTACT);
    let mut takeovers = plan.takeovers.map(|takeovers| {
        let TakeoverPlan {
            every,
            without,
            omission,
        } = takeovers;
        Takeovers::new(every, without, omission, random.u64(..))
    });
    let mut flows = Vec::new();
    for (number, (from, to)) in pairs.iter().copied().enumerate() {
        let partner = partners
            .get(&(from, to))
            .ok_or_else(|| format!("node {from} could not connect to node {to}"))?;
        flows.push(Flow {
            from,
            to,
            tag: (number as u64) << TAG.trailing_zeros(),
            partner: *partner,
            seed: random.u64(..),
            long: plan.long,
            messages: (plan.messages + number as u64) / pairs.len() as u64,
            sent: 0,
            posted: 0,
            received: 0,
            bytes: 0,
            sends: VecDeque::new(),
            receives: VecDeque::new(),
            send_slots: Slots::new(),
            receive_slots: Slots::new(),
        });
    }
    let mut scratch = Scratch::default();
    let mut moved = fabric.elapsed();
    let mut longest_pause = Duration::ZERO;
    while flows.iter().any(|flow| !flow.is_over()) {
        if let Some(takeovers) = &mut takeovers {
            takeovers.act(&mut fabric, &boards);
        }
        for flow in &mut flows {
            flow.call(&mut fabric, &mut random, &mut scratch);
        }
        for _ in 0..1 + random.u32(..8) {
            fabric.step(Some(SOON));
        }
        for flow in &mut flows {
            if flow.collect(&mut fabric, &mut scratch)? {
                longest_pause = longest_pause.max(fabric.elapsed() - moved);
                moved = fabric.elapsed();
            }
        }
        no_endpoint_was_closed(&fabric)?;
        progress(flows.iter().map(|flow| flow.received).sum());
        if fabric.elapsed() - moved > TIMEOUT {
            let arrived: Vec<String> = flows
                .iter()
                .map(|flow| format!("{} of {}", flow.received, flow.messages))
                .collect();
            return Err(format!(
                "stuck: nothing has ended for {} s; of messages have arrived {}",
                TIMEOUT.as_secs(),
                arrived.join(", ")
            ));
        }
    }
    if let Some(takeovers) = &mut takeovers {
        takeovers.end(&mut fabric);
    }
    end(&mut fabric)?;
    Ok(Report {
        messages: flows.iter().map(|flow| flow.received).sum(),
        bytes: flows.iter().map(|flow| flow.bytes).sum(),
        virtual_time: fabric.elapsed(),
        strangers: fabric.disturbed(),
        resent: frames(
            &fabric,
            |counts| counts.0,
            &[
                (
                    "pull request (oldest block)",
                    Counter::PullTimeoutHandlerRequestsFirstBlock,
                ),
                (
                    "pull request (later block)",
                    Counter::PullTimeoutHandlerRequestsNonFirstBlock,
                ),
                (
                    "pull request (several blocks)",
                    Counter::PullRequestForNotOnlyTheFirstBlockAtOnce,
                ),
            ],
        ),
        duplicates: frames(
            &fabric,
            |counts| counts.1,
            &[("pull reply", Counter::DropPullReplyDuplicate)],
        ),
        deaths: takeovers.map_or(0, |takeovers| takeovers.deaths),
        longest_pause,
    })
}

/// Waits until everything is acknowledged, and looks for what is left.
fn end(fabric: &mut Fabric) -> Result<(), String> {
    let begun = fabric.elapsed();
    let rests = |fabric: &Fabric| {
        let mut processes = fabric.processes.iter();
        processes.all(|(_, process)| process.engine.settled() && process.regions() == 0)
    };
    while !rests(fabric) {
        if fabric.elapsed() - begun > TIMEOUT {
            return Err("messages or regions are left when all has ended".to_owned());
        }
        fabric.step(Some(SOON));
    }
    no_endpoint_was_closed(fabric)
}

fn no_endpoint_was_closed(fabric: &Fabric) -> Result<(), String> {
    match fabric.misbehaved[..] {
        [] => Ok(()),
        [(key, what), ..] => Err(format!("a backend closed endpoint {key:?}: {what}")),
    }
}

/// Sums of what the libraries count by kind, and of counters of the boards.
fn frames(
    fabric: &Fabric,
    which: impl Fn((ByKind, ByKind)) -> ByKind,
    counters: &[(&'static str, Counter)],
) -> Vec<(&'static str, u64)> {
    let processes = || fabric.processes.iter().map(|(_, process)| process);
    let by_kind = FrameKind::ALL.iter().map(|kind| {
        let counts = processes().map(|process| {
            let counts = process.engine.counts();
            which((counts.resent, counts.duplicates)).of(*kind)
        });
        (kind.name(), counts.sum())
    });
    let by_board = counters.iter().map(|(name, counter)| {
        let counts = processes().map(|process| u64::from(process.board.counter(*counter as usize)));
        (*name, counts.sum())
    });
    by_kind.chain(by_board).collect()
}
