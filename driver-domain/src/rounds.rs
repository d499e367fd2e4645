//! Whose turn it is among the devices that have something to do: deficit round robin by pages. The others cost nothing. A
//! device that waits for its guest, which need not tell when it is ready, is looked at every millisecond.

use alloc::collections::BTreeSet;
use core::ops::Bound::{Excluded, Included, Unbounded};
use core::time::Duration;

use mx_backend::Instant;

use crate::names::Place;

/// Pages that a device may map or unmap before the next one has its turn, and all devices in one turn.
const SHARE: usize = 32;
/// How soon a device that waits for its guest is looked at again.
const LATER: Duration = Duration::from_millis(1);

/// Devices that have something to do.
#[derive(Debug, Default)]
pub struct Rounds {
    waiting: BTreeSet<Place>,
    /// Those that wait for their guests.
    later: BTreeSet<Place>,
    /// When they are looked at.
    look_at: Option<Instant>,
    /// Who was served last, and what is left of its share.
    last: Option<(Place, usize)>,
}

/// What serving a device came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It has more to do at once.
    More,
    /// It has more to do when its guest has made room.
    Later,
    /// It has nothing to do until it is waiting again.
    Done,
}

impl Rounds {
    /// A device has something to do.
    pub fn insert(&mut self, place: Place) {
        self.waiting.insert(place);
    }

    /// Whether no device has anything to do now.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// When devices that wait for their guests are to be looked at.
    pub const fn deadline(&self) -> Option<Instant> {
        self.look_at
    }

    /// Serves each device that waits once, as far as the pages of a turn go. `serve` is told how many it may use and takes
    /// those that it does.
    pub fn turn(&mut self, now: Instant, mut serve: impl FnMut(Place, &mut usize) -> Turn) {
        if self.look_at.take_if(|at| *at <= now).is_some() {
            self.waiting.append(&mut self.later);
        }
        let mut budget = SHARE;
        // Whoever was cut short goes on; else the one behind it begins.
        let (start, mut left) = match self.last {
            Some((place, 0)) => (Excluded(place), SHARE),
            Some((place, left)) => (Included(place), left),
            None => (Unbounded, SHARE),
        };
        let mut at = start;
        let mut around = false;
        while budget > 0 {
            let Some(place) = self.waiting.range((at, Unbounded)).next().copied() else {
                if around || start == Unbounded {
                    break;
                }
                around = true;
                at = Unbounded;
                continue;
            };
            let is_past = match start {
                Included(start) => place >= start,
                Excluded(start) => place > start,
                Unbounded => false,
            };
            if around && is_past {
                break;
            }
            if self.last.is_none_or(|(last, _)| last != place) {
                left = SHARE;
            }
            let mut pages = left.min(budget);
            let given = pages;
            let turn = serve(place, &mut pages);
            let used = given - pages.min(given);
            budget -= used;
            left -= used;
            if turn != Turn::More {
                self.waiting.remove(&place);
                left = 0;
            }
            if turn == Turn::Later {
                self.later.insert(place);
                self.look_at.get_or_insert(now + LATER);
            }
            // Only what a turn's end has cut short is kept.
            self.last = Some((place, if budget == 0 { left } else { 0 }));
            at = Excluded(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;

    use super::*;

    fn place(guest: u16) -> Place {
        Place { guest, device: 0 }
    }

    /// Pages that each device gets in so many turns, if it wants so many each time.
    fn pages(wants: &[(u16, usize)], turns: usize) -> Vec<usize> {
        let mut rounds = Rounds::default();
        let mut got = BTreeMap::new();
        wants
            .iter()
            .for_each(|(guest, _)| rounds.insert(place(*guest)));
        for _ in 0..turns {
            let mut all = 0;
            rounds.turn(Instant::default(), |device, pages| {
                let (_, want) = wants.iter().find(|(it, _)| *it == device.guest).unwrap();
                let used = (*want).min(*pages);
                *pages -= used;
                all += used;
                *got.entry(device).or_insert(0) += used;
                Turn::More
            });
            assert!(all <= SHARE);
        }
        got.into_values().collect()
    }

    #[test]
    fn devices_that_want_all_get_equal_shares_whatever_they_use_at_a_time() {
        for wants in [
            &[(1, 31), (2, 32)][..],
            &[(1, 32), (2, 32), (3, 32)],
            &[(1, 100), (7, 33), (9, 32)],
            &[(5, 32)],
        ] {
            let got = pages(wants, 600);
            let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
            assert!(most - least <= 64, "{wants:?}: {got:?}");
            assert_eq!(got.len(), wants.len());
        }
    }

    #[test]
    fn who_uses_little_does_so_in_every_round_beside_who_uses_all() {
        let got = pages(&[(1, 1), (2, 32), (3, 1)], 100);
        assert!(got[0] >= 45 && got[2] >= 45, "{got:?}");
    }

    #[test]
    fn a_device_that_is_done_is_not_looked_at_until_it_waits_again() {
        let mut rounds = Rounds::default();
        (0..200).for_each(|guest| rounds.insert(place(guest)));
        let mut served = Vec::new();
        let mut serve = |rounds: &mut Rounds| {
            rounds.turn(Instant::default(), |place, _| {
                served.push(place.guest);
                Turn::Done
            });
            core::mem::take(&mut served)
        };
        assert_eq!(serve(&mut rounds).len(), 200);
        assert!(rounds.is_empty());
        assert!(serve(&mut rounds).is_empty());
        rounds.insert(place(7));
        assert_eq!(serve(&mut rounds), [7]);
    }

    #[test]
    fn a_device_that_waits_for_its_guest_is_looked_at_every_millisecond() {
        let mut rounds = Rounds::default();
        rounds.insert(place(1));
        let mut looks = 0;
        for micros in (0..1_000_000).step_by(10) {
            rounds.turn(Instant::from_nanos(micros * 1000), |_, _| {
                looks += 1;
                Turn::Later
            });
            assert!(rounds.is_empty() && rounds.deadline().is_some());
        }
        assert_eq!(looks, 1000);
        rounds.turn(Instant::from_nanos(2_000_000_000), |_, _| Turn::Done);
        assert_eq!(rounds.deadline(), None);
    }
}
