//! An Open-MX device in xenstore: a directory of the frontend, a directory of the backend (architecture §5).

use std::fmt;

use serde::Serialize;

use crate::domain::Domain;
use crate::error::Error;
use crate::mac::Mac;
use crate::xenstore::{NONE, Permissions, Store, transaction};

/// States of the xenbus handshake (public/io/xenbus.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// No state is written, or one that does not exist.
    Unknown = 0,
    /// Has not reacted yet.
    Initialising = 1,
    /// Waits for the other side.
    InitWait = 2,
    /// Has published its rings.
    Initialised = 3,
    /// Works.
    Connected = 4,
    /// Is being ended.
    Closing = 5,
    /// Has ended.
    Closed = 6,
    /// Of a PCI frontend only.
    Reconfiguring = 7,
    /// Of a PCI frontend only.
    Reconfigured = 8,
}

impl State {
    /// What a side wrote to its `state` node.
    pub fn parse(text: Option<&str>) -> Self {
        const ALL: [State; 9] = [
            State::Unknown,
            State::Initialising,
            State::InitWait,
            State::Initialised,
            State::Connected,
            State::Closing,
            State::Closed,
            State::Reconfiguring,
            State::Reconfigured,
        ];
        let number = text
            .and_then(|text| text.parse::<usize>().ok())
            .unwrap_or(0);
        ALL.get(number).copied().unwrap_or(Self::Unknown)
    }

    fn text(self) -> String {
        (self as u8).to_string()
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Where a device lies in xenstore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The frontend's directory.
    pub frontend: String,
    /// The backend's directory.
    pub backend: String,
    /// Where the driver domain says why it serves nobody, if so.
    refusal: String,
    /// Its number among the guest's Open-MX devices.
    pub index: u32,
}

/// A device as `list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its number among the guest's Open-MX devices.
    pub index: u32,
    /// The backend's domain.
    pub backend_id: u32,
    /// Its address.
    pub mac: String,
    /// The frontend's state.
    pub state: State,
    /// The frontend's event channel.
    pub event_channel: Option<u32>,
    /// The frontend's ring reference.
    pub ring_ref: Option<u32>,
    /// The backend's directory.
    pub backend_path: String,
}

fn devices_path(guest: u32) -> String {
    format!("/local/domain/{guest}/device/omx")
}

impl Device {
    fn new(guest: u32, backend: u32, index: u32) -> Self {
        Self {
            frontend: format!("{}/{index}", devices_path(guest)),
            backend: format!("/local/domain/{backend}/backend/omx/{guest}/{index}"),
            refusal: format!("/local/domain/{backend}/data/omx/reason"),
            index,
        }
    }

    /// The states of backend and frontend.
    pub fn states(&self, store: &mut impl Store) -> Result<(State, State), Error> {
        let mut state = |directory: &str| -> Result<State, Error> {
            Ok(State::parse(
                store.read(NONE, &format!("{directory}/state"))?.as_deref(),
            ))
        };
        Ok((state(&self.backend)?, state(&self.frontend)?))
    }

    /// Why the driver domain serves nobody, in its words; nothing if it does.
    pub fn refusal(&self, store: &mut impl Store) -> Result<Option<String>, Error> {
        Ok(store.read(NONE, &self.refusal)?)
    }

    /// What either side says went wrong.
    pub fn error(&self, store: &mut impl Store) -> Result<Option<String>, Error> {
        if let Some(text) = self.refusal(store)? {
            return Ok(Some(format!("the driver domain says: {}", shown(&text))));
        }
        for (side, directory) in [
            ("the driver domain", &self.backend),
            ("the guest", &self.frontend),
        ] {
            for key in ["reason", "error"] {
                if let Some(text) = store.read(NONE, &format!("{directory}/{key}"))? {
                    return Ok(Some(format!("{side} says: {}", shown(&text))));
                }
            }
        }
        Ok(None)
    }
}

/// What another domain wrote, for a terminal: one line of a bounded length that a terminal does not obey.
fn shown(text: &str) -> String {
    let visible = |letter: char| {
        if letter.is_control() {
            '\u{fffd}'
        } else {
            letter
        }
    };
    text.chars().take(200).map(visible).collect()
}

/// Writes both directories in one transaction; the guest sees a device appear.
pub fn attach(
    store: &mut impl Store,
    guest: &Domain,
    backend: &Domain,
    mac: Mac,
) -> Result<Device, Error> {
    if guest.id == backend.id {
        return Err(Error::OwnBackend(guest.name.clone()));
    }
    transaction(store, |store, t| {
        let used: Vec<u32> = indices(store, t, guest.id)?;
        if mac_taken(store, t, backend.id, mac)? {
            return Err(Error::MacTaken(mac));
        }
        let index = (0..)
            .find(|index| !used.contains(index))
            .unwrap_or(u32::MAX);
        let device = Device::new(guest.id, backend.id, index);
        // A directory that a destroyed guest of the same number left behind must not leak into the new device.
        store.remove(t, &device.backend)?;
        store.write(t, &device.backend, "")?;
        store.set_permissions(
            t,
            &device.backend,
            Permissions {
                owner: backend.id,
                reader: guest.id,
            },
        )?;
        store.write(t, &device.frontend, "")?;
        store.set_permissions(
            t,
            &device.frontend,
            Permissions {
                owner: guest.id,
                reader: backend.id,
            },
        )?;
        let (b, f) = (&device.backend, &device.frontend);
        for (path, value) in [
            (format!("{b}/frontend"), f.clone()),
            (format!("{b}/frontend-id"), guest.id.to_string()),
            (format!("{b}/online"), "1".into()),
            // The driver domain may not read the guest's own directory, and names its board after this.
            (format!("{b}/name"), guest.name.clone()),
            (format!("{b}/mac"), mac.to_string()),
            (format!("{b}/state"), State::Initialising.text()),
            (format!("{f}/backend"), b.clone()),
            (format!("{f}/backend-id"), backend.id.to_string()),
            (format!("{f}/mac"), mac.to_string()),
            (format!("{f}/state"), State::Initialising.text()),
        ] {
            store.write(t, &path, &value)?;
        }
        Ok(device)
    })
}

fn indices(store: &mut impl Store, t: u32, guest: u32) -> Result<Vec<u32>, Error> {
    Ok(store
        .list(t, &devices_path(guest))?
        .iter()
        .filter_map(|name| name.parse().ok())
        .collect())
}

fn mac_taken(store: &mut impl Store, t: u32, backend: u32, mac: Mac) -> Result<bool, Error> {
    let root = format!("/local/domain/{backend}/backend/omx");
    for guest in store.list(t, &root)? {
        for index in store.list(t, &format!("{root}/{guest}"))? {
            let theirs = store.read(t, &format!("{root}/{guest}/{index}/mac"))?;
            if theirs.and_then(|text| text.parse().ok()) == Some(mac) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// The guest's device of that number or address.
pub fn find(store: &mut impl Store, guest: &Domain, wanted: &str) -> Result<Device, Error> {
    for listed in list(store, guest)? {
        if listed.index.to_string() == wanted || listed.mac.eq_ignore_ascii_case(wanted) {
            return Ok(Device::new(guest.id, listed.backend_id, listed.index));
        }
    }
    Err(Error::NoSuchDevice {
        domain: guest.name.clone(),
        device: wanted.into(),
    })
}

/// All devices of a guest. What the guest wrote into its own directory is shown, never followed.
pub fn list(store: &mut impl Store, guest: &Domain) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    for index in indices(store, NONE, guest.id)? {
        let frontend = format!("{}/{index}", devices_path(guest.id));
        let mut read = |key: &str| store.read(NONE, &format!("{frontend}/{key}"));
        let number = |text: Option<String>| text.and_then(|text| text.parse().ok());
        let Some(backend_id) = number(read("backend-id")?) else {
            continue;
        };
        let state = State::parse(read("state")?.as_deref());
        let (event_channel, ring_ref) = (number(read("event-channel")?), number(read("ring-ref")?));
        let backend_path = Device::new(guest.id, backend_id, index).backend;
        let mac = store
            .read(NONE, &format!("{backend_path}/mac"))?
            .map_or_else(String::new, |text| shown(&text));
        found.push(Listed {
            index,
            backend_id,
            mac,
            state,
            event_channel,
            ring_ref,
            backend_path,
        });
    }
    found.sort_by_key(|listed| listed.index);
    Ok(found)
}

/// Asks both sides to end the device: the backend's directory says so, the guest reads it there.
pub fn close(store: &mut impl Store, device: &Device) -> Result<(), Error> {
    transaction(store, |store, t| {
        store.write(t, &format!("{}/online", device.backend), "0")?;
        store.write(
            t,
            &format!("{}/state", device.backend),
            &State::Closing.text(),
        )?;
        Ok(())
    })
}

/// Removes both directories.
pub fn remove(store: &mut impl Store, device: &Device) -> Result<(), Error> {
    transaction(store, |store, t| {
        store.remove(t, &device.frontend)?;
        store.remove(t, &device.backend)?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xenstore::fake::Fake;

    fn guest() -> Domain {
        Domain {
            id: 2,
            name: "guest1".into(),
        }
    }
    fn backend() -> Domain {
        Domain {
            id: 1,
            name: "driver-domain".into(),
        }
    }
    fn mac(last: u8) -> Mac {
        Mac::generate([0, 0, last])
    }

    #[test]
    fn attach_writes_both_directories_and_their_owners() {
        let mut store = Fake::default();
        let device = attach(&mut store, &guest(), &backend(), mac(1)).unwrap();
        assert_eq!(device.frontend, "/local/domain/2/device/omx/0");
        assert_eq!(device.backend, "/local/domain/1/backend/omx/2/0");
        assert_eq!(
            store.value("/local/domain/2/device/omx/0/backend"),
            Some(device.backend.as_str())
        );
        assert_eq!(
            store.value("/local/domain/1/backend/omx/2/0/mac"),
            Some("00:16:3e:00:00:01")
        );
        let owners = |path: &str| store.tree[path].1;
        assert_eq!(
            owners(&format!("{}/state", device.frontend)),
            Some(Permissions {
                owner: 2,
                reader: 1
            })
        );
        assert_eq!(
            owners(&format!("{}/mac", device.backend)),
            Some(Permissions {
                owner: 1,
                reader: 2
            })
        );
    }

    #[test]
    fn attach_is_done_again_when_somebody_interferes_and_then_once() {
        let mut store = Fake::default();
        store.interfere = 3;
        attach(&mut store, &guest(), &backend(), mac(1)).unwrap();
        assert_eq!(list(&mut store, &guest()).unwrap().len(), 1);
    }

    #[test]
    fn devices_take_the_first_free_number_and_never_the_same_address() {
        let mut store = Fake::default();
        for (n, last) in [(0, 1), (1, 2)] {
            assert_eq!(
                attach(&mut store, &guest(), &backend(), mac(last))
                    .unwrap()
                    .index,
                n
            );
        }
        assert!(matches!(
            attach(&mut store, &guest(), &backend(), mac(2)),
            Err(Error::MacTaken(_))
        ));
        let first = find(&mut store, &guest(), "0").unwrap();
        remove(&mut store, &first).unwrap();
        assert_eq!(
            attach(&mut store, &guest(), &backend(), mac(3))
                .unwrap()
                .index,
            0
        );
    }

    #[test]
    fn a_domain_cannot_serve_itself() {
        let refused = attach(&mut Fake::default(), &guest(), &guest(), mac(1));
        assert!(matches!(refused, Err(Error::OwnBackend(_))));
    }

    #[test]
    fn a_device_is_found_by_number_and_by_address() {
        let mut store = Fake::default();
        let device = attach(&mut store, &guest(), &backend(), mac(9)).unwrap();
        assert_eq!(find(&mut store, &guest(), "0").unwrap(), device);
        assert_eq!(
            find(&mut store, &guest(), "00:16:3E:00:00:09").unwrap(),
            device
        );
        assert!(matches!(
            find(&mut store, &guest(), "1"),
            Err(Error::NoSuchDevice { .. })
        ));
    }

    #[test]
    fn a_guest_that_lies_about_its_backend_directory_is_not_followed() {
        let mut store = Fake::default();
        let device = attach(&mut store, &guest(), &backend(), mac(1)).unwrap();
        store
            .write(
                NONE,
                &format!("{}/backend", device.frontend),
                "/local/domain/0/secret",
            )
            .unwrap();
        assert_eq!(
            find(&mut store, &guest(), "0").unwrap().backend,
            device.backend
        );
    }

    #[test]
    fn what_a_guest_says_does_not_reach_the_terminal_as_a_command() {
        let mut store = Fake::default();
        let device = attach(&mut store, &guest(), &backend(), mac(1)).unwrap();
        let words = format!("\u{1b}]0;owned\u{7}\u{9b}2J\r\n{}", "x".repeat(4000));
        for directory in [&device.frontend, &device.backend] {
            for key in ["error", "mac"] {
                store
                    .write(NONE, &format!("{directory}/{key}"), &words)
                    .unwrap();
            }
            let told = device.error(&mut store).unwrap().unwrap();
            let listed = list(&mut store, &guest()).unwrap().remove(0);
            for text in [told, listed.mac] {
                assert!(!text.chars().any(char::is_control), "{text:?}");
                assert!(text.chars().count() < 250, "{text}");
            }
        }
    }

    #[test]
    fn any_state_text_is_a_state() {
        assert_eq!(State::parse(Some("4")), State::Connected);
        for odd in [None, Some(""), Some("-1"), Some("99"), Some("four")] {
            assert_eq!(State::parse(odd), State::Unknown);
        }
    }
}
