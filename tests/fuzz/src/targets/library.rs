//! The library's engine behind queues that a lying backend writes.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::{
    Config, Engine, Memory, Part, PartnerKey, QueuePort, Refused, Registered, RequestKey,
    Selection, Use,
};
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_ring::{
    Command, Descriptor, EndpointLayout, Event, Geometry, PAGE_SIZE, ProcessSide, Reach, RegionKey,
    VolatileSlice, Window,
};

use crate::input::Input;

const SESSION: u32 = 0xa;
/// No message is longer, so that a run stays quick.
const MESSAGE_MAX: u32 = 200_000;
/// Events that a queue holds: a reader that finds more does not look at their laps.
const EVENTS_MAX: u32 = 64;

/// The queues, and memory that is registered for nobody.
struct Port {
    side: ProcessSide,
    registered: i64,
    bound: [Option<Window>; 256],
}

impl QueuePort for Port {
    fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        self.side.post(command, data)
    }

    fn command_room(&self) -> u32 {
        self.side.command_room()
    }

    fn command_index(&self) -> u32 {
        self.side.next_command_index()
    }

    fn sent(&self) -> u32 {
        self.side.sent()
    }

    fn transmit(&self, offset: u32, length: usize) -> Option<VolatileSlice> {
        self.side.transmit_part(offset, length).ok()
    }

    fn bind_window(&mut self, id: u8, window: &Window) {
        if let Some(bound) = self.bound[usize::from(id)].replace(*window) {
            assert_ne!(bound.reach, Reach::Whole, "a window is bound twice");
            let same = (bound.seqnum, bound.length) == (window.seqnum, window.length);
            assert!(same, "a window moves to another message");
        }
        assert!(window.reach == Reach::Whole || window.offset < window.length);
        self.side.bind_window(id, window);
    }

    fn unbind_window(&mut self, id: u8) {
        let bound = self.bound[usize::from(id)].take();
        assert!(bound.is_some(), "a free window is unbound");
        self.side.unbind_window(id);
    }

    fn register(&mut self, _: &Memory, part: Part, _: Use) -> Result<Registered, Refused> {
        assert!(part.length > 0, "nothing is registered");
        if part.length.is_multiple_of(7) {
            return Err(Refused::Later);
        }
        self.registered += 1;
        let cut = part.divisible && part.length.is_multiple_of(5);
        Ok(Registered {
            region: RegionKey::default(),
            offset: 0,
            length: if cut { part.length / 5 } else { part.length },
            token: 0,
        })
    }

    fn collect(&mut self, registered: &Registered, memory: &Memory, start: u32) {
        let end = start + registered.length;
        assert!(end <= memory.length(), "more is collected than fits");
    }

    fn release(&mut self, _: Registered) {
        self.registered -= 1;
        assert!(self.registered >= 0, "memory is given back twice");
    }
}

struct Bench {
    engine: Engine,
    port: Port,
    layout: EndpointLayout,
    queues: [Memfd; 2],
    board: BoardPages,
    board_memory: Memfd,
    now: Duration,
    /// Entries that the lying backend has written: unexpected, expected.
    written: [u32; 2],
    requests: Vec<RequestKey>,
    partners: Vec<PartnerKey>,
    wrong: u32,
}

impl Bench {
    fn new(mx_wire: bool) -> Self {
        let layout = EndpointLayout::new(Geometry {
            commands: 64,
            unexpected: 64,
            expected: 64,
            transmit: 64 << 10,
            receive: 64 << 10,
        })
        .expect("possible sizes");
        let create = |size| Memfd::create("fuzz queues", size).expect("memory");
        let queues = [create(layout.w_size()), create(layout.r_size())];
        let [w, r] = &queues;
        let side = ProcessSide::new(layout, w.slice(), r.slice()).expect("areas of the layout");
        let board_memory = create(PAGES * PAGE_SIZE);
        let board = BoardPages::new(board_memory.slice()).expect("whole pages");
        board.format();
        let fragment = if mx_wire { 4096 } else { 8192 };
        let mut config = Config::new(SESSION, 7, fragment, mx_wire);
        config.transmit_bytes = layout.geometry().transmit;
        config.pulls_max = 64;
        Self {
            engine: Engine::new(config),
            port: Port {
                side,
                registered: 0,
                bound: [None; 256],
            },
            layout,
            queues,
            board,
            board_memory,
            now: Duration::from_secs(1),
            written: [0; 2],
            requests: Vec::new(),
            partners: Vec::new(),
            wrong: 0,
        }
    }

    /// An entry with any content, where the library looks for the next event.
    fn entry(&mut self, queue: usize, bytes: &[u8]) {
        let base = [EndpointLayout::UNEXPECTED, self.layout.expected()][queue];
        let at = base + (self.written[queue] % EVENTS_MAX) as usize * Descriptor::SIZE;
        let mut entry = [0; Descriptor::SIZE];
        entry[..bytes.len()].copy_from_slice(bytes);
        // The lap: the turn of the ring, from 1.
        let lap = self.written[queue] / EVENTS_MAX + 1;
        entry[60..].copy_from_slice(&lap.to_le_bytes());
        self.queues[1].slice().write(at, &entry).expect("an entry");
        self.written[queue] += 1;
    }

    /// Takes all events, as the library does, and what is done.
    fn progress(&mut self) {
        let mut taken = 0;
        while let Some(event) = self.port.side.next_unexpected() {
            taken += 1;
            assert!(taken <= EVENTS_MAX, "the queue has no end");
            match event {
                Ok(event) => self.take(&event),
                Err(_) => self.wrong += 1,
            }
        }
        while let Some(event) = self.port.side.next_expected() {
            taken += 1;
            assert!(taken <= 2 * EVENTS_MAX, "the queue has no end");
            match event {
                Ok(event) => self.engine.event(&event, None, &mut self.port),
                Err(_) => self.wrong += 1,
            }
        }
        self.port.side.publish_consumed();
        self.engine.work(&mut self.port);
        let engine = &mut self.engine;
        let partners = &mut self.partners;
        self.requests
            .retain(|request| match engine.take_done(*request) {
                None => engine.is_done(*request).is_some(),
                Some(outcome) => {
                    if let Some(partner) = outcome.partner
                        && !partners.contains(&partner)
                    {
                        partners.push(partner);
                    }
                    false
                }
            });
    }

    fn take(&mut self, event: &Event) {
        let Some((position, length)) = event.received() else {
            return self.engine.event(event, None, &mut self.port);
        };
        let part = self.port.side.receive_part(position, length.into()).ok();
        self.engine.event(event, part, &mut self.port);
        self.port.side.release_receive(position, length.into());
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        match choice % 12 {
            0..=4 => {
                let mut bytes = [0; 60];
                let given = input.bytes(44);
                bytes[..given.len()].copy_from_slice(given);
                if choice < 220 {
                    // An event that exists, from an endpoint of a peer, early in a relation.
                    const KINDS: [u8; 11] = [
                        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x12, 0x1a,
                    ];
                    bytes[0] = KINDS[usize::from(bytes[0]) % KINDS.len()];
                    bytes[1] %= 2;
                    (bytes[2], bytes[3]) = (1, 0);
                    // Sequence and acknowledgement, match info, bits 16 to 31 of the message's length.
                    bytes[8] &= 15;
                    bytes[9] = 0;
                    bytes[10] &= 15;
                    bytes[11] = 0;
                    bytes[16] &= 3;
                    bytes[17..24].fill(0);
                    bytes[26] &= 1;
                    bytes[27] = 0;
                    if bytes[0] == 0x1a {
                        // One of the first windows in its first use or the next.
                        (bytes[28], bytes[29]) = (bytes[28] & 1, 23 + (bytes[29] & 1));
                    }
                }
                self.entry(0, &bytes);
            }
            5 => {
                let mut bytes = [0; 60];
                let given = input.bytes(60);
                bytes[..given.len()].copy_from_slice(given);
                if choice < 220 {
                    bytes[0] = 0x21;
                }
                self.entry(1, &bytes);
            }
            6 => {
                // Anywhere before the receive ring, and the board's pages.
                let at = input.double() as usize % self.layout.receive();
                let count = usize::from(input.byte()).min(self.layout.receive() - at);
                let bytes = input.bytes(count);
                self.queues[1].slice().write(at, bytes).expect("within R");
                let at = at % (PAGES * PAGE_SIZE - 256);
                let written = self.board_memory.slice().write(at, bytes);
                written.expect("within the pages");
                let _torn = self.board.board();
                let _torn = self.board.peer(input.word());
            }
            7 => {
                let (endpoint, peer) = (input.byte() % 2, u16::from(input.byte() % 3));
                let Self { engine, port, .. } = self;
                let request = engine.connect(peer, endpoint, 7, 0, 0, port);
                self.requests.push(request);
            }
            8 => {
                let length = input.size() % MESSAGE_MAX;
                let to = usize::from(input.byte());
                let Some(to) = self.partners.get(to % self.partners.len().max(1)) else {
                    return;
                };
                let Self { engine, port, .. } = self;
                let info = u64::from(choice / 12 % 4);
                let request = engine.send(*to, memory(length), info, 0, choice & 64 == 0, port);
                self.requests.push(request);
            }
            9 => {
                let length = input.size() % MESSAGE_MAX;
                let (info, mask) = [(0, 0), (1, 3), (2, u64::MAX)][usize::from(choice / 12 % 3)];
                let Self { engine, port, .. } = self;
                let request = engine.receive(memory(length), Selection::new(info, mask), 0, port);
                self.requests.push(request);
            }
            10 => {
                self.now += Duration::from_micros(input.size().into());
                self.engine.set_now(self.now);
            }
            _ => {
                let at = usize::from(input.byte());
                if choice < 128
                    && let Some(request) = self.requests.get(at % self.requests.len().max(1))
                {
                    let _no = self.engine.cancel(*request, false);
                } else if let Some(partner) = self.partners.get(at % self.partners.len().max(1)) {
                    let Self { engine, port, .. } = self;
                    engine.disconnect(*partner, port);
                }
            }
        }
    }
}

fn memory(length: u32) -> Memory {
    let memory = Arc::new(Memfd::create("fuzz message", length.max(1) as usize).expect("memory"));
    let span = memory.slice().part(0, length as usize).expect("its length");
    Memory::owned(span, memory.clone()).expect("below 4 GiB")
}

/// Events and calls in any order.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let mut bench = Bench::new(input.byte() % 2 == 1);
    while !input.is_empty() {
        bench.step(&mut input);
        bench.progress();
    }
    let holdings = (
        bench.partners.len(),
        bench.requests.len(),
        bench.port.registered,
        bench.wrong > 0,
        bench.port.side.next_command_index().checked_ilog2(),
        bench.engine.deadline().is_some(),
        bench.engine.completions().checked_ilog2(),
    );
    super::kind(holdings)
}
