//! What the backends' side of xenstore holds. Its directories are made by dom0; a guest cannot write there.

use mx_wire::MacAddress;

use crate::domain::{self, Domain};
use crate::error::Error;
use crate::xenstore::{NONE, Store, transaction};

/// A device that a backend has a directory of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Served {
    /// The backend's number.
    pub backend: u32,
    /// The guest's number.
    pub guest: u32,
    /// Number of the device.
    pub index: u32,
    /// Its address, if it is one.
    pub mac: Option<MacAddress>,
}

/// All domains and all devices of a host.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// The running domains.
    pub domains: Vec<Domain>,
    /// Their devices.
    pub served: Vec<Served>,
    /// Directories of guests that have gone, without a device: paths.
    empty: Vec<String>,
    /// Directories of guests that have gone, whose devices the driver domain has not given back yet: paths.
    pub leftovers: Vec<String>,
}

/// A backend's directory of guests.
pub fn directory(backend: u32) -> String {
    format!("/local/domain/{backend}/backend/omx")
}

impl Inventory {
    /// Looks.
    pub fn take(store: &mut impl Store) -> Result<Self, Error> {
        let mut found = Self {
            domains: domain::all(store)?,
            ..Self::default()
        };
        let backends: Vec<u32> = found.domains.iter().map(|domain| domain.id).collect();
        for backend in backends {
            for guest in numbers(store, &directory(backend))? {
                let path = format!("{}/{guest}", directory(backend));
                let indices = numbers(store, &path)?;
                if !found.runs(guest) {
                    let kind = match indices.is_empty() {
                        true => &mut found.empty,
                        false => &mut found.leftovers,
                    };
                    kind.push(path.clone());
                }
                for index in indices {
                    let mac = store.read(NONE, &format!("{path}/{index}/mac"))?;
                    found.served.push(Served {
                        backend,
                        guest,
                        index,
                        mac: mac.and_then(|mac| MacAddress::of_station(&mac).ok()),
                    });
                }
            }
        }
        Ok(found)
    }

    /// Whether a domain of that number runs.
    pub fn runs(&self, id: u32) -> bool {
        self.domains.iter().any(|domain| domain.id == id)
    }

    /// The backends that have a directory of that device: one, unless something went wrong.
    pub fn backends(&self, guest: u32, index: u32) -> impl Iterator<Item = &Served> {
        let fits = move |served: &&Served| served.guest == guest && served.index == index;
        self.served.iter().filter(fits)
    }

    /// Whether a device of another guest or number has that address.
    pub fn has_other(&self, guest: u32, index: u32, mac: MacAddress) -> bool {
        self.served.iter().any(|served| {
            let other = (served.guest, served.index) != (guest, index);
            other && served.mac == Some(mac) && self.runs(served.guest)
        })
    }

    /// Removes what guests that have gone leave behind: a driver domain may not remove it.
    pub fn sweep(&self, store: &mut impl Store) -> Result<(), Error> {
        for path in &self.empty {
            transaction(store, |store, t| -> Result<(), Error> {
                if store.list(t, path)?.is_empty() {
                    store.remove(t, path)?;
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// Whether any backend has a directory of that device. It costs a look at each domain, an inventory five.
pub fn is_served(store: &mut impl Store, guest: u32, index: u32) -> Result<bool, Error> {
    for backend in numbers(store, "/local/domain")? {
        let path = format!("{}/{guest}", directory(backend));
        if numbers(store, &path)?.contains(&index) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The children of a node whose names are numbers.
pub fn numbers(store: &mut impl Store, path: &str) -> Result<Vec<u32>, Error> {
    let names = store.list(NONE, path)?;
    let mut numbers: Vec<u32> = names
        .iter()
        .filter_map(|name| domain::number(name))
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mac;
    use crate::xenstore::fake::Fake;

    #[test]
    fn an_empty_directory_of_a_guest_that_has_gone_is_swept_away() {
        let mut store = Fake::with(&[
            ("/local/domain/1/name", "driver-domain"),
            ("/local/domain/2/name", "guest"),
            ("/local/domain/1/backend/omx/2", ""),
            ("/local/domain/1/backend/omx/3", ""),
            ("/local/domain/1/backend/omx/4/0/mac", "00:16:3e:00:00:01"),
        ]);
        let inventory = Inventory::take(&mut store).unwrap();
        inventory.sweep(&mut store).unwrap();
        assert_eq!(inventory.leftovers, ["/local/domain/1/backend/omx/4"]);
        let left = store.list(NONE, "/local/domain/1/backend/omx").unwrap();
        assert_eq!(left, ["2", "4"]);
        let mac = mac::generate([0, 0, 1]);
        assert!(!inventory.has_other(2, 0, mac), "its guest has gone");
    }
}
