//! `xl-omx watch`: applies whenever a domain comes or goes, and tries again what could not be done.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use crate::apply::{self, Applier, Key, Outcome, one_of_all};
use crate::attachments::Attachments;
use crate::error::Error;
use crate::terminal;
use crate::xenstore::{Client, Store};

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

/// What is known between two looks, and over a connection that breaks.
struct Watcher {
    /// What was told of each entry that fails: once.
    told: BTreeMap<Key, String>,
    /// Time to the next try.
    pause: Duration,
}

/// Stays, for ever. Without xenstored at the start it fails; one that goes away later is waited for.
pub fn watch(remembered: &Attachments) -> Result<Infallible, Error> {
    let mut watcher = Watcher {
        told: BTreeMap::new(),
        pause: FIRST_RETRY,
    };
    let mut client = Client::open()?;
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
        let mut retry = store.now();
        let mut changed = true;
        loop {
            if changed || store.now() >= retry {
                let outcomes = match applier.look(store, remembered, None) {
                    Ok((outcomes, _)) => outcomes,
                    Err(error) => vec![Outcome::Failed(NO_ENTRY, one_of_all(error)?)],
                };
                let failed: BTreeSet<Key> = outcomes.iter().filter_map(Outcome::failed).collect();
                self.told
                    .retain(|key, _| failed.contains(key) || applier.is_at_work_on(key));
                self.tell(outcomes);
            }
            let (outcomes, next) = applier.advance(store, remembered)?;
            self.tell(outcomes);
            if changed || store.now() >= retry {
                retry = store.now() + self.until_retry();
            }
            let next = next.map_or(retry, |next| next.min(retry));
            changed = store.wait(next)?;
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
