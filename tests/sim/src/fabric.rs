//! Backends with boards and processes, joined by a network.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use mx_backend::fake::{Nics, Woken};
use mx_backend::{
    Backend, BackendConfig, BoardId, Completion, EndpointKey, HostName, Instant, Misbehaviour,
};
use mx_ring::board_page::{BoardPages, PAGES, PEERS};
use mx_ring::mapping::{Access, Mapping, Memfd};
use mx_ring::{BackendSide, EndpointLayout, Geometry, PAGE_SIZE, QUEUE_ENTRIES_MIN};
use mx_testnet::Faults;
use mx_wire::{Format, MacAddress};

use crate::death::{Burning, Death, Fuse, Omission};
use crate::process::{Process, Stage};
use crate::strangers::Strangers;

/// What every endpoint is opened with.
pub(crate) const APP_KEY: u32 = 7;
/// Turns of a backend at one moment: more would be work that never ends.
const TURNS: u32 = 100_000;

pub(crate) struct Node {
    format: Format,
    number: usize,
    seed: u64,
    /// Backends that have served it so far, this one among them.
    backends: u32,
    pub(crate) backend: Rc<RefCell<Backend>>,
    pub(crate) boards: Vec<NodeBoard>,
    /// Of endpoints that no process of the fabric has.
    areas: Vec<Memfd>,
    pub(crate) deadline: Option<Instant>,
    pub(crate) fuse: Fuse,
    /// The backend is to die when it is served next.
    pub(crate) dying: Option<Death>,
}

pub(crate) struct NodeBoard {
    /// None as long as no backend has it.
    pub(crate) id: Option<BoardId>,
    pub(crate) pages: BoardPages,
    mac: MacAddress,
    name: HostName,
    memory: Memfd,
}

/// Where a board is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardPlace {
    /// Number of the backend.
    pub backend: usize,
    /// Number of the board in that backend.
    pub board: usize,
}

/// What a library shares with the backend of an endpoint that is open.
pub struct Shared {
    /// The pages of its board.
    pub board: Mapping,
    /// The pages that the library writes.
    pub w: Mapping,
    /// The pages that the backend writes.
    pub r: Mapping,
    /// Address of its board.
    pub nic_id: u64,
    /// Number of its backend.
    pub backend: usize,
    /// Its name there.
    pub key: EndpointKey,
}

/// The whole.
pub struct Fabric {
    pub(crate) now: Instant,
    pub(crate) network: Nics,
    pub(crate) nodes: Vec<Node>,
    /// Who disturbs, and at which port.
    strangers: Option<(Strangers, usize)>,
    /// Processes, with the number of their backend.
    pub processes: Vec<(usize, Process)>,
    /// Endpoints that backends have closed because of what their process wrote, and what that was.
    pub misbehaved: Vec<(EndpointKey, Misbehaviour)>,
}

impl Fabric {
    /// `boards[i]` boards in backend `i`.
    ///
    /// # Panics
    /// When memory lacks.
    pub fn new(format: Format, boards: &[usize], faults: Faults, seed: u64) -> Self {
        let nodes = boards
            .iter()
            .enumerate()
            .map(|(number, count)| Node::new(format, number, *count, seed))
            .collect();
        Self {
            now: Instant::default(),
            network: Nics::new(boards.len(), faults, seed),
            nodes,
            strangers: None,
            processes: Vec::new(),
            misbehaved: Vec::new(),
        }
    }

    /// From now on strangers send so many frames in each millisecond, on top of what the nodes send.
    pub fn disturb(&mut self, format: Format, rate: u32, seed: u64) {
        let boards = self.nodes.iter().flat_map(|node| &node.boards);
        let known = boards.filter_map(|board| Some(board.pages.board()?.mac));
        let strangers = Strangers::new(format, known.collect(), (self.elapsed(), rate), seed);
        self.strangers = Some((strangers, self.network.join()));
    }

    /// Frames that the strangers have sent, and frames that the nodes have sent to them.
    pub fn disturbed(&self) -> (u64, u64) {
        let strangers = self.strangers.as_ref();
        strangers.map_or((0, 0), |(strangers, _)| strangers.tally())
    }

    /// The time since the start.
    pub fn elapsed(&self) -> Duration {
        self.now - Instant::default()
    }

    /// Opens an endpoint; its number among the processes.
    pub fn open(
        &mut self,
        place: BoardPlace,
        endpoint: u8,
        session: u32,
        geometry: Geometry,
    ) -> usize {
        let node = &self.nodes[place.backend];
        let board = &node.boards[place.board];
        let (board, pages) = (board.id.expect("a board with a backend"), board.pages);
        let key = EndpointKey { board, endpoint };
        let mut process = Process::open(
            &node.backend,
            pages,
            key,
            (session, APP_KEY),
            geometry,
            self.now,
        );
        process.board_number = place.board;
        process.make_memory_scarce();
        self.processes.push((place.backend, process));
        self.processes.len() - 1
    }

    /// Opens endpoint 0 of a board, which nobody will use.
    ///
    /// # Panics
    /// When it is open already, or memory lacks.
    pub fn open_idle(&mut self, place: BoardPlace) {
        let geometry = Geometry::of_entries(QUEUE_ENTRIES_MIN.into());
        let layout = EndpointLayout::new(geometry.expect("the least")).expect("a possible one");
        self.open_areas(place, 1, layout);
    }

    /// Opens endpoint 0 of a board for a library that is no process of the fabric: it maps what is shared.
    ///
    /// # Panics
    /// When it is open already, or memory lacks.
    pub fn open_shared(
        &mut self,
        place: BoardPlace,
        session: u32,
        layout: EndpointLayout,
    ) -> Shared {
        let key = self.open_areas(place, session, layout);
        let node = &self.nodes[place.backend];
        let map = |memory: &Memfd, access| {
            let length = memory.slice().len();
            Mapping::of(memory.descriptor(), 0, length, access).expect("room for it")
        };
        let [.., w, r] = &node.areas[..] else {
            unreachable!("they were made just now");
        };
        let board = &node.boards[place.board];
        Shared {
            board: map(&board.memory, Access::Read),
            w: map(w, Access::ReadWrite),
            r: map(r, Access::ReadWrite),
            nic_id: board.mac.nic_id(),
            backend: place.backend,
            key,
        }
    }

    /// The library that has it has posted something while its backend slept.
    pub fn kick(&mut self, (backend, key): (usize, EndpointKey)) {
        self.nodes[backend]
            .backend
            .borrow_mut()
            .kicked(self.now, key);
    }

    fn open_areas(
        &mut self,
        place: BoardPlace,
        session: u32,
        layout: EndpointLayout,
    ) -> EndpointKey {
        let node = &mut self.nodes[place.backend];
        let areas = [layout.w_size(), layout.r_size()];
        let [w, r] = areas.map(|size| Memfd::create("sim areas", size).expect("memory"));
        let side = BackendSide::new(layout, w.slice(), r.slice()).expect("areas of the layout");
        let key = EndpointKey {
            board: node.boards[place.board]
                .id
                .expect("a backend that serves it"),
            endpoint: 0,
        };
        node.backend
            .borrow_mut()
            .open_endpoint(self.now, key, session, side)
            .expect("a free endpoint");
        node.areas.extend([w, r]);
        key
    }

    /// Closes the endpoint of a process, as a library does when its program ends. The endpoint can be opened again when
    /// [`Self::is_closed`].
    ///
    /// # Panics
    /// When it is closed already.
    pub fn close(&mut self, process: usize) {
        let backend = self.processes[process].0;
        self.processes[process].1.close(self.now);
        // The library waits until its last commands are taken.
        self.serve(backend);
        let process = &self.processes[process].1;
        self.nodes[backend]
            .backend
            .borrow_mut()
            .close_endpoint(process.key)
            .expect("an open endpoint");
    }

    /// Whether the backend has let go of the closed endpoint of a process.
    pub fn is_closed(&self, process: usize) -> bool {
        self.processes[process].1.state == Stage::Closed
    }

    /// From now on the network has no faults.
    pub fn heal(&mut self) {
        self.set_faults(Faults::default());
    }

    /// From now on the network has these faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.network.set_faults(faults);
    }

    /// The index under which process `of` knows the board of process `other`, once it does.
    pub fn peer_index(&self, of: usize, other: usize) -> Option<u16> {
        let mac = self.processes[other].1.board.board()?.mac;
        let known = |index: &u16| {
            let peer = self.processes[of].1.board.peer(*index);
            peer.is_some_and(|peer| peer.mac == mac && peer.hostname[0] != 0)
        };
        (0..PEERS as u16).find(known)
    }

    /// Everything that is due at this moment, until all rest; then the time goes on to when something is due again, or
    /// by `limit`.
    ///
    /// # Panics
    /// When a backend does not come to rest.
    pub fn step(&mut self, limit: Option<Duration>) {
        self.network.advance(self.now);
        let elapsed = self.elapsed();
        if let Some((strangers, port)) = &mut self.strangers {
            while let Some(frame) = self.network.received(*port) {
                strangers.hear(elapsed, frame);
            }
            while let Some(frame) = strangers.speak(elapsed) {
                self.network.inject(*port, &frame);
            }
        }
        for node in 0..self.nodes.len() {
            self.serve(node);
        }
        let mut moved = false;
        for (_, process) in &mut self.processes {
            moved |= process.progress(self.now);
        }
        let due = if moved {
            self.now
        } else {
            self.next().unwrap_or(self.now)
        };
        let due = limit.map_or(due, |limit| due.min(self.now + limit));
        // Never at once: whoever has been told something now answers a little later.
        self.now = due.max(self.now + Duration::from_nanos(100));
    }

    fn next(&self) -> Option<Instant> {
        let open = |process: &Process| process.state == Stage::Open;
        let engines = self.processes.iter().filter_map(|(_, process)| {
            let due = process.engine.deadline().filter(|_| open(process))?;
            Some(Instant::default() + due)
        });
        let backends = self.nodes.iter().filter_map(|node| node.deadline);
        engines.chain(backends).chain(self.network.next()).min()
    }

    fn serve(&mut self, number: usize) {
        match self.nodes[number].dying.take() {
            Some(death) => self.serve_last(number, death),
            None => self.serve_alive(number),
        }
    }

    pub(crate) fn serve_alive(&mut self, number: usize) {
        let node = &mut self.nodes[number];
        let fuse = &node.fuse;
        let mut backend = node.backend.borrow_mut();
        while let Some(token) = self.network.sent(number) {
            backend.token_sent(token);
        }
        while let Some(frame) = self.network.received(number) {
            let mut sink = Burning(fuse, self.network.sink(number));
            backend.frame(self.now, &frame, &mut sink);
        }
        let mut woken = Burning(fuse, Woken::default());
        let mut turns = 0;
        loop {
            let mut sink = Burning(fuse, self.network.sink(number));
            let activity = backend.turn(self.now, &mut sink, &mut woken);
            node.deadline = activity.deadline;
            if !activity.busy {
                break;
            }
            turns += 1;
            assert!(turns < TURNS, "backend {number} does not come to rest");
        }
        while let Some(completion) = backend.next_completion() {
            match completion {
                Completion::RegionReleased(key, region) => {
                    if let Some(process) = owner(&mut self.processes, number, key) {
                        process.released(region);
                    }
                }
                Completion::EndpointClosed(key) => {
                    if let Some(process) = owner(&mut self.processes, number, key) {
                        process.state = Stage::Closed;
                    }
                }
                Completion::Misbehaved(key, what) => self.misbehaved.push((key, what)),
                Completion::BoardRemoved(_) => {}
            }
        }
    }
}

/// The last process that had this endpoint: it is opened again only when the one before has lost it.
fn owner(
    processes: &mut [(usize, Process)],
    backend: usize,
    key: EndpointKey,
) -> Option<&mut Process> {
    let mut latest_first = processes.iter_mut().rev();
    let found = latest_first
        .find(|(of, process)| *of == backend && process.key == key && !process.port.is_down());
    found.map(|(_, process)| process)
}

impl Node {
    fn new(format: Format, number: usize, count: usize, seed: u64) -> Self {
        let mut backend = Backend::new(config(format, number, seed, 1));
        let boards = (0..count)
            .map(|board| {
                let memory = Memfd::create("sim board", PAGES * PAGE_SIZE).expect("memory");
                let pages = BoardPages::new(memory.slice()).expect("whole pages");
                pages.format();
                let mac = MacAddress([2, 0, 0, 0, number as u8, board as u8]);
                let name = HostName::new(format!("n{number}b{board}:0").as_bytes());
                let id = backend
                    .add_board(Instant::default(), mac, name, pages)
                    .expect("room for a board");
                NodeBoard {
                    id: Some(id),
                    pages,
                    mac,
                    name,
                    memory,
                }
            })
            .collect();
        Self {
            format,
            number,
            seed,
            backends: 1,
            backend: Rc::new(RefCell::new(backend)),
            boards,
            areas: Vec::new(),
            deadline: None,
            fuse: Fuse::default(),
            dying: None,
        }
    }

    /// Another backend, which has no boards yet, is in the place of this one.
    pub(crate) fn die(&mut self) {
        self.backends += 1;
        let config = config(self.format, self.number, self.seed, self.backends);
        *self.backend.borrow_mut() = Backend::new(config);
        self.deadline = None;
        for board in &mut self.boards {
            board.id = None;
        }
    }

    /// Gives a board to the present backend.
    pub(crate) fn adopt(
        &mut self,
        now: Instant,
        board: usize,
        omission: Option<Omission>,
    ) -> BoardId {
        let board = &mut self.boards[board];
        if omission == Some(Omission::Peers) {
            let peers = board
                .memory
                .slice()
                .write(PAGE_SIZE, &[0; (PAGES - 1) * PAGE_SIZE]);
            peers.expect("whole pages");
        }
        let adopted =
            self.backend
                .borrow_mut()
                .adopt_board(now, board.mac, board.name, board.pages);
        let id = adopted.expect("room for a board");
        board.id = Some(id);
        id
    }
}

fn config(format: Format, number: usize, seed: u64, generation: u32) -> BackendConfig {
    BackendConfig {
        format,
        generation,
        endpoint_max: 32,
        queue_entries: mx_ring::QUEUE_ENTRIES,
        interface: [0; 16],
        driver: [0; 16],
        // Every endpoint is asleep at once when it has nothing to do: each post needs its kick.
        idle_spell: Duration::ZERO,
        seed: seed ^ number as u64 ^ u64::from(generation) << 32,
    }
}
