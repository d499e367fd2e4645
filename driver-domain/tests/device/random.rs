//! Kernels that ask for anything, and that write anything into the control pages.

use driver_domain::fake::{DATA_PAGE, FIRST_REF, GUEST_PAGES, Guest};
use std::collections::BTreeSet;

use mx_ring::RegionKey;
use mx_ring::admin::Change;
use mx_ring::control::{ControlRequest, STAGING_PAGE, STAGING_REFS};
use mx_wire::MacAddress;
use proptest::prelude::*;

use crate::world::{World, geometry};

fn any_request() -> impl Strategy<Value = ControlRequest> {
    let endpoint = || 0u8..4;
    let region =
        || (0u16..4, 0u16..2).prop_map(|(slot, generation)| RegionKey { slot, generation });
    prop_oneof![
        (endpoint(), any::<u32>(), any::<bool>(), any::<bool>()).prop_map(
            |(endpoint, session, odd, adopt)| {
                let mut geometry = geometry();
                if odd {
                    geometry.commands = session;
                }
                ControlRequest::OpenEndpoint {
                    endpoint,
                    session,
                    geometry,
                    adopt,
                }
            }
        ),
        endpoint().prop_map(|endpoint| ControlRequest::CloseEndpoint { endpoint }),
        (
            endpoint(),
            region(),
            any::<bool>(),
            any::<u16>(),
            any::<u32>(),
            0u32..60,
            0u32..60,
            0u32..5000
        )
            .prop_map(
                |(endpoint, region, writable, offset, length, first_page, pages, staging)| {
                    ControlRequest::Register {
                        endpoint,
                        region,
                        writable,
                        offset: offset % 5000,
                        length: length % 300_000,
                        first_page: first_page.saturating_sub(40),
                        pages,
                        staging: staging.saturating_sub(4000),
                    }
                }
            ),
        (endpoint(), region())
            .prop_map(|(endpoint, region)| ControlRequest::Deregister { endpoint, region }),
        Just(ControlRequest::Ready),
        any::<bool>().prop_map(|open| ControlRequest::Raw { open }),
        (0u16..1200).prop_map(|length| ControlRequest::SendRaw { length }),
        Just(ControlRequest::TakeRaw),
        prop_oneof![
            Just(Change::ClearCounters),
            Just(Change::ClearPeers),
            any::<[u8; 6]>().prop_map(|mac| Change::AddPeer {
                mac: MacAddress(mac),
                name: [7; 80]
            }),
            Just(Change::SetHostname([7; 80])),
        ]
        .prop_map(ControlRequest::Change),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_a_kernel_asks_for_is_answered_once_and_given_back(
        requests in proptest::collection::vec((any_request(), 0usize..6, any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        let mut open = BTreeSet::new();
        let answers = |world: &mut World, open: &mut BTreeSet<u32>| {
            while let Some(response) = world.kernel.next_response() {
                let response = response.unwrap();
                assert!(response.id == 0 || open.remove(&response.id), "{response:?}");
            }
        };
        for (request, turns, bad) in requests {
            world.stage(&Guest::refs(DATA_PAGE, STAGING_REFS.min(GUEST_PAGES - DATA_PAGE)));
            if bad {
                world.guest.refused.borrow_mut().insert(FIRST_REF + DATA_PAGE as u32 + 50);
            } else {
                world.guest.refused.borrow_mut().clear();
            }
            if world.kernel.has_room() {
                open.insert(world.ask(&request));
            }
            for _ in 0..turns {
                world.turn().unwrap();
            }
            answers(&mut world, &mut open);
        }
        for _ in 0..600 {
            world.turn().unwrap();
            answers(&mut world, &mut open);
        }
        prop_assert!(open.is_empty(), "{:?}", open);
        world.end();
    }

    #[test]
    fn no_bytes_in_the_control_pages_make_the_device_fail_hard(
        writes in proptest::collection::vec((0usize..4, 0usize..4088, any::<u64>(), any::<bool>()), 1..60),
    ) {
        let mut world = World::new();
        world.stage(&Guest::refs(DATA_PAGE, 1000));
        for (page, offset, value, small) in writes {
            let page = [0, 2, 3, STAGING_PAGE][page];
            let value = if small { value % 20 } else { value };
            world.guest.slice(page, 1).write(offset, &value.to_le_bytes()).unwrap();
            world.device.rung(world.now(), &mut world.backend);
            if world.turn().is_err() {
                break;
            }
        }
        world.end();
    }
}
