//! How often the clock is read: a program that looks again and again would find it unchanged thousands of times.

use std::time::Duration;

use crate::clock;

/// How often in a row the clock has to be found unchanged before so many looks do without reading it. Who looks less often within
/// one of its steps reads it each time; who suddenly looks more seldom is so many looks late with what is due, once.
const SPARED: u32 = 8;

/// The readings of the clock by the calls of one endpoint.
#[derive(Debug, Default)]
pub struct Readings {
    last: Duration,
    /// How often in a row it was the same.
    same: u32,
    spared: u32,
}

impl Readings {
    /// Reads the clock.
    #[inline]
    pub fn read(&mut self) -> Duration {
        let now = clock::now();
        self.note(now);
        now
    }

    /// The clock was read.
    #[inline]
    pub fn note(&mut self, now: Duration) {
        self.same = match now == self.last {
            true => self.same.saturating_add(1),
            false => 0,
        };
        self.spared = if self.same < SPARED { 0 } else { SPARED };
        self.last = now;
    }

    /// What was read last.
    #[inline]
    pub fn last(&self) -> Duration {
        self.last
    }

    /// Whether the next look may do without.
    #[inline]
    pub fn may_be_spared(&self) -> bool {
        self.spared > 0
    }

    /// A look does without, as it may.
    #[inline]
    pub fn spare(&mut self) {
        self.spared = self.spared.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks at these times: how many of them do without reading the clock.
    fn spared(readings: &mut Readings, times: impl IntoIterator<Item = u64>) -> usize {
        let look = |at: &u64| {
            let spared = readings.may_be_spared();
            match spared {
                true => readings.spare(),
                false => readings.note(Duration::from_millis(*at)),
            }
            spared
        };
        times.into_iter().filter(look).count()
    }

    #[test]
    fn who_looks_but_a_few_times_within_a_step_of_the_clock_reads_it_each_time() {
        let bursts = (1..100).flat_map(|step| [step; SPARED as usize]);
        assert_eq!(spared(&mut Readings::default(), bursts), 0);
    }

    #[test]
    fn who_looks_often_reads_the_clock_at_one_look_of_nine() {
        let mut readings = Readings::default();
        spared(&mut readings, [1; 9]);
        assert_eq!(spared(&mut readings, [1; 900]), 800);
    }

    #[test]
    fn who_suddenly_looks_seldom_is_late_for_a_few_looks_once() {
        let mut readings = Readings::default();
        spared(&mut readings, [1; 100]);
        let late = spared(&mut readings, (2..100).map(|number| number * 1000));
        assert!(late <= SPARED as usize, "{late}");
        assert_eq!(readings.last(), Duration::from_secs(99));
    }
}
