//! The raw endpoint of a guest's board, and what its administrator may change.

use mx_ring::admin::Change;
use mx_ring::board_page::{BoardPages, PAGES};
use mx_ring::control::{BOARD_PAGE, ControlRequest, Status};
use mx_ring::uapi::RAW_FRAME_MAX;
use mx_wire::MacAddress;
use proptest::prelude::*;

use crate::world::{World, identity};

/// A RAW frame whose payload is no beacon.
fn frame(source: MacAddress, length: usize) -> Vec<u8> {
    let everybody = MacAddress::BROADCAST;
    let mut bytes = [&everybody.0[..], &source.0, &[0x86, 0xdf, 0, 0, 1]].concat();
    bytes.resize(length, 0xa5);
    bytes
}

fn ask(world: &mut World, request: ControlRequest) -> Status {
    let id = world.ask(&request);
    world.answer(id)
}

fn send(world: &mut World, bytes: &[u8]) -> Status {
    assert!(world.staging.put_frame(bytes));
    let length = bytes.len() as u16;
    ask(world, ControlRequest::SendRaw { length })
}

/// What went out but for the board's own beacons.
fn sent(world: &World) -> Vec<Vec<u8>> {
    let no_beacon = |frame: &&Vec<u8>| frame.get(17) != Some(&0);
    world.wire.0.iter().filter(no_beacon).cloned().collect()
}

const OPEN: ControlRequest = ControlRequest::Raw { open: true };
const CLOSED: ControlRequest = ControlRequest::Raw { open: false };

#[test]
fn a_guest_sends_raw_frames_of_its_board_and_no_others() {
    let mut world = World::new();
    let own = identity().mac;
    assert_eq!(send(&mut world, &frame(own, 64)), Status::NotFound);
    assert_eq!(ask(&mut world, OPEN), Status::Ok);
    assert_eq!(send(&mut world, &frame(own, 64)), Status::Ok);
    assert_eq!(send(&mut world, &frame(own, RAW_FRAME_MAX)), Status::Ok);
    let expected = [frame(own, 64), frame(own, RAW_FRAME_MAX)];
    assert_eq!(sent(&world), expected);
    let other = MacAddress([2, 0, 0, 0, 0, 9]);
    assert_eq!(send(&mut world, &frame(other, 64)), Status::Denied);
    let mut query = frame(own, 64);
    query[16] = 3;
    assert_eq!(send(&mut world, &query), Status::Denied);
    assert_eq!(send(&mut world, &[]), Status::Denied);
    let long = ControlRequest::SendRaw {
        length: RAW_FRAME_MAX as u16 + 1,
    };
    assert_eq!(ask(&mut world, long), Status::Invalid);
    assert_eq!(ask(&mut world, CLOSED), Status::Ok);
    assert_eq!(send(&mut world, &frame(own, 64)), Status::NotFound);
    assert_eq!(sent(&world), expected);
    world.end();
}

#[test]
fn a_guest_that_floods_gets_its_share_and_no_more() {
    let mut world = World::new();
    assert_eq!(ask(&mut world, OPEN), Status::Ok);
    let bytes = frame(identity().mac, 64);
    let start = world.time;
    let mut passed = 0;
    for _ in 0..400 {
        passed += u64::from(send(&mut world, &bytes) == Status::Ok);
    }
    let spans = (world.time - start) / 10_000_000 + 1;
    assert!(passed >= 32 && passed <= 32 * (spans + 1), "{passed}");
    world.end();
}

#[test]
fn a_guest_is_told_once_of_frames_and_takes_them_in_order() {
    let mut world = World::new();
    assert_eq!(ask(&mut world, ControlRequest::TakeRaw), Status::NotFound);
    assert_eq!(ask(&mut world, OPEN), Status::Ok);
    let source = MacAddress([2, 0, 0, 0, 0, 9]);
    let lengths: Vec<usize> = (0..40).map(|i| 64 + i).collect();
    for length in &lengths {
        let now = world.now();
        world
            .backend
            .frame(now, &frame(source, *length), &mut world.wire);
    }
    world.turn().unwrap();
    world.turn().unwrap();
    let notice = world.kernel.next_response().unwrap().unwrap();
    assert_eq!((notice.id, notice.status), (0, Status::RawWaits));
    assert!(world.kernel.next_response().is_none());
    // The queue holds 32; the others are lost, as on a wire.
    for length in &lengths[..32] {
        assert_eq!(ask(&mut world, ControlRequest::TakeRaw), Status::Ok);
        let mut taken = [0; RAW_FRAME_MAX];
        let copied = world.kernel.frame(&mut taken).unwrap();
        assert_eq!(taken[..copied], frame(source, *length));
    }
    assert_eq!(ask(&mut world, ControlRequest::TakeRaw), Status::NotFound);
    let now = world.now();
    world
        .backend
        .frame(now, &frame(source, 64), &mut world.wire);
    world.turn().unwrap();
    let notice = world.kernel.next_response().unwrap().unwrap();
    assert_eq!((notice.id, notice.status), (0, Status::RawWaits));
    world.end();
}

#[test]
fn a_guest_changes_its_peers_and_counters_but_not_its_name() {
    let mut world = World::new();
    let pages = BoardPages::new(world.guest.slice(BOARD_PAGE, PAGES)).unwrap();
    let name = |text: &[u8]| {
        let mut name = [0; 80];
        name[..text.len()].copy_from_slice(text);
        name
    };
    let add = |mac| {
        ControlRequest::Change(Change::AddPeer {
            mac: MacAddress(mac),
            name: name(b"far:0"),
        })
    };
    let before = pages.board().unwrap();
    assert_eq!(ask(&mut world, add([2, 0, 0, 0, 7, 7])), Status::Ok);
    assert_eq!(ask(&mut world, add([0xff; 6])), Status::Invalid);
    let marked = ControlRequest::Change(Change::MarkPeersConfigured);
    assert_eq!(ask(&mut world, marked), Status::Ok);
    let rename = ControlRequest::Change(Change::SetHostname(name(b"guest2:0")));
    assert_eq!(ask(&mut world, rename), Status::Denied);
    let clear = ControlRequest::Change(Change::ClearCounters);
    assert_eq!(ask(&mut world, clear), Status::Ok);
    let after = pages.board().unwrap();
    assert_eq!(after.hostname, before.hostname);
    assert_eq!(after.peer_count, before.peer_count + 1);
    assert!(after.peers_marked);
    let added = pages.peer(after.peer_count - 1).unwrap();
    assert_eq!(
        (added.mac, added.hostname),
        (MacAddress([2, 0, 0, 0, 7, 7]), name(b"far:0"))
    );
    world.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_staged_only_raw_frames_of_the_board_go_out(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..=RAW_FRAME_MAX),
        length in 0_u16..1100,
        own: bool,
        raw: bool,
    ) {
        let mut world = World::new();
        prop_assert_eq!(ask(&mut world, OPEN), Status::Ok);
        world.wire.0.clear();
        if let Some(head) = bytes.get_mut(..17) {
            head[12..14].copy_from_slice(&[0x86, 0xdf]);
            if own {
                head[6..12].copy_from_slice(&identity().mac.0);
            }
            if raw {
                head[16] = 1;
            }
        }
        prop_assert!(world.staging.put_frame(&bytes));
        ask(&mut world, ControlRequest::SendRaw { length });
        for frame in &world.wire.0 {
            prop_assert_eq!(&frame[6..17], &[&identity().mac.0[..], &[0x86, 0xdf, 0, 0, 1]].concat()[..]);
            prop_assert!(frame.len() <= RAW_FRAME_MAX);
        }
        world.end();
    }
}
