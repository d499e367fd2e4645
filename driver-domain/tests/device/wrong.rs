//! Processes and kernels that write what cannot be.

use driver_domain::device::{ConnectError, Device};
use driver_domain::fake::{DATA_PAGE, FIRST_REF, Guest, account};
use mx_backend::{Backend, Instant};
use mx_ring::EndpointLayout;
use mx_ring::control::{ControlError, ControlResponse, Status};

use crate::world::{World, backend, endpoint_pages, identity};

#[test]
fn an_endpoint_whose_process_lies_is_closed_with_a_notice() {
    let mut world = World::new();
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    // An entry without a meaning where the first command is expected: its lap word says that it is there.
    let entry = [0xff; 60];
    let w = world.guest.slice(DATA_PAGE, endpoint_pages());
    w.write(EndpointLayout::COMMANDS, &entry).unwrap();
    w.write(EndpointLayout::COMMANDS + 60, &1u32.to_le_bytes())
        .unwrap();
    let mut notice = None;
    for _ in 0..20 {
        world.turn().unwrap();
        if let Some(response) = world.kernel.next_response() {
            notice = Some(response.unwrap());
        }
    }
    let expected = ControlResponse {
        id: 0,
        status: Status::Misbehaved,
        endpoint: 0,
    };
    assert_eq!(notice, Some(expected));
    assert_eq!(world.device.held(), 0);
    // The kernel still has to close it.
    assert_eq!(world.open(0, DATA_PAGE), Status::Busy);
    assert_eq!(world.close(0), Status::Ok);
    assert_eq!(world.open(0, DATA_PAGE), Status::Ok);
    world.end();
}

#[test]
fn a_control_page_that_cannot_be_is_refused_before_anything_is_mapped() {
    let guest = Guest::new().unwrap();
    let mut backend = backend();
    let connect = |backend: &mut Backend| {
        Device::connect(
            guest.clone(),
            &account(),
            FIRST_REF,
            identity(),
            8,
            Instant::from_nanos(1),
            backend,
        )
        .map(drop)
    };
    assert_eq!(
        connect(&mut backend),
        Err(ConnectError::Control(ControlError::BadMagic(0)))
    );
    guest.format();
    guest.refused.borrow_mut().insert(FIRST_REF + 16);
    assert!(matches!(connect(&mut backend), Err(ConnectError::Grant(_))));
    assert_eq!(guest.mapped.borrow().len(), 0);
    guest.refused.borrow_mut().clear();
    assert_eq!(connect(&mut backend), Ok(()));
}

#[test]
fn an_impossible_request_index_ends_the_device() {
    let mut world = World::new();
    world
        .guest
        .slice(0, 1)
        .write(64, &1000u32.to_le_bytes())
        .unwrap();
    assert_eq!(world.turn(), Err(ControlError::ImpossibleIndex));
    world.end();
}
