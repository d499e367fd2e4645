//! `xl-omx detach`.

use std::time::Duration;

use mx_wire::MacAddress;

use crate::attachments::{Attachment, Attachments};
use crate::device::{self, Device};
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::owner;
use crate::wait;
use crate::xenstore::Store;

/// Which device, and how.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The guest, by name or number; one that does not run by its name.
    pub guest: String,
    /// The device, by number or address.
    pub device: String,
    /// Whether it is removed even if the driver domain does not answer.
    pub force: bool,
    /// How long the driver domain may take.
    pub limit: Duration,
}

/// Ends a device, removes it, and then forgets it.
pub fn detach(store: &mut impl Store, remembered: &Attachments, wish: &Wish) -> Result<(), Error> {
    let guest = match domain::find(store, &wish.guest) {
        Err(Error::NoSuchDomain(_)) => return forget(store, remembered, wish),
        found => found?,
    };
    let inventory = Inventory::take(store)?;
    let index = find(store, remembered, &inventory, &guest, &wish.device)?;
    let mut backends = inventory.backends(guest.id, index);
    let closed = backends.try_for_each(|served| {
        let device = Device::new(guest.id, served.backend, index);
        device::close(store, &device)?;
        wait::closed(store, &device, wish.limit)
    });
    match closed {
        Err(why @ Error::NotReached { .. }) if !wish.force => {
            return Err(Error::NotDetached {
                guest: guest.name,
                index,
                why: Box::new(why),
            });
        }
        // Forced: it is removed, ended or not.
        Err(Error::NotReached { .. }) | Ok(()) => {}
        Err(why) => return Err(why),
    }
    // Together, or somebody who applies what is remembered attaches it between the two.
    let _lock = remembered.lock()?;
    let inventory = Inventory::take(store)?;
    device::remove(store, &inventory, guest.id, index)?;
    for entry in entries(remembered, &inventory, &guest)? {
        if entry.index == index {
            remembered.forget(&entry.guest, index)?;
        }
    }
    // A file that made no sense is forgotten, too.
    remembered.forget(&guest.name, index).or_else(|error| {
        if guest.name.is_empty() {
            Ok(())
        } else {
            Err(error)
        }
    })
}

fn entries(
    remembered: &Attachments,
    inventory: &Inventory,
    guest: &Domain,
) -> Result<Vec<Attachment>, Error> {
    let known = remembered.all()?;
    let own = owner::entries_of(guest, &known.whole, &inventory.domains);
    Ok(own.into_iter().cloned().collect())
}

/// The number of the guest's device that an operator names by number or address.
fn find(
    store: &mut impl Store,
    remembered: &Attachments,
    inventory: &Inventory,
    guest: &Domain,
    wanted: &str,
) -> Result<u32, Error> {
    let own = entries(remembered, inventory, guest)?;
    let mut indices = device::indices(store, inventory, guest.id)?;
    indices.extend(own.iter().map(|entry| entry.index));
    let number = domain::number(wanted);
    let mac = MacAddress::of_station(wanted).ok();
    let has_address = |index| {
        let mut served = inventory.backends(guest.id, index);
        let mut kept = own.iter().filter(|entry| entry.index == index);
        mac.is_some()
            && (served.any(|served| served.mac == mac) || kept.any(|entry| Some(entry.mac) == mac))
    };
    let fits = |index: &u32| Some(*index) == number || has_address(*index);
    indices
        .into_iter()
        .find(fits)
        .ok_or_else(|| no_such(&guest.name, wanted))
}

fn no_such(guest: &str, wanted: &str) -> Error {
    Error::NoSuchDevice {
        domain: guest.into(),
        device: wanted.into(),
    }
}

/// Forgets a device of a guest that does not run.
fn forget(store: &mut impl Store, remembered: &Attachments, wish: &Wish) -> Result<(), Error> {
    let _lock = remembered.lock()?;
    let known = remembered.all()?;
    let domains = domain::all(store)?;
    let mut own = Vec::new();
    for entry in known.whole.iter().filter(|entry| entry.guest == wish.guest) {
        // One whose domain has another name now is not meant.
        if owner::of(entry, &known.whole, &domains)?.is_none() {
            own.push((entry.index, Some(entry.mac)));
        }
    }
    let broken = known
        .broken
        .iter()
        .filter(|broken| broken.guest == wish.guest);
    own.extend(broken.map(|broken| (broken.index, None)));
    if own.is_empty() {
        return Err(Error::NoSuchDomain(wish.guest.clone()));
    }
    let number = domain::number(&wish.device);
    let mac = MacAddress::of_station(&wish.device).ok();
    let fits = |(index, known): &&(u32, Option<_>)| {
        Some(*index) == number || (mac.is_some() && *known == mac)
    };
    let found = own.iter().find(fits);
    let (index, _) = found.ok_or_else(|| no_such(&wish.guest, &wish.device))?;
    remembered.forget(&wish.guest, *index)
}
