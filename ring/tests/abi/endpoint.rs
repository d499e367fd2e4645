//! An endpoint's pages around its queues: sizes, windows, the words of both sides, the notes about regions.

use mx_ring::registration::{REGIONS, RESERVE_MAX, RESERVES, RegionNotes, UseBits};
use mx_ring::sleep::EndpointWatch;
use mx_ring::{
    Command, CommandBody, EndpointLayout, Event, EventBody, Geometry, Positions, PullDone,
    PullStatus, Reach, RegionKey, Window,
};

use crate::common::{Endpoint, Pages};
use crate::listing::Listing;
use crate::queues::{REGION, payload};

pub fn list(listing: &mut Listing) {
    layouts(listing);
    windows(listing);
    positions(listing);
    sleep(listing);
    regions(listing);
}

fn layouts(listing: &mut Listing) {
    for entries in [64, 256, 2048] {
        let geometry = Geometry::of_entries(entries).expect("a possible number");
        let layout = EndpointLayout::new(geometry).expect("possible sizes");
        listing.title(format_args!("endpoint of {entries} queue entries"));
        listing.line(format_args!(
            "{} commands, {} unexpected, {} expected, {} to transmit, {} to receive",
            geometry.commands,
            geometry.unexpected,
            geometry.expected,
            geometry.transmit,
            geometry.receive
        ));
        listing.line(format_args!(
            "W: windows {:#x}, commands {:#x}, command data {:#x}, transmit area {:#x}, end {:#x}",
            EndpointLayout::WINDOWS,
            EndpointLayout::COMMANDS,
            layout.command_data(),
            layout.transmit(),
            layout.w_size()
        ));
        listing.line(format_args!(
            "R: unexpected {:#x}, expected {:#x}, receive ring {:#x}, end {:#x}",
            EndpointLayout::UNEXPECTED,
            layout.expected(),
            layout.receive(),
            layout.r_size()
        ));
    }
}

fn windows(listing: &mut Listing) {
    let reaches = [
        ("all of a message", Reach::Whole),
        ("a piece of one", Reach::Piece),
        ("nothing", Reach::Nothing),
    ];
    for (id, (what, reach)) in reaches.into_iter().enumerate() {
        let endpoint = Endpoint::at(Positions::default());
        let window = Window {
            region: REGION,
            seqnum: 0x05,
            reach,
            offset: 0x0b0a_0908,
            length: 0x0f0e_0d0c,
        };
        endpoint.process.bind_window(id as u8, &window);
        listing.title(format_args!("window {id} that reaches {what}"));
        listing.pages("W", &endpoint.w);
        assert_eq!(endpoint.backend.window(id as u8), Some(window));
    }
}

/// Indices that are at different places, a payload in the receive ring, and an event in each queue.
fn positions(listing: &mut Listing) {
    let start = Positions {
        command: 0x0100,
        unexpected: 0x0241,
        expected: 0x0382,
        receive: 0x0004_0040,
    };
    let mut endpoint = Endpoint::at(start);
    let command = Command::to_board(CommandBody::AbortPull { cookie: 1 });
    assert!(endpoint.process.post(&command, &[]));
    assert_eq!(
        endpoint.backend.next_command(),
        Some(Ok((start.command, command)))
    );
    endpoint.backend.publish_commands(start.command);
    let done = Event::of_board(EventBody::PullDone(PullDone {
        cookie: 1,
        status: PullStatus::Done,
        transferred: 0,
    }));
    let expected = endpoint.backend.deliver_expected(&done);
    expected.expect("an empty queue has room");
    let unexpected = endpoint.backend.deliver_payload(
        65,
        |place| place.write(0, &payload::<65>()).expect("as long as asked"),
        |position| {
            Event::of_board(EventBody::PullDone(PullDone {
                cookie: position,
                status: PullStatus::Done,
                transferred: 0,
            }))
        },
    );
    unexpected.expect("an empty ring has room");
    endpoint.backend.set_status(6);
    endpoint.process.next_unexpected();
    endpoint.process.next_expected();
    endpoint.process.publish_consumed();
    endpoint.process.release_receive(start.receive, 65);
    let watch = EndpointWatch::new(endpoint.r).expect("a whole page");
    assert!(watch.has_events(start.unexpected + 1, start.expected + 1));
    listing.title("queues in use, far from their start, of a closed endpoint");
    listing.pages("W", &endpoint.w);
    listing.pages("R", &endpoint.r);
}

fn sleep(listing: &mut Listing) {
    let mut endpoint = Endpoint::at(Positions::default());
    endpoint.process.arm();
    endpoint.process.arm();
    endpoint.backend.ask_for_kick();
    listing.title("both sides sleep");
    listing.pages("W", &endpoint.w);
    listing.pages("R", &endpoint.r);
    assert!(endpoint.process.kick_needed() && endpoint.backend.wake_needed());
    let watch = EndpointWatch::new(endpoint.r).expect("a whole page");
    watch.backend_gone();
    endpoint.backend.polled_again();
    listing.title("the backend has gone");
    listing.pages("R", &endpoint.r);
}

fn regions(listing: &mut Listing) {
    let endpoint = Endpoint::at(Positions::default());
    let mut page = Pages::new(4096);
    let page = page.slice();
    let notes = RegionNotes::new(page).expect("a whole page");
    let uses = UseBits::new(endpoint.w).expect("a whole page");
    let [kept, stale] = [3, 1023].map(|slot| RegionKey {
        slot,
        generation: 0x0201,
    });
    notes.note_valid(kept);
    notes.note_valid(stale);
    assert!(uses.begin(&notes, kept) && uses.begin(&notes, stale));
    notes.invalidate(stale);
    listing.title("regions of an endpoint");
    listing.line(format_args!(
        "{REGIONS} slots, {RESERVES} buffers of last resort of up to {RESERVE_MAX} bytes"
    ));
    listing.title("a region in use, and one in use that is stale");
    listing.pages("notes", &page);
    listing.pages("W", &endpoint.w);
}
