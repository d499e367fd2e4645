//! Nodes with a board each, joined by a wire that loses, doubles and reorders; and endpoints of theirs.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mx_backend::fake::{Awake, Outbox};
use mx_backend::{Backend, BackendConfig};
use mx_board::{BoardId, EndpointKey, HostName, Instant};
use mx_engine::Code;
use mx_engine::{Memory, PartnerKey, RequestKey, Selection};
use mx_ring::board_page::{self, BoardPages};
use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::uapi::{CallReply, CallRequest};
use mx_ring::{
    BackendSide, EndpointLayout, Geometry, PAGE_SIZE, ProcessSide, RegionKey, VolatileSlice,
};
use mx_testnet::{Faults, Network};
use mx_wire::{Format, MacAddress};

use crate::backend::{CallError, Channel, Opened, Regions};
use crate::board::Board;
use crate::endpoint::port::Port;
use crate::endpoint::state::EndpointState;
use crate::endpoint::{Buffer, Status};

struct Node {
    backend: Backend,
    board: BoardId,
    pages: Memfd,
}

/// All nodes and the wire.
pub struct Net {
    pub now: Duration,
    pub wire: Network,
    /// Every frame that was sent, with its sender; for the tests that look at frames.
    pub log: Option<Vec<(usize, Vec<u8>)>>,
    nodes: Vec<Node>,
    /// Turns since a frame was last sent or delivered.
    quiet: u32,
    next_region: u16,
    /// Registrations that are refused before the next one succeeds.
    pub refusals: u32,
    /// A node of which nothing is heard.
    pub silent: Option<usize>,
}

fn instant(now: Duration) -> Instant {
    Instant::from_nanos(now.as_nanos() as u64)
}

impl Net {
    fn send(&mut self, from: usize, out: Outbox) {
        for bytes in out.frames {
            self.quiet = 0;
            if let Some(log) = &mut self.log {
                log.push((from, bytes.clone()));
            }
            if self.silent != Some(from) {
                self.wire.send(from, &bytes);
            }
        }
    }

    fn join(&mut self, mac: MacAddress, format: Format, seed: u64) {
        let node = self.wire.join();
        let mut backend = Backend::new(BackendConfig {
            format,
            generation: 1,
            endpoint_max: 32,
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: *b"test\0\0\0\0\0\0\0\0\0\0\0\0",
            driver: [0; 16],
            idle_spell: Duration::from_secs(3600),
            seed: seed + node as u64,
        });
        let pages = Memfd::create("board", board_page::PAGES * PAGE_SIZE).unwrap();
        let board_pages = BoardPages::new(pages.slice()).unwrap();
        board_pages.format();
        let name = HostName::new(format!("node{node}:0").as_bytes());
        let board = backend
            .add_board(instant(self.now), mac, name, board_pages)
            .unwrap();
        self.nodes.push(Node {
            backend,
            board,
            pages,
        });
    }

    /// Lets 10 microseconds pass, or a millisecond when only timers can make something happen.
    fn turn(&mut self) {
        let quiet = self.quiet > 30 && self.wire.next().is_none();
        self.now += Duration::from_micros(if quiet { 1000 } else { 10 });
        self.quiet += 1;
        let now = instant(self.now);
        self.wire.advance(self.now);
        for node in 0..self.nodes.len() {
            let mut out = Outbox::default();
            while let Some(frame) = self.wire.receive(node) {
                self.nodes[node].backend.frame(now, &frame, &mut out);
            }
            self.nodes[node].backend.turn(now, &mut out, &mut Awake);
            while self.nodes[node].backend.next_completion().is_some() {}
            self.send(node, out);
        }
    }
}

/// The test's hold on all of it.
#[derive(Clone)]
pub struct World(Arc<Mutex<Net>>);

impl World {
    /// `nodes` nodes that know each other by name.
    pub fn new(nodes: usize, format: Format, seed: u64) -> Self {
        let addresses: Vec<MacAddress> = (1..=nodes as u8)
            .map(|node| MacAddress([2, 0, 0, 0, 0, node]))
            .collect();
        Self::with_addresses(&addresses, format, seed)
    }

    /// The same with these addresses.
    pub fn with_addresses(addresses: &[MacAddress], format: Format, seed: u64) -> Self {
        let mut net = Net {
            now: Duration::from_secs(1),
            wire: Network::new(0, Faults::NONE, seed),
            log: None,
            nodes: Vec::new(),
            quiet: 0,
            next_region: 0,
            refusals: 0,
            silent: None,
        };
        for mac in addresses {
            net.join(*mac, format, seed);
        }
        let world = Self(Arc::new(Mutex::new(net)));
        world.pass(Duration::from_millis(50));
        world
    }

    /// A node that comes later.
    pub fn join(&self, mac: MacAddress, format: Format) {
        self.net().join(mac, format, 7);
        self.pass(Duration::from_millis(50));
    }

    /// A node hears a frame.
    pub fn hear(&self, node: usize, frame: &[u8]) {
        let mut net = self.net();
        let (now, mut out) = (instant(net.now), Outbox::default());
        net.nodes[node].backend.frame(now, frame, &mut out);
        net.send(node, out);
    }

    pub fn net(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap()
    }

    /// Lets time pass while no endpoint calls.
    pub fn pass(&self, time: Duration) {
        let end = self.net().now + time;
        while self.net().now < end {
            self.net().turn();
        }
    }

    /// Lets time pass without anything happening.
    pub fn skip(&self, time: Duration) {
        self.net().now += time;
    }

    /// Opens an endpoint.
    pub fn open(&self, node: usize, endpoint: u8, session: u32, key: u32) -> Station {
        let layout = EndpointLayout::new(Geometry::default()).unwrap();
        let w = Arc::new(Memfd::create("w", layout.w_size()).unwrap());
        let r = Arc::new(Memfd::create("r", layout.r_size()).unwrap());
        let mut net = self.net();
        let now = instant(net.now);
        let board = net.nodes[node].board;
        let name = EndpointKey { board, endpoint };
        let side = BackendSide::new(layout, w.slice(), r.slice()).unwrap();
        let backend = &mut net.nodes[node].backend;
        backend.open_endpoint(now, name, session, side).unwrap();
        let pages = Mapping::of(
            net.nodes[node].pages.descriptor(),
            0,
            board_page::PAGES * PAGE_SIZE,
            Access::Read,
        );
        drop(net);
        let channel = Arc::new(TestChannel {
            world: self.clone(),
            node,
            name,
        });
        let process = ProcessSide::new(layout, w.slice(), r.slice()).unwrap();
        let regions = Regions::new(channel.clone(), false, None, true);
        let board = Board::new(pages.unwrap()).unwrap();
        let port = Port::new(process, regions);
        let state = EndpointState::new(port, board, endpoint.into(), session, key, |_| {}).unwrap();
        Station {
            world: self.clone(),
            channel,
            state,
            _memory: [w, r],
        }
    }
}

/// The calls of an endpoint in a [`World`].
pub struct TestChannel {
    world: World,
    node: usize,
    name: EndpointKey,
}

impl Channel for TestChannel {
    fn call(&self, request: &CallRequest, memory: Option<&Memfd>) -> Result<CallReply, CallError> {
        let mut net = self.world.net();
        match *request {
            CallRequest::Register { writable, .. } => {
                if net.refusals > 0 {
                    net.refusals -= 1;
                    return Err(CallError(rustix::io::Errno::AGAIN));
                }
                net.next_region = (net.next_region + 1) % 4096;
                let region = RegionKey {
                    slot: net.next_region,
                    generation: 7,
                };
                let parts: Vec<VolatileSlice> = vec![memory.unwrap().slice()];
                let backend = &mut net.nodes[self.node].backend;
                backend
                    .register_region(self.name, region, writable, parts)
                    .unwrap();
                Ok(CallReply::Registered { region })
            }
            CallRequest::Deregister { region } => {
                let backend = &mut net.nodes[self.node].backend;
                backend.deregister_region(self.name, region).unwrap();
                Ok(CallReply::Done)
            }
            _ => Err(CallError(rustix::io::Errno::INVAL)),
        }
    }

    fn attach(&self, _: u32) -> Result<Mapping, CallError> {
        Err(CallError(rustix::io::Errno::INVAL))
    }

    fn open(&self, _: u32, _: u32, _: &EndpointLayout) -> Result<Opened, CallError> {
        Err(CallError(rustix::io::Errno::INVAL))
    }

    fn open_raw(&self, _: u32) -> Result<std::os::fd::OwnedFd, CallError> {
        unreachable!("no test of endpoints opens it")
    }

    fn process_arms(&self) -> bool {
        true
    }

    fn sleep(&self, _: (u32, u32), _: Option<Duration>, _: bool) -> Result<bool, CallError> {
        Ok(false)
    }

    fn close(&self) {}

    fn kick(&self) {
        let mut net = self.world.net();
        let now = instant(net.now);
        net.nodes[self.node].backend.kicked(now, self.name);
    }

    fn wakeup(&self) {}

    fn alive(&self) -> bool {
        true
    }
}

/// An open endpoint, driven by hand.
pub struct Station {
    world: World,
    channel: Arc<TestChannel>,
    pub state: EndpointState,
    _memory: [Arc<Memfd>; 2],
}

impl Station {
    /// A call to the library.
    pub fn progress(&mut self) {
        let now = self.world.net().now;
        self.state.progress(now, &*self.channel);
    }

    fn call<T>(&mut self, call: impl FnOnce(&mut EndpointState) -> T) -> T {
        let now = self.world.net().now;
        self.state.engine.set_now(now);
        let result = call(&mut self.state);
        self.state.flush(&*self.channel);
        result
    }

    pub fn connect(&mut self, node: usize, endpoint: u8, key: u32) -> RequestKey {
        let (mac, _) = {
            let net = self.world.net();
            net.nodes[node]
                .backend
                .board(net.nodes[node].board)
                .unwrap()
        };
        let nic = mac.nic_id();
        let peer = self.state.peer_by_nic_id(nic).unwrap();
        self.call(|state| {
            let EndpointState { engine, port, .. } = state;
            engine.connect(peer, endpoint, key, 0, 0, port)
        })
    }

    pub fn send(&mut self, to: PartnerKey, bytes: &[u8], info: u64, sync: bool) -> RequestKey {
        let buffer = Buffer::new(bytes.len()).unwrap();
        buffer.write(0, bytes).unwrap();
        let memory = buffer.part(0, bytes.len()).unwrap();
        self.send_memory(to, memory, info, sync)
    }

    pub fn send_memory(
        &mut self,
        to: PartnerKey,
        memory: Memory,
        info: u64,
        sync: bool,
    ) -> RequestKey {
        self.call(|state| {
            let EndpointState { engine, port, .. } = state;
            engine.send(to, memory, info, 0, sync, port)
        })
    }

    pub fn receive(&mut self, buffer: &Buffer, info: u64, mask: u64) -> RequestKey {
        let memory = buffer.part(0, buffer.len()).unwrap();
        self.call(|state| {
            let EndpointState { engine, port, .. } = state;
            engine.receive(memory, Selection::new(info, mask), 0, port)
        })
    }

    pub fn disconnect(&mut self, partner: PartnerKey) {
        self.call(|state| {
            let EndpointState { engine, port, .. } = state;
            engine.disconnect(partner, port);
        });
    }

    /// A request's status, if it is done.
    pub fn test(&mut self, request: RequestKey) -> Option<Status> {
        self.progress();
        let outcome = self.state.engine.take_done(request)?;
        Some(self.state.status(outcome))
    }

    /// Closes at the backend, without a word to anybody.
    pub fn vanish(self) {
        let mut net = self.world.net();
        let backend = &mut net.nodes[self.channel.node].backend;
        backend.close_endpoint(self.channel.name).unwrap();
        while backend.next_completion().is_some() {}
    }
}

/// Calls both endpoints while time passes until the request of the first one is done.
pub fn finish(a: &mut Station, b: &mut Station, request: RequestKey) -> Status {
    finish_within(a, b, request, Duration::from_secs(60)).expect("done within a minute")
}

/// The same within a given time.
pub fn finish_within(
    a: &mut Station,
    b: &mut Station,
    request: RequestKey,
    time: Duration,
) -> Option<Status> {
    let end = a.world.net().now + time;
    while a.world.net().now < end {
        if let Some(status) = a.test(request) {
            return Some(status);
        }
        b.progress();
        a.world.net().turn();
    }
    None
}

/// Both endpoints connected with each other: what each calls the other.
pub fn connected(a: &mut Station, b: &mut Station) -> (PartnerKey, PartnerKey) {
    (connect(a, b), connect(b, a))
}

/// Connects the first to the second: what it calls the second.
pub fn connect(a: &mut Station, b: &mut Station) -> PartnerKey {
    let (node, endpoint) = (b.channel.node, b.channel.name.endpoint);
    let request = a.connect(node, endpoint, b.state.engine.config().key);
    let status = finish(a, b, request);
    assert_eq!(status.code, Code::Success);
    status.address.unwrap().partner
}

/// Bytes of a message that no other one has.
pub fn pattern(length: usize, seed: u64) -> Vec<u8> {
    (0..length)
        .map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8 ^ seed as u8)
        .collect()
}

/// The content of a buffer.
pub fn content(buffer: &Buffer, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    buffer.read(0, &mut bytes).unwrap();
    bytes
}
