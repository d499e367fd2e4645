//! How fast counters grow.

use std::time::Duration;

use driver_domain::management::Rates;
use driver_domain::management::snapshot::{
    BoardSnapshot, Counts, DomainSnapshot, PeerSnapshot, Snapshot,
};

use super::domain::Domain;

/// A domain at some time.
struct At(Duration, Domain);

impl Snapshot for At {
    fn domain(&self) -> DomainSnapshot {
        DomainSnapshot {
            now: self.0,
            ..self.1.domain()
        }
    }

    fn board(&self, number: usize) -> Option<BoardSnapshot> {
        self.1.board(number)
    }

    fn counts(&self, number: usize) -> Option<Counts> {
        self.1.counts(number)
    }

    fn peer(&self, number: usize, index: u16) -> Option<PeerSnapshot> {
        self.1.peer(number, index)
    }
}

fn at(seconds: u64, boards: usize) -> At {
    At(Duration::from_secs(seconds), Domain { boards, peers: 1 })
}

#[test]
fn a_board_that_came_since_the_last_look_has_counted_from_zero() {
    let mut rates = Rates::default();
    rates.sample(&at(100, 1));
    rates.sample(&at(110, 2));
    let of = |number| rates.board(at(0, 2).board(number).unwrap().mac);
    assert_eq!((of(0).received, of(0).sent), (0, 0));
    assert_eq!((of(1).received, of(1).sent), (123_456, 4));
}
