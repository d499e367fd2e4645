//! What xenstore says of devices: read in tasks that nobody waits for, one at a time for each device.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use mx_backend::HostName;
use mx_ring::control::PROTOCOL;
use mx_wire::MacAddress;
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::{self, Client, Tasks};
use xen_pv_boot::{DomId, RemotePort};

use super::DIRECTORY;
use crate::device::Identity;
use crate::names::{self, Place};

/// What the nodes of a device say.
pub struct Seen {
    /// State of the frontend; nothing when it has none.
    pub theirs: Option<XenbusState>,
    /// Our state: others may write it, too.
    pub ours: XenbusState,
    /// It is not to be detached.
    pub online: bool,
    /// Who it is, if that was not known.
    pub new: Option<Appeared>,
    /// What a frontend that waits for us has published.
    pub published: Option<Result<Published, Refusal>>,
    /// What an operator wants its guest to have: names and values of the nodes `limit-…`.
    pub limits: Vec<(String, String)>,
}

/// A device that was not known.
pub struct Appeared {
    /// The frontend's directory.
    pub path: String,
    pub guest: DomId,
    pub identity: Identity,
}

/// How a frontend is to be reached.
pub struct Published {
    /// Grant of its first page.
    pub reference: u32,
    pub port: RemotePort,
}

/// Why a device is not served.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("its {0} cannot be read: {1}")]
    Store(&'static str, xenstore::Error),
    #[error("it speaks \"{}\", this end {PROTOCOL}", .0.escape_default())]
    Protocol(String),
    #[error(
        "it speaks version {0} of the shared memory, this end {own}: install matching versions",
        own = mx_ring::ABI_VERSION
    )]
    Version(u32),
    #[error("its event channel cannot be bound: {0}")]
    Event(xen_pv_boot::Errno),
    #[error(transparent)]
    Connect(crate::device::ConnectError),
    #[error("refused: {0}; wait a minute")]
    TooOften(crate::account::Refused),
}

/// What a probe came back with.
pub enum Found {
    /// Devices that have a directory.
    Places(Vec<Place>),
    /// One device.
    Device {
        place: Place,
        /// How often this end had written its state when the probe began.
        changes: u32,
        /// Nothing when it has no directory, or why that cannot be told.
        seen: Result<Option<Seen>, String>,
    },
}

/// Probes that are wanted, and those under way.
pub struct XenstoreProbe {
    client: Client,
    tasks: Tasks<Found>,
    wanted: BTreeSet<Place>,
    list_wanted: bool,
    under_way: BTreeSet<Place>,
    /// A probe was begun, and has not taken its first step.
    fresh: bool,
}

impl XenstoreProbe {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            tasks: Tasks::default(),
            wanted: BTreeSet::new(),
            list_wanted: false,
            under_way: BTreeSet::new(),
            fresh: false,
        }
    }

    /// A device is to be looked at.
    pub fn want(&mut self, place: Place) {
        self.wanted.insert(place);
    }

    /// All devices that have a directory are to be found.
    pub fn want_list(&mut self) {
        self.list_wanted = true;
    }

    /// Begins what is wanted; `known` says of a device its frontend's directory, and how often its state was written. One
    /// that is looked at already comes later.
    pub fn begin(&mut self, known: impl Fn(Place) -> (Option<String>, u32)) {
        if core::mem::take(&mut self.list_wanted) {
            self.fresh = true;
            let client = self.client.clone();
            self.tasks
                .start(async move { Found::Places(places(&client).await) });
        }
        let under_way = &mut self.under_way;
        for place in self.wanted.extract_if(.., |place| under_way.insert(*place)) {
            self.fresh = true;
            let client = self.client.clone();
            let (path, changes) = known(place);
            self.tasks.start(async move {
                Found::Device {
                    place,
                    changes,
                    seen: probe(&client, place, path).await,
                }
            });
        }
    }

    /// Whether a probe has not taken its first step.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// A probe that is complete; `news` says that xenstore has answered something.
    pub fn next(&mut self, news: bool) -> Option<Found> {
        if !(news || self.fresh) {
            return None;
        }
        let found = self.tasks.poll();
        match &found {
            Some(Found::Device { place, .. }) => {
                self.under_way.remove(place);
            }
            Some(Found::Places(_)) => {}
            None => self.fresh = false,
        }
        found
    }
}

async fn places(client: &Client) -> Vec<Place> {
    let mut places = Vec::new();
    for guest in list(client, DIRECTORY).await {
        for device in list(client, &format!("{DIRECTORY}/{guest}")).await {
            places.extend(names::place(&guest, &device));
        }
    }
    places
}

async fn list(client: &Client, directory: &str) -> Vec<String> {
    client.list(directory).await.unwrap_or_else(|error| {
        log::warn!("{directory} cannot be listed: {error}");
        Vec::new()
    })
}

async fn probe(
    client: &Client,
    place: Place,
    known: Option<String>,
) -> Result<Option<Seen>, String> {
    let directory = place.directory(DIRECTORY);
    let (path, new) = match known {
        Some(path) => (path, None),
        None => match appeared(client, &directory, place).await {
            Ok(Some(new)) => (new.path.clone(), Some(new)),
            Ok(None) => return Ok(None),
            Err(why) => return Err(format!("not served: {why}")),
        },
    };
    let theirs = state(client, &format!("{path}/state"))
        .await
        .map_err(|error| format!("its state cannot be read: {error}"))?;
    let ours = state(client, &format!("{directory}/state")).await;
    let online = client.read(&format!("{directory}/online")).await;
    let published = match theirs {
        Some(XenbusState::Initialised) => Some(published(client, &path).await),
        _ => None,
    };
    Ok(Some(Seen {
        theirs,
        ours: ours.ok().flatten().unwrap_or(XenbusState::Unknown),
        online: online.map_or(true, |online| online.trim() != "0"),
        new,
        published,
        limits: limits(client, &directory).await,
    }))
}

/// The limits in our directory of a device, which is dom0's to write.
async fn limits(client: &Client, directory: &str) -> Vec<(String, String)> {
    let mut limits = Vec::new();
    for name in client.list(directory).await.unwrap_or_default() {
        if name.starts_with("limit-")
            && let Ok(value) = client.read(&format!("{directory}/{name}")).await
        {
            limits.push((name, value));
        }
    }
    limits
}

/// A state, if there is one. A directory of a guest that was destroyed is not "not found": xenstore only
/// says that to those who may read the directory above.
async fn state(client: &Client, path: &str) -> Result<Option<XenbusState>, xenstore::Error> {
    match client.read(path).await {
        Ok(state) => Ok(Some(XenbusState::parse(&state))),
        Err(xenstore::Error::NotFound | xenstore::Error::Denied) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads our directory of a device; `None` when it is not there.
async fn appeared(
    client: &Client,
    directory: &str,
    place: Place,
) -> Result<Option<Appeared>, String> {
    let path = match client.read(&format!("{directory}/frontend")).await {
        Ok(path) => path,
        Err(xenstore::Error::NotFound) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let guest = DomId::new(place.guest).ok_or("its domain number cannot be")?;
    let mac = client
        .read(&format!("{directory}/mac"))
        .await
        .map_err(|error| format!("no address in {directory}/mac: {error}"))?;
    let mac = MacAddress::of_station(mac.trim())
        .map_err(|error| format!("\"{}\": {error}", mac.escape_default()))?;
    // The guest's own name is not ours to read: whoever attached it wrote it down.
    let name = client
        .read(&format!("{directory}/name"))
        .await
        .unwrap_or_else(|_| format!("domain{}", place.guest));
    Ok(Some(Appeared {
        path,
        guest,
        identity: Identity {
            mac,
            name: HostName::new(format!("{name}:{}", place.device).as_bytes()),
        },
    }))
}

/// Reads what a frontend has published.
async fn published(client: &Client, path: &str) -> Result<Published, Refusal> {
    let number = async |key: &'static str| {
        client
            .read_number::<u32>(&format!("{path}/{key}"))
            .await
            .map_err(|error| Refusal::Store(key, error))
    };
    let version = number("version").await?;
    if version != mx_ring::ABI_VERSION {
        return Err(Refusal::Version(version));
    }
    let reference = number("ring-ref").await?;
    let port = number("event-channel").await?;
    let protocol = client
        .read(&format!("{path}/protocol"))
        .await
        .map_err(|error| Refusal::Store("protocol", error))?;
    if protocol != PROTOCOL {
        return Err(Refusal::Protocol(protocol));
    }
    Ok(Published {
        reference,
        port: RemotePort(port),
    })
}
