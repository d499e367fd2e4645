//! What the management may take is bounded, whoever asks, and however.

use driver_domain::management::{BYTES, CONNECTIONS, FRAMES, REQUESTS};
use smoltcp::socket::tcp;

use crate::domain::Domain;
use crate::link::{Link, OWN};

/// So many milliseconds of both ends.
fn steps(link: &mut Link, count: usize) {
    for _ in 0..count {
        link.step();
    }
}

fn empty() -> Link {
    Link::new(Domain {
        boards: 0,
        peers: 0,
    })
}

#[test]
fn more_requests_than_are_allowed_are_told_to_come_again() {
    let mut link = empty();
    let begun = link.now;
    let mut answered = 0;
    let mut refused = 0;
    for port in 0..100 {
        let answer = link.get(5000 + port, "/metrics");
        answered += u32::from(answer.starts_with("HTTP/1.1 200 "));
        refused += u32::from(answer.starts_with("HTTP/1.1 429 "));
    }
    let seconds = (link.now - begun).as_secs() as u32 + 1;
    assert!(refused > 0, "all were answered");
    assert!(answered <= REQUESTS * seconds, "{answered} in {seconds} s");
    assert_eq!(answered + refused, 100);
    steps(&mut link, 1100);
    assert!(link.get(6000, "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn connections_that_say_nothing_make_room_again() {
    let mut link = empty();
    for port in 0..20 {
        link.connect(5000 + port);
    }
    steps(&mut link, 6_000);
    assert!(link.get(6000, "/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn clients_that_spell_out_their_request_letter_by_letter_keep_nobody_out_for_long() {
    let mut link = empty();
    let slow: Vec<_> = (0..CONNECTIONS as u16)
        .map(|port| link.connect(5000 + port))
        .collect();
    // Each says a letter every 100 ms, and would for minutes.
    for _ in 0..8 {
        steps(&mut link, 100);
        for handle in &slow {
            let socket = link.sockets.get_mut::<tcp::Socket>(*handle);
            assert_eq!(socket.send_slice(b"x"), Ok(1));
        }
    }
    // Everything is taken: an honest one is refused at first, and then finds room.
    assert_eq!(link.get(6000, "/metrics"), "");
    steps(&mut link, 500);
    assert!(link.get(6001, "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn a_client_that_takes_its_answer_letter_by_letter_is_left_after_its_time() {
    let mut link = Link::new(Domain {
        boards: 20,
        peers: 300,
    });
    let handle = link.connect(5000);
    let mut asked = false;
    let begun = link.now;
    let mut bytes = 0;
    loop {
        steps(&mut link, 20);
        let socket = link.sockets.get_mut::<tcp::Socket>(handle);
        if !asked && socket.can_send() {
            socket.send_slice(b"GET / HTTP/1.1\r\n\r\n").unwrap();
            asked = true;
        }
        let took = socket.recv(|data| {
            let taken = data.len().min(3);
            (taken, taken)
        });
        bytes += took.unwrap_or(0);
        if asked && !socket.is_active() {
            break;
        }
        let lasted = link.now - begun;
        assert!(lasted.as_secs() < 25, "it lasts, with {bytes} bytes");
    }
    assert!(bytes < 100_000, "{bytes}");
    assert!(link.get(6000, "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn bytes_in_a_second_are_bounded_over_all_connections() {
    let mut link = Link::new(Domain {
        boards: 64,
        peers: 1000,
    });
    let readers: Vec<_> = (0..CONNECTIONS as u16)
        .map(|port| link.connect(5000 + port))
        .collect();
    let mut asked = [false; CONNECTIONS];
    let mut taken = 0;
    steps(&mut link, 100);
    let begun = link.now;
    while (link.now - begun).as_secs() < 3 {
        link.step();
        for (handle, asked) in readers.iter().zip(&mut asked) {
            let socket = link.sockets.get_mut::<tcp::Socket>(*handle);
            if !*asked && socket.can_send() {
                socket.send_slice(b"GET / HTTP/1.1\r\n\r\n").unwrap();
                *asked = true;
            }
            while let Ok(count) = socket.recv(|data| (data.len(), data.len()))
                && count > 0
            {
                taken += count;
            }
        }
    }
    assert!(taken > BYTES, "{taken}");
    // The first second may have begun before.
    assert!(taken <= 4 * BYTES, "{taken}");
}

#[test]
fn a_turn_is_not_due_while_nothing_comes() {
    let mut link = empty();
    steps(&mut link, 10);
    let due = link.management.deadline();
    assert!(!link.management.is_due(link.now, false), "{due:?}");
    link.management.receive(&[0xff; 60]);
    assert!(!link.management.is_due(link.now, false));
    let mut frame = [0; 60];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&[8, 6]);
    link.management.receive(&frame);
    assert!(link.management.is_due(link.now, true));
}

#[test]
fn requests_that_change_something_are_refused() {
    let mut link = empty();
    for (port, request, answer) in [
        (1, "POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        (2, "GET /secret HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        (3, "hello\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let handle = link.connect(7000 + port);
        let said = link.ask(handle, request.as_bytes());
        assert!(said.starts_with(answer.as_bytes()), "{request}");
    }
    let handle = link.connect(7010);
    let said = link.ask(handle, &[b'x'; 4000]);
    assert!(said.starts_with(b"HTTP/1.1 431 "));
}

#[test]
fn a_flood_of_frames_costs_a_bounded_share() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    let mut frame = vec![0; 60];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&[8, 0]);
    let mut worked = 0;
    for _ in 0..u64::from(FRAMES) * 5 {
        link.management.receive(&frame);
        worked += u32::from(link.management.turn(link.now, &link.domain));
    }
    assert!(worked <= FRAMES + 20, "{worked}");
}

#[test]
fn frames_of_the_fabric_are_left_alone() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&OWN);
    frame[12..14].copy_from_slice(&[0x86, 0xdf]);
    assert!(!link.management.receive(&frame));
    frame[12..14].copy_from_slice(&[8, 6]);
    assert!(link.management.receive(&frame));
    frame[0] = 4;
    assert!(!link.management.receive(&frame));
}
