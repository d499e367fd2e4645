//! When a board beacons and asks for names (protocol.md §11, §12). Open-MX's daemon `omxoed` beacons 8 times, a second
//! apart, then every three minutes; news from the network starts the 8 again. It asks every 5 s for names that are missing;
//! here the first questions follow each other sooner, so that a lost one costs a tenth of a second.

use core::time::Duration;

use mx_wire::HostQuery;

use crate::time::Instant;

const BURST: u8 = 8;
const BURST_INTERVAL: Duration = Duration::from_secs(1);
const IDLE_INTERVAL: Duration = Duration::from_secs(180);
const QUERY_FIRST_INTERVAL: Duration = Duration::from_millis(100);
const QUERY_INTERVAL: Duration = Duration::from_secs(5);

/// When a peer is asked for its name: doubling intervals from a tenth of a second to 5 s.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    at: Instant,
    interval: Duration,
}

impl Default for Asking {
    /// At once.
    fn default() -> Self {
        Self {
            at: Instant::default(),
            interval: QUERY_FIRST_INTERVAL,
        }
    }
}

impl Asking {
    /// When it is due.
    pub const fn at(&self) -> Instant {
        self.at
    }

    /// The peer was heard, so it is there: it is asked soon.
    pub fn heard(&mut self, now: Instant) {
        self.at = self.at.min(now + QUERY_FIRST_INTERVAL);
    }

    /// The peer was asked.
    pub fn asked(&mut self, now: Instant) {
        self.at = now + self.interval;
        self.interval = (self.interval * 2).min(QUERY_INTERVAL);
    }
}

/// The timers of one board's discovery.
#[derive(Debug)]
pub(crate) struct Discovery {
    serial: u32,
    left: u8,
    next_beacon: Instant,
    /// No peer is to be asked before.
    next_query: Instant,
}

impl Discovery {
    /// The magic of queries. Open-MX counts it up when names are cleared, which costs it the first answers after that; here
    /// it stays the first one.
    pub const MAGIC: u32 = HostQuery::FIRST_MAGIC;

    pub fn new(now: Instant, serial: u32) -> Self {
        Self {
            serial,
            left: BURST,
            next_beacon: now,
            next_query: now,
        }
    }

    pub const fn serial(&self) -> u32 {
        self.serial
    }

    pub fn beacon_due(&self, now: Instant) -> bool {
        now >= self.next_beacon
    }

    pub fn beacon_sent(&mut self, now: Instant) {
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.left = 1;
            self.next_beacon = now + IDLE_INTERVAL;
        } else {
            self.next_beacon = now + BURST_INTERVAL;
        }
    }

    /// A board appeared or was restarted: let it, and whoever came with it, hear of this one.
    pub fn news(&mut self, now: Instant) {
        self.left = BURST;
        self.next_beacon = self.next_beacon.min(now + BURST_INTERVAL);
    }

    /// Whether some peer may be asked for its name now.
    pub fn query_due(&self, now: Instant) -> bool {
        now >= self.next_query
    }

    /// Some peer is to be asked at `at`.
    pub fn ask_for_names(&mut self, at: Instant) {
        self.next_query = self.next_query.min(at);
    }

    /// All that were due have been asked; the next is due at `at`, if there is one.
    pub fn asked_all(&mut self, now: Instant, at: Option<Instant>) {
        self.next_query = at.unwrap_or(now + QUERY_INTERVAL);
    }

    pub fn deadline(&self, names_wanted: bool) -> Instant {
        if names_wanted {
            self.next_beacon.min(self.next_query)
        } else {
            self.next_beacon
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    /// Seconds at which beacons go out until `end`, with news at the given seconds.
    fn beacons(end: u64, news: &[u64]) -> Vec<u64> {
        let second = |s: u64| Instant::from_nanos(s * 1_000_000_000);
        let mut discovery = Discovery::new(second(0), 1);
        (0..end)
            .filter(|s| {
                let due = discovery.beacon_due(second(*s));
                if due {
                    discovery.beacon_sent(second(*s));
                }
                if news.contains(s) {
                    discovery.news(second(*s));
                }
                due
            })
            .collect()
    }

    #[test]
    fn eight_beacons_a_second_apart_then_one_every_three_minutes() {
        assert_eq!(beacons(600, &[]), [0, 1, 2, 3, 4, 5, 6, 7, 187, 367, 547]);
    }

    #[test]
    fn news_start_a_burst_within_a_second() {
        assert_eq!(
            beacons(200, &[100]),
            [
                0, 1, 2, 3, 4, 5, 6, 7, 101, 102, 103, 104, 105, 106, 107, 108
            ]
        );
    }
}
