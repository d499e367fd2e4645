//! Bytes that nobody meant as a frame: nothing panics, and what is accepted is understood the same by everybody.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use mx_wire::{Beacon, Content, Format, Frame, Packet, PullBlock};
use omx_captures::{Frames, format_named};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

/// The captured frames of this repository, with their formats.
static CAPTURED: LazyLock<Vec<(Format, Vec<u8>)>> = LazyLock::new(|| {
    let captures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures");
    let mut frames = Vec::new();
    for folder in ["mtu9000", "mtu1500", "mxwire"] {
        let format = format_named(folder).expect("a format's name");
        for entry in fs::read_dir(captures.join(folder)).expect("the selection of captures") {
            let file = fs::read(entry.expect("an entry").path()).expect("readable");
            for frame in Frames::new(&file).expect("a capture") {
                frames.push((format, frame.expect("whole").to_owned()));
            }
        }
    }
    frames
});

/// All that a board may do with a frame from anybody.
fn take_in(format: &Format, bytes: &[u8]) -> Result<(), TestCaseError> {
    let Ok(frame) = Frame::parse(format, bytes) else {
        return Ok(());
    };
    match frame.packet {
        Packet::Message { message, .. } => {
            if let Content::Medium(m) = message.content {
                let end = m.offset(format) + u32::from(m.length);
                prop_assert!(end <= m.total && m.total <= format.max_medium());
            }
        }
        Packet::Pull(pull) => {
            if let Ok(block) = PullBlock::new(format, &pull) {
                prop_assert!(block.replies() <= format.replies_per_block());
                prop_assert_eq!(block.reply(block.replies()), None);
            }
        }
        Packet::Raw => {
            if let Some(beacon) = Beacon::parse(frame.payload) {
                prop_assert_eq!(Beacon::parse(&beacon.payload()), Some(beacon));
            }
        }
        _ => {}
    }

    // What was accepted can be shown, in one line,
    let line = frame.to_string();
    prop_assert!(!line.is_empty() && line.chars().all(|c| c.is_ascii_graphic() || c == ' '));
    // and sent, and comes back as what it was taken for.
    let mut again = [0; 9000];
    let length = frame.emit(format, &mut again).expect("accepted");
    let reparsed = Frame::parse(format, &again[..length]).expect("just built");
    if frame.packet == Packet::Raw {
        // A RAW frame's padding cannot be told from its payload.
        let (payload, padding) = reparsed.payload.split_at(frame.payload.len());
        prop_assert_eq!(payload, frame.payload);
        prop_assert!(padding.iter().all(|&byte| byte == 0));
    } else {
        prop_assert_eq!(reparsed, frame);
    }
    Ok(())
}

fn format() -> impl Strategy<Value = Format> {
    prop_oneof![
        (1500..=9000_u16).prop_map(|mtu| Format::native(mtu).expect("in range")),
        Just(Format::mx_wire()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn random_bytes_do_no_harm(format in format(), bytes in vec(any::<u8>(), 0..200)) {
        take_in(&format, &bytes)?;
    }

    #[test]
    fn random_bodies_do_no_harm(
        format in format(),
        kind in prop_oneof![Just(1_u8), 3..=4_u8, 35..=45_u8],
        body in vec(any::<u8>(), 0..1200),
    ) {
        let ethernet = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdf, 0, 1, kind];
        take_in(&format, &[&ethernet[..], &body].concat())?;
    }

    #[test]
    fn captured_frames_with_changed_bytes_do_no_harm(
        which in any::<Index>(),
        changes in vec((any::<Index>(), any::<u8>()), 1..6),
        in_header in any::<bool>(),
    ) {
        let (format, mut bytes) = which.get(&CAPTURED).clone();
        let within = if in_header { bytes.len().min(60) } else { bytes.len() };
        for (place, value) in changes {
            bytes[place.index(within)] = value;
        }
        take_in(&format, &bytes)?;
    }

    #[test]
    fn captured_frames_read_in_another_format_do_no_harm(
        which in any::<Index>(),
        format in format(),
    ) {
        let (_, bytes) = which.get(&CAPTURED);
        take_in(&format, bytes)?;
    }
}

#[test]
fn captured_frames_cut_anywhere_do_no_harm() {
    for (format, bytes) in CAPTURED.iter() {
        let near_the_header = 0..bytes.len().min(200);
        let near_the_end = bytes.len().saturating_sub(100)..bytes.len();
        for length in near_the_header.chain(near_the_end) {
            take_in(format, &bytes[..length]).expect("holds");
        }
    }
}
