//! The fields that Open-MX leaves uninitialised or that have no meaning (wire.md §1, §6): it sends what happened to be in
//! memory, we send zero, and nobody reads them. Everything else must be equal to the byte.

use std::ops::Range;

use mx_wire::{Mode, Packet};

/// A field that need not be equal.
pub struct Field {
    /// Its name: the packet's, then the field's.
    pub name: &'static str,
    /// Its bytes, counted from the start of the frame.
    pub bytes: Range<usize>,
}

/// Lists fields of one packet type.
macro_rules! fields {
    ($packet:literal: $($name:literal $start:literal..$end:literal),+ $(,)?) => {
        &[$(Field { name: concat!($packet, " ", $name), bytes: $start..$end }),+]
    };
}

/// What need not be equal in the header of this packet.
pub fn fields(mode: Mode, packet: &Packet) -> &'static [Field] {
    match packet.name() {
        "HOST_QUERY" => fields!["HOST_QUERY":
            "sender index" 14..16, "pad at B+1" 17..18, "pad at B+4" 20..24, "pad at B+12" 28..32,
        ],
        "HOST_REPLY" => fields!["HOST_REPLY":
            "sender index" 14..16, "pad at B+4" 20..24, "pad at B+12" 28..32,
        ],
        "CONNECT request" => fields!["CONNECT request":
            "generation" 19..20, "pad at B+5" 21..24, "pad at B+12" 28..32, "pad at B+28" 44..48,
        ],
        "CONNECT reply" => fields!["CONNECT reply":
            "generation" 19..20, "pad at B+5" 21..24, "pad at B+12" 28..32, "pad at B+29" 45..48,
        ],
        "TINY" => fields!["TINY": "generation" 19..20, "checksum" 22..24],
        "SMALL" => fields!["SMALL": "generation" 19..20, "checksum" 22..24],
        "MEDIUM" if mode == Mode::MxWire => fields!["MEDIUM":
            "generation" 19..20, "pad at B+6" 22..24, "checksum" 44..46, "pad at B+30" 46..48,
        ],
        "MEDIUM" => fields!["MEDIUM":
            "generation" 19..20, "pad at B+27" 43..44, "checksum" 44..46, "pad at B+30" 46..48,
        ],
        "RNDV" => fields!["RNDV": "generation" 19..20, "checksum" 22..24],
        "PULL" if mode == Mode::MxWire => fields!["PULL": "generation" 19..20],
        "PULL" => fields!["PULL": "generation" 19..20, "pad at B+17" 33..36],
        "PULL_REPLY" => fields!["PULL_REPLY": "sender index" 14..16],
        "NOTIFY" => fields!["NOTIFY":
            "generation" 19..20, "pad at B+14" 30..34, "pad at B+22" 38..40,
        ],
        "TRUC" => fields!["TRUC":
            "generation" 19..20, "pad at B+5" 21..24, "pad at B+13" 29..30, "pad at B+27" 43..44,
        ],
        "NACK_LIB" => fields!["NACK_LIB":
            "generation" 18..19, "pad at B+4" 20..25, "pad at B+14" 30..32,
        ],
        "NACK_MCP" => fields!["NACK_MCP": "generation" 18..19, "pad at B+4" 20..24],
        // A RAW frame has none.
        _ => &[],
    }
}
