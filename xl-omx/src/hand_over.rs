//! A device of a running guest gets another backend, and stays: its endpoints live on.
//!
//! The guest's module sees that its `backend` names another directory, and lets that one adopt what it has. Its state is
//! its own to write, and is left as it is: Closed, too, does not mean that its endpoints have ended.

use mx_wire::MacAddress;

use crate::device::{self, Device, is_there};
use crate::domain::Domain;
use crate::error::Error;
use crate::xenstore::{NONE, Permissions, Store, transaction};

/// The nodes of a frontend that a backend reads. Those that are there keep the reader that they were made with, until
/// they are told another.
const READ: [&str; 8] = [
    "backend",
    "backend-id",
    "mac",
    "state",
    "ring-ref",
    "event-channel",
    "protocol",
    "version",
];

/// The first version of the shared memory whose modules let another backend adopt a device.
const ADOPTED_FROM: u32 = 7;

/// Whether the guest's module lets another backend adopt the device: by its own words, for which nobody else pays. It
/// looks only where it is led to another directory.
pub fn is_possible(store: &mut impl Store, device: &Device) -> Result<bool, Error> {
    let f = &device.frontend;
    let version = store.read(NONE, &format!("{f}/version"))?;
    let version = version.and_then(|version| version.parse::<u32>().ok());
    let backend = store.read(NONE, &format!("{f}/backend"))?;
    Ok(version.is_some_and(|version| version >= ADOPTED_FROM)
        && backend != Some(device.backend.clone()))
}

/// Makes the backend's directory of a device, and leads the guest to it, in one transaction.
pub fn hand_over(
    store: &mut impl Store,
    guest: &Domain,
    backend: &Domain,
    index: u32,
    mac: MacAddress,
) -> Result<Device, Error> {
    let device = device::between(guest, backend, index)?;
    let (b, f) = (&device.backend, &device.frontend);
    transaction(store, |store, t| {
        device::are_there(store, t, [guest, backend])?;
        if !is_there(store, t, f)? {
            return Err(Error::Gone {
                guest: guest.name.clone(),
                index,
            });
        }
        store.remove(t, b)?;
        if device::mac_taken(store, t, backend.id, mac)? {
            return Err(Error::MacTaken(mac));
        }
        device::write_backend(store, t, &device, guest, backend.id, mac)?;
        for (key, value) in [
            ("backend", b.clone()),
            ("backend-id", backend.id.to_string()),
            ("mac", mac.to_string()),
        ] {
            store.write(t, &format!("{f}/{key}"), &value)?;
        }
        let who = Permissions {
            owner: guest.id,
            reader: backend.id,
        };
        store.set_permissions(t, f, who)?;
        for key in READ {
            let path = format!("{f}/{key}");
            if is_there(store, t, &path)? {
                store.set_permissions(t, &path, who)?;
            }
        }
        Ok(())
    })?;
    Ok(device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac;
    use crate::xenstore::fake::Fake;

    fn domain(id: u32, name: &str) -> Domain {
        Domain {
            id,
            name: name.into(),
            uuid: None,
        }
    }

    /// A guest that is connected to driver domain 1, and driver domain 5 beside it.
    fn connected() -> (Fake, Device) {
        let mut store = Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest1"),
            ("/local/domain/5/name", "successor"),
        ]);
        let (guest, old) = (domain(2, "guest1"), domain(1, "driver-domain"));
        let device = device::attach(&mut store, &guest, &old, 0, mac::generate([0; 3])).unwrap();
        for (key, value) in [("state", "4"), ("ring-ref", "8"), ("event-channel", "9")] {
            let path = format!("{}/{key}", device.frontend);
            store.tree.write(2, &path, value.as_bytes()).unwrap();
        }
        (store, device)
    }

    fn handed_over(store: &mut Fake) -> Result<Device, Error> {
        let (guest, new) = (domain(2, "guest1"), domain(5, "successor"));
        hand_over(store, &guest, &new, 0, mac::generate([0; 3]))
    }

    #[test]
    fn the_guest_is_led_to_its_new_backend_and_its_state_is_left_as_it_is() {
        let (mut store, old) = connected();
        store.interfere = 3;
        let new = handed_over(&mut store).unwrap();
        let value = |key: &str| store.value(&format!("{}/{key}", new.frontend));
        assert_eq!(value("backend"), Some(new.backend.clone()));
        assert_eq!(value("backend-id").as_deref(), Some("5"));
        assert_eq!(value("state").as_deref(), Some("4"));
        let state = format!("{}/state", new.backend);
        assert_eq!(store.value(&state).as_deref(), Some("1"));
        let mac = format!("{}/mac", new.backend);
        assert_eq!(
            store.value(&mac),
            store.value(&format!("{}/mac", old.backend))
        );
    }

    #[test]
    fn only_a_module_that_says_so_is_led_elsewhere_and_only_elsewhere() {
        let (mut store, old) = connected();
        let new = Device::new(2, 5, 0);
        for (version, possible) in [("6", false), ("7", true), ("8", true), ("x", false)] {
            let path = format!("{}/version", old.frontend);
            store.tree.write(2, &path, version.as_bytes()).unwrap();
            assert_eq!(
                is_possible(&mut store, &new).unwrap(),
                possible,
                "{version}"
            );
            assert!(!is_possible(&mut store, &old).unwrap(), "{version}");
        }
    }

    #[test]
    fn the_new_backend_may_read_all_that_the_guest_has_published_and_the_guest_may_still_write_it()
    {
        let (mut store, device) = connected();
        handed_over(&mut store).unwrap();
        for key in ["state", "ring-ref", "event-channel", "backend"] {
            let path = format!("{}/{key}", device.frontend);
            store.tree.read(5, &path).unwrap();
            store.tree.write(2, &path, b"x").unwrap();
            assert!(store.tree.read(1, &path).is_err(), "{key}");
        }
    }

    #[test]
    fn what_has_gone_is_not_made_again_by_handing_it_over() {
        for gone in ["/local/domain/2/device/omx/0", "/local/domain/5"] {
            let (mut store, _) = connected();
            store.tree.remove(0, gone).unwrap();
            handed_over(&mut store).unwrap_err();
            assert!(store.tree.node(gone).is_none());
        }
    }
}
