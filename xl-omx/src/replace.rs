//! `xl-omx replace`: another driver domain takes the place of one, under load. Guests' endpoints live on.
//!
//! The successor is created from a configuration, when the old one is gone and has left its card, and has the old one's
//! name; or it runs already, with a card of its own, and gets the guests first. Either way the old one is destroyed: as long
//! as it lives it holds the guests' memory, and no guest can let another one adopt it.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::apply::{self, Applier, Outcome};
use crate::attachments::{Attachment, Attachments};
use crate::device::Device;
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::owner;
use crate::pciback;
use crate::state::XenbusState;
use crate::terminal;
use crate::xenstore::Store;
use crate::xl;

/// What an operator asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The driver domain that is to go, by name or number.
    pub old: String,
    /// Its successor.
    pub new: Successor,
    /// How long the guests may take.
    pub limit: Duration,
}

/// Who takes the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Successor {
    /// A domain that runs, by name or number.
    Running(String),
    /// One that is to be created from this configuration, under the old one's name.
    Created(PathBuf),
}

impl Successor {
    /// A path has a stroke in it, or the ending of a configuration.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("expected a domain, or the path of a configuration".into()),
            path if path.contains('/') || path.ends_with(".cfg") => Ok(Self::Created(path.into())),
            name => Ok(Self::Running(name.into())),
        }
    }
}

/// How it went. Times are seconds since the old driver domain was told to go.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Name of the old driver domain.
    pub old: String,
    /// Its number.
    pub old_id: u32,
    /// Name of the new one.
    pub new: String,
    /// Its number.
    pub new_id: u32,
    /// When the old one was gone.
    pub destroyed: f64,
    /// When the new one was there; nothing when it had been before.
    pub created: Option<f64>,
    /// The devices.
    pub devices: Vec<Replaced>,
}

/// A device of a guest that has the new driver domain.
#[derive(Debug, Serialize)]
pub struct Replaced {
    /// Its guest.
    pub guest: String,
    /// Its number.
    pub index: u32,
    /// When both sides were connected; nothing when they were not in time.
    pub connected: Option<f64>,
}

/// A look at `xl` while it works.
const LOOK: Duration = Duration::from_millis(100);

/// What is under way when the new one is there.
struct Work<'a> {
    devices: Vec<(Device, Replaced)>,
    applier: Applier,
    new: &'a Domain,
    begun: Instant,
}

impl Report {
    /// The devices that did not connect in time, as an error.
    pub fn judge(&self) -> Result<(), Error> {
        let waits = |device: &&Replaced| device.connected.is_none();
        match self.devices.iter().filter(waits).count() {
            0 => Ok(()),
            count => Err(Error::NotAllConnected {
                count,
                new: self.new.clone(),
            }),
        }
    }
}

/// Replaces a driver domain, tells how it goes, and returns the whole.
pub fn replace(
    store: &mut impl Store,
    remembered: &Attachments,
    wish: &Wish,
    mut tell: impl FnMut(&str),
) -> Result<Report, Error> {
    let old = domain::find(store, &wish.old)?;
    Attachment::check_name(&old.name, old.id)?;
    let mut applier = Applier::default();
    let (_lock, begun, destroyed, created, new) = match &wish.new {
        Successor::Created(configuration) => {
            if let Err(source) = std::fs::File::open(configuration) {
                let path = configuration.clone();
                return Err(Error::File { path, source });
            }
            let lock = remembered.lock_creation(&old.name)?;
            let lock = lock.ok_or_else(|| Error::ReplacedMeanwhile(old.name.clone()))?;
            let begun = store.now();
            let destroyed = destroy(store, &old, begun, &mut tell)?;
            let creation = xl::create(configuration, &old.name);
            let created = creation.and_then(|xl| until_ended(store, xl, |_| Ok(())));
            created.map_err(|why| Error::NotCreated {
                name: old.name.clone(),
                configuration: configuration.clone(),
                why: Box::new(why),
            })?;
            let new = domain::find(store, &old.name)?;
            let created = since(store, begun);
            tell(&format!(
                "{} is domain {} now, after {created:.1} s",
                new.name, new.id
            ));
            (Some(lock), begun, destroyed, Some(created), new)
        }
        Successor::Running(name) => {
            let new = domain::find(store, name)?;
            Attachment::check_name(&new.name, new.id)?;
            if new.id == old.id {
                return Err(Error::OwnSuccessor(old.name));
            }
            rename_backend(store, remembered, &old, &new)?;
            // The guests know where to go before the old one is gone.
            begin(store, remembered, &mut applier, &new, &mut tell)?;
            let begun = store.now();
            let destroyed = destroy(store, &old, begun, &mut tell)?;
            (None, begun, destroyed, None, new)
        }
    };
    begin(store, remembered, &mut applier, &new, &mut tell)?;
    let mut work = Work {
        devices: wanted(store, remembered, &new)?,
        applier,
        new: &new,
        begun,
    };
    let end = store.now() + wish.limit;
    connect(store, remembered, &mut work, end, &mut tell)?;
    let devices = work.devices.into_iter().map(|(_, replaced)| replaced);
    let devices = devices.collect();
    Ok(Report {
        old: old.name,
        old_id: old.id,
        new: new.name,
        new_id: new.id,
        destroyed,
        created,
        devices,
    })
}

fn since(store: &impl Store, begun: Instant) -> f64 {
    (store.now() - begun).as_secs_f64()
}

/// Destroys the old one, answers pciback for it, and says how long it took.
fn destroy(
    store: &mut impl Store,
    old: &Domain,
    begun: Instant,
    tell: &mut impl FnMut(&str),
) -> Result<f64, Error> {
    let question = pciback::watched(old.id);
    store.watch(&question)?;
    let xl = xl::destroy(old.id)?;
    // It was told to be destroyed: nothing that it could still say counts.
    let ended = until_ended(store, xl, |store| match pciback::asked(store, old.id)? {
        Some(wanted) => pciback::answer(store, old.id, wanted),
        None => Ok(()),
    });
    store.unwatch(&question)?;
    ended?;
    let seconds = since(store, begun);
    tell(&format!(
        "{} (domain {}) is gone, after {seconds:.1} s",
        old.name, old.id
    ));
    Ok(seconds)
}

/// Waits until xl has ended, and does this at each look.
fn until_ended<S: Store>(
    store: &mut S,
    mut xl: xl::Running,
    mut meanwhile: impl FnMut(&mut S) -> Result<(), Error>,
) -> Result<(), Error> {
    loop {
        meanwhile(store)?;
        if let Some(ended) = xl.ended() {
            return ended;
        }
        let next = store.now() + LOOK;
        store.wait(next)?;
    }
}

/// What is remembered of the old one is remembered of the new one.
fn rename_backend(
    store: &mut impl Store,
    remembered: &Attachments,
    old: &Domain,
    new: &Domain,
) -> Result<(), Error> {
    let _lock = remembered.lock()?;
    let inventory = Inventory::take(store)?;
    let known = owner::follow_names(remembered, &inventory.domains)?;
    for entry in known.whole.iter().filter(|entry| entry.backend == old.name) {
        let renamed = Attachment {
            backend: new.name.clone(),
            ..entry.clone()
        };
        remembered.prepare(&renamed)?.commit()?;
    }
    Ok(())
}

/// Hands over what is to have the new one as its backend, without waiting for the guests.
fn begin(
    store: &mut impl Store,
    remembered: &Attachments,
    applier: &mut Applier,
    new: &Domain,
    tell: &mut impl FnMut(&str),
) -> Result<(), Error> {
    let looked = applier.look(store, remembered, None)?;
    let (more, _) = applier.advance(store, remembered)?;
    for outcome in looked.outcomes.into_iter().chain(more) {
        say(outcome, new, tell);
    }
    Ok(())
}

/// What failed is told; what has become of a device is seen later.
fn say(outcome: Outcome, new: &Domain, tell: &mut impl FnMut(&str)) {
    match outcome {
        Outcome::Failed(key, error) => terminal::complain(&apply::told(&key, error)),
        Outcome::Attached(entry) if entry.backend == new.name => {
            tell(&format!(
                "device {} of {} has {}",
                entry.index, entry.guest, new.name
            ));
        }
        Outcome::Attached(_) => {}
    }
}

/// Goes on until both sides of every device are connected, until that time at most.
fn connect(
    store: &mut impl Store,
    remembered: &Attachments,
    work: &mut Work<'_>,
    end: Instant,
    tell: &mut impl FnMut(&str),
) -> Result<(), Error> {
    for (device, _) in &work.devices {
        for side in [&device.frontend, &device.backend] {
            store.watch(&format!("{side}/state"))?;
        }
    }
    loop {
        let (outcomes, next) = work.applier.advance(store, remembered)?;
        for outcome in outcomes {
            say(outcome, work.new, tell);
        }
        for (device, replaced) in &mut work.devices {
            let both = (XenbusState::Connected, XenbusState::Connected);
            if replaced.connected.is_none() && device.states(store)? == both {
                let seconds = since(store, work.begun);
                replaced.connected = Some(seconds);
                let (guest, index) = (&replaced.guest, replaced.index);
                tell(&format!(
                    "device {index} of {guest} is connected, after {seconds:.1} s"
                ));
            }
        }
        let waits = |(_, replaced): &(Device, Replaced)| replaced.connected.is_none();
        if !work.devices.iter().any(waits) || store.now() >= end {
            return Ok(());
        }
        store.wait(next.map_or(end, |next| next.min(end)))?;
    }
}

/// The devices of running guests that the new one is to serve.
fn wanted(
    store: &mut impl Store,
    remembered: &Attachments,
    new: &Domain,
) -> Result<Vec<(Device, Replaced)>, Error> {
    let inventory = Inventory::take(store)?;
    let known = remembered.all()?;
    let mut devices = Vec::new();
    for entry in known.whole.iter().filter(|entry| entry.backend == new.name) {
        let owner = owner::of(entry, &known.whole, &inventory.domains);
        let Ok(Some(guest)) = owner else { continue };
        let replaced = Replaced {
            guest: guest.name.clone(),
            index: entry.index,
            connected: None,
        };
        devices.push((Device::new(guest.id, new.id, entry.index), replaced));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_a_path_or_a_domain() {
        for path in ["/etc/xen/driver-domain.cfg", "./x", "driver-domain.cfg"] {
            assert_eq!(Successor::parse(path), Ok(Successor::Created(path.into())));
        }
        for name in ["driver-domain-2", "7"] {
            assert_eq!(Successor::parse(name), Ok(Successor::Running(name.into())));
        }
        assert!(Successor::parse("").is_err());
    }
}
