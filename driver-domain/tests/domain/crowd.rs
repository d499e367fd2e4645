//! As many guests as a domain of 64 MiB is for.

use driver_domain::account::{Limit, Limits, Pools};
use driver_domain::fake::Guest;
use mx_ring::control::Status;

use crate::counting::used;
use crate::world::{Domain, ENDPOINTS, region_page, registration};

const GUESTS: usize = 64;
/// Of 64 MiB, 44 are heap. An eighth of it is no guest's, an eighth of the rest is for pulls (`driver-domain/src/run.rs`).
const HEAP: usize = (44 << 20) / 8 * 7 / 8 * 7;
/// Pages that there are addresses for.
const PAGES: usize = 1 << 18;
const REGIONS: u16 = 64;

fn register(domain: &mut Domain, guest: usize, endpoint: u8, slot: u16) -> Status {
    domain.parties[guest].stage(&Guest::refs(region_page(), 1));
    domain.ask(guest, &registration(endpoint, slot, 1, 0))
}

#[test]
fn sixty_four_guests_have_what_they_need_in_64_mib_although_one_takes_all_that_is_not_kept_for_them()
 {
    let before = used();
    let mut domain = Domain::new(Pools::new(PAGES, HEAP, GUESTS));
    let mut limits = Limits::default();
    for limit in [Limit::Heap, Limit::Regions, Limit::Pages] {
        let most = limit.most().to_string();
        limits.set(limit.name(), &most).unwrap();
    }
    let accounts: Vec<_> = (0..GUESTS)
        .map(|guest| {
            domain.account(if guest == 0 {
                limits
            } else {
                Limits::default()
            })
        })
        .collect();
    let guests: Vec<_> = accounts
        .iter()
        .map(|account| domain.join(account))
        .collect();
    for endpoint in 0..ENDPOINTS {
        assert_eq!(domain.open(guests[0], 64), Status::Ok, "{endpoint}");
    }
    // Regions that are far from each other take much of the heap.
    let slots = (0..4096).step_by(64);
    let mut regions =
        (0..ENDPOINTS).flat_map(|endpoint| slots.clone().map(move |slot| (endpoint, slot)));
    let refused = regions.find(|(endpoint, slot)| {
        register(&mut domain, guests[0], *endpoint, *slot) == Status::NoSpace
    });
    assert!(refused.is_some(), "there was room for all of its regions");
    for guest in &guests[1..] {
        for _ in 0..3 {
            assert_eq!(domain.open(*guest, 64), Status::Ok, "guest {guest}");
        }
        for slot in 0..REGIONS {
            assert_eq!(
                register(&mut domain, *guest, 0, slot),
                Status::Ok,
                "guest {guest}"
            );
        }
    }
    let taken = used() - before;
    let charged: usize = accounts
        .iter()
        .map(|account| account.held(Limit::Heap))
        .sum();
    println!(
        "{GUESTS} guests: {} KiB of heap, charged {} of {} KiB",
        taken >> 10,
        charged >> 10,
        HEAP >> 10
    );
    assert!(charged <= HEAP);
    assert!(
        taken <= charged + (1 << 20),
        "what the test itself takes: {taken}"
    );
    domain.end();
}
