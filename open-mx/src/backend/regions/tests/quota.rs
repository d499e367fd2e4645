//! What becomes of messages whose memory is more than may be registered.

use mx_engine::{Part, Refused, Use};
use mx_ring::registration::RESERVE_MAX;

use super::super::{Backing, PART_MAX, Regions, entry_key};
use super::module::Module;
use super::{Application, PAGE, To, divisible, message, whole};

#[test]
fn a_full_quota_gives_back_what_was_idle_longest_and_nothing_that_is_used() {
    let module = To::<Module>::new(4 << 20, None);
    let mut regions = module.regions();
    let buffers: Vec<_> = (0..3).map(|_| Application::new(512)).collect();
    let memory: Vec<_> = buffers.iter().map(|b| b.message(0, 512 * PAGE)).collect();
    let [a, b] = [0, 1].map(|n: usize| message(&mut regions, &memory[n], Use::Receive).region);
    let running = regions
        .register_part(&memory[0], whole(&memory[0]), Use::Receive)
        .unwrap();
    assert_eq!(running.region, a);
    message(&mut regions, &memory[2], Use::Receive);
    assert_eq!(module.known(b), None);
    let other = regions
        .register_part(&memory[1], whole(&memory[1]), Use::Receive)
        .unwrap();
    let full = regions.register_part(&memory[2], whole(&memory[2]), Use::Receive);
    assert!(matches!(full, Err(Refused::Later)), "both are in use");
    regions.release(&running);
    regions.release(&other);
    assert!(
        regions
            .register_part(&memory[2], whole(&memory[2]), Use::Receive)
            .is_ok()
    );
}

#[test]
fn memory_that_cannot_be_pinned_bounces_with_its_bytes() {
    let application = Application::new(1024);
    let module = To::<Module>::new(1 << 30, Some(application.address() + 5));
    let mut regions = module.regions();
    let memory = application.message(0, 1024 * PAGE);
    application.0.slice().write(7 * PAGE, b"there").unwrap();
    for _ in 0..2 {
        let registered = regions
            .register_part(&memory, whole(&memory), Use::Receive)
            .unwrap();
        let known = module.known(registered.region).unwrap();
        assert_ne!(known.address, application.address());
        regions.collect(&registered, &memory, 0);
        regions.release(&registered);
    }
    let mut read = [0; 5];
    application.0.slice().read(7 * PAGE, &mut read).unwrap();
    assert_eq!(&read, &[0; 5], "what was received, an empty bounce buffer");
    assert_eq!(module.registered(), 1, "the bounce buffer is kept");
}

#[test]
fn a_message_is_received_in_pieces_when_others_hold_the_whole_quota() {
    let module = To::<Module>::new(4 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1024);
    let memory = others.message(0, 1024 * PAGE);
    let _running = regions
        .register_part(&memory, whole(&memory), Use::Send)
        .unwrap();
    let application = Application::new(2048);
    let memory = application.message(0, 2048 * PAGE);
    let full = regions.register_part(&memory, whole(&memory), Use::Receive);
    assert!(matches!(full, Err(Refused::Later)), "all at once");
    let (mut start, mut pieces) = (0, 0);
    while start < memory.length() {
        let rest = Part {
            start,
            length: memory.length() - start,
            divisible: true,
        };
        let piece = regions.register_part(&memory, rest, Use::Receive).unwrap();
        let second = regions.register_part(&memory, rest, Use::Receive);
        assert!(matches!(second, Err(Refused::Later)), "one at a time");
        regions.collect(&piece, &memory, start);
        regions.release(&piece);
        start += piece.length;
        pieces += 1;
    }
    assert_eq!(pieces, memory.length() / RESERVE_MAX);
}

#[test]
fn pieces_are_as_large_as_the_quota_allows() {
    let module = To::<Module>::new(8 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1536);
    let others = others.message(0, 1536 * PAGE);
    let running = regions
        .register_part(&others, whole(&others), Use::Send)
        .unwrap();
    let application = Application::new(8192);
    let memory = application.message(0, 8192 * PAGE);
    let piece = |regions: &mut Regions| {
        let part = divisible(&memory);
        let piece = regions.register_part(&memory, part, Use::Send).unwrap();
        regions.release(&piece);
        piece.length
    };
    assert_eq!(piece(&mut regions), 2 << 20);
    regions.release(&running);
    assert_eq!(piece(&mut regions), 4 << 20);
    assert_eq!(piece(&mut regions), 8 << 20);
    assert_eq!(piece(&mut regions), 8 << 20, "and no more");
}

#[test]
fn a_message_longer_than_what_is_registered_at_once_goes_in_parts_of_it() {
    let module = To::<Module>::new(1 << 30, None);
    let mut regions = module.regions();
    let application = Application::new(32_768);
    let memory = application.message(0, 32_768 * PAGE);
    let part = divisible(&memory);
    let registered = regions.register_part(&memory, part, Use::Receive).unwrap();
    assert_eq!(registered.length, PART_MAX);
    let known = module.known(registered.region).unwrap();
    assert_eq!(known.address, application.address());
    regions.release(&registered);
}

#[test]
fn a_message_is_sent_in_pieces_that_nobody_reads_when_the_next_is_filled() {
    let module = To::<Module>::new(4 << 20, None);
    let mut regions = module.regions();
    let others = Application::new(1024);
    let memory = others.message(0, 1024 * PAGE);
    let _running = regions
        .register_part(&memory, whole(&memory), Use::Send)
        .unwrap();
    let application = Application::new(2048);
    let memory = application.message(100, 2047 * PAGE);
    for page in 0..2047 {
        let number = (page as u32).to_le_bytes();
        application
            .0
            .slice()
            .write(100 + page * PAGE, &number)
            .unwrap();
    }
    let full = regions.register_part(&memory, whole(&memory), Use::Send);
    assert!(matches!(full, Err(Refused::Later)), "all at once");
    let mut start = 0;
    let mut last = None;
    while start < memory.length() {
        let rest = Part {
            start,
            length: memory.length() - start,
            divisible: true,
        };
        let piece = regions.register_part(&memory, rest, Use::Send).unwrap();
        assert_eq!(piece.offset, 0);
        assert_ne!(
            last,
            Some(piece.region),
            "the backend has let go of the last one"
        );
        assert!(regions.register_part(&memory, rest, Use::Send).is_err());
        let known = module.known(piece.region).unwrap();
        assert!(piece.length <= known.length);
        let mut first = [0; 4];
        let copy = regions.entries.get(entry_key(&piece)).unwrap();
        let Backing::Bounce(bounce) = &copy.memory else {
            panic!("the message's own memory");
        };
        bounce.slice().read(0, &mut first).unwrap();
        assert_eq!(u32::from_le_bytes(first) as usize, start as usize / PAGE);
        regions.release(&piece);
        assert_eq!(module.known(piece.region), None);
        last = Some(piece.region);
        start += piece.length;
    }
}
