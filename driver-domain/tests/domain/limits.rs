//! Limits that change while devices are connected.

use driver_domain::account::{Limit, Limits, Pools};
use mx_ring::control::Status;

use crate::greed::pull;
use crate::world::{Domain, SESSION, SILENT};

#[test]
fn a_limit_that_an_operator_changes_holds_for_devices_that_are_connected() {
    let mut domain = Domain::new(Pools::new(12 << 10, 12 << 20, 3));
    let with = |pulls: u32| {
        let mut limits = Limits::default();
        limits.set(Limit::Pulls.name(), &pulls.to_string()).unwrap();
        limits
    };
    let account = domain.account(with(32));
    let guest = domain.join(&account);
    domain.meet_silent(guest);
    assert_eq!(domain.open(guest, 64), Status::Ok);
    let silent = domain.index(guest, SILENT);
    let board = domain.parties[guest].device.board();
    for most in [32, 48] {
        let now = domain.now();
        account.set_limits(now, with(most));
        domain.parties[guest]
            .device
            .limits_changed(now, &mut domain.backend);
        for _ in 0..20 {
            domain.parties[guest].load(|_, number| pull(silent, SESSION, number));
            domain.turn();
        }
        let pulls = domain.backend.usage(board).map(|usage| usage.pulls);
        assert_eq!(pulls, Some(most));
    }
}
