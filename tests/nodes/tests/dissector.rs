//! The Wireshark dissector shows every recorded frame of native nodes as this project's own codec does, and bears with
//! anything else.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use mx_wire::{Content, Format, Frame, HostReply, MacAddress, Packet, ParseError};
use nodes::tshark::{LUA_ERROR, PROBLEM, tshark};
use omx_captures::{Frames, capture_files, complete_set};
use pcap_file::pcap::{PcapPacket, PcapWriter};

/// Every recorded frame with its format: of the complete set where it is found, else of the selection in this repository.
fn recorded() -> Vec<(Format, Vec<u8>)> {
    let wire = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wire");
    let directory = complete_set(&wire).unwrap_or_else(|| wire.join("tests/captures"));
    let mut frames = Vec::new();
    for file in capture_files(&directory, None).expect("captures") {
        let bytes = file.read().expect("readable");
        for frame in Frames::new(&bytes).expect("a capture") {
            frames.push((file.format, frame.expect("whole").to_vec()));
        }
    }
    frames
}

/// What tshark shows of these frames, of which the first bytes alone may be in the capture; of each a row.
fn shown<'a>(
    frames: impl IntoIterator<Item = (usize, &'a [u8])>,
    fields: &[&str],
) -> Vec<Vec<String>> {
    let file = tempfile::NamedTempFile::with_suffix(".pcap").expect("a file");
    let mut writer = PcapWriter::new(File::create(file.path()).expect("open")).expect("a header");
    let mut count = 0;
    for (length, bytes) in frames {
        let packet = PcapPacket::new(Duration::ZERO, length as u32, bytes).expect("possible");
        writer.write_packet(&packet).expect("written");
        count += 1;
    }
    let rows = tshark(file.path(), fields);
    assert_eq!(rows.len(), count);
    rows
}

/// Bytes of data as the dissector names the field that says them.
fn data(frame: &Frame<'_>) -> [String; 3] {
    let empty = String::new;
    match frame.packet {
        Packet::Message { message, .. } => match message.content {
            Content::Medium(medium) => [empty(), medium.length.to_string(), empty()],
            // Of a RNDV it is a constant.
            Content::Rendezvous(_) => ["8".into(), empty(), empty()],
            Content::Notify(_) => [empty(), empty(), empty()],
            content => [content.length().to_string(), empty(), empty()],
        },
        Packet::PullReply(reply) => [reply.length.to_string(), empty(), empty()],
        // The same of these.
        Packet::Connect { .. } | Packet::LibAck { .. } => ["16".into(), empty(), empty()],
        Packet::HostReply(_) => [empty(), empty(), (frame.payload.len() + 1).to_string()],
        _ => [empty(), empty(), empty()],
    }
}

#[test]
fn every_recorded_frame_is_shown_as_the_codec_shows_it() {
    let frames = recorded();
    let fields = [
        "eth.src",
        "eth.dst",
        "openmx.data_length",
        "openmx.fragment_length",
        "openmx.name_length",
        PROBLEM,
        LUA_ERROR,
    ];
    let rows = shown(
        frames.iter().map(|(_, bytes)| (bytes.len(), &bytes[..])),
        &fields,
    );
    for ((format, bytes), row) in frames.iter().zip(rows) {
        let frame = Frame::parse(format, bytes).expect("captured frames hold");
        let line = frame.to_string();
        let (_, packet) = line.split_once(": ").expect("addresses, then the packet");
        let [source, destination] = [frame.source, frame.destination].map(|mac| mac.to_string());
        let [length, fragment, name] = data(&frame);
        let expected = [
            source,
            destination,
            length,
            fragment,
            name,
            String::new(),
            String::new(),
            packet.to_owned(),
        ];
        assert_eq!(row, expected, "{format:?}");
    }
}

#[test]
fn the_index_of_the_sender_is_shown_as_it_is_in_the_frame() {
    let frames = recorded();
    let rows = shown(
        frames.iter().map(|(_, bytes)| (bytes.len(), &bytes[..])),
        &["openmx.sender_index"],
    );
    for ((format, bytes), row) in frames.iter().zip(rows) {
        let frame = Frame::parse(format, bytes).expect("captured frames hold");
        // NACK_LIB repeats it.
        let index = row[0].split(',').next().expect("it is shown");
        assert_eq!(
            index,
            frame.sender_index.unwrap_or(0xffff).to_string(),
            "{frame}"
        );
    }
}

#[test]
fn a_name_of_any_bytes_is_shown_as_the_codec_shows_it() {
    let format = Format::mx_wire();
    let names = (0..=255u8).collect::<Vec<_>>();
    let frames: Vec<Vec<u8>> = names
        .chunks(64)
        .map(|name| {
            let mut bytes = vec![0; 60 + name.len() + 1];
            let frame = Frame {
                destination: MacAddress([2, 0, 0, 0, 0, 1]),
                source: MacAddress([2, 0, 0, 0, 0, 2]),
                sender_index: Some(0),
                packet: Packet::HostReply(HostReply {
                    sender_index: 1,
                    magic: 2,
                }),
                payload: name,
            };
            frame.emit(&format, &mut bytes).expect("it fits");
            bytes
        })
        .collect();
    let rows = shown(frames.iter().map(|bytes| (bytes.len(), &bytes[..])), &[]);
    for (bytes, row) in frames.iter().zip(rows) {
        let line = Frame::parse(&format, bytes).expect("it holds").to_string();
        let (_, packet) = line.split_once(": ").expect("addresses, then the packet");
        assert_eq!(row, [packet]);
    }
}

/// One frame of each type and layout.
fn one_of_each() -> Vec<(Format, Vec<u8>)> {
    let mut frames = recorded();
    let kind = |(format, bytes): &(Format, Vec<u8>)| {
        let frame = Frame::parse(format, bytes).expect("captured frames hold");
        (frame.packet.name(), format.mtu())
    };
    frames.sort_by_key(kind);
    frames.dedup_by_key(|frame| kind(frame));
    frames
}

#[test]
fn a_frame_that_ends_too_early_is_shown_to_be_dropped_just_if_a_receiver_drops_it_for_that() {
    let mut cut: Vec<(Format, Vec<u8>)> = Vec::new();
    for (format, bytes) in one_of_each() {
        let lengths = (14..bytes.len().min(120)).chain([bytes.len() - 1]);
        cut.extend(lengths.map(|length| (format, bytes[..length].to_vec())));
    }
    let rows = shown(
        cut.iter().map(|(_, bytes)| (bytes.len(), &bytes[..])),
        &[PROBLEM, LUA_ERROR],
    );
    let mut dropped = 0;
    for ((format, bytes), row) in cut.iter().zip(rows) {
        let drops = match Frame::parse(format, bytes) {
            Ok(_) => false,
            Err(ParseError::HeaderTruncated { .. } | ParseError::PayloadTruncated { .. }) => true,
            Err(other) => panic!("{other}"),
        };
        let shown = !row[0].is_empty();
        assert_eq!(shown, drops, "{bytes:02x?}: {row:?}");
        assert_eq!(row[1], "", "{bytes:02x?}: {row:?}");
        dropped += usize::from(drops);
    }
    assert!(dropped > 500 && dropped < cut.len(), "{dropped}");
}

#[test]
fn frames_of_which_only_the_beginning_was_captured_are_shown_as_whole_ones() {
    let frames = one_of_each();
    let begin = |(_, bytes): &'_ (Format, Vec<u8>)| bytes.len().min(80);
    let cut = frames
        .iter()
        .map(|frame| (frame.1.len(), &frame.1[..begin(frame)]));
    let rows = shown(cut, &[PROBLEM, LUA_ERROR]);
    for ((format, bytes), row) in frames.iter().zip(rows) {
        let line = Frame::parse(format, bytes).expect("it holds").to_string();
        let (_, packet) = line.split_once(": ").expect("addresses, then the packet");
        assert_eq!(row, ["", "", packet]);
    }
}

#[test]
fn bytes_that_nobody_meant_as_a_frame_do_not_break_the_dissector() {
    let mut frames = Vec::new();
    for (_, mut bytes) in one_of_each() {
        bytes.truncate(120);
        for at in 14..bytes.len().min(64) {
            for byte in [0, 1, 0x0c, 0x7f, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] = byte;
                frames.push(changed);
            }
        }
    }
    // Any type, in a frame that is as short as can be, and long.
    for (kind, length) in (0..=255u8).flat_map(|kind| [(kind, 17), (kind, 30), (kind, 120)]) {
        let mut bytes = vec![0xff; length];
        bytes[..17].copy_from_slice(b"\x02\0\0\0\x0b\x02\x02\0\0\0\x0a\x01\x86\xdf\0\x07\0");
        bytes[16] = kind;
        frames.push(bytes);
    }
    let rows = shown(
        frames.iter().map(|bytes| (bytes.len(), &bytes[..])),
        &[LUA_ERROR],
    );
    for (bytes, row) in frames.iter().zip(rows) {
        assert!(
            row[0].is_empty() && !row[1].is_empty(),
            "{bytes:02x?}: {row:?}"
        );
    }
}
