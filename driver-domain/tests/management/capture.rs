//! The last frames, as a reader gets them.

use std::time::Duration;

use driver_domain::capture::{Capture, KEPT};
use driver_domain::management::snapshot::{
    BoardSnapshot, Counts, DomainSnapshot, PeerSnapshot, Snapshot,
};
use mx_backend::{Payload, Tap};
use omx_captures::{Frames, PcapError};

use crate::domain::Domain;
use crate::link::Link;

/// A domain that keeps frames.
struct Keeping(Capture);

const DOMAIN: Domain = Domain {
    boards: 1,
    peers: 1,
};

impl Snapshot for Keeping {
    fn domain(&self) -> DomainSnapshot {
        DOMAIN.domain()
    }

    fn board(&self, number: usize) -> Option<BoardSnapshot> {
        DOMAIN.board(number)
    }

    fn counts(&self, number: usize) -> Option<Counts> {
        DOMAIN.counts(number)
    }

    fn capture(&self) -> Option<&Capture> {
        Some(&self.0)
    }

    fn peer(&self, number: usize, index: u16) -> Option<PeerSnapshot> {
        DOMAIN.peer(number, index)
    }
}

/// A link to a domain through which so many frames have passed, of which it keeps 400.
fn link(passed: u16) -> Link<Keeping> {
    // A frame takes 80 bytes of the ring.
    let mut capture = Capture::new(400 * 80, || Duration::from_secs(7)).unwrap();
    (0..passed).for_each(|number| pass(&mut capture, number));
    Link::new(Keeping(capture))
}

fn pass(capture: &mut Capture, number: u16) {
    let mut head = [0; KEPT];
    head[..2].copy_from_slice(&number.to_be_bytes());
    capture.frame(&head, Payload::NONE, KEPT);
}

/// What a reader gets: the head, and the numbers of the frames in the file.
fn read(link: &mut Link<Keeping>, from: u16) -> (String, Vec<u16>) {
    let handle = link.connect(from);
    let answer = link.ask(handle, b"GET /capture.pcap HTTP/1.1\r\n\r\n");
    let end = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap()
        + 4;
    let head = String::from_utf8(answer[..end].to_vec()).unwrap();
    let frames = Frames::new(&answer[end..]).unwrap();
    let frames: Result<Vec<&[u8]>, PcapError> = frames.collect();
    let number = |frame: &&[u8]| u16::from_be_bytes([frame[0], frame[1]]);
    (head, frames.unwrap().iter().map(number).collect())
}

#[test]
fn the_last_frames_arrive_as_a_file_that_readers_of_captures_take() {
    let mut link = link(1000);
    let (head, numbers) = read(&mut link, 4001);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("Content-Type: application/vnd.tcpdump.pcap\r\n"),
        "{head}"
    );
    assert_eq!(numbers, (600..1000).collect::<Vec<_>>());
}

#[test]
fn where_no_frames_are_kept_there_is_no_such_page() {
    let mut link = Link::new(DOMAIN);
    let answer = link.get(4001, "/capture.pcap");
    assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
}

#[test]
fn a_reader_who_takes_nothing_keeps_frames_out_for_his_time_and_no_longer() {
    let mut link = link(1000);
    let handle = link.connect(4001);
    let mut sent = false;
    for _ in 0..1000 {
        link.step();
        let socket = link
            .sockets
            .get_mut::<smoltcp::socket::tcp::Socket<'_>>(handle);
        if !sent && socket.can_send() {
            socket
                .send_slice(b"GET /capture.pcap HTTP/1.1\r\n\r\n")
                .unwrap();
            sent = true;
        }
    }
    pass(&mut link.domain.0, 2000);
    (0..25_000).for_each(|_| link.step());
    pass(&mut link.domain.0, 3000);
    let (_, numbers) = read(&mut link, 4002);
    assert!(!numbers.contains(&2000), "{numbers:?}");
    assert_eq!(numbers.last(), Some(&3000));
}
