//! The guests' devices as xenstore shows them: who wants to be served, who goes, and why.
//!
//! `xl-omx attach` writes both directories of a device (`backend/omx/<guest>/<device>` is ours). From then on:
//!
//! | frontend | this end |
//! |---|---|
//! | any | InitWait, once our directory is there |
//! | Initialised | maps its pages, binds its channel: Connected; or Closed, with a `reason` |
//! | Closing, Closed | gives everything back: Closed, then InitWait, for the module may be loaded anew |
//! | gone, or no longer to be read (the guest was destroyed) | gives everything back, removes our directory |
//!
//! `xl-omx detach` sets `online` to 0 and our state to Closing: everything is given back, Closed.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

use mx_home::{BoardId, Completion, EndpointKey, Home, HostName, Instant, Sleepers};
use mx_ring::HomeSide;
use mx_ring::control::PROTOCOL;
use mx_wire::{Format, MacAddress, Mode};
use xen_pv_boot::event::Channel;
use xen_pv_boot::foreign::Arena;
use xen_pv_boot::xenbus::State;
use xen_pv_boot::xenstore::{self, Xenstore};
use xen_pv_boot::{DomId, RemotePort};

use crate::device::{Device, Identity};
use crate::guest_memory::GuestMemory;
use crate::names::{self, Place};

/// Our directory of devices.
pub const DIRECTORY: &str = "backend/omx";
/// Token of the watch on it.
pub const TOKEN: &str = "omx";
/// Start of the tokens of the watches on frontends' states.
const STATE_TOKEN: &str = "omx-state ";

/// Pages mapped or unmapped in one turn, over all devices.
const PAGES_PER_TURN: usize = 32;

/// What this end offers.
#[derive(Clone, Copy, Debug)]
pub struct Offer {
    /// Wire mode and MTU.
    pub format: Format,
    /// Endpoints of a guest.
    pub endpoints: u16,
}

/// All devices.
pub struct Frontends {
    arena: Arena,
    offer: Offer,
    devices: BTreeMap<Place, Frontend>,
    /// Devices that have work, although no event came.
    busy: bool,
    /// The device that is served first in the next turn.
    cursor: usize,
}

/// One device.
struct Frontend {
    /// The frontend's directory.
    path: String,
    guest: DomId,
    identity: Identity,
    stage: Stage,
    /// Its state was there once: from then on, a missing one means that the frontend is gone.
    seen: bool,
    /// Our state, as last written.
    state: State,
}

enum Stage {
    /// Not connected.
    Waiting,
    /// Served.
    Connected(Connection),
    /// Its memory is being given back.
    Leaving(Connection),
}

struct Connection {
    channel: Channel,
    device: Device<GuestMemory>,
    /// The frontend has said that it is connected, too.
    confirmed: bool,
    /// It rang, or has more to do.
    attention: bool,
}

/// Why a device is not served.
#[derive(Debug)]
enum Refusal {
    Store(&'static str, xenstore::Error),
    Protocol(String),
    Version(u32),
    Event(xen_pv_boot::Errno),
    Connect(crate::device::ConnectError),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Store(key, error) => write!(f, "its {key} cannot be read: {error}"),
            Self::Protocol(protocol) => write!(
                f,
                "it speaks \"{}\", this end {PROTOCOL}",
                protocol.escape_default()
            ),
            Self::Version(version) => write!(
                f,
                "it speaks version {version} of the shared memory, this end {}: install matching versions",
                mx_ring::ABI_VERSION
            ),
            Self::Event(error) => write!(f, "its event channel cannot be bound: {error}"),
            Self::Connect(error) => error.fmt(f),
        }
    }
}

impl Frontends {
    /// No devices yet.
    pub fn new(arena: Arena, offer: Offer) -> Self {
        Self {
            arena,
            offer,
            devices: BTreeMap::new(),
            busy: false,
            cursor: 0,
        }
    }

    /// Channels of connected devices, to be waited for.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.devices
            .values()
            .filter_map(|frontend| match &frontend.stage {
                Stage::Connected(connection) => Some(&connection.channel),
                Stage::Waiting | Stage::Leaving(_) => None,
            })
    }

    /// Boards of connected devices, with the names of their guests.
    pub fn boards(&self) -> impl Iterator<Item = (BoardId, HostName, usize)> {
        self.devices
            .values()
            .filter_map(|frontend| match &frontend.stage {
                Stage::Connected(connection) => Some((
                    connection.device.board(),
                    frontend.identity.name,
                    connection.device.held(),
                )),
                Stage::Waiting | Stage::Leaving(_) => None,
            })
    }

    /// Looks at every device, as after watches were lost.
    pub fn look_at_all(&mut self, now: Instant, store: &mut Xenstore, home: &mut Home) {
        let known: Vec<Place> = self.devices.keys().copied().collect();
        for place in known {
            self.look(now, place, store, home);
        }
        for guest in list(store, DIRECTORY) {
            for device in list(store, &format!("{DIRECTORY}/{guest}")) {
                if let Some(place) = names::place(&guest, &device)
                    && !self.devices.contains_key(&place)
                {
                    self.look(now, place, store, home);
                }
            }
        }
    }

    /// A watch fired: looks at the device that it is about.
    pub fn watch_fired(
        &mut self,
        now: Instant,
        path: &str,
        token: &str,
        store: &mut Xenstore,
        home: &mut Home,
    ) {
        let place = match token.strip_prefix(STATE_TOKEN) {
            Some(token) => names::place_in_token(token),
            None => names::place_in_path(path, DIRECTORY),
        };
        match place {
            Some(place) => self.look(now, place, store, home),
            None => self.look_at_all(now, store, home),
        }
    }

    /// Does what the states of both ends ask for.
    fn look(&mut self, now: Instant, place: Place, store: &mut Xenstore, home: &mut Home) {
        let directory = place.directory(DIRECTORY);
        if !self.devices.contains_key(&place) {
            match appear(store, &directory, place) {
                Ok(Some(frontend)) => {
                    log::info!(
                        "{place}: a device for {} with address {}",
                        frontend.identity.name,
                        frontend.identity.mac
                    );
                    self.welcome(store, &directory, place, &frontend);
                    self.devices.insert(place, frontend);
                }
                Ok(None) => return,
                Err(why) => {
                    log::warn!("{place}: not served: {why}");
                    return;
                }
            }
        }
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        let theirs = match state(store, &format!("{}/state", frontend.path)) {
            Ok(state) => state,
            Err(error) => {
                log::warn!("{place}: its state cannot be read: {error}");
                return;
            }
        };
        let ours = state(store, &format!("{directory}/state")).unwrap_or(State::Unknown);
        let online = store
            .read(&format!("{directory}/online"))
            .map_or(true, |online| online.trim() != "0");
        let detach = !online || (ours == State::Closing && frontend.state != State::Closing);
        frontend.seen |= theirs != State::Unknown;
        match &mut frontend.stage {
            Stage::Waiting if theirs == State::Unknown => {
                if frontend.seen {
                    self.forget(place, store);
                }
            }
            Stage::Waiting if detach => frontend.write_state(store, &directory, State::Closed),
            Stage::Waiting if theirs == State::Initialised => {
                self.connect(now, place, store, home);
            }
            // Nobody looks at our state now: the next one who comes finds it inviting.
            Stage::Waiting if matches!(theirs, State::Closed | State::Initialising) => {
                frontend.write_state(store, &directory, State::InitWait);
            }
            Stage::Waiting => {}
            Stage::Connected(connection) => {
                let why = match theirs {
                    State::Closing | State::Closed => "the guest closes it",
                    State::Unknown => "the guest is gone",
                    State::Initialising | State::Initialised if connection.confirmed => {
                        "the guest starts anew"
                    }
                    _ if detach => "it is detached",
                    State::Connected => {
                        connection.confirmed = true;
                        return;
                    }
                    _ => return,
                };
                log::info!("{place}: going, {why}");
                connection.device.retire(home);
                frontend.leave(store, &directory);
                self.busy = true;
            }
            Stage::Leaving(_) => {}
        }
    }

    /// Tells the frontend what is offered, and watches it.
    fn welcome(&self, store: &mut Xenstore, directory: &str, place: Place, frontend: &Frontend) {
        let wire = match self.offer.format.mode() {
            Mode::Native => "native",
            Mode::MxWire => "mx",
        };
        let written = store.transaction(|store, transaction| {
            for (key, value) in [
                ("mtu", self.offer.format.mtu().to_string()),
                ("wire", wire.to_string()),
                ("version", mx_ring::ABI_VERSION.to_string()),
                ("max-endpoints", self.offer.endpoints.to_string()),
                ("state", State::InitWait.number().to_string()),
            ] {
                store.write_in(transaction, &format!("{directory}/{key}"), value)?;
            }
            Ok(())
        });
        let watched = store.watch(
            &format!("{}/state", frontend.path),
            &format!("{STATE_TOKEN}{}", place.token()),
        );
        if let Err(error) = written.and(watched) {
            log::warn!("{place}: xenstore: {error}");
        }
    }

    fn connect(&mut self, now: Instant, place: Place, store: &mut Xenstore, home: &mut Home) {
        let directory = place.directory(DIRECTORY);
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        match connection(now, &self.arena, self.offer, frontend, store, home) {
            Ok(connection) => {
                log::info!(
                    "{place}: connected, board {} is {} ({})",
                    connection.device.board().0,
                    frontend.identity.name,
                    frontend.identity.mac
                );
                frontend.stage = Stage::Connected(connection);
                if let Err(error) = store.remove(&format!("{directory}/reason")) {
                    log::debug!("{directory}/reason could not be removed: {error}");
                }
                frontend.write_state(store, &directory, State::Connected);
            }
            Err(why) => {
                log::warn!("{place}: not connected: {why}");
                frontend.close(store, &directory, &why.to_string());
            }
        }
    }

    /// The frontend is gone for good: so is our directory.
    fn forget(&mut self, place: Place, store: &mut Xenstore) {
        let Some(frontend) = self.devices.remove(&place) else {
            return;
        };
        log::info!("{place}: gone");
        let token = format!("{STATE_TOKEN}{}", place.token());
        let path = format!("{}/state", frontend.path);
        if let Err(error) = store.unwatch(&path, &token) {
            log::debug!("{place}: the watch on its state: {error}");
        }
        let mut directory = place.directory(DIRECTORY);
        if let Err(error) = store.remove(&directory) {
            log::warn!("{directory} could not be removed: {error}");
        }
        // The guest's directory goes with its last device.
        if let Some(end) = directory.rfind('/') {
            directory.truncate(end);
            if store.list(&directory).is_ok_and(|left| left.is_empty())
                && let Err(error) = store.remove(&directory)
            {
                log::debug!("{directory} could not be removed: {error}");
            }
        }
    }

    /// Takes the devices' events; whether there were any.
    pub fn take_events(&mut self, now: Instant, home: &mut Home) -> bool {
        let mut any = false;
        for frontend in self.devices.values_mut() {
            if let Stage::Connected(connection) = &mut frontend.stage
                && connection.channel.take()
            {
                connection.attention = true;
                connection.device.rung(now, home);
                any = true;
                self.busy = true;
            }
        }
        any
    }

    /// Serves requests and gives memory back, a bounded amount; whether there is more to do at once.
    pub fn serve(&mut self, now: Instant, store: &mut Xenstore, home: &mut Home) -> bool {
        if !self.busy {
            return false;
        }
        let mut budget = PAGES_PER_TURN;
        let mut more = false;
        let mut ended = None;
        let count = self.devices.len().max(1);
        self.cursor = (self.cursor + 1) % count;
        let (later, first): (Vec<_>, Vec<_>) = self
            .devices
            .iter_mut()
            .enumerate()
            .partition(|(index, _)| *index < self.cursor);
        for (_, (place, frontend)) in first.into_iter().chain(later) {
            match &mut frontend.stage {
                Stage::Waiting => {}
                Stage::Connected(connection) if connection.attention => {
                    match connection.device.serve(now, home, &mut budget) {
                        Ok(again) => {
                            connection.attention = again;
                            more |= again;
                        }
                        Err(error) => ended = Some((*place, Some(error.to_string()))),
                    }
                }
                Stage::Connected(_) => {}
                Stage::Leaving(connection) => {
                    more = true;
                    if connection.device.gone(&mut budget) {
                        ended = Some((*place, None));
                    }
                }
            }
        }
        if let Some((place, why)) = ended {
            self.end(place, why, store, home);
            self.look(now, place, store, home);
            more = true;
        }
        self.busy = more;
        more
    }

    /// A device that broke the rules, or that has given everything back.
    fn end(&mut self, place: Place, why: Option<String>, store: &mut Xenstore, home: &mut Home) {
        let directory = place.directory(DIRECTORY);
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        match why {
            Some(why) => {
                log::warn!("{place}: closed, its kernel misbehaved: {why}");
                if let Stage::Connected(connection) = &mut frontend.stage {
                    connection.device.retire(home);
                }
                write_reason(store, &directory, &why);
                frontend.leave(store, &directory);
            }
            None => {
                log::info!("{place}: closed, all of its memory is given back");
                frontend.stage = Stage::Waiting;
                frontend.write_state(store, &directory, State::Closed);
            }
        }
    }

    /// Hands a completion of the home to its device.
    pub fn completed(&mut self, completion: Completion) {
        let board = match completion {
            Completion::EndpointClosed(key)
            | Completion::RegionReleased(key, _)
            | Completion::Misbehaved(key, _) => key.board,
            Completion::BoardRemoved(board) => board,
        };
        self.busy = true;
        if let Some(connection) = self.connection(board) {
            connection.attention = true;
            connection.device.completed(completion);
        }
    }

    fn connection(&mut self, board: BoardId) -> Option<&mut Connection> {
        self.devices
            .values_mut()
            .find_map(|frontend| match &mut frontend.stage {
                Stage::Connected(connection) | Stage::Leaving(connection)
                    if connection.device.board() == board =>
                {
                    Some(connection)
                }
                _ => None,
            })
    }

    /// Sends each guest that must look at something one event.
    pub fn notify(&mut self) {
        for frontend in self.devices.values_mut() {
            if let Stage::Connected(connection) = &mut frontend.stage
                && connection.device.take_notify()
                && let Err(error) = connection.channel.send()
            {
                log::debug!("{}: no event could be sent: {error}", frontend.path);
            }
        }
    }

    /// All devices are told to go, before the domain ends.
    pub fn close_all(&mut self, store: &mut Xenstore) {
        for (place, frontend) in &mut self.devices {
            frontend.write_state(store, &place.directory(DIRECTORY), State::Closing);
        }
    }
}

impl Sleepers for Frontends {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut HomeSide) {
        if let Some(connection) = self.connection(endpoint.board) {
            connection.device.wake_if_armed(endpoint.endpoint, side);
        }
    }
}

impl Frontend {
    fn write_state(&mut self, store: &mut Xenstore, directory: &str, state: State) {
        if self.state == state {
            return;
        }
        self.state = state;
        // A directory that is gone must not come back: writing would make it.
        if store.read(&format!("{directory}/frontend")).is_err() {
            return;
        }
        if let Err(error) = store.write(&format!("{directory}/state"), state.number()) {
            log::warn!("{directory}: its state could not be written: {error}");
        }
    }

    fn leave(&mut self, store: &mut Xenstore, directory: &str) {
        if let Stage::Connected(connection) = core::mem::replace(&mut self.stage, Stage::Waiting) {
            self.stage = Stage::Leaving(connection);
        }
        self.write_state(store, directory, State::Closing);
    }

    fn close(&mut self, store: &mut Xenstore, directory: &str, why: &str) {
        write_reason(store, directory, why);
        self.write_state(store, directory, State::Closed);
    }
}

fn write_reason(store: &mut Xenstore, directory: &str, why: &str) {
    if let Err(error) = store.write(&format!("{directory}/reason"), why) {
        log::debug!("{directory}: the reason could not be written: {error}");
    }
}

fn list(store: &mut Xenstore, directory: &str) -> Vec<String> {
    store.list(directory).unwrap_or_else(|error| {
        log::warn!("{directory} cannot be listed: {error}");
        Vec::new()
    })
}

/// A state; unknown where there is none. A directory of a guest that was destroyed is not "not found": xenstore only
/// says that to those who may read the directory above.
fn state(store: &mut Xenstore, path: &str) -> Result<State, xenstore::Error> {
    match store.read(path) {
        Ok(state) => Ok(State::parse(&state)),
        Err(xenstore::Error::NotFound | xenstore::Error::Denied) => Ok(State::Unknown),
        Err(error) => Err(error),
    }
}

/// Reads our directory of a device; `None` when it is not there.
fn appear(store: &mut Xenstore, directory: &str, place: Place) -> Result<Option<Frontend>, String> {
    let path = match store.read(&format!("{directory}/frontend")) {
        Ok(path) => path,
        Err(xenstore::Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let guest = DomId::new(place.guest).ok_or("its domain number cannot be")?;
    let mac = store
        .read(&format!("{directory}/mac"))
        .map_err(|error| format!("no address in {directory}/mac: {error}"))?;
    let mac = names::mac(&mac)
        .map(MacAddress)
        .ok_or_else(|| format!("\"{}\" is no Ethernet address", mac.escape_default()))?;
    // The guest's own name is not ours to read: whoever attached it wrote it down.
    let name = store
        .read(&format!("{directory}/name"))
        .unwrap_or_else(|_| format!("domain{}", place.guest));
    Ok(Some(Frontend {
        path,
        guest,
        identity: Identity {
            mac,
            name: HostName::new(format!("{name}:{}", place.device).as_bytes()),
        },
        stage: Stage::Waiting,
        seen: false,
        state: State::InitWait,
    }))
}

/// Maps and binds what a frontend has published.
fn connection(
    now: Instant,
    arena: &Arena,
    offer: Offer,
    frontend: &Frontend,
    store: &mut Xenstore,
    home: &mut Home,
) -> Result<Connection, Refusal> {
    let path = &frontend.path;
    let mut number = |key: &'static str| {
        store
            .read_number::<u32>(&format!("{path}/{key}"))
            .map_err(|error| Refusal::Store(key, error))
    };
    let version = number("version")?;
    if version != mx_ring::ABI_VERSION {
        return Err(Refusal::Version(version));
    }
    let reference = number("ring-ref")?;
    let port = number("event-channel")?;
    let protocol = store
        .read(&format!("{path}/protocol"))
        .map_err(|error| Refusal::Store("protocol", error))?;
    if protocol != PROTOCOL {
        return Err(Refusal::Protocol(protocol));
    }
    let channel = Channel::connect(frontend.guest, RemotePort(port)).map_err(Refusal::Event)?;
    let memory = GuestMemory {
        arena: arena.clone(),
        guest: frontend.guest,
    };
    let device = Device::connect(
        memory,
        reference,
        frontend.identity,
        offer.endpoints,
        now,
        home,
    )
    .map_err(Refusal::Connect)?;
    Ok(Connection {
        channel,
        device,
        confirmed: false,
        attention: true,
    })
}
