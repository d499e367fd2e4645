//! Inboxes: whoever sleeps is woken, and a lane has one sender.

use loom::thread;
use mx_ring::inbox::{Inbox, Lane, SIZE, Sender};

use super::*;

fn memory() -> (Box<ModelMemory>, VolatileSlice) {
    let memory = Box::new(model::inbox_memory(&[0, 1, 2]));
    // SAFETY: the tests join their threads before they drop the memory.
    let slice = unsafe { VolatileSlice::of_model(&memory, SIZE) };
    (memory, slice)
}

fn claim(memory: VolatileSlice, endpoint: u8) -> Option<Lane> {
    let session = 7;
    Lane::claim(memory, Sender { endpoint, session }, 1, |_| true).unwrap()
}

fn put(lane: &mut Lane, number: u16) -> bool {
    lane.put(0, |_| {}, |_| event(number))
}

#[test]
fn of_an_owner_that_goes_to_sleep_and_a_neighbour_that_puts_something_in_one_notices_the_other() {
    explore(3, || {
        let (_memory, slice) = memory();
        let inbox = Inbox::new(slice).unwrap();
        let mut lane = claim(slice, 1).unwrap();
        let neighbour = thread::spawn(move || {
            let relied_upon = put(&mut lane, 1);
            std::mem::forget(lane);
            relied_upon
        });
        inbox.sleeps();
        let noticed = inbox.has_news();
        let relied_upon = neighbour.join().unwrap();
        assert!(noticed || !relied_upon, "nobody wakes the owner");
    });
}

#[test]
fn the_owner_takes_all_that_a_neighbour_has_put_in_before_it_went() {
    explore(3, || {
        let (_memory, slice) = memory();
        let mut inbox = Inbox::new(slice).unwrap();
        let mut lane = claim(slice, 1).unwrap();
        let neighbour = thread::spawn(move || {
            assert!(put(&mut lane, 1) && put(&mut lane, 2));
        });
        let mut taken = Vec::new();
        let mut take = |inbox: &mut Inbox| {
            inbox.take(4, |_, it, _| {
                taken.push(*it);
                true
            })
        };
        take(&mut inbox);
        neighbour.join().unwrap();
        take(&mut inbox);
        assert_eq!(taken, [event(1), event(2)]);
        assert!(claim(slice, 2).is_some(), "its lane is free");
    });
}

#[test]
fn of_two_neighbours_that_claim_a_lane_one_gets_it() {
    explore(3, || {
        let (_memory, slice) = memory();
        let other = thread::spawn(move || claim(slice, 2).map(std::mem::forget).is_some());
        let got = claim(slice, 1).map(std::mem::forget).is_some();
        assert!(got != other.join().unwrap());
    });
}
