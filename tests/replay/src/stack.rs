//! Our stack as one node: a backend with one board, and a process with the library's engine for each open endpoint.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mx_backend::fake::{Awake, Outbox};
use mx_backend::{Backend, BackendConfig, BoardId, EndpointKey, HostName, Instant};
use mx_engine::Code;
use mx_engine::{Memory, PartnerKey, RequestKey, Selection};
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::mapping::Memfd;
use mx_ring::{Geometry, PAGE_SIZE};
use mx_wire::{Beacon, Ends, Format, Frame, HostQuery, HostReply, MacAddress, Packet};
use sim::Process;

use crate::actions::Action;
use crate::recording::{Acquaintance, Opened};

/// Turns of the backend at one moment: more would be work that never ends.
const TURNS: u32 = 100_000;

/// What a request of a process is for.
enum Purpose {
    Connect,
    Send,
    /// A receive, and what it must get.
    Receive {
        memory: Arc<Memfd>,
        bytes: Vec<u8>,
        whole: bool,
    },
}

struct Open {
    process: Process,
    requests: Vec<(RequestKey, Purpose)>,
    /// Whom it knows, by board's index and endpoint.
    partners: HashMap<(u16, u8), PartnerKey>,
}

/// The node.
pub struct Stack {
    now: Instant,
    backend: Rc<RefCell<Backend>>,
    board: BoardId,
    mac: MacAddress,
    format: Format,
    pages: BoardPages,
    _memory: Memfd,
    open: BTreeMap<u8, Open>,
    out: Outbox,
    /// Messages received whole and compared.
    pub verified: u64,
}

impl Stack {
    /// A node of that address and name.
    pub fn new(format: Format, mac: MacAddress, name: &str) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let mut backend = Backend::new(BackendConfig {
            format,
            generation: 1,
            endpoint_max: 32,
            queue_entries: mx_ring::QUEUE_ENTRIES,
            interface: [0; 16],
            driver: [0; 16],
            idle_spell: Duration::ZERO,
            seed: 5,
        });
        let memory = Memfd::create("replay board", PAGES * PAGE_SIZE).expect("memory");
        let pages = BoardPages::new(memory.slice()).expect("whole pages");
        pages.format();
        let board = backend
            .add_board(now, mac, HostName::new(name.as_bytes()), pages)
            .expect("a station's address");
        Self {
            now,
            backend: Rc::new(RefCell::new(backend)),
            board,
            mac,
            format,
            pages,
            _memory: memory,
            open: BTreeMap::new(),
            out: Outbox::default(),
            verified: 0,
        }
    }

    /// Opens an endpoint.
    pub fn open(&mut self, endpoint: u8, opened: Opened) {
        let key = EndpointKey {
            board: self.board,
            endpoint,
        };
        let open = Open {
            process: Process::open(
                &self.backend,
                self.pages,
                key,
                (opened.session, opened.key),
                Geometry::default(),
                self.now,
            ),
            requests: Vec::new(),
            partners: HashMap::new(),
        };
        self.open.insert(endpoint, open);
    }

    /// Closes an endpoint, as the end of its process does.
    pub fn close(&mut self, endpoint: u8) {
        if let Some(open) = self.open.remove(&endpoint) {
            let mut backend = self.backend.borrow_mut();
            backend
                .close_endpoint(open.process.key)
                .expect("an open endpoint");
            while backend.next_completion().is_some() {}
        }
    }

    /// Whether an endpoint is open.
    pub fn is_open(&self, endpoint: u8) -> bool {
        self.open.contains_key(&endpoint)
    }

    /// Lets the node and another one know each other.
    pub fn meet(&mut self, other: &Acquaintance) {
        // What is missing in the peer table before it belongs to nodes that the capture does not show.
        while let Some(index) = other.index
            && self.peer_count() < index
        {
            let stranger = self.peer_count() as u8;
            self.introduce(MacAddress([2, 0xff, 0, 0, 0, stranger]), Some(0));
        }
        self.introduce(other.mac, other.reverse);
    }

    fn peer_count(&self) -> u16 {
        (0..u16::MAX)
            .find(|index| self.pages.peer(*index).is_none())
            .unwrap_or(0)
    }

    fn introduce(&mut self, mac: MacAddress, reverse: Option<u16>) {
        let beacon = Beacon {
            board: mac,
            serial: 1,
        };
        let (own, index) = (self.mac, reverse.unwrap_or(u16::MAX));
        let query = HostQuery {
            sender_index: index,
            magic: HostQuery::FIRST_MAGIC,
        };
        let reply = HostReply {
            sender_index: index,
            magic: HostQuery::FIRST_MAGIC,
        };
        for (destination, packet, payload) in [
            (
                MacAddress::BROADCAST,
                Packet::Raw,
                beacon.payload().as_slice(),
            ),
            (own, Packet::HostQuery(query), &[]),
            (own, Packet::HostReply(reply), b"other:0"),
        ] {
            self.hear(&Frame {
                destination,
                source: mac,
                sender_index: None,
                packet,
                payload,
            });
        }
    }

    /// A frame comes in from the wire.
    pub fn hear(&mut self, frame: &Frame<'_>) {
        let mut buffer = [0; 9100];
        let length = frame
            .emit(&self.format, &mut buffer)
            .expect("a frame that was parsed");
        self.backend
            .borrow_mut()
            .frame(self.now, &buffer[..length], &mut self.out);
        self.serve();
        self.now = self.now + Duration::from_micros(10);
    }

    /// Lets the backend do all that is due.
    fn serve(&mut self) -> Option<Instant> {
        let mut backend = self.backend.borrow_mut();
        for _ in 0..TURNS {
            let activity = backend.turn(self.now, &mut self.out, &mut Awake);
            while let Some(completion) = backend.next_completion() {
                if let mx_backend::Completion::RegionReleased(key, region) = completion
                    && let Some(open) = self.open.get_mut(&key.endpoint)
                {
                    open.process.released(region);
                }
            }
            if !activity.busy {
                return activity.deadline;
            }
        }
        panic!("the backend does not come to rest");
    }

    /// Lets all processes call the library, and the backend work, until nobody has anything to do now. Says when
    /// somebody has again.
    pub fn run(&mut self) -> Option<Instant> {
        loop {
            let mut backend = self.serve();
            let mut moved = false;
            for open in self.open.values_mut() {
                moved |= open.process.progress(self.now);
            }
            self.complete();
            if !moved {
                for open in self.open.values() {
                    let due = open.process.engine.deadline();
                    let due = due.map(|due| Instant::default() + due);
                    backend = [backend, due].into_iter().flatten().min();
                }
                return backend;
            }
        }
    }

    /// Takes the requests that are done, and checks what was received.
    fn complete(&mut self) {
        for open in self.open.values_mut() {
            let engine = &mut open.process.engine;
            let mut verified = 0;
            open.requests.retain(|(request, purpose)| {
                let Some(outcome) = engine.take_done(*request) else {
                    return true;
                };
                if let Some(partner) = outcome.partner
                    && let Some((peer, endpoint, _)) = engine.describe(partner)
                {
                    open.partners.insert((peer, endpoint), partner);
                }
                if let Purpose::Receive {
                    memory,
                    bytes,
                    whole: true,
                } = purpose
                    && outcome.code == Code::Success
                {
                    let mut received = vec![0; outcome.transferred as usize];
                    memory
                        .slice()
                        .read(0, &mut received)
                        .expect("what was transferred lies in the buffer");
                    assert!(
                        &received == bytes,
                        "the message of {} bytes arrived otherwise than it was sent",
                        bytes.len()
                    );
                    verified += 1;
                }
                false
            });
            self.verified += verified;
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, to: Instant) {
        self.now = self.now.max(to);
    }

    /// The time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The index of a node in the peer table.
    fn peer(&self, mac: MacAddress) -> Option<u16> {
        (0..self.peer_count())
            .find(|index| self.pages.peer(*index).is_some_and(|peer| peer.mac == mac))
    }

    /// A call of the application. An error when it does not have what it takes.
    pub fn act(&mut self, action: &Action) -> Result<(), String> {
        let (own, peer, remote) = match action {
            Action::Connect { ends, peer, .. } | Action::Send { ends, peer, .. } => {
                (ends.source, self.peer(*peer), ends.destination)
            }
            Action::Receive { endpoint, .. } => (*endpoint, None, 0),
        };
        let open = self
            .open
            .get_mut(&own)
            .ok_or_else(|| format!("endpoint {own} is not open"))?;
        let Process { engine, port, .. } = &mut open.process;
        let (request, purpose) = match action {
            Action::Connect { key, .. } => {
                let peer = peer.ok_or("the other node is no peer")?;
                let request = engine.connect(peer, remote, *key, 0, 0, port);
                (request, Purpose::Connect)
            }
            Action::Send {
                match_info,
                bytes,
                rendezvous,
                ..
            } => {
                let to = peer.and_then(|peer| open.partners.get(&(peer, remote)));
                let to = *to.ok_or("the other endpoint is not known yet")?;
                let (memory, _) = memory(bytes);
                let request = engine.send(to, memory, *match_info, 0, *rendezvous, port);
                (request, Purpose::Send)
            }
            Action::Receive {
                match_info,
                bytes,
                whole,
                ..
            } => {
                let (place, memory) = memory(&vec![0; bytes.len()]);
                let request = engine.receive(place, Selection::new(*match_info, u64::MAX), 0, port);
                let purpose = Purpose::Receive {
                    memory,
                    bytes: bytes.clone(),
                    whole: *whole,
                };
                (request, purpose)
            }
        };
        open.requests.push((request, purpose));
        open.process.kick(self.now);
        self.run();
        Ok(())
    }

    /// The frame that went out first.
    pub fn front(&self) -> Option<Frame<'_>> {
        let bytes = self.out.frames.front()?;
        Some(Frame::parse(&self.format, bytes).expect("what a board sends can be read"))
    }

    /// Brings the first frame for which `which` holds to the front.
    pub fn bring_forward(&mut self, which: impl Fn(&Frame<'_>) -> bool) {
        let format = self.format;
        let place = self.out.frames.iter().position(|bytes| {
            let frame = Frame::parse(&format, bytes);
            frame.is_ok_and(|frame| which(&frame))
        });
        if let Some(frame) = place.and_then(|place| self.out.frames.remove(place)) {
            self.out.frames.push_front(frame);
        }
    }

    /// Takes it: it is dealt with.
    pub fn pop(&mut self) -> Vec<u8> {
        self.out.frames.pop_front().unwrap_or_default()
    }

    /// How many frames wait to be looked at.
    pub fn waiting(&self) -> usize {
        self.out.frames.len()
    }

    /// Forgets all that went out.
    pub fn clear(&mut self) {
        self.out.frames.clear();
    }
}

/// Memory with that content, as the engine names it.
fn memory(bytes: &[u8]) -> (Memory, Arc<Memfd>) {
    let memory = Arc::new(Memfd::create("replay message", bytes.len().max(1)).expect("memory"));
    let slice = memory.slice().part(0, bytes.len()).expect("its own length");
    slice.write(0, bytes).expect("its own length");
    let owned = Memory::owned(slice, memory.clone()).expect("below 4 GiB");
    (owned, memory)
}

/// The endpoint that a packet is for, and what a nack of it would name.
pub fn addressee(packet: &Packet) -> Option<(Ends, u32)> {
    Some(match packet {
        Packet::Message { ends, session, .. } => (*ends, *session),
        Packet::Pull(p) => (p.ends, p.session),
        _ => return None,
    })
}
