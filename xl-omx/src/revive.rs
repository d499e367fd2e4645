//! Driver domains that have ended are created again.
//!
//! One that remembered devices name, that does not run, and whose configuration lies beside them (or a link to it) is
//! created by `xl create`, under its name. One that ends again and again is created after longer and longer times.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::attachments::{Attachment, Attachments};
use crate::domain::Domain;
use crate::error::Error;
use crate::locks::Lock;
use crate::xl;

/// One that ends at once is created again after this time, then after twice as long each time,
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// up to this; one that has lived so long begins anew.
const LAST_PAUSE: Duration = Duration::from_secs(60);

/// How often one looks whether `xl create` has ended.
const LOOK: Duration = Duration::from_millis(250);

/// Driver domains that are being created, and when others were.
#[derive(Default)]
pub struct Reviver {
    creations: BTreeMap<String, Creation>,
    /// What somebody else creates or replaces just now.
    anothers: BTreeSet<String>,
    pauses: BTreeMap<String, Pause>,
}

struct Creation {
    xl: xl::Running,
    _lock: Lock,
}

/// When a driver domain may be created again.
#[derive(Clone, Copy)]
struct Pause {
    until: Instant,
    length: Duration,
}

impl Pause {
    /// After a creation at that time; `former` is what the one before left.
    fn after(now: Instant, former: Option<Self>) -> Self {
        let length = match former {
            Some(former) if now < former.until + LAST_PAUSE => (former.length * 2).min(LAST_PAUSE),
            _ => FIRST_PAUSE,
        };
        Self {
            until: now + length,
            length,
        }
    }
}

/// What a creation has come to: the driver domain's name, and what went wrong.
pub type Created = (String, Result<(), Error>);

impl Reviver {
    /// Whether a driver domain of that name is being created, by whomever.
    pub fn is_coming(&self, name: &str) -> bool {
        self.creations.contains_key(name) || self.anothers.contains(name)
    }

    /// Begins to create what is missing, as far as its time has come. What could not be begun comes back, and when to look
    /// again.
    pub fn look(
        &mut self,
        now: Instant,
        remembered: &Attachments,
        entries: &[Attachment],
        domains: &[Domain],
    ) -> (Vec<Created>, Option<Instant>) {
        let backends: BTreeSet<&str> = entries.iter().map(|e| e.backend.as_str()).collect();
        let mut failed = Vec::new();
        let mut next: Option<Instant> = None;
        self.anothers.clear();
        for name in backends {
            let runs = domains.iter().any(|domain| domain.name == name);
            let Some(configuration) = remembered.configuration(name) else {
                continue;
            };
            if runs || self.creations.contains_key(name) {
                continue;
            }
            let pause = self.pauses.get(name).copied();
            if let Some(pause) = pause.filter(|pause| now < pause.until) {
                next = Some(next.map_or(pause.until, |next| next.min(pause.until)));
                continue;
            }
            let lock = match remembered.lock_creation(name) {
                Ok(Some(lock)) => lock,
                Ok(None) => {
                    self.anothers.insert(name.to_owned());
                    let again = now + FIRST_PAUSE;
                    next = Some(next.map_or(again, |next| next.min(again)));
                    continue;
                }
                Err(error) => {
                    failed.push((name.to_owned(), Err(error)));
                    continue;
                }
            };
            let pause = Pause::after(now, pause);
            self.pauses.insert(name.to_owned(), pause);
            match xl::create(&configuration, name) {
                Ok(xl) => {
                    self.creations
                        .insert(name.to_owned(), Creation { xl, _lock: lock });
                }
                Err(why) => failed.push((name.to_owned(), Err(not_created(remembered, name, why)))),
            }
        }
        (failed, next)
    }

    /// What has come to an end, and when to ask again.
    pub fn advance(
        &mut self,
        now: Instant,
        remembered: &Attachments,
    ) -> (Vec<Created>, Option<Instant>) {
        let mut ended = Vec::new();
        self.creations.retain(|name, creation| {
            let Some(result) = creation.xl.ended() else {
                return true;
            };
            let result = result.map_err(|why| not_created(remembered, name, why));
            ended.push((name.clone(), result));
            false
        });
        let next = (!self.creations.is_empty()).then_some(now + LOOK);
        (ended, next)
    }
}

fn not_created(remembered: &Attachments, name: &str, why: Error) -> Error {
    Error::NotCreated {
        name: name.into(),
        configuration: remembered.configuration_path(name),
        why: Box::new(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_ends_at_once_is_created_after_longer_times_and_one_that_has_lived_at_once() {
        let mut now = Instant::now();
        let mut pause = Pause::after(now, None);
        let mut lengths = vec![pause.length.as_secs()];
        for _ in 0..8 {
            now = pause.until;
            pause = Pause::after(now, Some(pause));
            lengths.push(pause.length.as_secs());
        }
        assert_eq!(lengths, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        let later = pause.until + LAST_PAUSE;
        assert_eq!(Pause::after(later, Some(pause)).length, FIRST_PAUSE);
    }
}
