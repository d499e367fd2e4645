//! An Open-MX device in xenstore: a directory of the frontend, a directory of the backend (architecture §5).
//!
//! The frontend's directory is the guest's to write and to remove. What stands there is a hint: states and reasons that
//! are shown, and for which nobody but the guest pays when they are wrong.

use mx_wire::MacAddress;
use serde::{Serialize, Serializer};

use crate::attachments::Attachment;
use crate::complaint;
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::{self, Inventory, Served};
use crate::state::XenbusState;
use crate::xenstore::{NONE, Permissions, Store, Transaction, transaction};

/// Where a device lies in xenstore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// The frontend's directory.
    pub frontend: String,
    /// The backend's directory.
    pub backend: String,
    /// Where the driver domain shows the device among its own nodes, until it has given back all of it.
    pub trace: String,
    /// Where the driver domain says why it serves nobody, if so.
    refusal: String,
    /// Where a Linux guest's kernel says what went wrong.
    complaint: String,
    /// Its number among the guest's Open-MX devices.
    pub index: u32,
}

/// A device as `list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its number among the guest's Open-MX devices.
    pub index: u32,
    /// The backend's domain; none when it has gone.
    pub backend_id: Option<u32>,
    /// Its address.
    #[serde(serialize_with = "as_text")]
    pub mac: Option<MacAddress>,
    /// The backend's state.
    pub state: XenbusState,
    /// The state that the guest writes.
    pub frontend_state: XenbusState,
    /// The frontend's event channel.
    pub event_channel: Option<u32>,
    /// The frontend's ring reference.
    pub ring_ref: Option<u32>,
    /// The backend's directory.
    pub backend_path: Option<String>,
}

fn as_text<S: Serializer>(mac: &Option<MacAddress>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&mac.map(|mac| mac.to_string()).unwrap_or_default())
}

/// The directory of a guest's devices.
pub fn devices_path(guest: u32) -> String {
    format!("/local/domain/{guest}/device/omx")
}

/// The frontend's directory of a device.
pub fn frontend_path(guest: u32, index: u32) -> String {
    format!("{}/{index}", devices_path(guest))
}

impl Device {
    /// The device of that guest, backend and number.
    pub fn new(guest: u32, backend: u32, index: u32) -> Self {
        let own = format!("/local/domain/{backend}/data/omx");
        Self {
            frontend: frontend_path(guest, index),
            backend: format!("{}/{guest}/{index}", inventory::directory(backend)),
            trace: format!("{own}/devices/{guest}/{index}"),
            refusal: format!("{own}/reason"),
            complaint: complaint::path(guest, index),
            index,
        }
    }

    /// What changes when something happens to the device.
    pub fn watches(&self) -> [&str; 4] {
        [
            &self.backend,
            &self.frontend,
            &self.refusal,
            &self.complaint,
        ]
    }

    /// The states of backend and frontend.
    pub fn states(&self, store: &mut impl Store) -> Result<(XenbusState, XenbusState), Error> {
        Ok((state(store, &self.backend)?, state(store, &self.frontend)?))
    }

    /// Why the driver domain serves nobody, in its words; nothing if it does.
    pub fn refusal(&self, store: &mut impl Store) -> Result<Option<String>, Error> {
        Ok(store.read(NONE, &self.refusal)?)
    }

    /// What either side says went wrong.
    pub fn error(&self, store: &mut impl Store) -> Result<Option<String>, Error> {
        let (b, f) = (&self.backend, &self.frontend);
        let (driver, guest) = ("the driver domain", "the guest");
        for (side, path) in [
            (driver, self.refusal.clone()),
            (driver, format!("{b}/reason")),
            (driver, format!("{b}/error")),
            (guest, format!("{f}/reason")),
            (guest, format!("{f}/error")),
            (guest, self.complaint.clone()),
        ] {
            if let Some(text) = store.read(NONE, &path)? {
                let text: String = text.chars().take(REASON).collect();
                return Ok(Some(format!("{side} says: {text}")));
            }
        }
        Ok(None)
    }
}

/// Characters of a reason at most.
const REASON: usize = 200;

/// The state in a directory of a device.
pub fn state(store: &mut impl Store, directory: &str) -> Result<XenbusState, Error> {
    let text = store.read(NONE, &format!("{directory}/state"))?;
    Ok(XenbusState::parse(text.as_deref()))
}

/// Whether a node is there.
pub fn is_there(store: &mut impl Store, t: Transaction, path: &str) -> Result<bool, Error> {
    Ok(store.read(t, path)?.is_some())
}

/// The device of that number between two domains; a guest is not its own backend.
pub fn between(guest: &Domain, backend: &Domain, index: u32) -> Result<Device, Error> {
    if guest.id == backend.id {
        return Err(Error::OwnBackend(guest.name.clone()));
    }
    Ok(Device::new(guest.id, backend.id, index))
}

/// Refuses domains that have ended meanwhile: their nodes would be there for whoever gets their numbers.
pub fn are_there(
    store: &mut impl Store,
    t: Transaction,
    domains: [&Domain; 2],
) -> Result<(), Error> {
    for domain in domains {
        if !domain::is_there(store, t, domain)? {
            return Err(Error::NoSuchDomain(domain.name.clone()));
        }
    }
    Ok(())
}

/// Writes both directories in one transaction; the guest sees a device appear. What is left of another device of that
/// number, at this backend or in the guest's directory, goes; one that is whole at this backend does not.
pub fn attach(
    store: &mut impl Store,
    guest: &Domain,
    backend: &Domain,
    index: u32,
    mac: MacAddress,
) -> Result<Device, Error> {
    let device = between(guest, backend, index)?;
    let (b, f) = (&device.backend, &device.frontend);
    transaction(store, |store, t| {
        are_there(store, t, [guest, backend])?;
        if is_there(store, t, b)? && is_there(store, t, f)? {
            return Err(Error::AttachedMeanwhile {
                guest: guest.name.clone(),
                index,
            });
        }
        for directory in [b, f] {
            store.remove(t, directory)?;
        }
        // As when a guest comes back from a disk, and finds its device only after this.
        complaint::remove(store, t, guest.id, index)?;
        if mac_taken(store, t, backend.id, mac)? {
            return Err(Error::MacTaken(mac));
        }
        write_backend(store, t, &device, guest, backend.id, mac)?;
        let of_guest = Permissions {
            owner: guest.id,
            reader: backend.id,
        };
        store.write(t, f, "")?;
        store.set_permissions(t, f, of_guest)?;
        for (key, value) in [
            ("backend", b.clone()),
            ("backend-id", backend.id.to_string()),
            ("mac", mac.to_string()),
            ("state", XenbusState::Initialising.text()),
        ] {
            store.write(t, &format!("{f}/{key}"), &value)?;
        }
        Ok(())
    })?;
    Ok(device)
}

/// Writes the backend's directory of a device, as a new one.
pub fn write_backend(
    store: &mut impl Store,
    t: Transaction,
    device: &Device,
    guest: &Domain,
    backend: u32,
    mac: MacAddress,
) -> Result<(), Error> {
    let of_backend = Permissions {
        owner: backend,
        reader: guest.id,
    };
    let b = &device.backend;
    store.write(t, b, "")?;
    store.set_permissions(t, b, of_backend)?;
    for (key, value) in [
        ("frontend", device.frontend.clone()),
        ("frontend-id", guest.id.to_string()),
        ("online", "1".into()),
        // The driver domain may not read the guest's own directory, and names its board after this.
        ("name", guest.name.clone()),
        ("mac", mac.to_string()),
        ("state", XenbusState::Initialising.text()),
    ] {
        store.write(t, &format!("{b}/{key}"), &value)?;
    }
    Ok(())
}

/// Whether a device of a running guest has the address at that backend.
pub fn mac_taken(
    store: &mut impl Store,
    t: Transaction,
    backend: u32,
    mac: MacAddress,
) -> Result<bool, Error> {
    let root = inventory::directory(backend);
    for guest in store.list(t, &root)? {
        for index in store.list(t, &format!("{root}/{guest}"))? {
            let theirs = store.read(t, &format!("{root}/{guest}/{index}/mac"))?;
            let same = theirs.and_then(|text| MacAddress::of_station(&text).ok()) == Some(mac);
            if same && is_there(store, t, &format!("/local/domain/{guest}"))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Numbers of a guest's devices: those that a backend has, those in the guest's directory (dom0 makes its entries, the
/// guest may only remove them).
pub fn indices(
    store: &mut impl Store,
    inventory: &Inventory,
    guest: u32,
) -> Result<Vec<u32>, Error> {
    let mut indices = inventory::numbers(store, &devices_path(guest))?;
    let own = inventory
        .served
        .iter()
        .filter(|served| served.guest == guest);
    indices.extend(own.map(|served| served.index));
    indices.sort_unstable();
    indices.dedup();
    Ok(indices)
}

/// All devices of a guest; `entries` are those that are remembered of it.
pub fn list(
    store: &mut impl Store,
    inventory: &Inventory,
    entries: &[&Attachment],
    guest: u32,
) -> Result<Vec<Listed>, Error> {
    let mut found = Vec::new();
    for index in indices(store, inventory, guest)? {
        let frontend = frontend_path(guest, index);
        let mut number = |key: &str| -> Result<Option<u32>, Error> {
            let text = store.read(NONE, &format!("{frontend}/{key}"))?;
            Ok(text.and_then(|text| text.parse().ok()))
        };
        let (event_channel, ring_ref) = (number("event-channel")?, number("ring-ref")?);
        let remembered = entries.iter().find(|entry| entry.index == index);
        // While it is handed over, two have it.
        let is_its_own = |served: &&Served| {
            let its_name = |backend: &Domain| {
                let entry = remembered.filter(|entry| entry.backend == backend.name);
                entry.is_some() && backend.id == served.backend
            };
            inventory.domains.iter().any(its_name)
        };
        let served = inventory.backends(guest, index).find(is_its_own);
        let served = served.or_else(|| inventory.backends(guest, index).next());
        let backend_path = served.map(|served| Device::new(guest, served.backend, index).backend);
        let state_of_backend = match &backend_path {
            Some(path) => state(store, path)?,
            None => XenbusState::Unknown,
        };
        found.push(Listed {
            index,
            backend_id: served.map(|served| served.backend),
            mac: served
                .and_then(|served| served.mac)
                .or(remembered.map(|entry| entry.mac)),
            state: state_of_backend,
            frontend_state: state(store, &frontend)?,
            event_channel,
            ring_ref,
            backend_path,
        });
    }
    Ok(found)
}

/// Asks both sides to end the device: the backend's directory says so, the guest reads it there. One that has gone
/// already is not made again.
pub fn close(store: &mut impl Store, device: &Device) -> Result<(), Error> {
    transaction(store, |store, t| {
        if is_there(store, t, &device.backend)? {
            store.write(t, &format!("{}/online", device.backend), "0")?;
            let state = format!("{}/state", device.backend);
            store.write(t, &state, &XenbusState::Closing.text())?;
        }
        Ok(())
    })
}

/// Removes the frontend's directory of a device, those of all backends, and what the guest's kernel has said of it: the
/// next device of that number has not gone wrong.
pub fn remove(
    store: &mut impl Store,
    inventory: &Inventory,
    guest: u32,
    index: u32,
) -> Result<(), Error> {
    transaction(store, |store, t| {
        remove_all(store, t, inventory, guest, index)
    })
}

/// As [`remove`], for another device of that number between the two. When one of them has ended meanwhile nothing is
/// removed: the next driver domain may adopt what the guest has.
pub fn make_room(
    store: &mut impl Store,
    inventory: &Inventory,
    guest: &Domain,
    backend: &Domain,
    index: u32,
) -> Result<(), Error> {
    transaction(store, |store, t| {
        are_there(store, t, [guest, backend])?;
        remove_all(store, t, inventory, guest.id, index)
    })
}

fn remove_all(
    store: &mut impl Store,
    t: Transaction,
    inventory: &Inventory,
    guest: u32,
    index: u32,
) -> Result<(), Error> {
    for served in inventory.backends(guest, index) {
        store.remove(t, &Device::new(guest, served.backend, index).backend)?;
    }
    store.remove(t, &frontend_path(guest, index))?;
    complaint::remove(store, t, guest, index)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac;
    use crate::xenstore::fake::Fake;
    use crate::xenstore::tree::Permission;

    fn guest() -> Domain {
        Domain {
            id: 2,
            name: "guest1".into(),
            uuid: None,
        }
    }
    fn backend() -> Domain {
        Domain {
            id: 1,
            name: "driver-domain".into(),
            uuid: None,
        }
    }
    fn host() -> Fake {
        Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
            ("/local/domain/3/name", "guest2"),
        ])
    }
    fn mac(last: u8) -> MacAddress {
        mac::generate([0, 0, last])
    }
    fn attached(store: &mut Fake) -> Device {
        attach(store, &guest(), &backend(), 0, mac(1)).unwrap()
    }
    fn listed(store: &mut Fake) -> Vec<Listed> {
        let inventory = Inventory::take(store).unwrap();
        list(store, &inventory, &[], 2).unwrap()
    }

    #[test]
    fn attach_writes_both_directories_and_their_owners() {
        let mut store = host();
        let device = attached(&mut store);
        assert_eq!(device.frontend, "/local/domain/2/device/omx/0");
        assert_eq!(device.backend, "/local/domain/1/backend/omx/2/0");
        assert_eq!(
            store.value("/local/domain/2/device/omx/0/backend"),
            Some(device.backend.clone())
        );
        assert_eq!(
            store
                .value("/local/domain/1/backend/omx/2/0/mac")
                .as_deref(),
            Some("00:16:3e:00:00:01")
        );
        for (path, owner, reader) in [
            (format!("{}/state", device.frontend), 2, 1),
            (format!("{}/mac", device.backend), 1, 2),
        ] {
            let entry = |access, domain| Permission { access, domain };
            let who = &store.tree.node(&path).unwrap().permissions;
            assert_eq!(*who, [entry('n', owner), entry('r', reader)]);
        }
        // What holds the devices stays dom0's.
        for domain in [1, 2] {
            let made = store
                .tree
                .write(domain, "/local/domain/1/backend/omx/3/0/mac", b"");
            assert!(made.is_err());
            let made = store
                .tree
                .write(domain, "/local/domain/2/device/omx/1/state", b"");
            assert!(made.is_err());
        }
    }

    #[test]
    fn attach_is_done_again_when_somebody_interferes_and_then_once() {
        let mut store = host();
        store.interfere = 3;
        attached(&mut store);
        assert_eq!(listed(&mut store).len(), 1);
    }

    #[test]
    fn somebody_who_interferes_for_ever_is_an_error() {
        let mut store = host();
        store.interfere = u64::MAX;
        let error = attach(&mut store, &guest(), &backend(), 0, mac(1)).unwrap_err();
        assert!(error.to_string().contains("try again"), "{error}");
        assert!(listed(&mut store).is_empty());
    }

    #[test]
    fn no_two_devices_have_a_number_or_an_address_in_common() {
        let mut store = host();
        attached(&mut store);
        assert!(matches!(
            attach(&mut store, &guest(), &backend(), 0, mac(2)),
            Err(Error::AttachedMeanwhile { .. })
        ));
        assert!(matches!(
            attach(&mut store, &guest(), &backend(), 1, mac(1)),
            Err(Error::MacTaken(_))
        ));
        attach(&mut store, &guest(), &backend(), 1, mac(2)).unwrap();
        let macs: Vec<_> = listed(&mut store).iter().map(|listed| listed.mac).collect();
        assert_eq!(macs, [Some(mac(1)), Some(mac(2))]);
    }

    #[test]
    fn a_domain_cannot_serve_itself() {
        let refused = attach(&mut host(), &guest(), &guest(), 0, mac(1));
        assert!(matches!(refused, Err(Error::OwnBackend(_))));
    }

    #[test]
    fn a_domain_that_has_ended_leaves_no_nodes_for_the_next_of_its_number() {
        for id in [1, 2] {
            let mut store = host();
            let ended = format!("/local/domain/{id}");
            store.remove(NONE, &ended).unwrap();
            let refused = attach(&mut store, &guest(), &backend(), 0, mac(1));
            assert!(matches!(refused, Err(Error::NoSuchDomain(_))));
            assert!(store.tree.node(&ended).is_none());
        }
    }

    #[test]
    fn what_has_gone_is_not_made_again_by_asking_it_to_go() {
        let mut store = host();
        let device = attached(&mut store);
        store.remove(NONE, &device.backend).unwrap();
        close(&mut store, &device).unwrap();
        assert!(store.tree.node(&device.backend).is_none());
    }

    #[test]
    fn what_a_guest_writes_changes_nothing_but_what_is_shown_of_it() {
        let mut store = host();
        let device = attached(&mut store);
        let before = listed(&mut store);
        for (key, value) in [
            ("backend-id", "0"),
            ("backend", "/local/domain/0/secret"),
            ("mac", "00:16:3e:00:00:09"),
            ("state", "\u{1b}[2J"),
        ] {
            let path = format!("{}/{key}", device.frontend);
            store.tree.write(2, &path, value.as_bytes()).unwrap();
        }
        let mut after = listed(&mut store);
        assert_eq!(after[0].frontend_state, XenbusState::Unknown);
        after[0].frontend_state = XenbusState::Initialising;
        assert_eq!(after, before);
        store.tree.remove(2, &device.frontend).unwrap();
        assert_eq!(listed(&mut store)[0].backend_id, Some(1));
    }

    #[test]
    fn the_words_of_a_linux_guest_are_found_where_it_writes_them() {
        let mut store = host();
        let device = attached(&mut store);
        store.set(
            "/local/domain/2/error/device/omx/0/error",
            "28 a guest has boards 0 to 3",
        );
        let told = device.error(&mut store).unwrap().unwrap();
        assert_eq!(told, "the guest says: 28 a guest has boards 0 to 3");
    }

    #[test]
    fn what_a_guest_said_of_a_device_before_it_was_attached_is_not_said_of_the_new_one() {
        let mut store = host();
        let stale = "/local/domain/2/error/device/omx/0/error";
        store.set(stale, "2 reading other end details from device/omx/0");
        let device = attached(&mut store);
        assert_eq!(device.error(&mut store).unwrap(), None);
        assert_eq!(store.value(stale), None);
    }

    #[test]
    fn what_a_guest_said_of_a_device_goes_with_it_and_what_it_said_of_others_stays() {
        let mut store = host();
        let device = attached(&mut store);
        for path in [
            &device.complaint,
            "/local/domain/2/error/device/omx/3/error",
        ] {
            store.set(path, "28 no");
        }
        let inventory = Inventory::take(&mut store).unwrap();
        remove(&mut store, &inventory, 2, 0).unwrap();
        assert_eq!(store.value(&device.complaint), None);
        let others = store
            .list(NONE, "/local/domain/2/error/device/omx")
            .unwrap();
        assert_eq!(others, ["3"]);
        remove(&mut store, &inventory, 2, 3).unwrap();
        assert!(
            store
                .list(NONE, "/local/domain/2/error")
                .unwrap()
                .is_empty()
        );
        assert!(
            store.value("/local/domain/2/error").is_some(),
            "the toolstack's own"
        );
    }
}
