//! A process: the library's engine over an endpoint's queues, with memfds as registered memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mx_backend::{Backend, EndpointKey, Instant};
use mx_engine::{Config, ContextIds, Engine, Memory, Part, QueuePort, Refused, Registered, Use};
use mx_ring::board_page::BoardPages;
use mx_ring::mapping::Memfd;
use mx_ring::{
    BackendSide, Command, EndpointLayout, Event, Geometry, ProcessSide, RegionKey, VolatileSlice,
    Window,
};

/// One process with one endpoint.
pub struct Process {
    /// Its endpoint.
    pub key: EndpointKey,
    /// The protocol.
    pub engine: Engine,
    /// Its queues and regions.
    pub port: Port,
    /// What it sees of its board.
    pub board: BoardPages,
    /// Whether it still has its endpoint.
    pub state: Stage,
    /// Number of its board in its backend.
    pub(crate) board_number: usize,
    /// It does as if its backend were always the same one.
    pub(crate) forgetful: bool,
}

/// The life of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// In use.
    Open,
    /// Closed by its process; its backend still uses the memory.
    Closing,
    /// Gone.
    Closed,
}

/// The engine's queue port.
pub struct Port {
    pub(crate) side: ProcessSide,
    backend: Rc<RefCell<Backend>>,
    pub(crate) key: EndpointKey,
    posted: bool,
    /// Registered memory, kept until the backend has let go of it.
    pub(crate) regions: BTreeMap<RegionKeyOrder, Region>,
    next_slot: u32,
    /// See [`Self::keep_regions`].
    pub(crate) keeps: bool,
    /// No backend serves it.
    pub(crate) down: bool,
    /// See [`Process::make_memory_scarce`].
    scarce: bool,
    /// See [`Self::repeats_after`].
    period: Option<usize>,
    /// Where a piece that is sent lies.
    piece: Option<RegionKey>,
    /// Pieces that were sent so far.
    pieces: u32,
    pub(crate) pages: [Memfd; 2],
}

/// Registered memory.
pub(crate) struct Region {
    pub(crate) memory: Arc<Memfd>,
    pub(crate) writable: bool,
    /// Parts of messages that use it. Without one it is kept for the next.
    users: u32,
    /// The backend was asked to let go of it.
    pub(crate) leaving: bool,
}

/// A region by slot, then generation.
type RegionKeyOrder = (u16, u16);

/// Regions that the backend has room for.
const SLOTS: u32 = 64;
/// Bytes of a piece of a message, where memory is scarce.
const PIECE: u32 = 50_001;

impl Process {
    /// Opens an endpoint of that session, with the application's key.
    ///
    /// # Panics
    /// When the backend does not take it: the tests open what exists.
    pub fn open(
        backend: &Rc<RefCell<Backend>>,
        board: BoardPages,
        key: EndpointKey,
        (session, app_key): (u32, u32),
        geometry: Geometry,
        now: Instant,
    ) -> Self {
        let layout = EndpointLayout::new(geometry).expect("a possible geometry");
        let w = Memfd::create("sim W", layout.w_size()).expect("memory");
        let r = Memfd::create("sim R", layout.r_size()).expect("memory");
        let side = BackendSide::new(layout, w.slice(), r.slice()).expect("areas of the layout");
        backend
            .borrow_mut()
            .open_endpoint(now, key, session, side)
            .expect("a free endpoint");
        let description = board.board().expect("a described board");
        let fragment = description.medium_fragment.into();
        let mut config = Config::new(session, app_key, fragment, description.mx_wire);
        config.backend = description.generation;
        config.transmit_bytes = geometry.transmit;
        config.pulls_max = geometry.expected as usize;
        Self {
            key,
            engine: Engine::new(config),
            port: Port {
                side: ProcessSide::new(layout, w.slice(), r.slice()).expect("areas of the layout"),
                backend: backend.clone(),
                key,
                posted: false,
                regions: BTreeMap::new(),
                next_slot: 0,
                keeps: false,
                down: false,
                scarce: false,
                period: None,
                piece: None,
                pieces: 0,
                pages: [w, r],
            },
            board,
            state: Stage::Open,
            board_number: 0,
            forgetful: false,
        }
    }

    /// Gives a freshly opened endpoint these context ids.
    pub fn use_contexts(&mut self, context_ids: ContextIds) {
        self.engine = Engine::new(Config {
            context_ids,
            ..self.engine.config().clone()
        });
    }

    /// From now on every second message that it receives, and that is long, is fetched in pieces, and each that it sends, and
    /// that is long and of an even length, is shown in pieces, one piece at a time in all.
    pub fn make_memory_scarce(&mut self) {
        self.port.scarce = true;
    }

    /// The last word of the library before its endpoint is closed.
    pub(crate) fn close(&mut self, now: Instant) {
        for word in self.engine.take_leave(&mut self.port) {
            self.port.post(&word, &[]);
        }
        self.kick(now);
        self.state = Stage::Closing;
    }

    /// Takes events and does what is due; whether there were events or posts.
    ///
    /// # Panics
    /// When the backend wrote what is no event.
    pub fn progress(&mut self, now: Instant) -> bool {
        if self.state != Stage::Open {
            return false;
        }
        self.engine.set_now(Duration::from_nanos(now.as_nanos()));
        let generation = self.board.generation();
        let mut any = false;
        while let Some(event) = self.port.side.next_unexpected() {
            any = true;
            self.take(&event.expect("an event of the backend"));
        }
        while let Some(event) = self.port.side.next_expected() {
            any = true;
            let event = event.expect("an event of the backend");
            self.engine.event(&event, None, &mut self.port);
        }
        if any {
            self.port.side.publish_consumed();
        }
        if generation != self.engine.backend() && !self.forgetful {
            self.engine.backend_changed(generation);
        }
        self.work(now, any);
        any | self.kick(now)
    }

    /// Does what is due, and holds the library to its word: with no event, and where the engine sees none, there is no work to
    /// be found, whatever the backend has given back.
    fn work(&mut self, now: Instant, any: bool) {
        let now = Duration::from_nanos(now.as_nanos());
        let rests = !any && !self.engine.has_work(now);
        let done = |process: &Self| {
            let posted = process.port.side.next_command_index();
            (posted, process.engine.completions())
        };
        let before = done(self);
        self.engine.work(&mut self.port);
        assert!(
            !rests || done(self) == before,
            "work was found that the library would not have looked for"
        );
    }

    /// Wakes the backend, if something was posted and it asks for that.
    pub fn kick(&mut self, now: Instant) -> bool {
        let posted = std::mem::take(&mut self.port.posted);
        if posted && !self.port.down && self.port.side.kick_needed() {
            self.port.backend.borrow_mut().kicked(now, self.key);
        }
        posted
    }

    fn take(&mut self, event: &Event) {
        let Some((position, length)) = event.received() else {
            self.engine.event(event, None, &mut self.port);
            return;
        };
        let part = self.port.side.receive_part(position, length.into());
        self.engine.event(event, part.ok(), &mut self.port);
        self.port.side.release_receive(position, length.into());
    }

    /// The backend has let go of a region.
    pub fn released(&mut self, region: RegionKey) {
        self.port.regions.remove(&(region.slot, region.generation));
    }

    /// From now on it keeps memory registered for later messages, as the library does, and registers it anew only when room is
    /// wanted.
    pub fn keep_regions(&mut self) {
        self.port.keeps = true;
    }

    /// Pieces of messages that it has shown so far.
    pub fn pieces(&self) -> u32 {
        self.port.pieces
    }

    /// Regions that are in use, or being given back.
    pub fn regions(&self) -> usize {
        let regions = self.port.regions.values();
        regions
            .filter(|region| region.users > 0 || region.leaving)
            .count()
    }
}

impl Port {
    /// From now on the memory of its messages is the first so many bytes of it again and again, and none is scarce.
    pub(crate) fn repeats_after(&mut self, period: usize) {
        self.period = Some(period);
        self.scarce = false;
    }

    /// What is registered as this memory.
    pub(crate) fn parts(&self, memory: &Memfd) -> Vec<VolatileSlice> {
        let length = memory.slice().len();
        let period = self.period.map_or(length, |period| period.min(length));
        let part = |start| memory.slice().part(0, period.min(length - start));
        let starts = (0..length).step_by(period);
        starts.filter_map(|start| part(start).ok()).collect()
    }

    /// A region for this memory: one that is kept, or one of its own.
    fn register_memfd(&mut self, memory: Arc<Memfd>, writable: bool) -> Result<RegionKey, Refused> {
        if self.down {
            return Err(Refused::Later);
        }
        let fits = |region: &Region| {
            Arc::ptr_eq(&region.memory, &memory) && region.writable == writable && !region.leaving
        };
        let kept = self.regions.iter_mut().find(|(_, region)| fits(region));
        if let Some(((slot, generation), region)) = kept.filter(|_| self.keeps) {
            region.users += 1;
            return Ok(RegionKey {
                slot: *slot,
                generation: *generation,
            });
        }
        let taken = |slot: u16| self.regions.range((slot, 0)..=(slot, u16::MAX)).next();
        let Some(number) = (self.next_slot..self.next_slot + SLOTS)
            .find(|number| taken((number % SLOTS) as u16).is_none())
        else {
            self.give_back_a_kept_one();
            return Err(Refused::Later);
        };
        let region = RegionKey {
            slot: (number % SLOTS) as u16,
            generation: (number / SLOTS) as u16,
        };
        self.backend
            .borrow_mut()
            .register_region(self.key, region, writable, self.parts(&memory))
            .map_err(|_| Refused::Later)?;
        self.next_slot = number + 1;
        let state = Region {
            memory,
            writable,
            users: 1,
            leaving: false,
        };
        self.regions.insert((region.slot, region.generation), state);
        Ok(region)
    }

    fn give_back_a_kept_one(&mut self) {
        let mut idle = self
            .regions
            .iter()
            .filter(|(_, region)| region.users == 0 && !region.leaving);
        if let Some((slot, generation)) = idle.next().map(|(key, _)| *key) {
            self.give_back(RegionKey { slot, generation });
        }
    }

    /// Has the backend let go of a region. Refused when the endpoint is being closed: its memory then stays until the end of
    /// the run.
    fn give_back(&mut self, key: RegionKey) {
        let order = (key.slot, key.generation);
        if self.down {
            self.regions.remove(&order);
            return;
        }
        if let Some(region) = self.regions.get_mut(&order) {
            region.leaving = true;
        }
        let _ = self.backend.borrow_mut().deregister_region(self.key, key);
    }

    /// A copy of a piece of a message, when there is no other one.
    fn register_piece(&mut self, memory: &Memory, part: Part) -> Result<Registered, Refused> {
        if self.piece.is_some() {
            return Err(Refused::Later);
        }
        let copy = Memfd::create("sim piece", PIECE as usize).map_err(|_| Refused::Later)?;
        let length = part.length.min(PIECE);
        let filled = copy.slice().part(0, length as usize);
        memory.copy_to_slice(part.start, &filled.map_err(|_| Refused::Never)?);
        let region = self.register_memfd(Arc::new(copy), false)?;
        self.piece = Some(region);
        self.pieces += 1;
        Ok(Registered {
            region,
            offset: 0,
            length,
            token: 0,
        })
    }
}

impl QueuePort for Port {
    fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        let posted = self.side.post(command, data);
        self.posted |= posted;
        posted
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
        self.side.bind_window(id, window);
    }

    fn unbind_window(&mut self, id: u8) {
        self.side.unbind_window(id);
    }

    /// Registers the message's memfd for this message alone, so that slots are used again all the time.
    fn register(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Registered, Refused> {
        let owner = memory.owner::<Memfd>().ok_or(Refused::Never)?;
        let span = memory.contiguous().ok_or(Refused::Never)?;
        if used == Use::Send {
            if part.divisible {
                return self.register_piece(memory, part);
            }
            if self.scarce && part.length > PIECE && part.length.is_multiple_of(2) {
                return Err(Refused::Later);
            }
        }
        let region = self.register_memfd(owner.clone(), used == Use::Receive)?;
        let offset = span.address() - owner.slice().address() + part.start as usize;
        let scarce = self.scarce && part.divisible && region.slot.is_multiple_of(2);
        let length = if scarce {
            part.length.min(PIECE)
        } else {
            part.length
        };
        Ok(Registered {
            region,
            offset: u32::try_from(offset).map_err(|_| Refused::Never)?,
            length,
            token: 0,
        })
    }

    fn collect(&mut self, _: &Registered, _: &Memory, _: u32) {}

    fn release(&mut self, registered: Registered) {
        let key = registered.region;
        let is_piece = self.piece.take_if(|piece| *piece == key).is_some();
        let Some(region) = self.regions.get_mut(&(key.slot, key.generation)) else {
            return;
        };
        region.users -= 1;
        if region.users == 0 && (is_piece || !self.keeps) {
            self.give_back(key);
        }
    }
}
