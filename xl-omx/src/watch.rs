//! `xl-omx watch`: applies whenever a domain comes or goes, creates driver domains that have ended again, answers pciback
//! for them, and tries again what could not be done.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, Instant};

use crate::apply::{self, Applier, Key, Looked, Outcome, one_of_all};
use crate::attachments::Attachments;
use crate::error::Error;
use crate::pciback;
use crate::revive::{Created, Reviver};
use crate::terminal;
use crate::xenstore::{Client, Store};
use crate::xl;

/// xenstored's own watches: a domain has come, or has gone.
const DOMAINS: [&str; 2] = ["@introduceDomain", "@releaseDomain"];
/// What failed is tried again after this time, and then after twice as long each time,
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// up to this.
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Without a failure there is nothing to be tried; a wait has an end all the same.
const QUIET: Duration = Duration::from_secs(3600);

/// The key of what concerns no entry.
const NO_ENTRY: Key = (String::new(), 0);

/// How long a driver domain that pciback asks may take before one looks again whether it stands still.
const ANSWER: Duration = Duration::from_millis(500);

/// With a driver domain's name, the key of what concerns that one: no device has this number.
const NO_DEVICE: u32 = u32::MAX;

/// Watches what pciback asks the driver domains that are remembered as backends.
fn guard(
    store: &mut impl Store,
    guarded: &mut BTreeSet<u32>,
    looked: &Looked,
) -> Result<(), Error> {
    let is_backend = |name: &str| looked.entries.iter().any(|entry| entry.backend == name);
    let backends = looked
        .domains
        .iter()
        .filter(|domain| is_backend(&domain.name));
    let now: BTreeSet<u32> = backends.map(|domain| domain.id).collect();
    for domain in guarded.difference(&now) {
        store.unwatch(&pciback::watched(*domain))?;
    }
    for domain in now.difference(guarded) {
        store.watch(&pciback::watched(*domain))?;
    }
    *guarded = now;
    Ok(())
}

/// What is known between two looks, and over a connection that breaks.
struct Watcher {
    /// What was told of each entry that fails: once.
    told: BTreeMap<Key, String>,
    /// Something was told since the next try was planned.
    told_anew: bool,
    /// Time to the next try.
    pause: Duration,
    reviver: Reviver,
}

/// Stays, for ever. Without xenstored at the start it fails; one that goes away later is waited for.
pub fn watch(remembered: &Attachments) -> Result<Infallible, Error> {
    let mut watcher = Watcher {
        told: BTreeMap::new(),
        told_anew: false,
        pause: FIRST_RETRY,
        reviver: Reviver::default(),
    };
    let mut client = Client::open()?;
    // It is for `check` alone.
    let _lock = match remembered.lock_watch() {
        Ok(lock) => Some(lock),
        Err(error) => {
            terminal::complain(&error);
            None
        }
    };
    loop {
        let Err(error) = watcher.stay(&mut client, remembered);
        watcher.tell_once(NO_ENTRY, error);
        client = loop {
            std::thread::sleep(watcher.longer());
            match Client::open() {
                Ok(client) => break client,
                Err(error) => watcher.tell_once(NO_ENTRY, error.into()),
            }
        };
    }
}

impl Watcher {
    fn stay(
        &mut self,
        store: &mut impl Store,
        remembered: &Attachments,
    ) -> Result<Infallible, Error> {
        for event in DOMAINS {
            store.watch(event)?;
        }
        let mut applier = Applier::default();
        let mut guarded = BTreeSet::new();
        let mut retry = store.now();
        let mut changed = true;
        loop {
            let looks = changed || store.now() >= retry;
            if looks {
                let looked = match applier.look(store, remembered, None) {
                    Ok(looked) => looked,
                    Err(error) => Looked {
                        outcomes: vec![Outcome::Failed(NO_ENTRY, one_of_all(error)?)],
                        ..Looked::default()
                    },
                };
                guard(store, &mut guarded, &looked)?;
                retry = self.looked(store.now(), &applier, looked, remembered);
            }
            let unanswered = self.answer(store, &guarded)?;
            let (created, creating) = self.reviver.advance(store.now(), remembered);
            self.tell_created(created);
            let (mut outcomes, applying) = applier.advance(store, remembered)?;
            // Its domain has ended, and the look that this leads to finds what is missing then.
            outcomes
                .retain(|outcome| !matches!(outcome, Outcome::Failed(_, Error::NoSuchDomain(_))));
            self.tell(outcomes);
            // What fails between two looks is tried again as what fails in one.
            if looks || std::mem::take(&mut self.told_anew) {
                retry = retry.min(store.now() + self.until_retry());
            }
            let steps = [unanswered, creating, applying].into_iter().flatten();
            let next = steps.fold(retry, Instant::min);
            changed = store.wait(next)?;
        }
    }

    /// Tells what a look has found, and begins to create driver domains; when to look again, at the latest.
    fn looked(
        &mut self,
        now: Instant,
        applier: &Applier,
        looked: Looked,
        remembered: &Attachments,
    ) -> Instant {
        let (entries, domains) = (&looked.entries, &looked.domains);
        let (not_begun, next) = self.reviver.look(now, remembered, entries, domains);
        let mut outcomes = looked.outcomes;
        outcomes.retain(|outcome| match outcome {
            // It is missing no longer, in a moment.
            Outcome::Failed(_, Error::NoSuchDomain(name)) => !self.reviver.is_coming(name),
            _ => true,
        });
        let failed: BTreeSet<Key> = outcomes.iter().filter_map(Outcome::failed).collect();
        self.told.retain(|key, _| {
            let runs = domains.iter().any(|domain| domain.name == key.0);
            let is_missing = key.1 == NO_DEVICE && !runs;
            failed.contains(key) || applier.is_at_work_on(key) || is_missing
        });
        self.tell(outcomes);
        self.tell_created(not_begun);
        next.unwrap_or(now + QUIET)
    }

    /// Answers pciback for driver domains that stand still; when to look again whether one does.
    fn answer(
        &mut self,
        store: &mut impl Store,
        guarded: &BTreeSet<u32>,
    ) -> Result<Option<Instant>, Error> {
        let mut next = None;
        for domain in guarded {
            let Some(wanted) = pciback::asked(store, *domain)? else {
                continue;
            };
            match xl::stands_still(*domain) {
                Ok(true) => pciback::answer(store, *domain, wanted)?,
                Ok(false) => next = Some(store.now() + ANSWER),
                Err(error) => self.tell_once(NO_ENTRY, error),
            }
        }
        Ok(next)
    }

    fn tell_created(&mut self, created: Vec<Created>) {
        for (name, result) in created {
            match result {
                Ok(()) => terminal::say(&format!("created driver domain {name} again")),
                Err(error) => self.tell_once((name, NO_DEVICE), error),
            }
        }
    }

    fn tell(&mut self, outcomes: Vec<Outcome>) {
        for outcome in outcomes {
            match outcome {
                Outcome::Attached(entry) => {
                    self.told.remove(&(entry.guest.clone(), entry.index));
                    apply::tell(&entry);
                }
                Outcome::Failed(key, error) => self.tell_once(key, error),
            }
        }
    }

    fn tell_once(&mut self, key: Key, error: Error) {
        let error = if key == NO_ENTRY {
            error
        } else {
            apply::told(&key, error)
        };
        let text = error.to_string();
        if self.told.get(&key) != Some(&text) {
            terminal::complain(&error);
            self.told.insert(key, text);
            self.told_anew = true;
            self.pause = FIRST_RETRY;
        }
    }

    fn until_retry(&mut self) -> Duration {
        if self.told.is_empty() {
            self.pause = FIRST_RETRY;
            return QUIET;
        }
        self.longer()
    }

    /// The time to the next try; the one after that is longer.
    fn longer(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).min(LAST_RETRY);
        pause
    }
}
