//! How long to look before sleeping, learnt from the own recent waits: a process cannot know whether what it waits for
//! runs on another processor, or waits for this one.
//!
//! Two ways compete. The thrifty one shortens its spin with each look in vain; it is right at once where processors are
//! shared. The patient one always takes a very long spin; it is right where a sleep costs more than any spin. The one in
//! use is measured, the other is tried now and then for a few waits, and whichever makes waits shorter is used on.

use std::time::Duration;

/// Looks of a thrifty spin at most. One takes a pause and two loads, some tens of nanoseconds: all of them take several
/// times as long as a sleep and the way back do on a machine of today.
const MOST: u32 = 4000;
/// Looks of a patient spin.
const PATIENT: u32 = 20_000;
/// Looks of the shortest.
const FEWEST: u32 = 8;
/// Every so many thrifty waits the longest spin is tried: the other side may have got a processor of its own.
const PROBE: u32 = 64;
/// Waits of a trial.
const TRIAL: u32 = 32;
/// Waits before the first trial. Each trial that fails doubles them.
const SETTLED: u32 = 1024;
/// Waits before a trial at most.
const SETTLED_MOST: u32 = 1 << 14;

/// A wait counts as this long at most: one for a peer that has nothing to say yet tells nothing about the ways.
const LONGEST: Duration = Duration::from_millis(20);

/// A way to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Thrifty,
    Patient,
}

impl Way {
    fn other(self) -> Self {
        match self {
            Self::Thrifty => Self::Patient,
            Self::Patient => Self::Thrifty,
        }
    }
}

/// Waits and what they took. The clock's steps are longer than most waits; over many the error evens out.
#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    waits: u32,
    took: Duration,
}

impl Measure {
    fn add(&mut self, took: Duration) {
        self.waits += 1;
        self.took += took.min(LONGEST);
    }

    /// What so many waits would have taken.
    fn scaled(self, waits: u32) -> Duration {
        self.took * waits / self.waits.max(1)
    }
}

/// The looks that the next wait may take.
#[derive(Debug)]
pub struct Spin {
    /// The way in use.
    way: Way,
    measured: Measure,
    /// A trial of the other way.
    trial: Option<Measure>,
    /// Waits before the next trial.
    settled: u32,
    /// The thrifty way's spin.
    looks: u32,
    waits: u32,
}

impl Spin {
    /// Begins thriftily, with the longest spin.
    pub fn new() -> Self {
        Self {
            way: Way::Thrifty,
            measured: Measure::default(),
            trial: None,
            settled: SETTLED,
            looks: MOST,
            waits: 0,
        }
    }

    /// The looks of a wait that begins now.
    pub fn begin(&mut self) -> u32 {
        self.waits = self.waits.wrapping_add(1);
        let way = if self.trial.is_some() {
            self.way.other()
        } else {
            self.way
        };
        match way {
            Way::Patient => PATIENT,
            Way::Thrifty if self.waits.is_multiple_of(PROBE) => MOST,
            Way::Thrifty => self.looks,
        }
    }

    /// That wait found what it waited for after so many looks. The next may need twice as many: a long spin that was
    /// tried and paid is worth trying again at once.
    pub fn paid(&mut self, looked: u32) {
        self.looks = self.looks.max(looked.saturating_mul(2)).min(MOST);
    }

    /// That wait looked in vain, and sleeps now.
    pub fn in_vain(&mut self) {
        self.looks = (self.looks / 2).max(FEWEST);
    }

    /// That wait has found what it waited for, after this time.
    pub fn took(&mut self, took: Duration) {
        let Some(trial) = &mut self.trial else {
            self.measured.add(took);
            if self.measured.waits >= self.settled {
                self.trial = Some(Measure::default());
            }
            return;
        };
        trial.add(took);
        let trial = *trial;
        let to_beat = self.measured.scaled(TRIAL);
        let lost = trial.took > to_beat;
        if !lost && trial.waits < TRIAL {
            return;
        }
        // Not for nothing: a way that is hardly better is noise.
        if !lost && trial.took * 4 < to_beat * 3 {
            self.way = self.way.other();
            self.settled = SETTLED;
        } else {
            self.settled = (self.settled * 2).min(SETTLED_MOST);
        }
        self.trial = None;
        self.measured = Measure::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn discouraged() -> Spin {
        let mut spin = Spin::new();
        for _ in 0..20 {
            spin.begin();
            spin.in_vain();
        }
        spin
    }

    #[test]
    fn waits_in_vain_become_short_and_one_in_64_tries_the_longest() {
        let mut spin = discouraged();
        let looks: Vec<u32> = (0..64).map(|_| spin.begin()).collect();
        assert_eq!(looks.iter().filter(|looks| **looks == MOST).count(), 1);
        assert_eq!(looks.iter().filter(|looks| **looks == FEWEST).count(), 63);
    }

    #[test]
    fn one_long_wait_that_pays_makes_the_next_ones_as_long() {
        let mut spin = discouraged();
        spin.paid(300);
        assert_eq!(spin.begin(), 600);
        spin.paid(MOST);
        assert_eq!(spin.begin(), MOST);
    }

    #[test]
    fn a_wait_that_pays_early_shortens_nothing() {
        let mut spin = Spin::new();
        spin.paid(1);
        assert_eq!(spin.begin(), MOST);
    }

    /// Runs waits on a machine where what is waited for is there after `needed` looks or, when the wait sleeps, after
    /// `asleep` microseconds more; a look takes a microsecond. The clock has steps of 4 ms. The average wait of the last
    /// thousand, in microseconds.
    fn settle(needed: impl Fn(u32) -> u32, asleep: u64) -> u64 {
        const STEP: u64 = 4000;
        let (mut spin, mut now, mut begun_last) = (Spin::new(), 0_u64, 0);
        for wait in 0..20_000 {
            if wait == 19_000 {
                begun_last = now;
            }
            let looks = spin.begin();
            let needed = needed(wait);
            let begun = now;
            now += u64::from(needed.min(looks));
            let slept = needed > looks;
            if slept {
                now += asleep;
            }
            let took = Duration::from_micros((now / STEP - begun / STEP) * STEP);
            if slept {
                spin.in_vain();
            } else {
                spin.paid(needed);
            }
            spin.took(took);
        }
        (now - begun_last) / 1000
    }

    #[test]
    fn where_a_sleep_is_dear_and_one_thrifty_spin_in_four_is_in_vain_waits_become_patient() {
        let average = settle(|wait| if wait % 4 == 0 { 6000 } else { 1000 }, 12_000);
        assert!(average < 2400, "{average} us");
    }

    #[test]
    fn where_nothing_comes_before_this_process_sleeps_waits_stay_short() {
        let average = settle(|_| u32::MAX, 70);
        assert!(average < 150, "{average} us");
    }

    #[test]
    fn one_wait_of_seconds_does_not_make_the_dearer_way_look_cheap() {
        let mut spin = Spin::new();
        spin.took(Duration::from_secs(5));
        for _ in 1..SETTLED {
            spin.took(Duration::from_micros(75));
        }
        for _ in 0..TRIAL {
            spin.took(Duration::from_millis(1));
        }
        assert_eq!(spin.way, Way::Thrifty);
        assert!(spin.trial.is_none());
    }
}
