//! How often something may happen, where that can be set: so often in a time, and no more than that at once.

use core::time::Duration;

use crate::time::Instant;

/// A token bucket that holds the tokens of its time.
#[derive(Clone, Copy, Debug)]
pub struct Rate {
    count: u32,
    /// How long a token takes to come.
    one: Duration,
    left: u32,
    since: Instant,
}

impl Rate {
    /// `count` times in so many seconds.
    pub fn new(now: Instant, count: u32, seconds: u32) -> Self {
        Self {
            count,
            one: Duration::from_secs(seconds.into()) / count.max(1),
            left: count,
            since: now,
        }
    }

    /// Takes one token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let earned = (now - self.since).as_nanos() / self.one.as_nanos().max(1);
        if earned > 0 {
            let earned = u32::try_from(earned).unwrap_or(u32::MAX);
            self.left = self.left.saturating_add(earned).min(self.count);
            // What is left of the time counts for the next one.
            self.since = match self.left == self.count {
                true => now,
                false => self.since + self.one * earned,
            };
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_come_at_once_and_then_so_many_in_the_time() {
        let start = Instant::from_nanos(7_000_000_000);
        for (count, seconds) in [(60, 60), (1000, 1), (7, 60), (1, 60)] {
            let mut rate = Rate::new(start, count, seconds);
            let burst = (0..2 * count).filter(|_| rate.take(start)).count();
            assert_eq!(burst, count as usize);
            let millis = u64::from(seconds) * 1000;
            let later = (1..=millis)
                .filter(|at| rate.take(start + Duration::from_millis(*at)))
                .count();
            assert!(later.abs_diff(count as usize) <= 1, "{later} of {count}");
        }
    }
}
