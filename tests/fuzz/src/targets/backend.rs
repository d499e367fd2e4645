//! A backend with one board and one endpoint: what the wire and the endpoint's process do to it.

use std::time::Duration;

use mx_backend::fake::{Awake, Outbox};
use mx_backend::{Backend, BackendConfig, BoardId, Completion, EndpointKey, HostName};
use mx_board::Instant;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_ring::{
    BackendSide, Descriptor, EndpointLayout, Geometry, PAGE_SIZE, Reach, RegionKey, Window,
};
use mx_wire::{Beacon, Format, Frame, HostQuery, HostReply, MacAddress, Packet, Pull};

use super::packets::{self, SESSION};
use crate::input::Input;

const OWN: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
const PEER: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
const ENDPOINT: u8 = 0;
const REGIONS: usize = 4;
const REGION_SIZE: usize = 64 << 10;
/// Frames that a turn may send: more would be work without bounds.
const FRAMES_PER_TURN: usize = 256;
/// Turns until a backend rests that nobody asks anything.
const TURNS_MAX: u32 = 20_000;

struct Bench {
    // Before the memory that it reads.
    backend: Backend,
    format: Format,
    now: Instant,
    key: EndpointKey,
    layout: EndpointLayout,
    queues: [Memfd; 2],
    _board: Memfd,
    regions: Vec<Memfd>,
    commands: u32,
    out: Outbox,
    /// The last request for a block that came out.
    asked: Option<Pull>,
    open: bool,
    misbehaved: bool,
}

impl Bench {
    fn new(format: Format) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut backend = Backend::new(BackendConfig {
            format,
            generation: 1,
            endpoint_max: 4,
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: [0; 16],
            driver: [0; 16],
            idle_spell: Duration::from_secs(3600),
            seed: 1,
        });
        let memory = Memfd::create("fuzz board", PAGES * PAGE_SIZE).expect("memory");
        let pages = BoardPages::new(memory.slice()).expect("whole pages");
        pages.format();
        let name = HostName::new(b"own:0");
        let board = backend
            .add_board(now, OWN, name, pages)
            .expect("a station's address");
        let layout = EndpointLayout::new(Geometry {
            commands: 64,
            unexpected: 64,
            expected: 64,
            transmit: 64 << 10,
            receive: 64 << 10,
        })
        .expect("possible sizes");
        let create = |size| Memfd::create("fuzz queues", size).expect("memory");
        let mut bench = Self {
            backend,
            format,
            now,
            key: EndpointKey {
                board,
                endpoint: ENDPOINT,
            },
            layout,
            queues: [create(layout.w_size()), create(layout.r_size())],
            _board: memory,
            regions: (0..REGIONS).map(|_| create(REGION_SIZE)).collect(),
            commands: 0,
            out: Outbox::default(),
            asked: None,
            open: false,
            misbehaved: false,
        };
        bench.open();
        for slot in 0..2 {
            bench.register(slot, true);
            bench.bind(slot as u8, 23, 0, REGION_SIZE as u32);
        }
        bench.greet();
        bench
    }

    /// A peer with index 1 that knows this board under index 1.
    fn greet(&mut self) {
        let beacon = Beacon {
            board: PEER,
            serial: 1,
        };
        let (sender_index, magic) = (1, HostQuery::FIRST_MAGIC);
        let query = HostQuery {
            sender_index,
            magic,
        };
        let reply = HostReply {
            sender_index,
            magic,
        };
        self.hear(MacAddress::BROADCAST, None, Packet::Raw, &beacon.payload());
        self.hear(OWN, None, Packet::HostQuery(query), &[]);
        self.hear(OWN, None, Packet::HostReply(reply), b"peer:0");
        self.turn();
    }

    fn open(&mut self) {
        let [w, r] = &self.queues;
        for (memory, size) in [(w, self.layout.w_size()), (r, self.layout.r_size())] {
            memory
                .slice()
                .write(0, &vec![0; size])
                .expect("its own size");
        }
        let side =
            BackendSide::new(self.layout, w.slice(), r.slice()).expect("areas of the layout");
        let opened = self
            .backend
            .open_endpoint(self.now, self.key, SESSION, side);
        self.open = opened.is_ok();
        self.commands = 0;
    }

    fn register(&mut self, slot: usize, writable: bool) {
        let region = RegionKey {
            slot: slot as u16,
            generation: 1,
        };
        let parts = vec![self.regions[slot].slice()];
        let _refused = self
            .backend
            .register_region(self.key, region, writable, parts);
    }

    fn bind(&mut self, id: u8, seqnum: u8, offset: u32, length: u32) {
        let [w, r] = &self.queues;
        let side = mx_ring::ProcessSide::new(self.layout, w.slice(), r.slice());
        let region = RegionKey {
            slot: u16::from(id % REGIONS as u8),
            generation: 1,
        };
        side.expect("areas of the layout").bind_window(
            id,
            &Window {
                region,
                seqnum,
                reach: match seqnum % 4 {
                    0 => Reach::Piece,
                    1 => Reach::Nothing,
                    _ => Reach::Whole,
                },
                offset,
                length,
            },
        );
    }

    fn hear(
        &mut self,
        destination: MacAddress,
        sender_index: Option<u16>,
        packet: Packet,
        payload: &[u8],
    ) {
        let frame = Frame {
            destination,
            source: PEER,
            sender_index,
            packet,
            payload,
        };
        let mut bytes = [0; 9100];
        // What cannot be built is no frame that a wire could bring.
        if let Ok(length) = frame.emit(&self.format, &mut bytes) {
            self.backend
                .frame(self.now, &bytes[..length], &mut self.out);
        }
    }

    /// A turn, its bounds, and what came out.
    fn turn(&mut self) -> bool {
        let before = self.out.frames.len();
        let activity = self.backend.turn(self.now, &mut self.out, &mut Awake);
        assert!(
            self.out.frames.len() - before <= FRAMES_PER_TURN,
            "a turn without bounds"
        );
        while let Some(completion) = self.backend.next_completion() {
            match completion {
                Completion::Misbehaved(..) => self.misbehaved = true,
                Completion::EndpointClosed(_) => self.open = false,
                Completion::RegionReleased(..) | Completion::BoardRemoved(_) => {}
            }
        }
        let sent = !self.out.frames.is_empty();
        for frame in self.out.frames.drain(..) {
            let frame = Frame::parse(&self.format, &frame).expect("what a board sends can be read");
            assert_eq!(frame.source, OWN, "nobody speaks as another");
            if let Packet::Pull(pull) = frame.packet {
                self.asked = Some(pull);
            }
        }
        sent || activity.busy && activity.deadline.is_none()
    }

    /// An entry with any content, where the backend looks for the next command.
    fn command(&mut self, bytes: &[u8]) {
        let entries = self.layout.geometry().commands;
        let at = EndpointLayout::COMMANDS + (self.commands % entries) as usize * Descriptor::SIZE;
        let mut entry = [0; Descriptor::SIZE];
        entry[..bytes.len().min(60)].copy_from_slice(&bytes[..bytes.len().min(60)]);
        // The lap: the turn of the ring, from 1.
        entry[60..].copy_from_slice(&(self.commands / entries + 1).to_le_bytes());
        self.queues[0].slice().write(at, &entry).expect("an entry");
        self.commands += 1;
        self.backend.kicked(self.now, self.key);
    }

    fn step(&mut self, input: &mut Input<'_>, by_process: bool) {
        let choice = input.byte();
        match choice % if by_process { 14 } else { 6 } {
            0 => {
                // Any frame.
                let length = usize::from(input.word()) % 9100;
                let mut frame = [&OWN.0[..], &PEER.0, &[0x86, 0xdf]].concat();
                frame.extend_from_slice(input.bytes(length));
                self.backend.frame(self.now, &frame, &mut self.out);
            }
            1..=3 => {
                let (packet, length) = packets::packet(input, &self.format, self.asked.as_ref());
                let to = if packet == Packet::Raw {
                    MacAddress::BROADCAST
                } else {
                    OWN
                };
                let index = (choice < 250).then_some(1);
                let payload = vec![0x5a; length];
                self.hear(to, index, packet, &payload);
            }
            4 => self.now = self.now + Duration::from_micros(input.size().into()),
            5 => self.out.full = input.byte().is_multiple_of(4),
            6..=8 => {
                let mut bytes = [0; 60];
                let given = input.bytes(60);
                bytes[..given.len()].copy_from_slice(given);
                // Mostly a command that exists, from an endpoint to a peer that exist.
                if choice < 200 {
                    const KINDS: [u8; 11] = [
                        0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x20, 0x22, 0x20,
                    ];
                    bytes[0] = KINDS[usize::from(bytes[0]) % KINDS.len()];
                    bytes[1] %= 3;
                    (bytes[2], bytes[3]) = (u8::from(bytes[2] & 7 != 0), 0);
                }
                self.command(&bytes);
            }
            9 => {
                let at = input.double() as usize % self.layout.w_size();
                let count = usize::from(input.byte()).min(self.layout.w_size() - at);
                let bytes = input.bytes(count);
                self.queues[0].slice().write(at, bytes).expect("within W");
            }
            10 => {
                let (id, seqnum) = (input.byte(), input.byte());
                let (offset, length) = (input.size(), input.size());
                self.bind(id, seqnum, offset, length);
            }
            11 => self.register(usize::from(input.byte()) % REGIONS, choice < 128),
            12 => {
                let slot = u16::from(input.byte()) % REGIONS as u16;
                let region = RegionKey {
                    slot,
                    generation: 1,
                };
                let _refused = self.backend.deregister_region(self.key, region);
            }
            _ => {
                if self.open && self.backend.close_endpoint(self.key).is_ok() {
                    self.turn();
                }
                self.open();
            }
        }
    }
}

fn run(bytes: &[u8], by_process: bool) -> u64 {
    let mut input = Input::new(bytes);
    let format = match input.byte() % 3 {
        0 => Format::native(9000).expect("in range"),
        1 => Format::native(1500).expect("in range"),
        _ => Format::mx_wire(),
    };
    let mut bench = Bench::new(format);
    while !input.is_empty() {
        bench.step(&mut input, by_process);
        bench.turn();
    }
    bench.out.full = false;
    let mut turns = 0;
    while bench.turn() {
        turns += 1;
        assert!(turns < TURNS_MAX, "the backend does not come to rest");
    }
    let BoardId(_) = bench.key.board;
    let counters = bench.backend.counters(bench.key.board).map(|counters| {
        let all = counters.all();
        all.map(|value| value.checked_ilog2().unwrap_or(99) / 2)
    });
    super::kind((counters.map(|c| c.to_vec()), bench.open, bench.misbehaved))
}

/// Only the wire is hostile.
pub fn frames(bytes: &[u8]) -> u64 {
    run(bytes, false)
}

/// The process too.
pub fn process(bytes: &[u8]) -> u64 {
    run(bytes, true)
}

/// A few packets of each type in each format.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for format in 0..3 {
        for kind in 0..packets::KINDS {
            let mut seed = vec![format];
            for choice in [1, 15, 29] {
                seed.extend([choice, kind, 0, 0, 0, 1, 1, 16, 0, 0, 0]);
            }
            seeds.push(seed);
        }
    }
    seeds
}
