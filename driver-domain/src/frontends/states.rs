//! What the states of both ends ask for.

use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;

use log::Level;
use mx_backend::{Backend, Instant};
use mx_wire::Mode;
use xen_pv_boot::event::Channel;
use xen_pv_boot::foreign::Arena;
use xen_pv_boot::xenbus::XenbusState;

use super::frontend::{Connection, Frontend, Stage};
use super::xenstore_probe::{Appeared, Published, Refusal, Seen};
use super::{DIRECTORY, Features, Frontends, STATE_TOKEN};
use crate::account::{Account, Limits};
use crate::device::Device;
use crate::doorbell::Doorbell;
use crate::guest_memory::GuestMemory;
use crate::handshake::{self, States, Step};
use crate::names::Place;
use crate::status;
use crate::xenstore_writer::{Write, XenstoreWriter};

impl Frontends {
    /// Does what the states of both ends ask for.
    pub(super) fn seen(
        &mut self,
        now: Instant,
        place: Place,
        seen: Seen,
        backend: &mut Backend,
        writer: &mut XenstoreWriter,
    ) {
        let is_new = seen.new.is_some();
        if let Some(new) = seen.new {
            let frontend = self.welcome(now, place, new, writer);
            self.devices.insert(place, frontend);
        }
        let defaults = self.features.limits;
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        if set_limits(now, place, &frontend.account, defaults, &seen.limits) {
            self.limits_changed(now, place.guest, backend);
        }
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        let states = States {
            theirs: seen.theirs.unwrap_or(XenbusState::Unknown),
            there: seen.theirs.is_some(),
            ours: seen.ours,
            online: seen.online,
        };
        // What others have written; a new one was told ours after it was read.
        if !is_new {
            frontend.state = seen.ours;
        }
        frontend.seen |= states.there;
        frontend.refused &= states.theirs == XenbusState::Initialised;
        match handshake::step(frontend.known(), states) {
            Step::Nothing => {}
            Step::Forget => self.forget(place, writer),
            Step::Say(state) => frontend.set_state(place, state, None, writer),
            Step::Connect => {
                if let Some(published) = seen.published {
                    self.connect(now, place, published, backend, writer);
                }
            }
            Step::Confirmed => {
                if let Stage::Connected(connection) = &mut frontend.stage {
                    connection.confirmed = true;
                }
            }
            Step::Leave(why) => {
                let account = &frontend.account;
                account.say(now, Level::Info, format_args!("{place}: going, {why}"));
                self.leave(place, None, backend, writer);
            }
        }
    }

    /// A connected device begins to give everything back; its events count for nothing any more.
    fn leave(
        &mut self,
        place: Place,
        reason: Option<String>,
        backend: &mut Backend,
        writer: &mut XenstoreWriter,
    ) {
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        if let Stage::Connected(connection) = &mut frontend.stage {
            connection.device.retire(backend);
            self.channels.remove(&connection.channel);
        }
        frontend.leave(place, reason, writer);
        self.rounds.insert(place);
        self.boards_changed = true;
    }

    /// The devices of a guest that are connected have other limits from now on.
    fn limits_changed(&self, now: Instant, guest: u16, backend: &mut Backend) {
        for (place, frontend) in &self.devices {
            if place.guest == guest
                && let Stage::Connected(connection) = &frontend.stage
            {
                connection.device.limits_changed(now, backend);
            }
        }
    }

    /// Tells the frontend what is offered, and watches it.
    fn welcome(
        &mut self,
        now: Instant,
        place: Place,
        new: Appeared,
        writer: &mut XenstoreWriter,
    ) -> Frontend {
        log::info!(
            "{place}: a device for {} with address {}",
            new.identity.name,
            new.identity.mac
        );
        let wire = match self.features.format.mode() {
            Mode::Native => "native",
            Mode::MxWire => "mx",
        };
        writer.add(Write::Below {
            there: "frontend",
            directory: place.directory(DIRECTORY),
            nodes: vec![
                ("mtu", self.features.format.mtu().to_string()),
                ("wire", wire.to_string()),
                ("version", mx_ring::ABI_VERSION.to_string()),
                ("max-endpoints", self.features.endpoints.to_string()),
            ],
        });
        let mut frontend = Frontend {
            path: new.path,
            guest: new.guest,
            identity: new.identity,
            account: self.account(now, place.guest),
            stage: Stage::Waiting,
            seen: false,
            refused: false,
            state: XenbusState::Unknown,
            changes: 0,
        };
        frontend.set_state(place, XenbusState::InitWait, None, writer);
        writer.add(Write::Watch {
            path: format!("{}/state", frontend.path),
            token: state_token(place),
        });
        frontend
    }

    fn connect(
        &mut self,
        now: Instant,
        place: Place,
        published: Result<Published, Refusal>,
        backend: &mut Backend,
        writer: &mut XenstoreWriter,
    ) {
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        let may = frontend.account.may_connect(now);
        let may = may.map_err(Refusal::TooOften);
        let connected = may.and(published).and_then(|published| {
            connection(
                now,
                &self.arena,
                self.features,
                frontend,
                &published,
                backend,
            )
        });
        match connected {
            Ok(connection) => {
                frontend.account.say(
                    now,
                    Level::Info,
                    format_args!(
                        "{place}: connected, board {} is {} ({})",
                        connection.device.board().0,
                        frontend.identity.name,
                        frontend.identity.mac
                    ),
                );
                self.boards
                    .set(connection.device.board().0.into(), Some(place));
                self.ports
                    .set(connection.channel.port() as usize, Some(place));
                self.channels.insert(&connection.channel);
                self.rounds.insert(place);
                frontend.stage = Stage::Connected(connection);
                self.boards_changed = true;
                writer.add(Write::Remove(format!(
                    "{}/reason",
                    place.directory(DIRECTORY)
                )));
                frontend.set_state(place, XenbusState::Connected, None, writer);
            }
            Err(why) => {
                let account = &frontend.account;
                let line = format_args!("{place}: not connected: {why}");
                account.say(now, Level::Warn, line);
                frontend.refused = true;
                frontend.set_state(place, XenbusState::Closed, Some(why.to_string()), writer);
            }
        }
    }

    /// The frontend is gone for good: so is our directory.
    fn forget(&mut self, place: Place, writer: &mut XenstoreWriter) {
        let Some(frontend) = self.devices.remove(&place) else {
            return;
        };
        log::info!("{place}: gone");
        drop(frontend.account);
        if let Some(account) = self.accounts.get(&place.guest)
            && Rc::strong_count(account) == 1
        {
            self.accounts.remove(&place.guest);
        }
        writer.add(Write::Unwatch {
            path: format!("{}/state", frontend.path),
            token: state_token(place),
        });
        writer.add(Write::Remove(place.directory(DIRECTORY)));
        writer.add(Write::Remove(place.directory(status::DEVICES)));
        let guest = format!("{}/{}", status::DEVICES, place.guest);
        writer.add(Write::RemoveEmpty(guest));
    }

    /// A device that broke the rules, or that has given everything back.
    pub(super) fn end(
        &mut self,
        now: Instant,
        place: Place,
        why: Option<String>,
        backend: &mut Backend,
        writer: &mut XenstoreWriter,
    ) {
        let Some(frontend) = self.devices.get_mut(&place) else {
            return;
        };
        match why {
            Some(why) => {
                let line = format_args!("{place}: closed, its kernel misbehaved: {why}");
                frontend.account.say(now, Level::Warn, line);
                self.leave(place, Some(why), backend, writer);
            }
            None => {
                let line = format_args!("{place}: closed, all of its memory is given back");
                frontend.account.say(now, Level::Info, line);
                if let Stage::Leaving(connection) = &frontend.stage {
                    self.ports.set(connection.channel.port() as usize, None);
                }
                frontend.stage = Stage::Waiting;
                frontend.set_state(place, XenbusState::Closed, None, writer);
            }
        }
    }
}

/// Token of the watch on a frontend's state.
fn state_token(place: Place) -> String {
    format!("{STATE_TOKEN}{}", place.token())
}

/// Maps and binds what a frontend has published.
fn connection(
    now: Instant,
    arena: &Arena,
    features: Features,
    frontend: &Frontend,
    published: &Published,
    backend: &mut Backend,
) -> Result<Connection, Refusal> {
    let channel = Channel::connect(frontend.guest, published.port).map_err(Refusal::Event)?;
    let memory = GuestMemory {
        arena: arena.clone(),
        guest: frontend.guest,
    };
    let device = Device::connect(
        memory,
        &frontend.account,
        published.reference,
        frontend.identity,
        features.endpoints,
        now,
        backend,
    )
    .map_err(Refusal::Connect)?;
    Ok(Connection {
        channel,
        device,
        confirmed: false,
        doorbell: Doorbell::default(),
    })
}

/// What an operator wants a guest to have besides what all have; whether that is something else than it was.
fn set_limits(
    now: Instant,
    place: Place,
    account: &Account,
    mut limits: Limits,
    wanted: &[(String, String)],
) -> bool {
    if wanted.is_empty() {
        return false;
    }
    for (name, value) in wanted {
        if let Err(error) = limits.set(name, value) {
            account.say(now, Level::Warn, format_args!("{place}: {error}"));
        }
    }
    let is_other = limits != account.limits();
    if is_other {
        account.set_limits(now, limits);
    }
    is_other
}
