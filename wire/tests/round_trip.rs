//! Any packet, built and parsed again, is the same packet; what a receiver would refuse cannot be built.

use mx_wire::{
    Beacon, BuildError, Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, Ends,
    Format, Frame, HostQuery, HostReply, LibAck, MacAddress, Medium, Message, Mode, NackCode,
    NackLib, NackMcp, Notify, Packet, ParseError, Pull, PullReply, Rendezvous, SMALL_MAX, TINY_MAX,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        (1500..=9000_u16).prop_map(|mtu| Format::native(mtu).expect("in range")),
        Just(Format::mx_wire()),
    ]
}

fn station() -> impl Strategy<Value = MacAddress> {
    any::<[u8; 6]>().prop_map(|[first, rest @ ..]| {
        let [b, c, d, e, f] = rest;
        MacAddress([first & !1, b, c, d, e, f])
    })
}

fn ends() -> impl Strategy<Value = Ends> {
    any::<(u8, u8)>().prop_map(|(destination, source)| Ends {
        destination,
        source,
    })
}

/// A message, and the length of its payload.
fn message(format: Format) -> impl Strategy<Value = (Message, usize)> {
    let eager = |max: usize| {
        (any::<u64>(), 0..=max as u16)
            .prop_map(|(match_info, length)| (Eager { match_info, length }, length.into()))
    };
    let content = prop_oneof![
        eager(TINY_MAX).prop_map(|(m, n)| (Content::Tiny(m), n)),
        eager(SMALL_MAX).prop_map(|(m, n)| (Content::Small(m), n)),
        medium(format).prop_map(|m| (Content::Medium(m), m.length.into())),
        rendezvous().prop_map(|m| (Content::Rendezvous(m), 0)),
        notify().prop_map(|m| (Content::Notify(m), 0)),
    ];
    (content, any::<(u16, u16)>())
        .prop_map(|((content, length), (seq, ack))| (Message { seq, ack, content }, length))
}

/// A fragment of a message that the format allows.
fn medium(format: Format) -> impl Strategy<Value = Medium> {
    let full = u32::from(format.medium_fragment());
    (any::<u64>(), 1..=format.max_medium(), any::<u32>()).prop_map(
        move |(match_info, total, which)| {
            let fragment = which % total.div_ceil(full);
            Medium {
                match_info,
                total,
                length: (total - fragment * full).min(full) as u16,
                fragment: fragment as u8,
            }
        },
    )
}

fn rendezvous() -> impl Strategy<Value = Rendezvous> {
    any::<(u64, u32, u8, u8, u16)>().prop_map(
        |(match_info, total, window, window_seqnum, window_offset)| Rendezvous {
            match_info,
            total,
            window,
            window_seqnum,
            window_offset,
        },
    )
}

fn notify() -> impl Strategy<Value = Notify> {
    any::<(u32, u8, u8)>().prop_map(|(transferred, window, window_seqnum)| Notify {
        transferred,
        window,
        window_seqnum,
    })
}

fn connect() -> impl Strategy<Value = Connect> {
    (any::<(u32, u16, u8)>(), any::<Option<u8>>()).prop_map(
        |((other, next_expected, connect_seqnum), status)| match status {
            None => Connect::Request(ConnectRequest {
                key: other,
                next_expected,
                connect_seqnum,
            }),
            Some(status) => Connect::Reply(ConnectReply {
                requester_session: other,
                next_expected,
                connect_seqnum,
                status: ConnectStatus::from_byte(status),
            }),
        },
    )
}

/// Any pull whose fields have room in the mode.
fn pull(mode: Mode) -> impl Strategy<Value = Pull> {
    let (window, narrow) = match mode {
        Mode::Native => (u32::MAX, u32::MAX),
        Mode::MxWire => (0xff, 0xffff),
    };
    let exact = any::<(u32, u32, u8, u32, u32, u32)>();
    let bounded = (0..=window, 0..=narrow, 0..=narrow, 0..=narrow);
    (ends(), exact, bounded).prop_map(|(ends, exact, bounded)| {
        let (session, total, window_seqnum, handle, magic, frame_index) = exact;
        let (window, window_offset, first_frame_offset, block_length) = bounded;
        Pull {
            ends,
            session,
            total,
            window,
            window_seqnum,
            window_offset,
            handle,
            magic,
            first_frame_offset,
            block_length,
            frame_index,
        }
    })
}

fn pull_reply(length: u16) -> impl Strategy<Value = PullReply> {
    any::<(u8, u32, u32, u32)>().prop_map(move |(frame_seqnum, message_offset, handle, magic)| {
        PullReply {
            frame_seqnum,
            length,
            message_offset,
            handle,
            magic,
        }
    })
}

fn lib_ack() -> impl Strategy<Value = LibAck> {
    any::<(u16, u32)>().prop_map(|(ack, ack_number)| LibAck { ack, ack_number })
}

fn code(last: NackCode) -> impl Strategy<Value = NackCode> {
    (1..=last as u8).prop_filter_map("a code", NackCode::from_byte)
}

fn nack_lib() -> impl Strategy<Value = NackLib> {
    (code(NackLib::LAST_CODE), any::<u16>()).prop_map(|(code, seq)| NackLib { code, seq })
}

fn nack_mcp() -> impl Strategy<Value = NackMcp> {
    (code(NackCode::BadWindow), any::<(u8, u32, u32)>()).prop_map(
        |(code, (source, handle, magic))| NackMcp {
            source,
            code,
            handle,
            magic,
        },
    )
}

/// A packet, and the length of its payload.
fn packet(format: Format) -> impl Strategy<Value = (Packet, usize)> {
    let host = any::<(u16, u32)>();
    prop_oneof![
        (message(format), ends(), any::<u32>()).prop_map(|((message, n), ends, session)| {
            let packet = Packet::Message {
                ends,
                session,
                message,
            };
            (packet, n)
        }),
        (0..=format.pull_reply())
            .prop_flat_map(|n| pull_reply(n).prop_map(move |r| (Packet::PullReply(r), n.into()))),
        (host, 0..80_usize).prop_map(|((sender_index, magic), n)| {
            let reply = HostReply {
                sender_index,
                magic,
            };
            (Packet::HostReply(reply), n)
        }),
        // Shorter ones come back longer, since nothing tells their padding from their payload.
        (43..=1007_usize).prop_map(|n| (Packet::Raw, n)),
        host.prop_map(|(sender_index, magic)| {
            let query = HostQuery {
                sender_index,
                magic,
            };
            (Packet::HostQuery(query), 0)
        }),
        (connect(), ends(), any::<(u16, u32)>()).prop_map(
            |(connect, ends, (sender_index, session))| {
                let packet = Packet::Connect {
                    ends,
                    sender_index,
                    session,
                    connect,
                };
                (packet, 0)
            }
        ),
        pull(format.mode()).prop_map(|p| (Packet::Pull(p), 0)),
        (lib_ack(), ends(), any::<u32>())
            .prop_map(|(ack, ends, session)| (Packet::LibAck { ends, session, ack }, 0)),
        (nack_lib(), ends()).prop_map(|(nack, ends)| (Packet::NackLib { ends, nack }, 0)),
        nack_mcp().prop_map(|n| (Packet::NackMcp(n), 0)),
    ]
}

fn format_and_packet() -> impl Strategy<Value = (Format, Packet, usize)> {
    format().prop_flat_map(|format| packet(format).prop_map(move |(p, n)| (format, p, n)))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn a_frame_that_was_built_parses_to_itself(
        (format, packet, length) in format_and_packet(),
        destination in station(),
        source in station(),
        index in prop::option::of(0..0xffff_u16),
        fill in any::<u8>(),
    ) {
        let payload = vec![fill; length];
        let frame = Frame { destination, source, sender_index: index, packet, payload: &payload };
        let mut buffer = [0xee; 9001];
        let length = frame.emit(&format, &mut buffer).expect("buildable");
        prop_assert!(length >= 60);
        prop_assert!(length <= usize::from(format.mtu()));
        prop_assert_eq!(Frame::parse(&format, &buffer[..length]), Ok(frame));

        // The same from the header alone, as a card gathers it.
        let header = packet
            .header(&format, destination, source, index, payload.len())
            .expect("buildable");
        let mut gathered = [header.as_bytes(), &payload].concat();
        prop_assert!(gathered.len() <= header.frame_length());
        gathered.resize(header.frame_length(), 0);
        prop_assert_eq!(&gathered[..], &buffer[..length]);
    }

    #[test]
    fn a_buffer_that_is_too_small_is_left_alone(
        (format, packet, length) in format_and_packet(),
        missing in 1..60_usize,
    ) {
        let payload = vec![1; length];
        let frame = Frame {
            destination: MacAddress([2; 6]),
            source: MacAddress([4; 6]),
            sender_index: None,
            packet,
            payload: &payload,
        };
        let mut buffer = [0xee; 9000];
        let needed = frame.emit(&format, &mut buffer).expect("buildable");
        let given = needed - missing;
        let mut buffer = vec![0xee; given];
        let refused = Err(BuildError::BufferTooSmall { needed, given });
        prop_assert_eq!(frame.emit(&format, &mut buffer), refused);
        prop_assert!(buffer.iter().all(|&byte| byte == 0xee));
    }

    #[test]
    fn a_beacon_comes_back(board in station(), serial in any::<u32>(), longer in vec(any::<u8>(), 0..9)) {
        let beacon = Beacon { board, serial };
        let payload = beacon.payload();
        prop_assert_eq!(Beacon::parse(&payload), Some(beacon));
        prop_assert_eq!(Beacon::parse(&[&payload[..], &longer].concat()), Some(beacon));
        prop_assert_eq!(Beacon::parse(&payload[1..]), None);
    }
}

fn eager(content: fn(Eager) -> Content, length: u16) -> Packet {
    Packet::Message {
        ends: Ends {
            destination: 1,
            source: 2,
        },
        session: 0,
        message: Message {
            seq: 1,
            ack: 1,
            content: content(Eager {
                match_info: 0,
                length,
            }),
        },
    }
}

fn build(format: Format, packet: Packet, payload: usize) -> Result<usize, BuildError> {
    let (destination, source) = (MacAddress([2; 6]), MacAddress([4; 6]));
    let header = packet.header(&format, destination, source, None, payload)?;
    Ok(header.frame_length())
}

#[test]
fn a_payload_of_another_length_than_announced_is_not_built() {
    let format = Format::mx_wire();
    let mismatch = BuildError::PayloadLength {
        packet: 5,
        payload: 6,
    };
    assert_eq!(build(format, eager(Content::Tiny, 5), 6), Err(mismatch));
    let query = Packet::HostQuery(HostQuery {
        sender_index: 0,
        magic: 0,
    });
    let surplus = BuildError::PayloadLength {
        packet: 0,
        payload: 1,
    };
    assert_eq!(build(format, query, 1), Err(surplus));
}

#[test]
fn what_every_receiver_refuses_is_not_built() {
    let format = Format::mx_wire();
    let data_length =
        |kind, length| Err(BuildError::Refused(ParseError::DataLength { kind, length }));
    assert_eq!(
        build(format, eager(Content::Tiny, 33), 33),
        data_length(37, 33)
    );
    assert_eq!(
        build(format, eager(Content::Small, 129), 129),
        data_length(38, 129)
    );
    let reply = Packet::HostReply(HostReply {
        sender_index: 0,
        magic: 0,
    });
    assert_eq!(build(format, reply, 80), data_length(4, 81));
    assert_eq!(build(format, reply, usize::MAX), data_length(4, usize::MAX));
    assert_eq!(
        build(format, Packet::Raw, 1008),
        Err(BuildError::Refused(ParseError::RawTooLarge(1008)))
    );

    let group = MacAddress([3; 6]);
    let station = MacAddress([2; 6]);
    let tiny = eager(Content::Tiny, 0);
    let to_group = tiny.header(&format, group, station, None, 0).err();
    let refused = BuildError::Refused(ParseError::GroupDestination(group));
    assert_eq!(to_group, Some(refused));
    let from_group = tiny.header(&format, station, group, None, 0).err();
    let refused = BuildError::Refused(ParseError::GroupSource(group));
    assert_eq!(from_group, Some(refused));
}

#[test]
fn mx_wire_has_no_room_for_wide_fields_of_a_pull() {
    let fits = Pull {
        ends: Ends {
            destination: 1,
            source: 2,
        },
        session: 0,
        total: u32::MAX,
        window: 0xff,
        window_seqnum: 0,
        window_offset: 0xffff,
        handle: 0,
        magic: 0,
        first_frame_offset: 0xffff,
        block_length: 0xffff,
        frame_index: u32::MAX,
    };
    assert_eq!(build(Format::mx_wire(), Packet::Pull(fits), 0), Ok(60));
    let too_wide = [
        Pull {
            window: 0x100,
            ..fits
        },
        Pull {
            window_offset: 0x1_0000,
            ..fits
        },
        Pull {
            first_frame_offset: 0x1_0000,
            ..fits
        },
        Pull {
            block_length: 0x1_0000,
            ..fits
        },
    ];
    for pull in too_wide {
        let built = build(Format::mx_wire(), Packet::Pull(pull), 0);
        assert!(matches!(built, Err(BuildError::MxWireField { .. })));
    }
}
