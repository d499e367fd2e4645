//! When each of some numbered things is due: the earliest is at hand, and setting one costs a step for each doubling of
//! their number.

use alloc::vec::Vec;

use crate::time::Instant;

/// Of what is never due.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// A tournament: the second half are the things, each one before it has the earlier of its two.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    tree: Vec<Instant>,
}

impl Deadlines {
    fn places(&self) -> usize {
        self.tree.len() / 2
    }

    /// Makes room for so many things.
    pub fn reserve(&mut self, count: usize) {
        if count <= self.places() {
            return;
        }
        let places = count.next_power_of_two();
        let mut tree = Vec::new();
        tree.resize(2 * places, NEVER);
        let before = self.tree.split_off(self.places());
        if let Some(things) = tree.get_mut(places..places + before.len()) {
            things.copy_from_slice(&before);
        }
        self.tree = tree;
        for at in (1..places).rev() {
            self.play(at);
        }
    }

    /// The earlier of two goes on; false when it is the one as before.
    fn play(&mut self, at: usize) -> bool {
        let [left, right] = [self.at(2 * at), self.at(2 * at + 1)];
        match self.tree.get_mut(at) {
            Some(place) if *place != left.min(right) => {
                *place = left.min(right);
                true
            }
            _ => false,
        }
    }

    fn at(&self, place: usize) -> Instant {
        self.tree.get(place).copied().unwrap_or(NEVER)
    }

    /// That thing is due then, or never. For one for which there is no room, nothing happens.
    #[inline]
    pub fn set(&mut self, thing: usize, at: Option<Instant>) {
        let at = at.unwrap_or(NEVER);
        let mut place = self.places() + thing;
        match self.tree.get_mut(place) {
            Some(known) if *known != at => *known = at,
            _ => return,
        }
        while place > 1 && self.play(place / 2) {
            place /= 2;
        }
    }

    /// When the first is due.
    pub fn earliest(&self) -> Option<Instant> {
        Some(self.first()).filter(|first| *first != NEVER)
    }

    /// A single thing is its own winner.
    fn first(&self) -> Instant {
        self.at(1)
    }

    /// One that is due.
    #[inline]
    pub fn due(&self, now: Instant) -> Option<usize> {
        if self.first() > now {
            return None;
        }
        let mut place = 1;
        while place < self.places() {
            place *= 2;
            if self.at(place) > now {
                place += 1;
            }
        }
        place.checked_sub(self.places())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_earliest_is_found_whatever_was_set_before(
            steps in prop::collection::vec((0..70_usize, prop::option::of(0..100_u64)), 1..200),
            now in 0..100_u64,
        ) {
            let mut deadlines = Deadlines::default();
            let mut plain = [None; 70];
            for (thing, at) in steps {
                let at = at.map(Instant::from_nanos);
                deadlines.reserve(thing + 1);
                deadlines.set(thing, at);
                plain[thing] = at;
                let earliest = plain.iter().flatten().min().copied();
                prop_assert_eq!(deadlines.earliest(), earliest);
                let now = Instant::from_nanos(now);
                let due = deadlines.due(now);
                prop_assert_eq!(due.is_some(), earliest.is_some_and(|at| at <= now));
                prop_assert!(due.is_none_or(|thing| plain[thing].is_some_and(|at| at <= now)));
            }
        }
    }

    #[test]
    fn without_room_nothing_is_ever_due() {
        let mut deadlines = Deadlines::default();
        deadlines.set(3, Some(Instant::from_nanos(1)));
        assert_eq!(deadlines.earliest(), None);
        assert_eq!(deadlines.due(Instant::from_nanos(9)), None);
    }
}
