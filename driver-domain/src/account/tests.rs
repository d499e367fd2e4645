use super::*;
use core::time::Duration;
use proptest::prelude::*;
use std::vec::Vec;

extern crate std;

const START: Instant = Instant::from_nanos(5_000_000_000);

fn limits(changes: &[(&str, &str)]) -> Limits {
    let mut limits = Limits::default();
    for (name, value) in changes {
        limits.set(name, value).unwrap();
    }
    limits
}

#[test]
fn every_guest_has_its_share_whatever_the_others_have_taken() {
    let pools = Pools::new(1000, 1 << 20, 5);
    let guests: Vec<_> = (0..5)
        .map(|_| Account::new(&pools, Limits::default(), START))
        .collect();
    let greedy = guests[0].charge([(Limit::Pages, 600)]).unwrap();
    let one_more = guests[0].charge([(Limit::Pages, 1)]);
    assert_eq!(one_more.unwrap_err(), Refused::Shared(Limit::Pages));
    let shares: Vec<_> = guests[1..]
        .iter()
        .map(|guest| guest.charge([(Limit::Pages, 100)]).unwrap())
        .collect();
    assert!(guests[1].charge([(Limit::Pages, 1)]).is_err());
    drop(greedy);
    let rest = guests[1].charge([(Limit::Pages, 500)]).unwrap();
    assert!(guests[2].charge([(Limit::Pages, 1)]).is_err());
    assert!(guests[0].charge([(Limit::Pages, 101)]).is_err());
    let again = guests[0].charge([(Limit::Pages, 100)]).unwrap();
    drop((shares, rest, again));
    assert_eq!(guests[1].held(Limit::Pages), 0);
    let all = guests[1].charge([(Limit::Pages, 600)]);
    assert!(all.is_ok());
}

#[test]
fn what_is_refused_in_part_is_not_taken_in_part() {
    let pools = Pools::new(1000, 1 << 20, 1);
    let guest = Account::new(&pools, limits(&[("limit-regions", "2")]), START);
    let wanted = || guest.charge([(Limit::Pages, 10), (Limit::Regions, 1)]);
    let kept = [wanted().unwrap(), wanted().unwrap()];
    let refused = wanted().unwrap_err();
    assert_eq!(refused, Refused::Limit(Limit::Regions, 2));
    assert_eq!(guest.held(Limit::Pages), 20);
    assert_eq!(guest.refused(Limit::Regions), 1);
    let said = std::string::ToString::to_string(&refused);
    assert_eq!(
        said,
        "it has as many registered regions as it may (limit-regions=2)"
    );
    drop(kept);
    assert_eq!(
        (guest.held(Limit::Pages), guest.held(Limit::Regions)),
        (0, 0)
    );
}

#[test]
fn a_limit_is_told_once_until_the_guest_has_come_down() {
    let pools = Pools::new(1000, 1 << 20, 1);
    let guest = Account::new(&pools, limits(&[("limit-endpoints", "4")]), START);
    let mut open: Vec<_> = (0..4)
        .map(|_| guest.charge([(Limit::Endpoints, 1)]).unwrap())
        .collect();
    let refused = || guest.charge([(Limit::Endpoints, 1)]).unwrap_err();
    assert!(guest.is_news(refused()));
    assert!(!guest.is_news(refused()));
    open.pop();
    open.push(guest.charge([(Limit::Endpoints, 1)]).unwrap());
    assert!(!guest.is_news(refused()), "it comes and goes");
    open.truncate(2);
    open.push(guest.charge([(Limit::Endpoints, 1)]).unwrap());
    open.push(guest.charge([(Limit::Endpoints, 1)]).unwrap());
    assert!(guest.is_news(refused()));
}

#[test]
fn guests_beyond_those_that_were_foreseen_share_what_is_left() {
    let pools = Pools::new(1000, 1 << 20, 2);
    let two = [0, 1].map(|_| Account::new(&pools, Limits::default(), START));
    let third = Account::new(&pools, Limits::default(), START);
    let rest = third.charge([(Limit::Pages, 500)]).unwrap();
    assert!(third.charge([(Limit::Pages, 1)]).is_err());
    assert!(two[0].charge([(Limit::Pages, 250)]).is_ok());
    drop(rest);
    drop((two, third));
    let next = Account::new(&pools, Limits::default(), START);
    assert!(next.charge([(Limit::Pages, 750)]).is_ok());
}

#[test]
fn lines_and_connects_are_so_many_in_a_minute() {
    let pools = Pools::new(1000, 1 << 20, 1);
    let few = limits(&[("limit-reconnects", "6"), ("limit-log-lines", "3")]);
    let guest = Account::new(&pools, few, START);
    let connects = |now| (0..100).filter(|_| guest.may_connect(now).is_ok()).count();
    assert_eq!(connects(START), 6);
    assert_eq!(connects(START + Duration::from_secs(30)), 3);
    for _ in 0..10 {
        guest.say(START, log::Level::Warn, format_args!("about it"));
    }
    assert_eq!(guest.refused(Limit::LogLines), 7);
    guest.say(
        START + Duration::from_secs(20),
        log::Level::Warn,
        format_args!("again"),
    );
    assert_eq!(guest.refused(Limit::LogLines), 7);
}

proptest! {
    #[test]
    fn no_order_of_taking_and_giving_takes_a_share_from_anybody_or_loses_anything(
        steps in proptest::collection::vec((0usize..4, any::<bool>(), 1usize..400), 1..200),
    ) {
        let pools = Pools::new(1000, 1 << 20, 3);
        let guests: Vec<_> = (0..4).map(|_| Account::new(&pools, Limits::default(), START)).collect();
        let mut charges: Vec<Vec<Charge>> = (0..4).map(|_| Vec::new()).collect();
        for (guest, takes, count) in steps {
            if takes {
                let before = guests[guest].held(Limit::Pages);
                let got = guests[guest].charge([(Limit::Pages, count)]);
                prop_assert!(got.is_ok() || guest == 3 || before + count > 166);
                charges[guest].extend(got);
            } else {
                charges[guest].pop();
            }
            let sum: usize = guests.iter().map(|guest| guest.held(Limit::Pages)).sum();
            prop_assert!(sum <= 1000);
        }
        charges.clear();
        prop_assert_eq!(pools.pages.free.get(), 1000 - 3 * 166);
    }
}
