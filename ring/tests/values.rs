//! Values keep their meaning on their way through shared memory, and no bytes are too strange to be looked at.
#![cfg(not(loom))]

mod common;

use common::{Endpoint, Pages};
use mx_ring::admin::{self, Change};
use mx_ring::board_page::{BoardDescription, BoardPages, HOSTNAME_MAX, PAGES, PeerDescription};
use mx_ring::control::{self, BackendControl, ModuleControl, STAGING_REFS, Staging};
use mx_ring::uapi::{Call, CallReply, CallRequest, RAW_FRAME_MAX};
use mx_ring::warning::{Notice, Notices, WARNINGS, Warning};
use mx_ring::{
    Command, CommandBody, Destination, EndpointLayout, Event, EventBody, Farewell, Geometry,
    Origin, PAGE_SIZE, Place, Positions, PullDone, PullOrder, PullStatus, QUEUE_ENTRIES, Reach,
    RegionKey, Wanted, Window,
};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, LibAck, MacAddress,
    Medium, Message, Notify, Pulled, Rendezvous,
};
use proptest::prelude::*;

prop_compose! {
    fn destination()(peer: u16, endpoint: u8, session: u32) -> Destination {
        Destination { peer, endpoint, session }
    }
}
prop_compose! {
    fn origin()(peer: u16, endpoint: u8, local: bool) -> Origin {
        Origin { peer, endpoint, local }
    }
}
prop_compose! {
    fn region()(slot: u16, generation: u16) -> RegionKey {
        RegionKey { slot, generation }
    }
}
fn reach() -> impl Strategy<Value = Reach> {
    prop_oneof![Just(Reach::Whole), Just(Reach::Piece), Just(Reach::Nothing)]
}
prop_compose! {
    fn geometry()(commands: u32, unexpected: u32, expected: u32, transmit: u32, receive: u32) -> Geometry {
        Geometry { commands, unexpected, expected, transmit, receive }
    }
}

prop_compose! {
    /// Numbers for the fields that most messages have.
    fn numbers()(seq: u16, ack: u16, match_info: u64, word: u32, a: u8, b: u8, half: u16, other: u32)
        -> (u16, u16, u64, u32, u8, u8, u16, u32)
    {
        (seq, ack, match_info, word, a, b, half, other)
    }
}

prop_compose! {
    /// A message as either queue may hold it, and where its payload lies.
    fn message()(kind in 0..5, numbers in numbers(), data: [u8; 32]) -> (Message, Place) {
        let (seq, ack, match_info, word, a, b, half, other) = numbers;
        let (content, place) = match kind {
            0 => (
                Content::Tiny(Eager { match_info, length: (a % 33).into() }),
                Place::Inline(data),
            ),
            1 => (
                Content::Small(Eager { match_info, length: (a % 129).into() }),
                Place::At(other),
            ),
            2 => (
                Content::Medium(Medium { match_info, total: word, length: half, fragment: a }),
                Place::At(other),
            ),
            3 => (
                Content::Rendezvous(Rendezvous {
                    match_info,
                    total: word,
                    window: a,
                    window_seqnum: b,
                    window_offset: half,
                }),
                Place::Apart,
            ),
            _ => (
                Content::Notify(Notify { transferred: word, window: a, window_seqnum: b }),
                Place::Apart,
            ),
        };
        (Message { seq, ack, content }, place)
    }
}

fn posted((message, place): (Message, Place)) -> CommandBody {
    let (content, place) = common::posted(message.content, place);
    CommandBody::Message(Message { content, ..message }, place)
}

prop_compose! {
    fn connect_request()(key: u32, next_expected: u16, connect_seqnum: u8) -> Connect {
        Connect::Request(ConnectRequest { key, next_expected, connect_seqnum })
    }
}
prop_compose! {
    fn connect_reply()(requester_session: u32, next_expected: u16, connect_seqnum: u8, status: u8) -> Connect {
        let status = ConnectStatus::from_byte(status);
        Connect::Reply(ConnectReply { requester_session, next_expected, connect_seqnum, status })
    }
}
prop_compose! {
    fn acknowledgement()(ack: u16, ack_number: u32) -> LibAck {
        LibAck { ack, ack_number }
    }
}
prop_compose! {
    fn pulled()(seq: u16, transferred: u32, window: u8, window_seqnum: u8) -> Pulled {
        Pulled { seq, notify: Notify { transferred, window, window_seqnum } }
    }
}
prop_compose! {
    fn pull_order()(region in region(), numbers in numbers(), window_offset: u32, cookie: u32, backend: u32) -> PullOrder {
        let (_, _, _, length, window, window_seqnum, _, offset) = numbers;
        PullOrder { region, offset, length, window, window_seqnum, window_offset, cookie, backend }
    }
}

/// A connect is for no session yet, or for the one that it answers.
fn connecting(to: Destination, connect: Connect) -> Command {
    let session = match &connect {
        Connect::Request(_) => 0,
        Connect::Reply(reply) => reply.requester_session,
    };
    Command {
        to: Destination { session, ..to },
        body: CommandBody::Connect(connect),
    }
}

fn command() -> impl Strategy<Value = Command> {
    let body = prop_oneof![
        5 => message().prop_map(posted),
        1 => acknowledgement().prop_map(CommandBody::Ack),
        1 => pull_order().prop_map(CommandBody::Pull),
        1 => (acknowledgement(), proptest::option::of(pulled()))
            .prop_map(|(ack, notice)| CommandBody::Leave(Farewell { ack, notice })),
    ];
    let connect = prop_oneof![connect_request(), connect_reply()];
    prop_oneof![
        8 => (destination(), body).prop_map(|(to, body)| Command { to, body }),
        2 => (destination(), connect).prop_map(|(to, connect)| connecting(to, connect)),
        1 => any::<u32>().prop_map(|cookie| Command::to_board(CommandBody::AbortPull { cookie })),
    ]
}

prop_compose! {
    fn wanted()(window: u8, window_seqnum: u8, offset: u32) -> Wanted {
        Wanted { window, window_seqnum, offset }
    }
}
prop_compose! {
    fn pull_done()(cookie: u32, status: u8, transferred: u32) -> PullDone {
        PullDone { cookie, status: PullStatus::from_byte(status), transferred }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let connect = prop_oneof![connect_request(), connect_reply()];
    let body = prop_oneof![
        5 => message().prop_map(|(message, place)| EventBody::Message(message, place)),
        2 => (any::<u32>(), connect)
            .prop_map(|(session, connect)| EventBody::Connect { session, connect }),
        1 => acknowledgement().prop_map(EventBody::Ack),
        1 => any::<(u8, u16)>().prop_map(|(code, seq)| EventBody::nack(code, seq)),
    ];
    prop_oneof![
        9 => (origin(), body).prop_map(|(from, body)| Event { from, body }),
        1 => wanted().prop_map(|wanted| Event::of_board(EventBody::Wanted(wanted))),
        1 => pull_done().prop_map(|done| Event::of_board(EventBody::PullDone(done))),
    ]
}

/// A name of up to 79 bytes.
fn name(seed: u64) -> admin::Name {
    let mut name = [0; HOSTNAME_MAX];
    let used = seed as usize % HOSTNAME_MAX;
    name[..used].fill((seed >> 8) as u8 | 1);
    name
}

fn change() -> impl Strategy<Value = Change> {
    (0..6, any::<u64>(), any::<[u8; 6]>()).prop_map(|(kind, seed, mac)| match kind {
        0 => Change::ClearCounters,
        1 => Change::SetHostname(name(seed)),
        2 => Change::ClearPeerNames,
        3 => Change::ClearPeers,
        4 => Change::AddPeer {
            mac: MacAddress(mac),
            name: name(seed),
        },
        _ => Change::MarkPeersConfigured,
    })
}

fn request() -> impl Strategy<Value = CallRequest> {
    (
        0..12,
        geometry(),
        region(),
        numbers(),
        any::<bool>(),
        change(),
    )
        .prop_map(
            |(kind, geometry, region, (_, _, long, word, _, _, _, other), flag, change)| match kind
            {
                0 => CallRequest::Hello { version: word },
                1 => CallRequest::AttachBoard { board: word },
                2 => CallRequest::OpenEndpoint {
                    board: word,
                    endpoint: other,
                    geometry,
                },
                3 => CallRequest::Register {
                    address: long,
                    length: word,
                    writable: flag,
                    reserve: other & 1 == 0,
                },
                4 => CallRequest::Deregister { region },
                5 => CallRequest::Wait {
                    unexpected: word,
                    expected: other,
                    deadline: long,
                    kick: flag,
                },
                6 => CallRequest::Kick,
                7 => CallRequest::Wakeup,
                8 => CallRequest::Statistics,
                9 => CallRequest::EndpointInfo {
                    board: word,
                    endpoint: other,
                },
                10 => CallRequest::OpenRaw { board: word },
                _ => CallRequest::Change {
                    board: word,
                    change,
                },
            },
        )
}

fn control_request() -> impl Strategy<Value = control::ControlRequest> {
    (
        0..9,
        geometry(),
        region(),
        numbers(),
        any::<bool>(),
        change(),
    )
        .prop_map(
            |(
                kind,
                geometry,
                region,
                (_, _, _, word, endpoint, _, offset, other),
                writable,
                change,
            )| match kind {
                0 => control::ControlRequest::OpenEndpoint {
                    endpoint,
                    session: word,
                    geometry,
                    adopt: writable,
                },
                1 => control::ControlRequest::CloseEndpoint { endpoint },
                2 => control::ControlRequest::Register {
                    endpoint,
                    region,
                    writable,
                    offset,
                    length: word,
                    first_page: other,
                    pages: word,
                    staging: other,
                },
                3 => control::ControlRequest::Deregister { endpoint, region },
                4 => control::ControlRequest::Raw { open: writable },
                5 => control::ControlRequest::SendRaw { length: offset },
                6 => control::ControlRequest::TakeRaw,
                7 => control::ControlRequest::Change(change),
                _ => control::ControlRequest::Ready,
            },
        )
}

#[test]
fn queue_entries_are_a_power_of_two_within_limits_and_fit_what_a_guest_can_grant_at_once() {
    let possible: Vec<u32> = (0..=5000)
        .filter(|entries| Geometry::of_entries(*entries).is_some())
        .collect();
    assert_eq!(possible, [64, 128, 256, 512, 1024, 2048]);
    let mut most = 0;
    for entries in possible {
        let geometry = Geometry::of_entries(entries).expect("possible");
        assert_eq!(geometry.commands, entries);
        let layout = EndpointLayout::new(geometry).expect("within the limits of each queue");
        let pages = (layout.w_size() + layout.r_size()).div_ceil(PAGE_SIZE);
        assert!(
            pages <= STAGING_REFS,
            "{entries} entries need {pages} pages"
        );
        most = pages;
    }
    assert_eq!(most, 3331, "documented with the limit");
    assert_eq!(
        Geometry::of_entries(QUEUE_ENTRIES.into()),
        Some(Geometry::default())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_command_is_taken_as_it_was_posted(command in command()) {
        let mut endpoint = Endpoint::at(Positions::default());
        prop_assert!(endpoint.process.post(&command, &[]));
        prop_assert_eq!(endpoint.backend.next_command(), Some(Ok((0, command))));
        prop_assert_eq!(endpoint.backend.next_command(), None);
    }

    #[test]
    fn an_event_is_read_as_it_was_delivered(event in event()) {
        let mut endpoint = Endpoint::at(Positions::default());
        endpoint.backend.deliver(&event).unwrap();
        endpoint.backend.deliver_expected(&event).unwrap();
        prop_assert_eq!(endpoint.process.next_unexpected(), Some(Ok(event)));
        prop_assert_eq!(endpoint.process.next_expected(), Some(Ok(event)));
        prop_assert_eq!(endpoint.process.next_unexpected(), None);
    }

    /// Byte 0 is the kind: low numbers, so that most are known.
    #[test]
    fn any_bytes_are_a_command_or_refused_and_mean_the_same_again(mut bytes: [u8; 60], kind in 0x10_u8..0x24) {
        bytes[0] = kind;
        let mut endpoint = Endpoint::at(Positions::default());
        endpoint.process.post(&Command::to_board(CommandBody::AbortPull { cookie: 0 }), &[]);
        endpoint.w.write(2 * 4096, &bytes).unwrap();
        if let Some(Ok((_, command))) = endpoint.backend.next_command() {
            prop_assert!(endpoint.process.post(&command, &[]));
            prop_assert_eq!(endpoint.backend.next_command(), Some(Ok((1, command))));
        }
    }

    #[test]
    fn any_bytes_are_an_event_or_refused_and_mean_the_same_again(mut bytes: [u8; 60], kind in 0x10_u8..0x24) {
        bytes[0] = kind;
        let mut endpoint = Endpoint::at(Positions::default());
        endpoint.backend.deliver(&Event::of_board(EventBody::PullDone(PullDone { cookie: 0, status: PullStatus::Done, transferred: 0 }))).unwrap();
        endpoint.r.write(4096, &bytes).unwrap();
        if let Some(Ok(event)) = endpoint.process.next_unexpected() {
            endpoint.backend.deliver(&event).unwrap();
            prop_assert_eq!(endpoint.process.next_unexpected(), Some(Ok(event)));
        }
    }

    #[test]
    fn a_call_means_the_same_on_the_other_side(request in request()) {
        let call = Call::from_bytes(&request.encode().to_bytes());
        prop_assert_eq!(CallRequest::decode(&call), Ok(request));
    }

    #[test]
    fn any_call_is_decoded_or_refused_and_means_the_same_again(kind in 0_u32..13, words: [u64; 14], number: u64) {
        let call = Call { kind, error: 0, words, number };
        match CallRequest::decode(&call) {
            Ok(request) => prop_assert_eq!(CallRequest::decode(&request.encode()), Ok(request)),
            Err(unknown) => prop_assert_eq!(unknown.0, kind),
        }
        let reply = CallReply::decode(&call);
        let answer = reply.encode(&call);
        prop_assert_eq!((answer.kind, answer.number), (kind, number));
        prop_assert_eq!(CallReply::decode(&answer), reply);
    }

    #[test]
    fn a_window_is_found_as_it_was_bound(id: u8, region in region(), seqnum: u8, reach in reach(), offset: u32, length: u32) {
        let endpoint = Endpoint::at(Positions::default());
        let window = Window { region, seqnum, reach, offset, length };
        endpoint.process.bind_window(id, &window);
        prop_assert_eq!(endpoint.backend.window(id), Some(window));
        prop_assert_eq!(endpoint.backend.window(id.wrapping_add(1)), None);
        endpoint.process.unbind_window(id);
        prop_assert_eq!(endpoint.backend.window(id), None);
    }

    #[test]
    fn a_control_request_is_taken_as_it_was_posted(requests in prop::collection::vec((any::<u32>(), control_request()), 1..16), adopting: bool) {
        let mut pages = [Pages::new(4096), Pages::new(4096)];
        let [d0, d1] = [pages[0].slice(), pages[1].slice()];
        let refs = core::array::from_fn(|i| i as u32 * 7);
        let mut module = ModuleControl::format(d0, d1, &refs, adopting).unwrap();
        prop_assert_eq!(BackendControl::references(&d0), Ok(refs));
        prop_assert_eq!(BackendControl::adopting(&d0), Ok(adopting));
        let mut backend = BackendControl::new(d0, d1).unwrap();
        for (id, request) in &requests {
            prop_assert!(module.post(*id, request));
        }
        for (id, request) in &requests {
            prop_assert_eq!(backend.next_request(), Some(Ok((*id, *request))));
        }
        prop_assert_eq!(backend.next_request(), None);
    }

    #[test]
    fn a_raw_frame_is_read_as_it_was_put_either_way(frame in prop::collection::vec(any::<u8>(), 0..1200)) {
        let mut pages = [Pages::new(4096), Pages::new(4096)];
        let [d0, d1] = [pages[0].slice(), pages[1].slice()];
        let module = ModuleControl::format(d0, d1, &[0; 17], false).unwrap();
        let backend = BackendControl::new(d0, d1).unwrap();
        let mut memory = Pages::new(4 * 4096);
        let staging = Staging::new(memory.slice()).unwrap();
        let fits = frame.len() <= RAW_FRAME_MAX;
        let mut read = [0; RAW_FRAME_MAX];
        prop_assert_eq!(backend.put_frame(&frame), fits);
        prop_assert_eq!(staging.put_frame(&frame), fits);
        if fits {
            let length = module.frame(&mut read);
            prop_assert_eq!(length.map(|length| &read[..length]), Some(&frame[..]));
            read = [0; RAW_FRAME_MAX];
        }
        let length = staging.frame(frame.len() as u16, &mut read);
        prop_assert_eq!(length.map(|length| &read[..length]), fits.then_some(&frame[..]));
    }

    #[test]
    fn a_control_page_of_any_bytes_is_survived(seed: u64, rounds in 1..100) {
        let mut pages = [Pages::new(4096), Pages::new(4096)];
        let [d0, d1] = [pages[0].slice(), pages[1].slice()];
        let mut backend = BackendControl::new(d0, d1).unwrap();
        let mut module = ModuleControl::format(d0, d1, &[0; 17], false).unwrap();
        let noise = common::noise(seed, 4096);
        d0.write(0, &noise).unwrap();
        d1.write(0, &noise).unwrap();
        let _ = BackendControl::references(&d0);
        for _ in 0..rounds {
            let _ = backend.next_request();
            let _ = module.next_response();
            let _ = module.frame(&mut [0; RAW_FRAME_MAX]);
        }
    }

    #[test]
    fn board_and_peers_are_read_as_they_were_written(
        generation: u32, flags: [bool; 5], numbers: [u16; 4], mac: [u8; 6], index in 0_u16..256, name: [u8; 16],
        interface_mtu: u32, seen: [(u32, [u8; 6]); WARNINGS],
    ) {
        let mut memory = Pages::new(PAGES * 4096);
        let pages = BoardPages::new(memory.slice()).unwrap();
        prop_assert_eq!(pages.version(), None);
        pages.format();
        prop_assert_eq!(pages.version(), Some(mx_ring::ABI_VERSION));
        let mac = MacAddress(mac);
        let mut hostname = [0; 80];
        hostname[..16].copy_from_slice(&name);
        let mut notices = Notices::default();
        for (warning, (times, about)) in Warning::ALL.into_iter().zip(seen) {
            notices.set(warning, Notice { times, about: MacAddress(about) });
        }
        let board = BoardDescription {
            generation,
            mx_wire: flags[0],
            mtu: numbers[0],
            medium_fragment: numbers[1],
            link_up: flags[1],
            peers_configured: flags[2],
            peers_full: flags[3],
            peers_marked: flags[4],
            endpoint_max: numbers[2],
            queue_entries: numbers[1],
            peer_count: numbers[3],
            mac,
            hostname,
            interface: name,
            driver: name,
            interface_mtu,
            notices,
        };
        pages.set_board(&board);
        prop_assert_eq!(pages.board(), Some(board));
        let reverse = flags[1].then_some(numbers[2]);
        let peer = PeerDescription { mac, local: flags[0], hostname, reverse, fixed: flags[2] };
        prop_assert_eq!(pages.peer(index), None);
        pages.set_peer(index, &peer);
        prop_assert_eq!(pages.peer(index), Some(peer));
        prop_assert_eq!(pages.board(), Some(board));
        pages.set_peer(256 + index, &peer);
        prop_assert_eq!(pages.peer(256 + index), None);
    }
}
