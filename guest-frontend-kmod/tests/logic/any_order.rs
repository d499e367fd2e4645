//! Any order of calls, kills, answers, lies and deaths: no page is given back while the backend could reach it (the
//! model checks at each step), none is lost, every caller is told something in the end.

use mx_ring::control::{STAGING_REFS, Status};
use proptest::prelude::*;

use crate::run::{Run, Step};

fn status() -> impl Strategy<Value = Status> {
    prop_oneof![
        6 => Just(Status::Ok),
        1 => Just(Status::Invalid),
        1 => Just(Status::Busy),
        1 => Just(Status::NotFound),
        1 => Just(Status::NoSpace),
        1 => Just(Status::BadGrant),
    ]
}

/// Wake bits of endpoints that sleep, or any.
fn storm() -> impl Strategy<Value = Step> {
    let bits = prop_oneof![
        (1u8..16).prop_map(|low| {
            let mut bits = [0; 32];
            bits[0] = low;
            bits
        }),
        any::<[u8; 32]>(),
    ];
    (bits, 1usize..20).prop_map(|(bits, times)| Step::BackendStorms { bits, times })
}

fn step() -> impl Strategy<Value = Step> {
    let nth = 0usize..8;
    let pages =
        prop_oneof![30 => 1usize..40, 1 => Just(STAGING_REFS), 1 => Just(2 * STAGING_REFS + 1)];
    prop_oneof![
        4 => proptest::option::of(0u8..4).prop_map(|endpoint| Step::Open { endpoint }),
        6 => (nth.clone(), pages, any::<bool>(), proptest::bool::weighted(0.2)).prop_map(
            |(nth, pages, writable, reserve)| Step::Register { nth, pages, writable, reserve }
        ),
        4 => nth.clone().prop_map(|nth| Step::Deregister { nth }),
        3 => nth.clone().prop_map(|nth| Step::Close { nth }),
        2 => nth.clone().prop_map(|nth| Step::KillWaiter { nth }),
        6 => Just(Step::PollWaiters),
        8 => (1usize..6).prop_map(|count| Step::BackendTakes { count }),
        10 => (nth.clone(), status(), proptest::bool::weighted(0.1))
            .prop_map(|(nth, status, lie)| Step::BackendAnswers { nth, status, lie }),
        1 => Just(Step::BackendLetsGo),
        2 => storm(),
        3 => (0u8..4).prop_map(|endpoint| Step::Sleeps { endpoint }),
        1 => (prop_oneof![Just(0), 1u32..100], 0u8..6).prop_map(|(id, endpoint)| Step::BackendSays { id, endpoint }),
        8 => Just(Step::ModuleResponds),
        4 => nth.clone().prop_map(|nth| Step::Change { nth }),
        4 => nth.clone().prop_map(|nth| Step::Use { nth }),
        4 => nth.clone().prop_map(|nth| Step::Sweep { nth }),
        4 => Just(Step::Reap),
        1 => (0usize..200).prop_map(|left| Step::GrantsShort { left }),
        1 => (0usize..100).prop_map(|left| Step::MemoryShort { left }),
        1 => Just(Step::Replace),
        2 => Just(Step::Orphan),
        1 => Just(Step::OrphanGrabs),
        3 => Just(Step::OrphansDie),
        6 => Just(Step::Succeed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_page_is_freed_while_granted_and_all_are_freed_at_the_end(
        steps in proptest::collection::vec(step(), 1..120),
        orderly: bool,
    ) {
        let mut run = Run::new();
        for step in steps {
            run.go(step);
        }
        run.end(orderly);
    }

    #[test]
    fn whatever_the_backend_writes_into_its_control_page_ends_in_answers_or_a_fault(
        opens in 0usize..20,
        index in prop_oneof![0u32..70, any::<u32>()],
        ring in proptest::collection::vec(prop_oneof![0u8..4, any::<u8>()], 64 * 32),
    ) {
        let mut run = Run::new();
        for _ in 0..opens {
            run.go(Step::Open { endpoint: None });
        }
        let producer = index.to_le_bytes().to_vec();
        for (offset, bytes) in [(68, producer), (1024, ring)] {
            run.go(Step::BackendWrites { page: 1, offset, bytes });
        }
        run.go(Step::ModuleResponds);
        run.end(false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::with_cases(48)
    })]

    /// Xen's code masks the channel of a backend whose events are worth nothing for longer and longer.
    #[test]
    fn a_backend_that_storms_is_worth_few_interrupts_however_processes_sleep_and_whatever_it_says(
        steps in proptest::collection::vec(
            prop_oneof![
                4 => storm(),
                4 => (0u8..4).prop_map(|endpoint| Step::Sleeps { endpoint }),
                1 => (0u8..6).prop_map(|endpoint| Step::BackendSays { id: 0, endpoint }),
                1 => step(),
            ],
            1..100,
        ),
    ) {
        let mut run = Run::new();
        for step in steps {
            run.go(step);
        }
        run.end(false);
    }
}
