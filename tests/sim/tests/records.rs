//! What the records of libraries and boards tell of a message, wherever it got lost.

use std::fmt::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mx_engine::{Code, Memory, PartnerKey, RequestKey};
use mx_ring::Geometry;
use mx_ring::mapping::Memfd;
use mx_testnet::Faults;
use mx_wire::Format;
use sim::{BoardPlace, Fabric, connect_all};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const WITHIN: Duration = Duration::from_secs(3600);

/// Keeps the text of every record.
#[derive(Clone, Default)]
struct Records(Arc<Mutex<Vec<String>>>);

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{value:?}").expect("a string takes all");
    }
}

impl Subscriber for Records {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        self.0.lock().unwrap().push(text.0);
    }
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Records {
    /// What happened to a message, by the records that name it: the text of each before the type of its frame.
    fn story(&self, message: &str) -> Vec<String> {
        let all = self.0.lock().unwrap();
        let of_it = all.iter().filter(|text| text.contains(message));
        let what = |text: &String| {
            let before = text.split(": TINY").next().unwrap_or_default();
            before.split(',').next().unwrap_or_default().to_owned()
        };
        of_it.map(what).collect()
    }

    fn has(&self, words: &[&str]) -> bool {
        let all = self.0.lock().unwrap();
        all.iter()
            .any(|text| words.iter().all(|word| text.contains(word)))
    }
}

/// A sender and a receiver with the sessions 10 and 11, joined by a good wire, and connected.
fn joined() -> (Fabric, PartnerKey) {
    let format = Format::native(9000).expect("a frame size");
    let mut fabric = Fabric::new(format, &[1, 1], Faults::NONE, 1);
    for backend in 0..2 {
        let place = BoardPlace { backend, board: 0 };
        fabric.open(place, 3, 10 + backend as u32, Geometry::default());
    }
    let partners = connect_all(&mut fabric, &[(0, 1)], WITHIN);
    (fabric, partners[&(0, 1)])
}

fn memory() -> Memory {
    let memory = Arc::new(Memfd::create("records", 20).expect("memory"));
    let part = memory.slice().part(0, 20).expect("own memory");
    Memory::owned(part, memory).expect("less than 4 GiB")
}

fn send(fabric: &mut Fabric, to: PartnerKey) -> RequestKey {
    let sender = &mut fabric.processes[0].1;
    sender
        .engine
        .send(to, memory(), 1, 0, false, &mut sender.port)
}

/// Lets the time pass until the sender has nothing under way.
fn settle(fabric: &mut Fabric) {
    let end = fabric.elapsed() + WITHIN;
    while !fabric.processes[0].1.engine.settled() && fabric.elapsed() < end {
        fabric.step(None);
    }
}

fn pass(fabric: &mut Fabric, time: Duration) {
    let end = fabric.elapsed() + time;
    while fabric.elapsed() < end {
        fabric.step(Some(Duration::from_millis(1)));
    }
}

#[test]
fn a_message_that_the_wire_lost_is_followed_from_sender_to_receiver_by_its_session_and_number() {
    let records = Records::default();
    tracing::subscriber::with_default(records.clone(), || {
        let (mut fabric, to) = joined();
        fabric.set_faults(Faults::CUT);
        send(&mut fabric, to);
        pass(&mut fabric, Duration::from_millis(5));
        fabric.heal();
        settle(&mut fabric);
    });
    let story = records.story("session 0000000b, seq ");
    let expected = [
        "sent",
        "n0b0:0: sent",
        "sent again",
        "n0b0:0: sent",
        "n1b0:0: delivered",
        "received",
        "acknowledged",
    ];
    assert_eq!(story, expected);
    assert!(records.has(&["acknowledged", "session 0000000b, seq ", "sent 2 times"]));
}

#[test]
fn a_frame_that_comes_twice_is_told_as_a_duplicate() {
    let records = Records::default();
    tracing::subscriber::with_default(records.clone(), || {
        let (mut fabric, to) = joined();
        fabric.set_faults(Faults {
            duplication: 100,
            ..Faults::NONE
        });
        send(&mut fabric, to);
        settle(&mut fabric);
    });
    let doubled = ["dropped, a duplicate: TINY from ", "session 0000000b, seq "];
    assert!(records.has(&doubled));
}

#[test]
fn a_frame_that_a_board_drops_is_told_with_the_cause_and_the_answer() {
    let records = Records::default();
    let code = tracing::subscriber::with_default(records.clone(), || {
        let (mut fabric, to) = joined();
        fabric.close(1);
        pass(&mut fabric, Duration::from_millis(5));
        let request = send(&mut fabric, to);
        settle(&mut fabric);
        fabric.processes[0]
            .1
            .engine
            .take_done(request)
            .unwrap()
            .code
    });
    // A short message is done when it was sent.
    assert_eq!(code, Code::Success);
    assert!(records.has(&["n1b0:0: Drop Bad Endpoint: TINY 3 > 3", "session 0000000b"]));
    assert!(records.has(&["n1b0:0: answered by NACK_LIB 3 > 3"]));
    assert!(records.has(&["refused by the board from ", "session 0000000b, seq "]));
}

#[test]
fn a_partner_that_is_given_up_is_told_with_the_first_message_that_it_lacks() {
    let records = Records::default();
    tracing::subscriber::with_default(records.clone(), || {
        let (mut fabric, to) = joined();
        fabric.set_faults(Faults::CUT);
        send(&mut fabric, to);
        settle(&mut fabric);
    });
    assert!(records.has(&["given up: ", "does not answer, session 0000000b, from seq "]));
}
