//! `xl-omx attach`.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use mx_wire::MacAddress;

use crate::attachments::{Attachment, Attachments, Remembered};
use crate::device;
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::{self, Inventory};
use crate::job::{self, Job};
use crate::limits::Limits;
use crate::mac;
use crate::owner;
use crate::wait;
use crate::xenstore::{NONE, Store};

/// The driver domain's name in driver-domain.cfg.
pub const DEFAULT_BACKEND: &str = "driver-domain";

/// What an operator asks for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// The guest, by name or number.
    pub guest: String,
    /// The backend, by name or number.
    pub backend: Option<String>,
    /// The device's address.
    pub mac: Option<MacAddress>,
    /// What the guest may have.
    pub limits: Limits,
}

/// Plans that are made when others attach devices to the same guest at the same time.
const PLANS: usize = 10;
/// Random addresses that are tried.
const DRAWS: usize = 100;

/// Attaches a device and waits until it works, at most `limit`; not at all when that is zero.
pub fn attach(
    store: &mut impl Store,
    remembered: &Attachments,
    wish: &Wish,
    limit: Duration,
) -> Result<(), Error> {
    let mut plans = 1;
    let (device, guest) = loop {
        let job = plan(store, remembered, wish)?;
        let guest = job.guest.name.clone();
        match job::carry_out(store, remembered, job) {
            // Another one took the number that was free.
            Err(Error::AttachedMeanwhile { .. }) if plans < PLANS => plans += 1,
            done => break (done?, guest),
        }
    };
    if limit.is_zero() {
        return Ok(());
    }
    let connected = wait::connected(store, &device, limit);
    connected.map_err(|why| match why {
        Error::NotReached { .. } => {
            let index = device.index;
            let sides = [&device.frontend, &device.backend];
            let gone = |side: &String| matches!(device::is_there(store, NONE, side), Ok(false));
            if sides.into_iter().any(gone) {
                return Error::Gone { guest, index };
            }
            Error::NotConnected {
                guest,
                index,
                why: Box::new(why),
            }
        }
        other => other,
    })
}

/// Which device it becomes. Without `mac=`, what is remembered holds: the first device of the guest that is remembered
/// and not there comes back, with its number, its address, and, unless another is named, its backend. Otherwise it is a
/// new one. With `mac=` it gets the first number that is free, or the one that is remembered with that address.
fn plan(store: &mut impl Store, remembered: &Attachments, wish: &Wish) -> Result<Job, Error> {
    let inventory = Inventory::take(store)?;
    let guest = domain::meant(&inventory.domains, &wish.guest)?.clone();
    Attachment::check_name(&guest.name, guest.id)?;
    let known = {
        let _lock = remembered.lock()?;
        owner::follow_names(remembered, &inventory.domains)?
    };
    let own = owner::entries_of(&guest, &known.whole, &inventory.domains);
    let frontends = inventory::numbers(store, &device::devices_path(guest.id))?;
    let served = |index| inventory.backends(guest.id, index).next().is_some();
    let whole = |index| served(index) && frontends.contains(&index);
    let mut missing = own.iter().filter(|entry| !whole(entry.index));
    let back = match wish.mac {
        None => missing.next(),
        Some(mac) => missing.find(|entry| entry.mac == mac),
    };
    let of_guest = |broken: &&crate::attachments::Broken| broken.guest == guest.name;
    if wish.mac.is_none()
        && back.is_none()
        && let Some(at) = known
            .broken
            .iter()
            .filter(of_guest)
            .position(|b| !whole(b.index))
    {
        // It says an address, and nobody can tell which.
        let mut broken = known.broken;
        broken.retain(|broken| broken.guest == guest.name);
        return Err(broken.swap_remove(at).why);
    }
    let is_owned = |entry| {
        let owner = owner::of(entry, &known.whole, &inventory.domains);
        owner.is_ok_and(|owner| owner.is_some_and(|owner| owner.id != guest.id))
    };
    let free = |index: &u32| {
        let used = frontends.contains(index) || served(*index);
        let kept = own.iter().any(|entry| entry.index == *index);
        // A renamed domain may still be remembered under the name that this one has.
        let anothers = known.whole.iter().any(|entry| {
            let file = (entry.guest.as_str(), entry.index) == (guest.name.as_str(), *index);
            file && entry.uuid != guest.uuid && is_owned(entry)
        });
        !used && !anothers && (wish.mac.is_some() || !kept)
    };
    let index = match back {
        Some(entry) => entry.index,
        None => (0..).find(free).unwrap_or(u32::MAX),
    };
    let backend = match (&wish.backend, back) {
        (Some(name), _) => domain::meant(&inventory.domains, name)?.clone(),
        (None, Some(entry)) => domain::named(&inventory.domains, &entry.backend)?.clone(),
        (None, None) => domain::named(&inventory.domains, DEFAULT_BACKEND)?.clone(),
    };
    Attachment::check_name(&backend.name, backend.id)?;
    let mac = match (wish.mac, back) {
        (Some(mac), _) => mac,
        (None, Some(entry)) => entry.mac,
        (None, None) => unused(&inventory, &known)?,
    };
    let mut limits = back.map(|entry| entry.limits.clone()).unwrap_or_default();
    limits.extend(&wish.limits);
    let entry = renewed(&guest, &backend, index, mac, limits);
    Ok(Job::new(
        entry,
        back.map(|entry| (*entry).clone()),
        guest,
        backend,
    ))
}

/// What is to be remembered of a device.
pub fn renewed(
    guest: &Domain,
    backend: &Domain,
    index: u32,
    mac: MacAddress,
    limits: Limits,
) -> Attachment {
    Attachment {
        guest: guest.name.clone(),
        uuid: guest.uuid.clone(),
        index,
        backend: backend.name.clone(),
        mac,
        limits,
    }
}

/// A random address that no device has or had.
fn unused(inventory: &Inventory, known: &Remembered) -> Result<MacAddress, Error> {
    let mut mac = mac::generate(random()?);
    for _ in 0..DRAWS {
        let served = inventory
            .served
            .iter()
            .any(|served| served.mac == Some(mac));
        let kept = known.whole.iter().any(|entry| entry.mac == mac);
        if !(served || kept) {
            return Ok(mac);
        }
        mac = mac::generate(random()?);
    }
    Err(Error::MacTaken(mac))
}

fn random() -> Result<[u8; 3], Error> {
    let mut bytes = [0; 3];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(Error::Random)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;
    use crate::xenstore::fake::Fake;

    #[test]
    fn an_attach_asks_thirteen_times_for_each_guest_that_is_attached_already() {
        let requests = [8, 64].map(|guests| {
            let directory = tempfile::tempdir().unwrap();
            let remembered = Attachments::new(directory.path());
            let mut store = Fake::with(&[
                ("/local/domain/0/name", "Domain-0"),
                ("/local/domain/1/name", DEFAULT_BACKEND),
            ]);
            let mut last = 0;
            for id in 2..2 + guests {
                store.set(&format!("/local/domain/{id}/name"), &format!("guest{id}"));
                let wish = Wish {
                    guest: format!("guest{id}"),
                    ..Wish::default()
                };
                let asked = Rc::new(Cell::new(0));
                let count = asked.clone();
                store.always = Some(Box::new(move |_| count.set(count.get() + 1)));
                attach(&mut store, &remembered, &wish, Duration::ZERO).unwrap();
                store.always = None;
                last = asked.get();
            }
            last
        });
        let each = f64::from(requests[1] - requests[0]) / 56.0;
        assert!(each <= 13.0, "{requests:?}: {each} for each guest");
    }
}
