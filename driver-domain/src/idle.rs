//! How long to look for work before sleeping, learnt from the waits of late: nobody can tell whether those who would
//! bring work have processors of their own, or wait for this one.
//!
//! A wait that ended with work while it looked has paid: the next ones look for twice as long as it took. One that
//! looked in vain makes the next ones half as long. Every `PROBE`th wait looks for the longest time, since the
//! others may have got a processor, or a rhythm.

use core::time::Duration;

/// How long to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Always so long.
    Fixed(Duration),
    /// Learnt, between [`SHORTEST`] and [`LONGEST`].
    Learnt,
}

/// The longest spell that is learnt: a sleep and the way back cost some tens of microseconds, on both sides.
pub const LONGEST: Duration = Duration::from_micros(200);
/// The shortest time of looking before a sleep.
pub const SHORTEST: Duration = Duration::from_micros(2);
/// Every so many waits the longest is tried.
const PROBE: u32 = 64;

/// The spell, and the wait under way.
#[derive(Debug)]
pub struct Idle {
    policy: Policy,
    spell: Duration,
    /// When there was work last.
    worked_at: Duration,
    waits: u32,
}

impl Idle {
    /// Begins with the longest spell, or the fixed one.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            spell: match policy {
                Policy::Fixed(spell) => spell,
                Policy::Learnt => LONGEST,
            },
            worked_at: Duration::ZERO,
            waits: 0,
        }
    }

    /// How long to look from now on.
    pub fn spell(&self) -> Duration {
        match self.policy {
            Policy::Learnt if self.waits % PROBE == PROBE - 1 => LONGEST,
            Policy::Learnt | Policy::Fixed(_) => self.spell,
        }
    }

    /// There was work at `now`, found without sleeping.
    pub fn worked(&mut self, now: Duration) {
        let waited = now.saturating_sub(self.worked_at);
        self.worked_at = now;
        // Work on the heels of other work says nothing about waiting.
        if self.policy == Policy::Learnt && waited >= SHORTEST {
            self.waits = self.waits.wrapping_add(1);
            self.spell = (waited * 2).max(self.spell).min(LONGEST);
        }
    }

    /// It was looked in vain; the domain sleeps, and wakes at `now`.
    pub fn slept(&mut self, now: Duration) {
        self.worked_at = now;
        if self.policy == Policy::Learnt {
            self.waits = self.waits.wrapping_add(1);
            self.spell = (self.spell / 2).max(SHORTEST);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn micros(count: u64) -> Duration {
        Duration::from_micros(count)
    }

    /// Messages at these intervals: how many of the last hundred were found without sleeping, and how long was looked
    /// for all of them.
    fn found(interval: Duration, while_looking: bool) -> (usize, Duration) {
        let mut idle = Idle::new(Policy::Learnt);
        let mut now = Duration::from_secs(1);
        idle.slept(now);
        let (mut found, mut looked) = (0, Duration::ZERO);
        for message in 0..400 {
            let spell = idle.spell();
            let caught = while_looking && interval <= spell;
            now += interval;
            if caught {
                idle.worked(now);
            } else {
                idle.slept(now);
            }
            if message >= 300 {
                found += usize::from(caught);
                looked += interval.min(spell);
            }
        }
        (found, looked)
    }

    #[test]
    fn a_rhythm_within_reach_is_learnt_and_not_slept_through() {
        for interval in [5, 20, 90, 150] {
            assert_eq!(found(micros(interval), true).0, 100, "{interval}");
        }
    }

    #[test]
    fn what_comes_too_rarely_is_hardly_looked_for() {
        let (caught, looked) = found(micros(5_000), true);
        assert_eq!(caught, 0);
        assert!(looked < micros(1_000), "{looked:?}");
    }

    #[test]
    fn a_shared_processor_is_left_to_those_who_bring_work() {
        // Nothing comes while this domain looks, however short the wait: the others need the processor.
        let (_, looked) = found(micros(10), false);
        assert!(looked < micros(400), "{looked:?}");
    }

    #[test]
    fn a_fixed_spell_stays() {
        let mut idle = Idle::new(Policy::Fixed(micros(7)));
        for time in 0..200 {
            idle.slept(micros(time * 1000));
            idle.worked(micros(time * 1000 + 3));
            assert_eq!(idle.spell(), micros(7));
        }
    }
}
