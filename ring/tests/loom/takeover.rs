//! A backend dies and another one takes its endpoint, whose process goes on meanwhile.

use loom::thread;
use mx_ring::board_page::{BoardDescription, BoardPages, HOSTNAME_MAX, PAGES};
use mx_ring::warning::Notices;
use mx_wire::MacAddress;

use super::*;

#[test]
fn an_endpoint_that_is_adopted_loses_and_doubles_no_event_whatever_its_process_does_meanwhile() {
    for torn in [false, true] {
        explore(3, move || {
            let endpoint = Endpoint::new();
            let (mut process, mut dead) = endpoint.sides();
            dead.deliver(&event(0)).unwrap();
            dead.deliver_expected(&event(0)).unwrap();
            let (w, r) = endpoint.slices();
            if torn {
                model::take_back_producer_indices(&r);
            }
            let process = thread::spawn(move || {
                let mut next = [0, 0];
                while next != [2, 1] {
                    if let Some(taken) = process.next_unexpected() {
                        assert_eq!(taken, Ok(event(next[0])));
                        next[0] += 1;
                        process.publish_consumed();
                    } else if let Some(taken) = process.next_expected() {
                        assert_eq!(taken, Ok(event(next[1])));
                        next[1] += 1;
                        process.publish_consumed();
                    } else {
                        thread::yield_now();
                    }
                }
            });
            let mut successor = BackendSide::adopt(layout(), w, r).unwrap();
            successor.deliver(&event(1)).unwrap();
            process.join().unwrap();
        });
    }
}

#[test]
fn who_sees_another_generation_finds_all_events_of_the_backend_before() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut dead) = endpoint.sides();
        let page = Box::new(ModelMemory::default().words((8..320).step_by(4)));
        // SAFETY: the writer is joined before the memory goes.
        let page_slice = unsafe { VolatileSlice::of_model(&page, PAGES * mx_ring::PAGE_SIZE) };
        let pages = BoardPages::new(page_slice).unwrap();
        let backends = thread::spawn(move || {
            dead.deliver(&event(0)).unwrap();
            pages.set_board(&of_generation(2));
        });
        if pages.generation() == 2 {
            assert_eq!(process.next_unexpected(), Some(Ok(event(0))));
        }
        backends.join().unwrap();
        assert_eq!(pages.generation(), 2);
    });
}

fn of_generation(generation: u32) -> BoardDescription {
    BoardDescription {
        generation,
        mx_wire: false,
        mtu: 1500,
        medium_fragment: 1024,
        link_up: true,
        peers_configured: true,
        peers_full: false,
        peers_marked: false,
        endpoint_max: 32,
        queue_entries: 64,
        peer_count: 1,
        mac: MacAddress([2, 0, 0, 0, 0, 1]),
        hostname: [0; HOSTNAME_MAX],
        interface: [0; 16],
        driver: [0; 16],
        interface_mtu: 0,
        notices: Notices::default(),
    }
}
