//! Commands, events and payloads between a process and its backend.

use loom::thread;
use mx_ring::Place;
use mx_wire::{Content, Eager, Message};

use super::*;

#[test]
fn commands_arrive_whole_and_in_order_over_the_wrap() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut backend) = endpoint.sides();
        let poster = thread::spawn(move || {
            for number in 0..3 {
                assert!(process.post(&command(number), &[]));
            }
        });
        for number in 0..3 {
            let taken = loop {
                match take_command(&mut backend) {
                    Some(taken) => break taken,
                    None => thread::yield_now(),
                }
            };
            assert_eq!(taken, command(number));
            backend.publish_commands(backend.command_index());
        }
        poster.join().unwrap();
    });
}

#[test]
fn a_full_command_queue_is_not_overwritten_before_the_backend_let_go() {
    explore(2, || {
        let slots: Vec<usize> = (0..64).collect();
        let endpoint = Endpoint::with_slots(&slots);
        let (w, r) = endpoint.slices();
        let mut process = ProcessSide::new(layout(), w, r).unwrap();
        let mut backend = BackendSide::new(layout(), w, r).unwrap();
        for number in 0..64 {
            assert!(process.post(&command(number), b"old "));
        }
        assert!(!process.post(&command(64), b"new "));
        let poster = thread::spawn(move || {
            while !process.post(&command(64), b"new ") {
                thread::yield_now();
            }
        });
        assert_eq!(take_command(&mut backend), Some(command(0)));
        let mut data = [0; 4];
        let slot = backend.command_data(0, 4).unwrap();
        slot.read(0, &mut data).unwrap();
        assert_eq!(&data, b"old ");
        backend.publish_commands(1);
        poster.join().unwrap();
    });
}

#[test]
fn a_payload_is_there_before_its_event_and_stays_until_released() {
    explore(3, || {
        let endpoint = Endpoint::new();
        let (mut process, mut backend) = endpoint.sides();
        // Each payload takes the whole ring, so the second waits for the release of the first.
        let deliverer = thread::spawn(move || {
            for payload in [*b"one ", *b"two "] {
                let medium = |position| Event {
                    from: Origin {
                        peer: 0,
                        endpoint: 0,
                        local: false,
                    },
                    body: EventBody::Message(
                        Message {
                            seq: 0,
                            ack: 0,
                            content: Content::Small(Eager {
                                match_info: 0,
                                length: 4,
                            }),
                        },
                        Place::At(position),
                    ),
                };
                let fill = |place: &VolatileSlice| place.write(0, &payload).unwrap();
                while backend.deliver_payload(u16::MAX, fill, medium).is_err() {
                    thread::yield_now();
                }
            }
        });
        for payload in [*b"one ", *b"two "] {
            let event = loop {
                match process.next_unexpected() {
                    Some(event) => break event.unwrap(),
                    None => thread::yield_now(),
                }
            };
            let Some((position, _)) = event.received() else {
                panic!("another event: {event:?}");
            };
            let mut bytes = [0; 4];
            process.read_receive(position, &mut bytes).unwrap();
            assert_eq!(bytes, payload);
            process.release_receive(position, u32::from(u16::MAX));
            process.publish_consumed();
        }
        deliverer.join().unwrap();
    });
}
