//! The pages that describe a board to its processes.

use mx_ring::Counter;
use mx_ring::board_page::{BoardDescription, BoardPages, PAGES, PEERS, PeerDescription};
use mx_ring::warning::{Notice, Notices, Warning};
use mx_wire::MacAddress;

use crate::common::Pages;
use crate::listing::{Listing, content};

pub fn list(listing: &mut Listing) {
    boards(listing);
    peers(listing);
    listing.title("counters by index");
    for counter in Counter::ALL {
        listing.line(format_args!("{} {}", counter.index(), counter.label()));
    }
    listing.title("warnings by index");
    for (index, warning) in Warning::ALL.into_iter().enumerate() {
        assert_eq!(warning as usize, index);
        listing.line(format_args!("{index} {}", warning.word()));
    }
}

/// Bytes that rise from `first`.
fn rising<const N: usize>(first: u8) -> [u8; N] {
    core::array::from_fn(|i| first.wrapping_add(i as u8))
}

/// A board without any flag, then what each of the flags changes.
fn boards(listing: &mut Listing) {
    listing.title("board");
    let plain = described(None);
    listing.bytes("board", &plain);
    let flags = [
        "MX wire",
        "link up",
        "peers configured",
        "peers full",
        "peers marked",
    ];
    for (number, flag) in flags.into_iter().enumerate() {
        listing.title(format_args!("board: {flag}"));
        listing.changed("board", &plain, &described(Some(number)));
    }
}

/// The pages of a board of which this flag is set.
fn described(flag: Option<usize>) -> Vec<u8> {
    let mut memory = Pages::new(PAGES * 4096);
    let slice = memory.slice();
    let pages = BoardPages::new(slice).expect("whole pages");
    pages.format();
    let mut notices = Notices::default();
    for warning in Warning::ALL {
        let first = 0x10 * (warning as u8 + 1);
        let notice = Notice {
            times: u32::from_le_bytes(rising(first)),
            about: MacAddress(rising(first + 4)),
        };
        notices.set(warning, notice);
    }
    let description = BoardDescription {
        generation: 0x0302_0100,
        mx_wire: flag == Some(0),
        mtu: 0x0908,
        medium_fragment: 0x0b0a,
        link_up: flag == Some(1),
        peers_configured: flag == Some(2),
        peers_full: flag == Some(3),
        peers_marked: flag == Some(4),
        endpoint_max: 0x0d0c,
        queue_entries: 0x1716,
        peer_count: 0x0f0e,
        mac: MacAddress(rising(0x10)),
        hostname: rising(0x18),
        interface: rising(0x68),
        driver: rising(0x78),
        interface_mtu: 0x8b8a_8988,
        notices,
    };
    pages.set_board(&description);
    assert_eq!(pages.board(), Some(description));
    content(&slice)
}

fn peers(listing: &mut Listing) {
    let mut memory = Pages::new(PAGES * 4096);
    let slice = memory.slice();
    let pages = BoardPages::new(slice).expect("whole pages");
    let last = PEERS as u16 - 1;
    for (index, local) in [(0, false), (last, true), (7, false)] {
        let peer = PeerDescription {
            mac: MacAddress(rising(0)),
            local,
            hostname: rising(8),
            reverse: local.then_some(0x5958),
            fixed: local,
        };
        pages.set_peer(index, &peer);
        assert_eq!(pages.peer(index), Some(peer));
    }
    pages.clear_peer(7);
    pages.set_counter(0, 0x0302_0100);
    pages.set_counter(Counter::ALL.len() - 1, 0x0706_0504);
    listing.title("first peer, last peer (local), a peer that has gone, first and last counter");
    listing.pages("board", &slice);
}
