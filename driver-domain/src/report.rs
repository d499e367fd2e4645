//! Counts among the domain's own nodes in xenstore: written every [`EVERY`] at most, and only what has changed.
//!
//! | node | value |
//! |---|---|
//! | `data/omx/guests` | connected guests |
//! | `data/omx/endpoints` | their open endpoints |
//! | `data/omx/asleep` | percent of the time since the last report that the domain slept |
//! | `data/omx/rates/<what>` | growth in a second of a counter of the card (`received_frames`, …) |
//! | `data/omx/drops/<cause>` | frames that were not fit, over all guests: the counter's words in small letters, with `-` |

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::Counter;

use crate::management::snapshot::{DomainSnapshot, Snapshot, is_drop};
use crate::xenstore_writer::Write;

/// How far reports are apart at least.
pub const EVERY: Duration = Duration::from_secs(5);

/// What was told.
#[derive(Default)]
pub struct Report {
    told: BTreeMap<String, String>,
    last: Option<DomainSnapshot>,
}

impl Report {
    /// Whether a report is due.
    pub fn is_due(&self, now: Duration) -> bool {
        self.last
            .as_ref()
            .is_none_or(|last| now.saturating_sub(last.now) >= EVERY)
    }

    /// The nodes that have changed since the last report.
    pub fn changes(&mut self, snapshot: &impl Snapshot) -> Vec<Write> {
        let domain = snapshot.domain();
        let mut nodes = nodes(snapshot, &domain, self.last.as_ref().unwrap_or(&domain));
        self.last = Some(domain);
        // A cause whose guests have gone has counted nothing any more.
        let causes = self.told.keys().filter(|name| name.starts_with("drops/"));
        let ended = causes.filter(|name| !nodes.iter().any(|(new, _)| new == *name));
        let ended: Vec<_> = ended.map(|name| (name.clone(), "0".to_string())).collect();
        nodes.extend(ended);
        let mut writes = Vec::new();
        for (name, value) in nodes {
            if self.told.get(&name) != Some(&value) {
                writes.push(Write::Own(format!("data/omx/{name}"), value.clone()));
                self.told.insert(name, value);
            }
        }
        writes
    }
}

fn nodes(
    snapshot: &impl Snapshot,
    domain: &DomainSnapshot,
    last: &DomainSnapshot,
) -> Vec<(String, String)> {
    let mut nodes = Vec::new();
    let mut drops = [0_u64; Counter::ALL.len()];
    let (mut guests, mut endpoints) = (0, 0);
    while let (Some(board), Some(counts)) = (snapshot.board(guests), snapshot.counts(guests)) {
        guests += 1;
        endpoints += board.endpoints;
        for (sum, count) in drops.iter_mut().zip(counts) {
            *sum = sum.saturating_add(count);
        }
    }
    nodes.push(("guests".to_string(), guests.to_string()));
    nodes.push(("endpoints".to_string(), endpoints.to_string()));
    let passed = domain.now.saturating_sub(last.now).as_micros() as u64;
    if passed > 0 {
        let asleep = domain.asleep.saturating_sub(last.asleep).as_micros() as u64;
        let percent = (u128::from(asleep) * 100 / u128::from(passed)).min(100);
        nodes.push(("asleep".to_string(), percent.to_string()));
        for ((name, now), (_, before)) in domain.nic.iter().zip(&last.nic) {
            let grown = u128::from(now.saturating_sub(*before));
            let rate = grown * 1_000_000 / u128::from(passed);
            nodes.push((format!("rates/{name}"), rate.to_string()));
        }
    }
    for (counter, sum) in Counter::ALL.into_iter().zip(drops) {
        if is_drop(counter) && sum > 0 {
            nodes.push((format!("drops/{}", cause(counter)), sum.to_string()));
        }
    }
    nodes
}

/// A counter's words as a name of xenstore, without the first.
fn cause(counter: Counter) -> String {
    let words = counter.label().split(' ').skip(1);
    words
        .map(str::to_ascii_lowercase)
        .collect::<Vec<_>>()
        .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::management::snapshot::{BoardSnapshot, Counts, PeerSnapshot};
    use mx_backend::HostName;
    use mx_wire::MacAddress;

    struct Domain {
        now: Duration,
        asleep: Duration,
        frames: u64,
        drops: u64,
    }

    impl Snapshot for Domain {
        fn domain(&self) -> DomainSnapshot {
            let mut nic = [("nothing", 0); 10];
            nic[0] = ("received_frames", self.frames);
            DomainSnapshot {
                domain: 1,
                now: self.now,
                asleep: self.asleep,
                started: Duration::ZERO,
                wire: "native",
                mtu: 9000,
                driver: "igb",
                mac: MacAddress([2; 6]),
                address: None,
                link_up: true,
                hypercalls: 0,
                in_flight: 0,
                transmit_slots: 0,
                nic,
            }
        }

        fn board(&self, number: usize) -> Option<BoardSnapshot> {
            (number < 2).then(|| BoardSnapshot {
                name: HostName::new(b"guest:0"),
                mac: MacAddress([2; 6]),
                endpoints: 3,
                polled: 0,
                pages: 0,
                peers: 0,
                notices: mx_ring::warning::Notices::default(),
                usage: Default::default(),
            })
        }

        fn counts(&self, _: usize) -> Option<Counts> {
            let mut counts = [0; Counter::ALL.len()];
            counts[Counter::DropBadPeerAddr.index()] = self.drops;
            Some(counts)
        }

        fn peer(&self, _: usize, _: u16) -> Option<PeerSnapshot> {
            None
        }
    }

    fn told(writes: &[Write]) -> Vec<(&str, &str)> {
        writes
            .iter()
            .map(|write| match write {
                Write::Own(path, value) => (path.as_str(), value.as_str()),
                other => panic!("{other:?} is no write of its own"),
            })
            .collect()
    }

    #[test]
    fn only_what_has_changed_is_written_and_not_often() {
        let mut report = Report::default();
        let mut domain = Domain {
            now: Duration::from_secs(10),
            asleep: Duration::from_secs(1),
            frames: 100,
            drops: 0,
        };
        assert!(report.is_due(domain.now));
        assert_eq!(
            told(&report.changes(&domain)),
            [("data/omx/guests", "2"), ("data/omx/endpoints", "6")]
        );
        assert!(!report.is_due(domain.now + Duration::from_secs(4)));
        domain.now += EVERY;
        domain.asleep += Duration::from_secs(4);
        domain.frames += 50;
        domain.drops = 4;
        assert!(report.is_due(domain.now));
        let writes = report.changes(&domain);
        let first = told(&writes);
        assert!(first.contains(&("data/omx/asleep", "80")), "{first:?}");
        assert!(
            first.contains(&("data/omx/rates/received_frames", "10")),
            "{first:?}"
        );
        assert!(
            first.contains(&("data/omx/drops/bad-peer-addr", "8")),
            "{first:?}"
        );
        domain.now += EVERY;
        domain.asleep += Duration::from_secs(4);
        domain.frames += 50;
        assert_eq!(told(&report.changes(&domain)), []);
    }
}
