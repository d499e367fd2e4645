//! A backend made of vectors: memory, queues and a wire, each in plain sight of the test.
#![allow(
    dead_code,
    reason = "every test file compiles this module and uses its own part of it"
)]

use std::collections::{BTreeMap, HashMap, VecDeque};

use mx_board::*;
use mx_ring::{Command, Event, Reach, RegionKey, Window};
use mx_wire::{Format, Frame, Header, MacAddress, Packet};

/// The three formats that the captures show.
pub fn formats() -> [Format; 3] {
    [
        Format::native(1500).unwrap(),
        Format::native(9000).unwrap(),
        Format::mx_wire(),
    ]
}

pub fn settings(format: Format) -> Settings {
    Settings {
        format,
        endpoint_max: 32,
        peer_max: 256,
        seed: 42,
    }
}

pub const NODE_A: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0x0a, 1]);
pub const NODE_B: MacAddress = MacAddress([0x52, 0x54, 0, 0, 0x0b, 2]);

pub fn second(s: u64) -> Instant {
    Instant::from_nanos(s * 1_000_000_000)
}

pub fn key(board: BoardId, endpoint: u8) -> EndpointKey {
    EndpointKey { board, endpoint }
}

pub fn region(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 1,
    }
}

/// Memory and queues of the endpoints, and what went to the wire.
#[derive(Default)]
pub struct Recorder {
    pub regions: HashMap<(EndpointKey, RegionKey), Vec<u8>>,
    pub windows: HashMap<(EndpointKey, u8), Window>,
    pub transmit: HashMap<EndpointKey, Vec<u8>>,
    pub command_data: HashMap<EndpointKey, Vec<u8>>,
    /// Commands that wait.
    pub commands: HashMap<EndpointKey, VecDeque<Command>>,
    /// Commands that were carried out, in order.
    pub taken: Vec<(EndpointKey, Command)>,
    pub blamed: Vec<(EndpointKey, Blame)>,
    /// Events, with their payloads.
    pub events: BTreeMap<EndpointKey, Vec<(Event, Vec<u8>)>>,
    /// Frames that went out.
    pub sent: VecDeque<Vec<u8>>,
    /// How many more frames the wire takes, if it is limited.
    pub room: Option<usize>,
    /// Whether the way out is gone.
    pub lost: bool,
    /// Whether event queues are full.
    pub no_room: bool,
    pub changed: Vec<(BoardId, u16)>,
    /// What reached raw endpoints.
    pub raw: Vec<(BoardId, Vec<u8>)>,
    /// Payload bytes that were copied from memory to memory or frame.
    pub copied: usize,
    /// How often a window was looked at.
    pub looks: usize,
    /// Lengths of regions that are too long for vectors. What is copied from one to another is noted, and not copied.
    pub long: HashMap<(EndpointKey, RegionKey), u32>,
    pub noted: Vec<(Extent, Extent)>,
}

impl Recorder {
    fn bytes(&self, source: Source<'_>) -> Option<Vec<u8>> {
        match source {
            Source::Bytes(bytes) => Some(bytes.to_vec()),
            Source::CommandData { owner, length, .. } => {
                Some(self.command_data.get(&owner)?[..length as usize].to_vec())
            }
            Source::Transmit {
                owner,
                offset,
                length,
                ..
            } => {
                let from = offset as usize;
                let area = self.transmit.get(&owner)?;
                Some(area.get(from..from + length as usize)?.to_vec())
            }
            Source::Region(e) => {
                let from = e.offset as usize;
                let region = self.regions.get(&(e.owner, e.region))?;
                Some(region.get(from..from + e.length as usize)?.to_vec())
            }
        }
    }

    /// Takes the events of an endpoint.
    pub fn take(&mut self, key: EndpointKey) -> Vec<(Event, Vec<u8>)> {
        self.events.remove(&key).unwrap_or_default()
    }

    /// Takes the frames that went out, parsed.
    pub fn frames(&mut self, format: &Format) -> Vec<Packet> {
        self.sent
            .drain(..)
            .map(|bytes| {
                Frame::parse(format, &bytes)
                    .expect("what a board sends can be read")
                    .packet
            })
            .collect()
    }
}

impl Ports for Recorder {
    fn next_command(&mut self, owner: EndpointKey) -> Option<(u32, Command)> {
        let command = self.commands.get_mut(&owner)?.pop_front()?;
        self.taken.push((owner, command));
        Some((0, command))
    }

    fn put_back(&mut self, owner: EndpointKey) {
        let (_, command) = self.taken.pop().expect("it was taken");
        self.commands.entry(owner).or_default().push_front(command);
    }

    fn commands_done(&mut self, _: EndpointKey) -> bool {
        false
    }

    fn may_rest(&mut self, _: EndpointKey) -> bool {
        true
    }

    fn blame(&mut self, owner: EndpointKey, blame: Blame) {
        self.blamed.push((owner, blame));
    }

    fn transmit(&mut self, header: &Header, payload: Source<'_>) -> Result<Taken, Full> {
        if let Some(room) = &mut self.room {
            *room = room.checked_sub(1).ok_or(Full)?;
        }
        if self.lost {
            return Ok(Taken::Lost);
        }
        let mut frame = header.as_bytes().to_vec();
        let Some(bytes) = self.bytes(payload) else {
            return Ok(Taken::Sent);
        };
        frame.extend(bytes);
        frame.resize(header.frame_length(), 0);
        self.sent.push_back(frame);
        Ok(Taken::Sent)
    }

    fn deliver(
        &mut self,
        to: EndpointKey,
        event: &Event,
        payload: Source<'_>,
    ) -> Result<(), NoRoom> {
        if self.no_room {
            return Err(NoRoom);
        }
        let bytes = self.bytes(payload).unwrap_or_default();
        self.copied += bytes.len();
        self.events.entry(to).or_default().push((*event, bytes));
        Ok(())
    }

    fn copy(&mut self, from: Source<'_>, to: Extent) -> Result<(), BadMemory> {
        if let Source::Region(from) = from
            && self.long.contains_key(&(from.owner, from.region))
        {
            self.noted.push((from, to));
            return Ok(());
        }
        let bytes = self.bytes(from).ok_or(BadMemory)?;
        let at = to.offset as usize;
        let place = self
            .regions
            .get_mut(&(to.owner, to.region))
            .and_then(|region| region.get_mut(at..at + bytes.len()))
            .ok_or(BadMemory)?;
        place.copy_from_slice(&bytes);
        self.copied += bytes.len();
        Ok(())
    }

    fn window(&mut self, owner: EndpointKey, id: u8) -> Option<Window> {
        self.looks += 1;
        self.windows.get(&(owner, id)).copied()
    }

    fn region(&mut self, owner: EndpointKey, region: RegionKey) -> Option<RegionInfo> {
        let long = self.long.get(&(owner, region)).copied();
        let held = self.regions.get(&(owner, region));
        let length = long.or(held.map(|bytes| bytes.len() as u32))?;
        Some(RegionInfo {
            length,
            writable: true,
        })
    }

    fn peer_changed(&mut self, board: BoardId, index: u16) {
        self.changed.push((board, index));
    }

    fn raw(&mut self, to: BoardId, frame: &[u8]) -> Result<(), NoRoom> {
        if self.no_room {
            return Err(NoRoom);
        }
        self.raw.push((to, frame.to_vec()));
        Ok(())
    }
}

/// A switch with its recorder.
pub struct World {
    pub switch: Switch,
    pub ports: Recorder,
    pub now: Instant,
}

impl World {
    pub fn new(format: Format) -> Self {
        Self {
            switch: Switch::new(settings(format)),
            ports: Recorder::default(),
            now: second(1),
        }
    }

    /// Adds a board, and lets it forget what it has to say about itself.
    pub fn board(&mut self, mac: MacAddress, name: &str) -> BoardId {
        let name = HostName::new(name.as_bytes());
        self.switch
            .add_board(self.now, mac, name, &mut self.ports)
            .expect("a good address")
    }

    pub fn open(&mut self, key: EndpointKey, session: u32) {
        self.switch
            .open_endpoint(key, session, 64)
            .expect("a free endpoint");
        self.ports.transmit.insert(key, vec![0xa5; 64 << 10]);
        self.ports.command_data.insert(key, vec![0x5a; 128]);
    }

    pub fn command(
        &mut self,
        key: EndpointKey,
        command: mx_ring::Command,
    ) -> Result<(), CommandError> {
        self.switch
            .command(self.now, key, 0, &command, &mut self.ports)
    }

    pub fn frame(&mut self, bytes: &[u8]) {
        self.switch.frame(self.now, bytes, &mut self.ports);
    }

    pub fn work(&mut self) -> Progress {
        self.switch.work(self.now, &mut self.ports)
    }

    /// Works until there is nothing to do now.
    pub fn settle(&mut self) {
        while self.work() == Progress::Busy {}
    }

    /// Registers `bytes` as a region, visible as window `id` with seqnum 23.
    pub fn register(&mut self, key: EndpointKey, slot: u16, id: u8, bytes: Vec<u8>) {
        let window = Window {
            region: region(slot),
            seqnum: 23,
            reach: Reach::Whole,
            offset: 0,
            length: bytes.len() as u32,
        };
        self.ports.regions.insert((key, region(slot)), bytes);
        self.ports.windows.insert((key, id), window);
    }

    pub fn count(&self, board: BoardId, counter: mx_ring::Counter) -> u32 {
        self.switch
            .board(board)
            .expect("a board")
            .counters()
            .get(counter)
    }

    /// Feeds a packet as if its frame had come from the wire.
    pub fn receive(
        &mut self,
        format: &Format,
        source: MacAddress,
        destination: MacAddress,
        index: Option<u16>,
        packet: Packet,
        payload: &[u8],
    ) {
        let mut buffer = [0; 9100];
        let frame = Frame {
            destination,
            source,
            sender_index: index,
            packet,
            payload,
        };
        let length = frame
            .emit(format, &mut buffer)
            .expect("a well-formed frame");
        self.frame(&buffer[..length]);
    }
}

/// Bytes that tell every position apart.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8)
        .collect()
}
