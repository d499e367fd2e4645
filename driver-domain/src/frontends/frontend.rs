//! One device and its stage.

use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec;
use core::fmt;

use xen_pv_boot::DomId;
use xen_pv_boot::event::Channel;
use xen_pv_boot::xenbus::XenbusState;

use super::DIRECTORY;
use crate::account::Account;
use crate::device::{Device, Identity};
use crate::doorbell::Doorbell;
use crate::guest_memory::GuestMemory;
use crate::handshake::{self, Known};
use crate::names::Place;
use crate::status;
use crate::xenstore_writer::{Write, XenstoreWriter};

/// One device.
pub struct Frontend {
    /// The frontend's directory.
    pub path: String,
    pub guest: DomId,
    pub identity: Identity,
    /// The account of its guest.
    pub account: Rc<Account>,
    pub stage: Stage,
    /// Its state was there once: from then on, a missing one means that the frontend is gone.
    pub seen: bool,
    /// What it has published was refused.
    pub refused: bool,
    /// Our state, as last written, by whomever.
    pub state: XenbusState,
    /// How often it was written: what was read before is stale.
    pub changes: u32,
}

/// How far a device is.
pub enum Stage {
    /// Not connected.
    Waiting,
    /// Served.
    Connected(Connection),
    /// Its memory is being given back.
    Leaving(Connection),
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Waiting => "waiting",
            Self::Connected(_) => "connected",
            Self::Leaving(_) => "leaving",
        })
    }
}

/// What a connected device holds.
pub struct Connection {
    pub channel: Channel,
    pub device: Device<GuestMemory>,
    /// The frontend has said that it is connected, too.
    pub confirmed: bool,
    /// Its events of late.
    pub doorbell: Doorbell,
}

impl Frontend {
    /// Whether its events no longer wake the domain.
    pub fn is_masked(&self) -> bool {
        match &self.stage {
            Stage::Connected(connection) => connection.doorbell.masked_until().is_some(),
            Stage::Waiting | Stage::Leaving(_) => false,
        }
    }

    /// What decides of the next step.
    pub fn known(&self) -> Known {
        Known {
            stage: match &self.stage {
                Stage::Waiting => handshake::Stage::Waiting,
                Stage::Connected(Connection { confirmed, .. }) => handshake::Stage::Connected {
                    confirmed: *confirmed,
                },
                Stage::Leaving(_) => handshake::Stage::Leaving,
            },
            seen: self.seen,
            refused: self.refused,
        }
    }

    /// Writes our state, and why it came to that, if somebody wants to know.
    pub fn set_state(
        &mut self,
        place: Place,
        state: XenbusState,
        reason: Option<String>,
        writer: &mut XenstoreWriter,
    ) {
        if self.state == state && reason.is_none() {
            return;
        }
        self.state = state;
        self.changes = self.changes.wrapping_add(1);
        let mut nodes = vec![("state", state.number().to_string())];
        nodes.extend(reason.map(|reason| ("reason", reason)));
        writer.add(Write::Below {
            there: "frontend",
            directory: place.directory(DIRECTORY),
            nodes,
        });
        self.publish(place, writer);
    }

    /// Shows the device among the domain's own nodes.
    fn publish(&self, place: Place, writer: &mut XenstoreWriter) {
        writer.add(Write::Own(
            place.directory(status::DEVICES),
            status::device(&self.stage.to_string(), &self.identity),
        ));
    }

    /// Its memory is being given back from now on.
    pub fn leave(&mut self, place: Place, reason: Option<String>, writer: &mut XenstoreWriter) {
        if let Stage::Connected(connection) = core::mem::replace(&mut self.stage, Stage::Waiting) {
            self.stage = Stage::Leaving(connection);
        }
        self.set_state(place, XenbusState::Closing, reason, writer);
    }
}
