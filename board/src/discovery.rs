//! When a board beacons and asks for names (protocol.md §11, §12). Open-MX's daemon `omxoed` beacons 8 times, a second
//! apart, then every three minutes; news from the network starts the 8 again.

use core::time::Duration;

use mx_wire::HostQuery;

use crate::time::Instant;

const BURST: u8 = 8;
const BURST_INTERVAL: Duration = Duration::from_secs(1);
const IDLE_INTERVAL: Duration = Duration::from_secs(180);
const QUERY_INTERVAL: Duration = Duration::from_secs(5);

/// The timers of one board's discovery.
#[derive(Debug)]
pub(crate) struct Discovery {
    serial: u32,
    left: u8,
    next_beacon: Instant,
    next_query_round: Instant,
    /// Within a round of queries: peers below this index have had theirs.
    query_cursor: u16,
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
            next_query_round: now + QUERY_INTERVAL,
            query_cursor: 0,
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

    /// Where to go on with the queries that are due.
    pub fn query_from(&self, now: Instant) -> Option<u16> {
        (now >= self.next_query_round).then_some(self.query_cursor)
    }

    pub fn queried(&mut self, peer: u16) {
        self.query_cursor = peer + 1;
    }

    pub fn round_done(&mut self, now: Instant) {
        self.query_cursor = 0;
        self.next_query_round = now + QUERY_INTERVAL;
    }

    /// The next round of queries is due.
    pub fn ask_for_names(&mut self, now: Instant) {
        self.query_cursor = 0;
        self.next_query_round = self.next_query_round.min(now);
    }

    pub fn deadline(&self, names_wanted: bool) -> Instant {
        if names_wanted {
            self.next_beacon.min(self.next_query_round)
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
