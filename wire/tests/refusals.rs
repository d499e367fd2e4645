//! Each check of a new receiver (wire.md §2, §5, §6), by a frame that violates it and nothing else.

use mx_wire::{Format, Frame, MacAddress, Packet, ParseError};

/// What a frame holds at F+n.
type Fields = [(usize, &'static [u8])];

fn native() -> Format {
    Format::native(9000).expect("in range")
}

/// A frame of zeros but for addresses, EtherType, type, and what `fields` say of F+n.
fn frame(kind: u8, length: usize, fields: &[(usize, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdf, 0, 1, kind];
    bytes[..17].copy_from_slice(&ethernet);
    for (at, field) in fields {
        bytes[*at..at + field.len()].copy_from_slice(field);
    }
    bytes
}

fn refusal(format: Format, bytes: &[u8]) -> Option<ParseError> {
    Frame::parse(&format, bytes).err()
}

/// Type, fields that a frame of zeros lacks, and bytes of body and Ethernet header.
const SHORTEST: [(u8, &Fields, usize); 13] = [
    (3, &[], 32),
    (4, &[(17, &[1])], 32),
    (35, &[(20, &[16]), (28, &[0x55])], 44),
    (36, &[(20, &[16])], 48),
    (37, &[], 40),
    (38, &[], 40),
    (39, &[], 48),
    (40, &[(20, &[0, 8])], 48),
    (41, &[], 60),
    (42, &[], 32),
    (43, &[], 40),
    (44, &[], 32),
    (45, &[], 32),
];

#[test]
fn a_frame_that_ends_within_its_header_is_refused() {
    for (kind, fields, needed) in SHORTEST {
        let whole = frame(kind, 60 + 1, fields);
        let payload = usize::from(kind == 4);
        assert_eq!(
            refusal(native(), &whole[..needed + payload]),
            None,
            "{kind}"
        );
        for length in 17..needed {
            assert_eq!(
                refusal(native(), &whole[..length]),
                Some(ParseError::HeaderTruncated { needed, length }),
                "{kind}"
            );
        }
    }
}

#[test]
fn mx_wire_pulls_are_shorter() {
    let pull = frame(41, 48, &[]);
    assert_eq!(refusal(Format::mx_wire(), &pull), None);
    let needed = 48;
    assert_eq!(
        refusal(Format::mx_wire(), &pull[..47]),
        Some(ParseError::HeaderTruncated { needed, length: 47 })
    );
}

#[test]
fn a_frame_without_a_type_is_refused() {
    let whole = frame(37, 60, &[]);
    for length in 0..16 {
        let needed = 16;
        assert_eq!(
            refusal(native(), &whole[..length]),
            Some(ParseError::HeaderTruncated { needed, length })
        );
    }
    assert_eq!(
        refusal(native(), &whole[..16]),
        Some(ParseError::HeaderTruncated {
            needed: 17,
            length: 16
        })
    );
}

#[test]
fn a_frame_that_ends_within_its_payload_is_refused() {
    // Where the length field is, what it says, where the payload starts.
    let announcing: [(u8, &Fields, usize, usize); 5] = [
        (4, &[(17, &[80])], 80, 32),
        (37, &[(20, &[0, 32])], 32, 40),
        (38, &[(20, &[0, 128])], 128, 40),
        (39, &[(20, &[0, 0, 4, 0]), (40, &[4, 0])], 1024, 48),
        (42, &[(18, &[4, 0])], 1024, 32),
    ];
    for (kind, fields, announced, start) in announcing {
        let whole = frame(kind, start + announced, fields);
        assert_eq!(refusal(native(), &whole), None, "{kind}");
        let present = announced - 1;
        assert_eq!(
            refusal(native(), &whole[..start + present]),
            Some(ParseError::PayloadTruncated { announced, present }),
            "{kind}"
        );
    }
}

#[test]
fn a_length_that_the_type_does_not_allow_is_refused() {
    let beyond: [(u8, &Fields, usize); 7] = [
        (4, &[(17, &[0])], 0),
        (4, &[(17, &[81])], 81),
        (35, &[(20, &[15]), (28, &[0x55])], 15),
        (36, &[(20, &[15])], 15),
        (37, &[(20, &[0, 33])], 33),
        (38, &[(20, &[0, 129])], 129),
        (40, &[(20, &[0, 7])], 7),
    ];
    for (kind, fields, length) in beyond {
        assert_eq!(
            refusal(native(), &frame(kind, 9000, fields)),
            Some(ParseError::DataLength { kind, length })
        );
    }
}

#[test]
fn a_pull_reply_carries_at_most_l_bytes() {
    for (format, l) in [
        (native(), 8968_u16),
        (Format::native(1500).expect("in range"), 1468),
        (Format::mx_wire(), 4096),
    ] {
        let of = |length: u16| frame(42, 10_000, &[(18, &length.to_be_bytes())]);
        assert_eq!(refusal(format, &of(l)), None);
        let length = usize::from(l + 1);
        assert_eq!(
            refusal(format, &of(l + 1)),
            Some(ParseError::DataLength { kind: 42, length })
        );
    }
}

#[test]
fn a_fragment_carries_exactly_the_bytes_of_its_number() {
    // Native, MTU 9000: M = 8192, 32 fragments.
    let of = |total: u32, fragment: u8, length: u16| {
        frame(
            39,
            9000,
            &[
                (20, &total.to_be_bytes()),
                (40, &length.to_be_bytes()),
                (42, &[fragment]),
            ],
        )
    };
    let good = [
        (0, 0, 0),
        (1, 0, 1),
        (8192, 0, 8192),
        (8193, 0, 8192),
        (8193, 1, 1),
        (262_144, 31, 8192),
    ];
    for (total, fragment, length) in good {
        assert_eq!(refusal(native(), &of(total, fragment, length)), None);
    }
    let bad = [
        (0, 0, 1),
        (0, 1, 0),
        (1, 0, 2),
        (8192, 1, 0),
        (8193, 0, 8191),
        (8193, 0, 8193),
        (8193, 1, 2),
        (8193, 2, 1),
        (262_145, 0, 8192),
        (262_145, 32, 1),
        (u32::MAX, 255, 8192),
    ];
    for (total, fragment, length) in bad {
        assert_eq!(
            refusal(native(), &of(total, fragment, length)),
            Some(ParseError::Fragment {
                total,
                fragment,
                length
            })
        );
    }
}

#[test]
fn an_mx_wire_fragment_has_a_stride_of_4096_and_one_of_8_numbers() {
    let of = |total: u16, fragment: u8, pipeline: u8| {
        frame(
            39,
            9000,
            &[
                (20, &total.to_be_bytes()),
                (40, &4096_u16.to_be_bytes()),
                (42, &[fragment, pipeline]),
            ],
        )
    };
    let format = Format::mx_wire();
    assert_eq!(refusal(format, &of(32_768, 7, 12)), None);
    assert_eq!(
        refusal(format, &of(32_768, 7, 13)),
        Some(ParseError::Pipeline(13))
    );
    assert_eq!(
        refusal(format, &of(36_864, 8, 12)),
        Some(ParseError::Fragment {
            total: 36_864,
            fragment: 8,
            length: 4096
        })
    );
}

#[test]
fn a_truc_that_is_no_acknowledgement_of_its_session_is_refused() {
    let truc = frame(35, 60, &[(20, &[16]), (28, &[0x54])]);
    assert_eq!(
        refusal(native(), &truc),
        Some(ParseError::TrucSubtype(0x54))
    );
    let truc = frame(35, 60, &[(20, &[16]), (24, &[0, 0, 0, 1]), (28, &[0x55])]);
    let (destination, acked) = (1, 0);
    assert_eq!(
        refusal(native(), &truc),
        Some(ParseError::TrucSessions { destination, acked })
    );
}

#[test]
fn a_connect_that_is_neither_request_nor_reply_is_refused() {
    let connect = frame(36, 60, &[(20, &[16]), (42, &[2])]);
    assert_eq!(
        refusal(native(), &connect),
        Some(ParseError::ConnectKind(2))
    );
}

#[test]
fn a_raw_frame_has_at_most_1024_bytes() {
    assert_eq!(refusal(native(), &frame(1, 1024, &[])), None);
    let too_large = ParseError::RawTooLarge(1008);
    assert_eq!(refusal(native(), &frame(1, 1025, &[])), Some(too_large));
}

#[test]
fn another_ether_type_is_none_of_our_business() {
    let ip = frame(37, 60, &[(12, &[8, 0])]);
    assert_eq!(
        refusal(native(), &ip),
        Some(ParseError::ForeignEtherType(0x0800))
    );
}

#[test]
fn groups_send_nothing_and_receive_raw_frames_only() {
    let group = MacAddress::BROADCAST;
    let from_group = frame(1, 60, &[(6, &group.0)]);
    assert_eq!(
        refusal(native(), &from_group),
        Some(ParseError::GroupSource(group))
    );
    for (kind, fields, _) in SHORTEST {
        let mut to_group = frame(kind, 61, fields);
        to_group[..6].copy_from_slice(&group.0);
        assert_eq!(
            refusal(native(), &to_group),
            Some(ParseError::GroupDestination(group)),
            "{kind}"
        );
    }
    assert_eq!(refusal(native(), &frame(1, 60, &[(0, &group.0)])), None);
}

#[test]
fn types_that_open_mx_does_not_serve_are_refused() {
    for kind in 0..=255 {
        let found = refusal(native(), &frame(kind, 60, &[]));
        match kind {
            2 | 32..=34 => assert_eq!(found, Some(ParseError::InvalidType(kind))),
            1 | 3 | 4 | 35..=45 => assert!(!matches!(
                found,
                Some(ParseError::InvalidType(_) | ParseError::UnknownType(_))
            )),
            _ => assert_eq!(found, Some(ParseError::UnknownType(kind))),
        }
    }
}

#[test]
fn a_nack_code_is_clamped_to_those_that_exist() {
    for (code, lib, mcp) in [(0, 1, 1), (1, 1, 1), (3, 3, 3), (4, 3, 4), (255, 3, 4)] {
        let nack = frame(44, 60, &[(19, &[code])]);
        let parsed = Frame::parse(&native(), &nack).map(|frame| frame.packet);
        assert!(matches!(parsed, Ok(Packet::NackLib { nack, .. }) if nack.code as u8 == lib));
        let nack = frame(45, 60, &[(19, &[code])]);
        let parsed = Frame::parse(&native(), &nack).map(|frame| frame.packet);
        assert!(matches!(parsed, Ok(Packet::NackMcp(nack)) if nack.code as u8 == mcp));
    }
}
