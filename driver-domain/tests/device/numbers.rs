//! Numbers of boards: given away again when everything about the former owner was told, and never taken for it.

use driver_domain::device::Device;
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest, account};
use mx_backend::Completion;
use mx_board::HostName;
use mx_ring::control::Status;
use mx_wire::MacAddress;

use crate::world::{World, endpoint_pages, identity};

#[test]
fn a_device_that_still_gives_memory_back_is_not_taken_for_the_next_owner_of_its_boards_number() {
    let mut world = World::new();
    for endpoint in 0..4 {
        let page = DATA_PAGE + usize::from(endpoint) * endpoint_pages();
        assert_eq!(world.open(endpoint, page), Status::Ok);
    }
    let number = world.device.board();
    let connect = |world: &mut World, last| {
        let guest = Guest::new().unwrap();
        guest.format();
        let mut identity = identity();
        identity.mac = MacAddress([2, 0, 0, 0, 0, last]);
        identity.name = HostName::new(&[b'a' + last]);
        let now = world.now();
        Device::connect(
            guest,
            &account(),
            FIRST_REF,
            identity,
            8,
            now,
            &mut world.backend,
        )
        .unwrap()
    };
    world.device.retire(&mut world.backend);
    // One that comes before the removal was told has another number.
    let early = connect(&mut world, 2);
    assert_ne!(early.board(), number);
    while let Some(completion) = world.backend.next_completion() {
        let (Completion::EndpointClosed(mx_backend::EndpointKey { board, .. })
        | Completion::BoardRemoved(board)) = completion
        else {
            panic!("{completion:?}");
        };
        assert!(world.device.serves(board) && !early.serves(board));
        world.removed |= matches!(completion, Completion::BoardRemoved(_));
        world.device.completed(completion);
    }
    let mut budget = 32;
    assert!(
        !world.device.gone(&mut budget),
        "220 pages are on their way"
    );
    let late = connect(&mut world, 3);
    assert_eq!(late.board(), number, "it is free again");
    assert!(late.serves(number));
    assert!(
        !world.device.serves(number),
        "nothing is this device's any more"
    );
    drop((early, late));
    world.end();
}
