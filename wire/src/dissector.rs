//! The tables of the Wireshark dissector, from the structures of this crate: `wireshark/openmx.lua` holds them between
//! two marks, and a test sees to it that they are these.

extern crate std;

use core::fmt::Write;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{env, format, fs};

use crate::header::{Ethernet, Matching, Start, kind};
use crate::medium::PIPELINE;
use crate::{
    ConnectStatus, ETHERTYPE, Format, Frame, NackCode, ParseError, Pull, ack, connect, eager, host,
    large, medium, nack, pull, raw,
};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../wireshark/openmx.lua");
const BEGIN: &str = "-- The tables begin here.\n";
const END: &str = "-- The tables end here.\n";

/// Name, offset and size of a structure's fields.
type Fields = &'static [(&'static str, usize, usize)];

/// A body as the dissector names it, and where its structure starts in the body.
const LAYOUTS: [(&str, usize, Fields); 18] = [
    ("RAW", 0, &[("kind", 0, 1)]),
    ("beacon", 1, raw::Layout::FIELDS),
    ("HOST_QUERY", 0, host::Layout::FIELDS),
    ("HOST_REPLY", 0, host::Layout::FIELDS),
    ("TRUC", 0, ack::Layout::FIELDS),
    ("CONNECT request", 0, connect::Layout::FIELDS),
    ("CONNECT reply", 0, connect::Layout::FIELDS),
    ("TINY", 0, eager::Layout::FIELDS),
    ("SMALL", 0, eager::Layout::FIELDS),
    ("MEDIUM", 0, medium::Layout::FIELDS),
    ("MEDIUM MX-wire", 0, medium::Layout::FIELDS),
    ("RNDV", 0, large::Offer::FIELDS),
    ("PULL", 0, pull::Native::FIELDS),
    ("PULL MX-wire", 0, pull::MxWire::FIELDS),
    ("PULL_REPLY", 0, pull::Reply::FIELDS),
    ("NOTIFY", 0, large::End::FIELDS),
    ("NACK_LIB", 0, nack::Lib::FIELDS),
    ("NACK_MCP", 0, nack::Mcp::FIELDS),
];

/// How a number is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Show {
    Decimal,
    Hexadecimal,
    /// By a table of names.
    Named(&'static str),
}

/// A field as a filter names it, its name in wire.md, and how it is shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Shown(&'static str, &'static str, Show);

/// How the dissector shows a field; `None` for one without meaning.
fn shown(layout: &str, field: &str) -> Option<Shown> {
    use Show::{Decimal, Hexadecimal, Named};
    let request = layout == "CONNECT request";
    let medium = layout.starts_with("MEDIUM");
    let pull = layout.starts_with("PULL");
    Some(match field {
        _ if field.starts_with("pad") => return None,
        "name_length" if layout == "HOST_QUERY" => return None,
        "status" if request => return None,
        "pipeline" if layout == "MEDIUM" => return None,
        "kind" => Shown("type", "Packet type", Named("TYPES")),
        "destination" => Shown("destination", "Destination endpoint", Decimal),
        "source" => Shown("source", "Source endpoint", Decimal),
        "generation" => Shown("generation", "Generation", Decimal),
        "sender_index" if matches!(layout, "Ethernet" | "NACK_LIB") => {
            Shown("sender_index", "Sender index", Decimal)
        }
        "sender_index" => Shown("peer_index", "Peer index", Decimal),
        "name_length" => Shown("name_length", "Name length", Decimal),
        "length" if medium => Shown("fragment_length", "Fragment length", Decimal),
        "length" | "data_length" => Shown("data_length", "Data length", Decimal),
        "checksum" => Shown("checksum", "Checksum", Hexadecimal),
        "seq" => Shown("seq", "Sequence number", Decimal),
        "ack" => Shown("ack", "Acknowledgement", Decimal),
        "match_info" => Shown("match_info", "Match info", Hexadecimal),
        "session" => Shown("session", "Session", Hexadecimal),
        "acked_session" => Shown("acked_session", "Session, again", Hexadecimal),
        "requester_session" => Shown("connector_session", "Connector's session", Hexadecimal),
        "key_or_session" if request => Shown("key", "Key", Hexadecimal),
        "key_or_session" => Shown("session", "Session", Hexadecimal),
        "total" if pull => Shown("total", "Total", Decimal),
        "total" => Shown("message_length", "Message length", Decimal),
        "fragment" => Shown("fragment", "Fragment number", Decimal),
        "pipeline" => Shown("pipeline", "Pipeline", Decimal),
        "window" => Shown("window", "Window", Decimal),
        "window_seqnum" => Shown("window_seqnum", "Window seqnum", Decimal),
        "window_offset" => Shown("window_offset", "Window offset", Decimal),
        "handle" => Shown("handle", "Handle", Hexadecimal),
        "magic" => Shown("magic", "Magic", Hexadecimal),
        "first_frame_offset" => Shown("first_frame_offset", "First frame offset", Decimal),
        "block_length" => Shown("block_length", "Block length", Decimal),
        "frame_index" => Shown("frame_index", "Frame index", Decimal),
        "frame_seqnum" => Shown("frame_seqnum", "Frame seqnum", Decimal),
        "message_offset" => Shown("message_offset", "Message offset", Decimal),
        "transferred" => Shown("transferred", "Transferred", Decimal),
        "subtype" => Shown("subtype", "Sub-type", Hexadecimal),
        "ack_number" => Shown("ack_number", "Ack number", Decimal),
        "send_seq" => Shown("send_seq", "Send seq", Decimal),
        "resent" => Shown("resent", "Resent", Decimal),
        "next_expected" => Shown("next_expected", "Next expected", Decimal),
        "is_reply" => Shown("direction", "Direction", Named("DIRECTIONS")),
        "connect_seqnum" => Shown("connect_number", "Connect number", Decimal),
        "status" => Shown("status", "Status", Named("STATUSES")),
        "code" => Shown("code", "Code", Named("CODES")),
        "nic_id_high" => Shown("nic_id_high", "NIC id, high half", Hexadecimal),
        "nic_id_low" => Shown("nic_id_low", "NIC id, low half", Hexadecimal),
        "serial" => Shown("serial", "Serial", Hexadecimal),
        _ => panic!("{layout}: give the field {field} a name here"),
    })
}

/// The fields without those of structures within structures.
fn flat(fields: Fields) -> Vec<(&'static str, usize, usize)> {
    let inner = |&(name, offset, size): &(&'static str, usize, usize)| {
        let inner: Fields = match name {
            "start" => Start::FIELDS,
            "matching" => Matching::FIELDS,
            _ => return Vec::from([(name, offset, size)]),
        };
        let moved = inner
            .iter()
            .map(|(name, at, size)| (*name, offset + at, *size));
        moved.collect()
    };
    fields.iter().flat_map(inner).collect()
}

/// A table of names in Lua.
fn names(text: &mut String, table: &str, of: impl IntoIterator<Item = (u8, String)>) {
    let _ = writeln!(text, "local {table} = {{");
    for (number, name) in of {
        let _ = writeln!(text, "  [{number}] = \"{name}\",");
    }
    text.push_str("}\n");
}

fn tables() -> String {
    let mut text = String::new();
    let native = Format::native(9000).expect("in range");
    let _ = writeln!(text, "local ETHERTYPE = 0x{ETHERTYPE:04x}");
    let _ = writeln!(text, "local PULL_MAGIC = 0x{:08x}", Pull::MAGIC);
    let _ = writeln!(text, "local MX_PIPELINE = {PIPELINE}");
    let _ = writeln!(text, "local NATIVE_MEDIUM_MAX = {}", native.max_medium());
    let types = kind::ALL
        .iter()
        .map(|(name, byte)| (*byte, name.to_string()));
    names(&mut text, "TYPES", types);
    let directions = [(0, "request".to_string()), (1, "reply".to_string())];
    names(&mut text, "DIRECTIONS", directions);
    let statuses = (0..=255).map(ConnectStatus::from_byte);
    let known = statuses.filter(|status| !matches!(status, ConnectStatus::Unknown(_)));
    let known = known.map(|status| (status.to_byte(), status.to_string()));
    names(&mut text, "STATUSES", known);
    let codes = NackCode::ALL.map(|code| (code as u8, code.to_string()));
    names(&mut text, "CODES", codes);

    let mut fields = Vec::new();
    let mut layouts = String::new();
    let (_, at, size) = Ethernet::FIELDS[3];
    fields.push((
        shown("Ethernet", "sender_index").expect("it has a meaning"),
        size,
    ));
    let _ = writeln!(
        layouts,
        "-- From F+{at} on.\nlocal SENDER_INDEX = {{ 0, {size}, \"sender_index\" }}"
    );
    layouts.push_str("-- Offset in the body, bytes, filter name.\nlocal LAYOUTS = {\n");
    for (name, start, structure) in LAYOUTS {
        let _ = writeln!(layouts, "  [\"{name}\"] = {{");
        for (field, offset, size) in flat(structure) {
            let Some(shown) = shown(name, field) else {
                continue;
            };
            // The total of a fragment has 32 bits, or 16 and a pad.
            let short = (name, field) == ("MEDIUM MX-wire", "total");
            let size = if short { size / 2 } else { size };
            let _ = writeln!(
                layouts,
                "    {{ {}, {size}, \"{}\" }},",
                start + offset,
                shown.0
            );
            fields.push((shown, size));
        }
        layouts.push_str("  },\n");
    }
    layouts.push_str("}\n-- Bytes of each.\nlocal SIZES = {\n");
    for (name, start, structure) in LAYOUTS {
        let end = structure
            .last()
            .map_or(0, |(_, offset, size)| offset + size);
        let _ = writeln!(layouts, "  [\"{name}\"] = {},", start + end);
    }
    layouts.push_str("}\n");

    // The widest of each name.
    fields.sort();
    fields.reverse();
    fields.dedup_by_key(|(shown, _)| shown.0);
    fields.reverse();
    text.push_str(
        "-- Filter name, name in docs/wire.md, bytes, how it is shown.\nlocal FIELDS = {\n",
    );
    for (Shown(filter, name, show), size) in fields {
        let show = match show {
            Show::Decimal => "base.DEC".to_string(),
            Show::Hexadecimal => "base.HEX".to_string(),
            Show::Named(table) => format!("base.DEC, {table}"),
        };
        let _ = writeln!(text, "  {{ \"{filter}\", \"{name}\", {size}, {show} }},");
    }
    text.push_str("}\n");
    text + &layouts
}

#[test]
fn the_dissectors_tables_are_those_of_the_codec() {
    let file = fs::read_to_string(FILE).expect("wireshark/openmx.lua");
    let (before, rest) = file.split_once(BEGIN).expect("the mark before the tables");
    let (_, after) = rest.split_once(END).expect("the mark behind the tables");
    let right = format!("{before}{BEGIN}{}{END}{after}", tables());
    if right != file && env::var_os("OMX_WRITE_DISSECTOR").is_some() {
        fs::write(FILE, &right).expect("written");
        return;
    }
    assert!(
        right == file,
        "wireshark/openmx.lua has old tables: `OMX_WRITE_DISSECTOR=1 cargo test -p mx-wire dissector` writes them anew"
    );
}

#[test]
fn the_dissector_has_a_layout_for_every_type_that_is_served() {
    let format = Format::mx_wire();
    for (name, byte) in kind::ALL {
        let mut frame = [0; 200];
        frame[..16].copy_from_slice(b"\x02\0\0\0\x0b\x02\x02\0\0\0\x0a\x01\x86\xdf\0\x07");
        frame[16] = *byte;
        let parsed = Frame::parse(&format, &frame);
        let served = !matches!(parsed, Err(ParseError::InvalidType(_)));
        let has = LAYOUTS
            .iter()
            .any(|(layout, ..)| layout.split(' ').next() == Some(name));
        assert_eq!(has, served, "{name}: {parsed:?}");
    }
}
