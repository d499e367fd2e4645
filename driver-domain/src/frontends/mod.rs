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
//!
//! | file | what |
//! |---|---|
//! | `mod` | all devices, and their part in the loop |
//! | `frontend` | one device and its stage |
//! | `xenstore_probe` | what xenstore says of a device, read without waiting |
//! | `states` | what the states of both ends ask for ([`crate::handshake`]) is done |

mod frontend;
mod states;
mod xenstore_probe;

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;

use mx_backend::{
    Backend, BoardId, Completion, EndpointKey, FrameSink, HostName, Instant, Sleepers,
};
use mx_ring::BackendSide;
use mx_wire::{Format, MacAddress};
use xen_pv_boot::event::Channel;
use xen_pv_boot::foreign::Arena;
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::Client;

use crate::names::{self, Place};
use crate::xenstore_writer::XenstoreWriter;
use frontend::{Connection, Frontend, Stage};
use xenstore_probe::{Found, XenstoreProbe};

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
    probe: XenstoreProbe,
    /// Devices that have work, although no event came.
    busy: bool,
    /// The device that is served first in the next turn.
    cursor: usize,
    /// A board came or went since [`Frontends::new_addresses`] was asked.
    boards_changed: bool,
}

impl Frontends {
    /// No devices yet.
    pub fn new(arena: Arena, offer: Offer, client: Client) -> Self {
        Self {
            arena,
            offer,
            devices: BTreeMap::new(),
            probe: XenstoreProbe::new(client),
            busy: false,
            cursor: 0,
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

    /// Channels of connected devices, to be waited for.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.connections()
            .map(|(_, connection)| &connection.channel)
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
        for frontend in self.devices.values_mut() {
            if let Stage::Connected(connection) = &mut frontend.stage
                && connection.channel.take()
            {
                connection.attention = true;
                connection.device.rung(now, backend);
                any = true;
                self.busy = true;
            }
        }
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
        if !self.busy {
            return false;
        }
        let mut budget = PAGES_PER_TURN;
        let mut more = false;
        let mut ended = None;
        let count = self.devices.len().max(1);
        self.cursor = (self.cursor + 1) % count;
        // From the cursor on, then those before it.
        for turn in [self.cursor..count, 0..self.cursor] {
            let devices = self.devices.iter_mut().enumerate();
            for (_, (place, frontend)) in devices.filter(|(index, _)| turn.contains(index)) {
                match &mut frontend.stage {
                    Stage::Waiting => {}
                    Stage::Connected(connection) if connection.attention => {
                        match connection.device.serve(now, backend, sink, &mut budget) {
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
        }
        if let Some((place, why)) = ended {
            self.end(place, why, backend, writer);
            self.want_probe(place);
            more = true;
        }
        self.busy = more;
        more
    }

    /// Hands a completion of the backend to its device.
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
    pub fn notify(&mut self, backend: &mut Backend) {
        for frontend in self.devices.values_mut() {
            let Stage::Connected(connection) = &mut frontend.stage else {
                continue;
            };
            connection.device.tell_of_raw(backend);
            if connection.device.take_notify()
                && let Err(error) = connection.channel.send()
            {
                log::debug!("{}: no event could be sent: {error}", frontend.path);
            }
        }
    }

    /// All devices are told to go, before the domain ends.
    pub fn close_all(&mut self, writer: &mut XenstoreWriter) {
        for (place, frontend) in &mut self.devices {
            frontend.set_state(*place, XenbusState::Closing, None, writer);
        }
    }
}

impl Sleepers for Frontends {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        if let Some(connection) = self.connection(endpoint.board) {
            connection.device.wake_if_armed(endpoint.endpoint, side);
        }
    }
}
