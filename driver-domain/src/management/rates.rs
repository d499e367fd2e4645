//! How fast counters grow: from two samples, some seconds apart.

use core::time::Duration;

use alloc::vec::Vec;

use mx_wire::MacAddress;

use super::snapshot::{DomainSnapshot, NIC_COUNTERS, Snapshot, Totals};

/// How far samples are apart at least.
const APART: Duration = Duration::from_secs(2);
/// Boards that are looked at; others have no rates.
const BOARDS: usize = 64;

/// Growth in a second.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    last: Option<DomainSnapshot>,
    seconds: f64,
    nic: [f64; NIC_COUNTERS],
    asleep: f64,
    boards: Vec<Board>,
}

#[derive(Clone, Debug)]
struct Board {
    mac: MacAddress,
    totals: Totals,
    rate: Totals,
}

impl Rates {
    /// When the next sample is due.
    pub fn is_due(&self, now: Duration) -> bool {
        self.last
            .as_ref()
            .is_none_or(|last| now.saturating_sub(last.now) >= APART)
    }

    /// Takes a sample.
    pub fn sample(&mut self, snapshot: &impl Snapshot) {
        let domain = snapshot.domain();
        let seconds = self.last.as_ref().map_or(0.0, |last| {
            domain.now.saturating_sub(last.now).as_secs_f64()
        });
        // A counter that begins anew, with its card or board, counts from zero.
        let rate = |now: u64, before: u64| match seconds {
            0.0 => 0.0,
            seconds => now.saturating_sub(before) as f64 / seconds,
        };
        if let Some(last) = &self.last {
            for (grown, ((_, now), (_, before))) in
                self.nic.iter_mut().zip(domain.nic.iter().zip(&last.nic))
            {
                *grown = rate(*now, *before);
            }
            let asleep = domain.asleep.saturating_sub(last.asleep).as_secs_f64();
            self.asleep = if seconds > 0.0 {
                (asleep / seconds).min(1.0)
            } else {
                0.0
            };
        }
        let before = core::mem::take(&mut self.boards);
        for number in 0..BOARDS {
            let (Some(board), Some(counts)) = (snapshot.board(number), snapshot.counts(number))
            else {
                break;
            };
            let totals = Totals::of(&counts);
            let known = before.iter().find(|known| known.mac == board.mac);
            let last = known.map_or_else(Totals::default, |known| known.totals);
            let rate = |now, before| rate(now, before) as u64;
            self.boards.push(Board {
                mac: board.mac,
                totals,
                rate: Totals {
                    sent: rate(totals.sent, last.sent),
                    received: rate(totals.received, last.received),
                    shared: rate(totals.shared, last.shared),
                    dropped: rate(totals.dropped, last.dropped),
                },
            });
        }
        self.seconds = seconds;
        self.last = Some(domain);
    }

    /// Growth of the card's counter of this number in a second.
    pub fn nic(&self, counter: usize) -> f64 {
        self.nic.get(counter).copied().unwrap_or(0.0)
    }

    /// Growth of the sums of the board with this address in a second.
    pub fn board(&self, mac: MacAddress) -> Totals {
        let board = self.boards.iter().find(|board| board.mac == mac);
        board.map_or_else(Totals::default, |board| board.rate)
    }

    /// Share of the time that the domain slept.
    pub fn asleep(&self) -> f64 {
        self.asleep
    }

    /// Seconds that the rates are of.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}
