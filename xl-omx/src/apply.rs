//! `xl-omx apply`: attaches what is remembered and missing, or was served by a domain that has gone. Each entry is for
//! itself: one that fails costs no other, and a guest that is slow does not keep the others waiting.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::attach::renewed;
use crate::attachments::{Attachment, Attachments};
use crate::device;
use crate::domain::{self, Domain};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::job::{Job, Next};
use crate::owner;
use crate::terminal;
use crate::xenstore::{NONE, Store};

/// Which device: its guest's name and its number.
pub type Key = (String, u32);

/// What a pass over everything or a step has come to.
#[derive(Debug)]
pub enum Outcome {
    /// A device was attached.
    Attached(Attachment),
    /// A device cannot be attached, and why.
    Failed(Key, Error),
}

/// The devices that are being attached.
#[derive(Default)]
pub struct Applier {
    jobs: Vec<Job>,
    watched: BTreeSet<String>,
    /// What gone guests have left: it is swept away when its driver domain has given it back.
    leftovers: BTreeSet<String>,
}

/// What a look has found.
#[derive(Default)]
pub struct Looked {
    /// The entries that fail already.
    pub outcomes: Vec<Outcome>,
    /// How many entries were meant.
    pub meant: usize,
    /// The running domains.
    pub domains: Vec<Domain>,
    /// All that is remembered and makes sense.
    pub entries: Vec<Attachment>,
}

impl Outcome {
    /// The entry that failed, if one did.
    pub fn failed(&self) -> Option<Key> {
        match self {
            Self::Failed(key, _) => Some(key.clone()),
            Self::Attached(_) => None,
        }
    }
}

impl Applier {
    /// Whether a device is being attached.
    pub fn is_at_work_on(&self, key: &Key) -> bool {
        self.jobs.iter().any(|job| is_of(job, key))
    }

    /// Looks at all that is remembered, of one guest or of all, and begins what is to be done. Guests that do not run
    /// now are passed over.
    pub fn look(
        &mut self,
        store: &mut impl Store,
        remembered: &Attachments,
        only: Option<&str>,
    ) -> Result<Looked, Error> {
        let _lock = remembered.lock()?;
        let inventory = Inventory::take(store)?;
        inventory.sweep(store)?;
        self.follow(store, &inventory.leftovers)?;
        let known = owner::follow_names(remembered, &inventory.domains)?;
        let mut outcomes = Vec::new();
        let mut meant = 0;
        for broken in known.broken {
            if only.is_none_or(|only| only == broken.guest) {
                meant += 1;
                outcomes.push(Outcome::Failed((broken.guest, broken.index), broken.why));
            }
        }
        for entry in &known.whole {
            let owner = owner::of(entry, &known.whole, &inventory.domains);
            let named = |name: &str| {
                let now = owner.as_ref().ok().and_then(|owner| *owner);
                entry.guest == name || now.is_some_and(|now| now.name == name)
            };
            if !only.is_none_or(named) {
                continue;
            }
            meant += 1;
            let key = (entry.guest.clone(), entry.index);
            if self.is_at_work_on(&key) {
                continue;
            }
            let job = owner.and_then(|guest| match guest {
                Some(guest) => missing(store, &inventory, entry, guest),
                None => Ok(None),
            });
            match job {
                Ok(Some(job)) => self.jobs.push(job),
                Ok(None) => {}
                Err(error) => outcomes.push(Outcome::Failed(key, one_of_all(error)?)),
            }
        }
        Ok(Looked {
            outcomes,
            meant,
            domains: inventory.domains,
            entries: known.whole,
        })
    }

    /// From now on a change of what gone guests have left ends a wait.
    fn follow(&mut self, store: &mut impl Store, leftovers: &[String]) -> Result<(), Error> {
        let now: BTreeSet<String> = leftovers.iter().cloned().collect();
        for path in self.leftovers.difference(&now) {
            store.unwatch(path)?;
        }
        for path in now.difference(&self.leftovers) {
            store.watch(path)?;
        }
        self.leftovers = now;
        Ok(())
    }

    /// Goes on with all that is under way; what has come to an end, and when to go on again.
    pub fn advance(
        &mut self,
        store: &mut impl Store,
        remembered: &Attachments,
    ) -> Result<(Vec<Outcome>, Option<Instant>), Error> {
        let mut outcomes = Vec::new();
        let mut next: Option<Instant> = None;
        let mut at = 0;
        while let Some(job) = self.jobs.get_mut(at) {
            for path in job.watches() {
                if !self.watched.contains(&path) {
                    store.watch(&path)?;
                    self.watched.insert(path);
                }
            }
            match job.advance(store, remembered) {
                Ok(Next::At(instant)) => {
                    next = Some(next.map_or(instant, |next| next.min(instant)));
                    at += 1;
                }
                Ok(Next::Done(_)) => {
                    let job = self.jobs.remove(at);
                    outcomes.push(Outcome::Attached(job.entry));
                }
                // Another one has attached it, or detached it.
                Err(Error::AttachedMeanwhile { .. } | Error::NoSuchDevice { .. }) => {
                    self.jobs.remove(at);
                }
                Err(error) => {
                    let error = one_of_all(error)?;
                    let job = self.jobs.remove(at);
                    let named = job.former.unwrap_or(job.entry);
                    outcomes.push(Outcome::Failed((named.guest, named.index), error));
                }
            }
        }
        if self.jobs.is_empty() {
            for path in std::mem::take(&mut self.watched) {
                store.unwatch(&path)?;
            }
        }
        Ok((outcomes, next))
    }
}

fn is_of(job: &Job, key: &Key) -> bool {
    let mut files = job.former.iter().chain([&job.entry]);
    files.any(|file| (&file.guest, file.index) == (&key.0, key.1))
}

/// The job of an entry whose device is not there, or is served by another domain than the one that is its backend now.
fn missing(
    store: &mut impl Store,
    inventory: &Inventory,
    entry: &Attachment,
    guest: &Domain,
) -> Result<Option<Job>, Error> {
    let backend = domain::named(&inventory.domains, &entry.backend)?;
    let mut served = inventory.backends(guest.id, entry.index);
    let frontend = device::frontend_path(guest.id, entry.index);
    let whole = served.any(|served| served.backend == backend.id)
        && device::is_there(store, NONE, &frontend)?;
    if whole {
        return Ok(None);
    }
    Attachment::check_name(&guest.name, guest.id)?;
    let renewed = renewed(guest, backend, entry.index, entry.mac, entry.limits.clone());
    let job = Job::new(renewed, Some(entry.clone()), guest.clone(), backend.clone());
    Ok(Some(job))
}

/// An error that concerns one entry; one that concerns all ends the whole.
pub fn one_of_all(error: Error) -> Result<Error, Error> {
    match error {
        Error::Store(ref store) if store.ends_the_connection() => Err(error),
        error => Ok(error),
    }
}

/// An error with the device that it is about. The name of a file says that already.
pub fn told(key: &Key, error: Error) -> Error {
    match error {
        Error::BadFile { .. } | Error::File { .. } | Error::NotCreated { .. } => error,
        error => Error::Entry {
            guest: key.0.clone(),
            index: key.1,
            why: Box::new(error),
        },
    }
}

/// Tells that a device was attached.
pub fn tell(entry: &Attachment) {
    terminal::say(&format!(
        "attached device {} of {} ({})",
        entry.index, entry.guest, entry.mac
    ));
}

/// Attaches what is missing, of one guest or of all; each failure is told, and how many there were is the error.
pub fn apply(
    store: &mut impl Store,
    remembered: &Attachments,
    only: Option<&str>,
) -> Result<(), Error> {
    carry_out(store, remembered, only, |outcome| match outcome {
        Outcome::Attached(entry) => tell(&entry),
        Outcome::Failed(key, error) => terminal::complain(&told(&key, error)),
    })
}

/// As [`apply`], and hands over each outcome when it is known.
pub fn carry_out(
    store: &mut impl Store,
    remembered: &Attachments,
    only: Option<&str>,
    mut tell: impl FnMut(Outcome),
) -> Result<(), Error> {
    let mut applier = Applier::default();
    let looked = applier.look(store, remembered, only)?;
    let mut outcomes = looked.outcomes;
    if let (Some(only), 0) = (only, looked.meant) {
        return Err(Error::NothingRemembered(only.into()));
    }
    let mut failed = 0;
    loop {
        let (more, next) = applier.advance(store, remembered)?;
        for outcome in outcomes.drain(..).chain(more) {
            failed += usize::from(outcome.failed().is_some());
            tell(outcome);
        }
        match next {
            Some(next) => store.wait(next)?,
            None => break,
        };
    }
    if failed > 0 {
        return Err(Error::Failed(failed));
    }
    Ok(())
}
