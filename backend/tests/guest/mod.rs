//! Backends on a network, and the processes behind their endpoints, in virtual time.
#![allow(
    dead_code,
    reason = "every test file compiles this module and uses its own part of it"
)]

use core::time::Duration;

use mx_backend::fake::{Nics, Woken};
use mx_backend::*;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_ring::{
    BackendSide, Command, CommandBody, Destination, EndpointLayout, Event, Geometry, PAGE_SIZE,
    Place, ProcessSide, PullOrder, RegionKey, Window,
};
use mx_testnet::Faults;
use mx_wire::{Content, Eager, Format, MacAddress, Message};

pub fn formats() -> [Format; 3] {
    [
        Format::native(1500).unwrap(),
        Format::native(9000).unwrap(),
        Format::mx_wire(),
    ]
}

pub fn mac(n: u8) -> MacAddress {
    MacAddress([2, 0, 0, 0, 0, n])
}

pub fn region(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 7,
    }
}

/// Bytes that tell every position apart.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}

/// A process with an open endpoint.
pub struct Guest {
    pub key: EndpointKey,
    pub session: u32,
    pub w: Memfd,
    pub r: Memfd,
    pub process: ProcessSide,
    pub memory: Vec<(RegionKey, Memfd)>,
}

impl Guest {
    /// Posts a command; the queue must have room.
    pub fn post(&mut self, command: &Command, data: &[u8]) {
        assert!(
            self.process.post(command, data),
            "the command queue is full"
        );
    }

    /// All events that wait, with the payloads of the receive ring.
    pub fn events(&mut self) -> Vec<(Event, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(event) = self.process.next_unexpected() {
            let event = event.expect("backends write what can be read");
            let mut bytes = Vec::new();
            if let Some((position, length)) = event.received() {
                bytes.resize(length.into(), 0);
                self.process.read_receive(position, &mut bytes).unwrap();
                self.process.release_receive(position, length.into());
            }
            all.push((event, bytes));
        }
        while let Some(event) = self.process.next_expected() {
            all.push((event.expect("backends write what can be read"), Vec::new()));
        }
        self.process.publish_consumed();
        all
    }

    /// Exposes a region, from its first byte, as window `id` with seqnum 23.
    pub fn bind(&self, id: u8, slot: u16, length: u32) {
        self.process.bind_window(
            id,
            &Window {
                region: region(slot),
                seqnum: 23,
                reach: mx_ring::Reach::Whole,
                offset: 0,
                length,
            },
        );
    }

    pub fn bytes(&self, slot: u16) -> Vec<u8> {
        let (_, memory) = self
            .memory
            .iter()
            .find(|(key, _)| key.slot == slot)
            .expect("a region of that slot");
        let mut bytes = vec![0; memory.slice().len()];
        memory.slice().read(0, &mut bytes).unwrap();
        bytes
    }
}

/// A backend with its boards' pages.
pub struct LabBackend {
    pub backend: Backend,
    pub pages: Vec<Memfd>,
    pub completions: Vec<Completion>,
    pub woken: Woken,
    pub activity: Activity,
}

/// Of every backend.
pub const GENERATION: u32 = 3;

/// Backends on a network.
pub struct Lab {
    pub network: Nics,
    pub backends: Vec<LabBackend>,
    pub now: Instant,
}

impl Lab {
    pub fn new(format: Format, backends: usize, faults: Faults, seed: u64) -> Self {
        let backend = |n: usize| LabBackend {
            backend: Backend::new(BackendConfig {
                format,
                generation: GENERATION,
                endpoint_max: 32,
                queue_entries: mx_ring::QUEUE_ENTRIES,
                interface: *b"fake0\0\0\0\0\0\0\0\0\0\0\0",
                driver: *b"fake\0\0\0\0\0\0\0\0\0\0\0\0",
                idle_spell: Duration::from_micros(50),
                seed: seed + n as u64,
            }),
            pages: Vec::new(),
            completions: Vec::new(),
            woken: Woken::default(),
            activity: Activity {
                worked: false,
                busy: true,
                deadline: None,
            },
        };
        Self {
            network: Nics::new(backends, faults, seed),
            backends: (0..backends).map(backend).collect(),
            now: Instant::from_nanos(1_000_000_000),
        }
    }

    /// Adds board `n` (its address and name) to a backend.
    pub fn board(&mut self, backend: usize, n: u8) -> BoardId {
        let memory = Memfd::create("board", PAGES * PAGE_SIZE).unwrap();
        let pages = BoardPages::new(memory.slice()).unwrap();
        pages.format();
        let backend = &mut self.backends[backend];
        backend.pages.push(memory);
        let name = HostName::new(format!("guest{n}:0").as_bytes());
        backend
            .backend
            .add_board(self.now, mac(n), name, pages)
            .expect("a good address")
    }

    pub fn open(&mut self, backend: usize, board: BoardId, endpoint: u8, session: u32) -> Guest {
        let geometry = Geometry {
            commands: 64,
            unexpected: 256,
            expected: 64,
            transmit: 64 << 10,
            receive: 256 << 10,
        };
        self.open_with(geometry, backend, board, endpoint, session)
    }

    pub fn open_with(
        &mut self,
        geometry: Geometry,
        backend: usize,
        board: BoardId,
        endpoint: u8,
        session: u32,
    ) -> Guest {
        let layout = EndpointLayout::new(geometry).unwrap();
        let w = Memfd::create("w", layout.w_size()).unwrap();
        let r = Memfd::create("r", layout.r_size()).unwrap();
        let key = EndpointKey { board, endpoint };
        let side = BackendSide::new(layout, w.slice(), r.slice()).unwrap();
        let process = ProcessSide::new(layout, w.slice(), r.slice()).unwrap();
        self.backends[backend]
            .backend
            .open_endpoint(self.now, key, session, side)
            .expect("a free endpoint");
        Guest {
            key,
            session,
            w,
            r,
            process,
            memory: Vec::new(),
        }
    }

    /// Registers a copy of `bytes` as a region of odd pieces: 100 bytes, whole pages, the rest.
    pub fn register(&mut self, backend: usize, guest: &mut Guest, slot: u16, bytes: &[u8]) {
        let memory = Memfd::create("region", bytes.len()).unwrap();
        let slice = memory.slice();
        slice.write(0, bytes).unwrap();
        let mut parts = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = if at == 0 { 100 } else { PAGE_SIZE }.min(bytes.len() - at);
            parts.push(slice.part(at, length).unwrap());
            at += length;
        }
        self.backends[backend]
            .backend
            .register_region(guest.key, region(slot), true, parts)
            .expect("a free slot");
        guest.memory.push((region(slot), memory));
    }

    /// Kicks a backend if the process of an endpoint there is asked to.
    pub fn kick(&mut self, backend: usize, guest: &Guest) {
        if guest.process.kick_needed() {
            self.backends[backend].backend.kicked(self.now, guest.key);
        }
    }

    /// Frames, tokens and a turn for every backend.
    pub fn turn(&mut self) {
        self.network.advance(self.now);
        for (port, backend) in self.backends.iter_mut().enumerate() {
            while let Some(token) = self.network.sent(port) {
                backend.backend.token_sent(token);
            }
            for _ in 0..32 {
                let Some(frame) = self.network.received(port) else {
                    break;
                };
                backend
                    .backend
                    .frame(self.now, &frame, &mut self.network.sink(port));
            }
            let mut sink = self.network.sink(port);
            backend.activity = backend
                .backend
                .turn(self.now, &mut sink, &mut backend.woken);
            while let Some(completion) = backend.backend.next_completion() {
                backend.completions.push(completion);
            }
        }
    }

    /// A turn, then on to the time of the next thing to do, `end` at most; false at `end`.
    pub fn step(&mut self, end: Instant) -> bool {
        self.turn();
        let soon = self.now + Duration::from_micros(1);
        let busy = self.backends.iter().any(|backend| backend.activity.busy);
        let deadlines = self
            .backends
            .iter()
            .filter_map(|backend| backend.activity.deadline);
        let next = deadlines
            .chain(self.network.next())
            .chain(busy.then_some(soon))
            .min()
            .unwrap_or(end);
        self.now = next.max(soon).min(end);
        self.now < end
    }

    /// Lets time pass.
    pub fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
        self.turn();
    }

    /// Lets time pass until something holds, a minute at most.
    pub fn until(&mut self, mut what: impl FnMut(&mut Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        while !what(self) {
            assert!(self.step(end), "it did not happen within a minute");
        }
    }

    /// Until every board of every backend knows `peers` peers by name.
    pub fn meet(&mut self, peers: u16) {
        self.until(|lab| {
            lab.backends
                .iter()
                .flat_map(|backend| &backend.pages)
                .all(|page| {
                    let pages = BoardPages::new(page.slice()).unwrap();
                    (0..peers).all(|n| pages.peer(n).is_some_and(|peer| peer.hostname[0] != 0))
                })
        });
    }
}

pub fn to(peer: u16, endpoint: u8, session: u32) -> Destination {
    Destination {
        peer,
        endpoint,
        session,
    }
}

/// A message with its sequence number and acknowledgement.
pub fn message(to: Destination, (seq, ack): (u16, u16), content: Content, place: Place) -> Command {
    let message = Message { seq, ack, content };
    Command {
        to,
        body: CommandBody::Message(message, place),
    }
}

pub fn tiny(to: Destination, seq: u16) -> Command {
    message(
        to,
        (seq, 1),
        Content::Tiny(Eager {
            match_info: 9,
            length: 4,
        }),
        Place::Inline(*b"tiny----------------------------"),
    )
}

pub fn pull(to: Destination, slot: u16, length: u32) -> Command {
    Command {
        to,
        body: CommandBody::Pull(PullOrder {
            region: region(slot),
            offset: 0,
            length,
            window: 1,
            window_seqnum: 23,
            window_offset: 0,
            cookie: 77,
            backend: GENERATION,
        }),
    }
}
