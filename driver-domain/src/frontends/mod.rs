//! The guests' devices as xenstore shows them: who wants to be served, who goes, and why.
//!
//! `xl-omx attach` writes both directories of a device (`backend/omx/<guest>/<device>` is ours). From then on:
//!
//! | frontend | this end |
//! |---|---|
//! | any | InitWait, once our directory is there |
//! | Initialised | maps its pages, binds its channel: Connected; or Closed, with a `reason` |
//! | Closing, Closed | gives everything back: Closed, then InitWait, for the module may be loaded anew |
//! | a state that is none | gives everything back: Closed, and waits for one |
//! | gone, or no longer to be read (the guest was destroyed) | gives everything back, removes our directory |
//!
//! `xl-omx detach` sets `online` to 0 and our state to Closing: everything is given back, Closed.
//!
//! | file | what |
//! |---|---|
//! | `mod` | all devices, and their part in the loop |
//! | `frontend` | one device and its stage |
//! | `xenstore_probe` | what xenstore says of a device, read without waiting |
//! | `place_table` | devices by the numbers of their boards and channels |
//! | `states` | what the states of both ends ask for ([`crate::handshake`]) is done |

mod frontend;
mod place_table;
mod states;
mod xenstore_probe;

use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::string::ToString;
use alloc::vec::Vec;

use mx_backend::{
    Backend, BoardId, BoardSet, Completion, EndpointKey, FrameSink, HostName, Instant, Sleepers,
};
use mx_ring::BackendSide;
use mx_wire::{Format, MacAddress};
use xen_pv_boot::event::ChannelSet;
use xen_pv_boot::foreign::Arena;
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::Client;

use crate::account::{Account, Limit, Limits, Pools};
use crate::names::{self, Place};
use crate::rounds::{Rounds, Turn};
use crate::xenstore_writer::XenstoreWriter;
use frontend::{Connection, Frontend, Stage};
use place_table::PlaceTable;
use xenstore_probe::{Found, XenstoreProbe};

/// Our directory of devices.
pub const DIRECTORY: &str = "backend/omx";
/// Token of the watch on it.
pub const TOKEN: &str = "omx";
/// Start of the tokens of the watches on frontends' states.
const STATE_TOKEN: &str = "omx-state ";

/// What this end offers.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Wire mode and MTU.
    pub format: Format,
    /// Endpoints of a guest.
    pub endpoints: u16,
    /// What a guest may have that no operator has given more or less.
    pub limits: Limits,
}

/// All devices.
pub struct Frontends {
    arena: Arena,
    features: Features,
    devices: BTreeMap<Place, Frontend>,
    pools: Rc<Pools>,
    /// By the number of the guest's domain.
    accounts: BTreeMap<u16, Rc<Account>>,
    probe: XenstoreProbe,
    /// Devices that have something to do.
    rounds: Rounds,
    /// Devices by their boards' numbers.
    boards: PlaceTable,
    /// Devices by the ports of their channels.
    ports: PlaceTable,
    /// Channels of all devices, but those that do not wake the domain.
    channels: ChannelSet,
    /// Devices whose channels are looked at every millisecond only.
    masked: Vec<Place>,
    /// Devices that may have to send an event.
    to_notify: Vec<Place>,
    /// Boards whose raw endpoints are to be told of frames.
    raw: BoardSet,
    /// A board came or went since [`Frontends::new_addresses`] was asked.
    boards_changed: bool,
}

impl Frontends {
    /// No devices yet.
    pub fn new(arena: Arena, features: Features, pools: Rc<Pools>, client: Client) -> Self {
        Self {
            arena,
            features,
            devices: BTreeMap::new(),
            pools,
            accounts: BTreeMap::new(),
            probe: XenstoreProbe::new(client),
            rounds: Rounds::default(),
            boards: PlaceTable::default(),
            ports: PlaceTable::default(),
            channels: ChannelSet::default(),
            masked: Vec::new(),
            to_notify: Vec::new(),
            raw: BoardSet::default(),
            boards_changed: true,
        }
    }

    fn connections(&self) -> impl Iterator<Item = (&Frontend, &Connection)> {
        self.devices
            .values()
            .filter_map(|frontend| match &frontend.stage {
                Stage::Connected(connection) => Some((frontend, connection)),
                Stage::Waiting | Stage::Leaving(_) => None,
            })
    }

    /// The account of a guest.
    fn account(&mut self, now: Instant, guest: u16) -> Rc<Account> {
        let (pools, limits) = (&self.pools, self.features.limits);
        let account = self.accounts.entry(guest);
        account
            .or_insert_with(|| Account::new(pools, limits, now))
            .clone()
    }

    /// The account of the guest of a connected device, in the order of [`Self::boards`].
    pub fn account_of(&self, number: usize) -> Option<&Account> {
        let (frontend, _) = self.connections().nth(number)?;
        Some(&frontend.account)
    }

    /// Channels of connected devices, to be waited for.
    pub const fn channels(&self) -> &ChannelSet {
        &self.channels
    }

    /// When channels that are not waited for, and devices that wait for their guests, are to be looked at.
    pub fn deadline(&self) -> Option<Instant> {
        let masked = self.masked.iter();
        masked
            .filter_map(|place| match &self.devices.get(place)?.stage {
                Stage::Connected(connection) => connection.doorbell.masked_until(),
                Stage::Waiting | Stage::Leaving(_) => None,
            })
            .chain(self.rounds.deadline())
            .min()
    }

    /// Boards of connected devices, with the names of their guests and the pages that they hold.
    pub fn boards(&self) -> impl Iterator<Item = (BoardId, HostName, usize)> {
        self.connections().map(|(frontend, connection)| {
            (
                connection.device.board(),
                frontend.identity.name,
                connection.device.held(),
            )
        })
    }

    /// The addresses of all boards, once after one came or went.
    pub fn new_addresses(&mut self) -> Option<Vec<[u8; 6]>> {
        core::mem::take(&mut self.boards_changed).then(|| {
            self.connections()
                .map(|(frontend, _)| {
                    let MacAddress(address) = frontend.identity.mac;
                    address
                })
                .collect()
        })
    }

    /// Looks at every device, as after watches were lost.
    pub fn look_at_all(&mut self) {
        let known: Vec<Place> = self.devices.keys().copied().collect();
        for place in known {
            self.want_probe(place);
        }
        self.probe.want_list();
    }

    /// A watch fired: looks at the device that it is about.
    pub fn watch_fired(&mut self, path: &str, token: &str) {
        let place = match token.strip_prefix(STATE_TOKEN) {
            Some(token) => names::place_in_token(token),
            None => names::place_in_path(path, DIRECTORY),
        };
        match place {
            Some(place) => self.want_probe(place),
            None => self.look_at_all(),
        }
    }

    fn want_probe(&mut self, place: Place) {
        self.probe.want(place);
    }

    /// Begins probes, and acts on what they have found; `news` says that xenstore has answered something. Whether anything
    /// was done or is to be done at once.
    pub fn act(
        &mut self,
        now: Instant,
        news: bool,
        backend: &mut Backend,
        writer: &mut XenstoreWriter,
    ) -> bool {
        let mut any = false;
        while let Some(found) = self.probe.next(news) {
            any = true;
            match found {
                Found::Places(places) => {
                    for place in places {
                        if !self.devices.contains_key(&place) {
                            self.want_probe(place);
                        }
                    }
                }
                Found::Device {
                    place,
                    changes,
                    seen,
                } => {
                    let known = self.devices.get(&place);
                    if known.map_or(0, |frontend| frontend.changes) != changes {
                        // What was read is older than what this end has written since.
                        self.want_probe(place);
                        continue;
                    }
                    match seen {
                        Ok(Some(seen)) => self.seen(now, place, seen, backend, writer),
                        Ok(None) => {}
                        Err(why) => log::warn!("{place}: {why}"),
                    }
                }
            }
        }
        // A probe must find what this end has written before.
        if writer.is_idle() {
            let devices = &self.devices;
            self.probe.begin(|place| match devices.get(&place) {
                Some(frontend) => (Some(frontend.path.clone()), frontend.changes),
                None => (None, 0),
            });
        }
        any || self.probe.is_fresh()
    }

    /// Takes the devices' events; whether there were any.
    pub fn take_events(&mut self, now: Instant, backend: &mut Backend) -> bool {
        let mut any = false;
        let Self {
            channels,
            ports,
            devices,
            rounds,
            masked,
            ..
        } = self;
        channels.take(|port| {
            let place = ports.get(port as usize);
            let frontend = place.and_then(|place| devices.get_mut(&place));
            if let (Some(place), Some(frontend)) = (place, frontend) {
                any |= rung(now, place, frontend, true, backend, rounds);
                if frontend.is_masked() {
                    masked.push(place);
                }
            }
        });
        for place in masked.iter() {
            if let Some(frontend) = devices.get_mut(place)
                && let Stage::Connected(connection) = &mut frontend.stage
            {
                channels.remove(&connection.channel);
                if connection.doorbell.is_due(now) {
                    let event = connection.channel.take();
                    any |= rung(now, *place, frontend, event, backend, rounds);
                }
            }
        }
        masked.retain(|place| {
            let Some(frontend) = devices.get(place) else {
                return false;
            };
            if let Stage::Connected(connection) = &frontend.stage
                && !frontend.is_masked()
            {
                channels.insert(&connection.channel);
            }
            frontend.is_masked()
        });
        any
    }

    /// Serves requests and gives memory back, a bounded amount; whether there is more to do at once.
    pub fn serve(
        &mut self,
        now: Instant,
        backend: &mut Backend,
        sink: &mut impl FrameSink,
        writer: &mut XenstoreWriter,
    ) -> bool {
        let due = self.rounds.deadline().is_some_and(|at| at <= now);
        if self.rounds.is_empty() && !due {
            return false;
        }
        let mut ended = Vec::new();
        self.rounds.turn(now, |place, pages| {
            let Some(frontend) = self.devices.get_mut(&place) else {
                return Turn::Done;
            };
            match &mut frontend.stage {
                Stage::Waiting => Turn::Done,
                Stage::Connected(connection) => {
                    let served = connection.device.serve(now, backend, sink, pages);
                    if connection.device.is_to_be_notified() {
                        self.to_notify.push(place);
                    }
                    match served {
                        Ok(turn) => turn,
                        Err(error) => {
                            ended.push((place, Some(error.to_string())));
                            Turn::Done
                        }
                    }
                }
                Stage::Leaving(connection) => {
                    if !connection.device.gone(pages) {
                        return Turn::More;
                    }
                    ended.push((place, None));
                    Turn::Done
                }
            }
        });
        let more = !self.rounds.is_empty() || !ended.is_empty();
        for (place, why) in ended {
            self.end(now, place, why, backend, writer);
            self.want_probe(place);
        }
        more
    }

    /// Hands a completion of the backend to its device.
    pub fn completed(&mut self, completion: Completion) {
        let board = completion.board();
        if let Some((place, connection)) = self.connection(board) {
            connection.device.completed(completion);
            self.rounds.insert(place);
        }
        if let Completion::BoardRemoved(board) = completion {
            self.boards.set(board.0.into(), None);
        }
    }

    fn connection(&mut self, board: BoardId) -> Option<(Place, &mut Connection)> {
        let place = self.boards.get(board.0.into())?;
        match &mut self.devices.get_mut(&place)?.stage {
            Stage::Connected(connection) | Stage::Leaving(connection) => connection
                .device
                .serves(board)
                .then_some((place, connection)),
            Stage::Waiting => None,
        }
    }

    /// Sends each guest that must look at something one event.
    pub fn notify(&mut self, backend: &mut Backend) {
        while let Some(board) = backend.next_raw_news() {
            self.raw.insert(board.0);
        }
        let mut from = 0;
        while let Some(board) = self.raw.next(from) {
            from = board + 1;
            self.tell_of_raw(board, backend);
        }
        while let Some(place) = self.to_notify.pop() {
            if let Some(frontend) = self.devices.get_mut(&place)
                && let Stage::Connected(connection) = &mut frontend.stage
                && connection.device.take_notify()
                && let Err(error) = connection.channel.send()
            {
                log::debug!("{}: no event could be sent: {error}", frontend.path);
            }
        }
    }

    fn tell_of_raw(&mut self, board: u16, backend: &mut Backend) {
        let mut again = false;
        if let Some((place, connection)) = self.connection(BoardId(board)) {
            again = connection.device.tell_of_raw(backend);
            if connection.device.is_to_be_notified() {
                self.to_notify.push(place);
            }
        }
        self.raw.set(board, again);
    }

    /// All devices are told to go, before the domain ends.
    pub fn close_all(&mut self, writer: &mut XenstoreWriter) {
        for (place, frontend) in &mut self.devices {
            frontend.set_state(*place, XenbusState::Closing, None, writer);
        }
    }
}

/// A device's channel was looked at, and had an event or not; whether that brought something.
fn rung(
    now: Instant,
    place: Place,
    frontend: &mut Frontend,
    event: bool,
    backend: &mut Backend,
    rounds: &mut Rounds,
) -> bool {
    let Stage::Connected(connection) = &mut frontend.stage else {
        return false;
    };
    if !event {
        connection.doorbell.silent(now);
        return false;
    }
    let useful = connection.device.rung(now, backend);
    let account = &frontend.account;
    let most = account.limits().get(Limit::Doorbells);
    if connection.doorbell.rang(now, useful, most) {
        let line = format_args!("{place}: {most} events for nothing: looked at every ms");
        account.say(now, log::Level::Warn, line);
        account.masked();
    }
    if connection.device.is_asked() {
        rounds.insert(place);
    }
    useful
}

impl Sleepers for Frontends {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        if let Some((place, connection)) = self.connection(endpoint.board) {
            connection.device.wake_if_armed(endpoint.endpoint, side);
            if connection.device.is_to_be_notified() && self.to_notify.last() != Some(&place) {
                self.to_notify.push(place);
            }
        }
    }
}
