//! What a well card does.

use std::time::{Duration, Instant};

use mx_nic::{Armed, Fragment, LinkState, MacAddress, Reception, Token, TransmitError};

use super::{Bench, Outcome, STRANGER, exchange, frame, link_up, receive, tokens, until};

/// Bursts of frames of three pieces out, and of frames in: in order, whole, and with one doorbell each.
pub(super) fn bursts(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    let burst = 64.min(bench.nic().capabilities().transmit_slots as u64);
    let payload: Vec<u8> = (0..1200).map(|at| at as u8).collect();
    let buffer = bench.buffer(&payload);
    let pieces = [(0, 500), (500, 700)].map(|(at, len)| Fragment {
        bus: buffer.bus + at,
        len,
    });
    let before = bench.nic().statistics();
    let mut next = 0;
    for _ in 0..20 {
        let first = next;
        for number in first..first + burst {
            let head = frame(STRANGER, number, 64);
            let (a, b) = head.split_at(14);
            let nic = bench.nic();
            nic.transmit(0, &[a, b], &pieces, Token(number))
                .expect("room");
        }
        bench.nic().flush(0);
        for number in first..first + burst {
            let expected = [&frame(STRANGER, number, 64)[..], &payload].concat();
            assert_eq!(bench.come(), Some(expected), "{}", bench.name());
        }
        next += burst;
        let expected: Vec<Token> = (first..next).map(Token).collect();
        assert_eq!(tokens(bench, burst as usize), expected);
    }
    let sent = bench.nic().statistics();
    assert!(
        sent.doorbells - before.doorbells <= 20,
        "one for each burst"
    );
    for round in 0..20 {
        let coming: Vec<Vec<u8>> = (0..burst)
            .map(|number| frame(STRANGER, round * burst + number, 60 + number as usize * 20))
            .collect();
        for frame in &coming {
            assert!(bench.send(frame));
        }
        assert_eq!(receive(bench, coming.len()), coming, "{}", bench.name());
    }
    let now = bench.nic().statistics();
    assert_eq!(
        now.transmitted_frames - before.transmitted_frames,
        20 * burst
    );
    assert_eq!(now.received_frames - before.received_frames, 20 * burst);
    Outcome::Done(format!("{} each way", 20 * burst))
}

/// Frames of an MTU of 9000 both ways, and none that is longer.
pub(super) fn jumbo(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    let longest = bench.nic().capabilities().max_frame;
    let rest = bench.buffer(&frame(STRANGER, 1, longest)[60..]);
    for number in 0..20 {
        let head = frame(STRANGER, number, 60);
        let nic = bench.nic();
        nic.transmit(0, &[&head], &[rest], Token(number))
            .expect("room");
        nic.flush(0);
        let expected = [&head[..], &frame(STRANGER, 1, longest)[60..]].concat();
        assert_eq!(bench.come(), Some(expected));
        assert_eq!(tokens(bench, 1), [Token(number)]);
        let coming = frame(STRANGER, number, longest);
        assert!(bench.send(&coming));
        assert_eq!(receive(bench, 1), [coming]);
    }
    let nic = bench.nic();
    let head = frame(STRANGER, 0, 61);
    let too_long = nic.transmit(0, &[&head], &[rest], Token(0));
    assert_eq!(too_long, Err(TransmitError::Unfit));
    Outcome::Done(format!("20 of {longest} bytes"))
}

/// Addresses one by one while they fit, everything when they do not, and multicast by its group.
pub(super) fn addresses(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    let many: Vec<MacAddress> = (0..1000u16)
        .map(|number| {
            let [high, low] = number.to_be_bytes();
            [2, 0x10, 0, 0, high, low]
        })
        .collect();
    assert_eq!(bench.nic().set_addresses(&many, &[]), Reception::All);
    for part in many.chunks(50) {
        for to in part {
            assert!(bench.send(&frame(*to, 0, 60)));
        }
        let seen = receive(bench, part.len());
        assert!(seen.iter().zip(part).all(|(frame, to)| frame[..6] == *to));
    }
    let places = bench.nic().capabilities().addresses;
    if places == 0 {
        return Outcome::Done("all taken".to_owned());
    }
    let group = [1, 0, 0x5e, 1, 2, 3];
    let named = bench.nic().set_addresses(&many[..places], &[group]);
    assert_eq!(named, Reception::Named);
    let own = bench.nic().capabilities().mac;
    let wanted = [many[0], many[places - 1], group, [0xff; 6], own];
    let unwanted = [STRANGER, many[places], [1, 0, 0x5e, 9, 9, 9]];
    for to in wanted.iter().chain(&unwanted).chain(&wanted) {
        assert!(bench.send(&frame(*to, 0, 60)));
    }
    let expected: Vec<MacAddress> = wanted.iter().chain(&wanted).copied().collect();
    let seen: Vec<MacAddress> = receive(bench, expected.len())
        .iter()
        .map(|frame| *frame.first_chunk().expect("an address"))
        .collect();
    assert_eq!(seen, expected, "{}", bench.name());
    bench.nic().set_addresses(&many, &[]);
    Outcome::Done(format!("{places}, or all"))
}

/// The cable goes out and in again; frames move when it is in.
pub(super) fn link_flaps(bench: &mut dyn Bench) -> Outcome {
    for number in 0..5 {
        link_up(bench);
        exchange(bench, number);
        bench.set_link(false);
        until(bench, "the link goes down", |bench| {
            bench.nic().link() == LinkState::Down
        });
        bench.set_link(true);
    }
    link_up(bench);
    exchange(bench, 9);
    Outcome::Done("5 times".to_owned())
}

/// A ring that is full says so, takes no harm, and goes on; in both directions.
pub(super) fn ring_full(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    let slots = bench.nic().capabilities().transmit_slots;
    let mut count = 0;
    let full = loop {
        let head = frame(STRANGER, count, 60);
        match bench.nic().transmit(0, &[&head], &[], Token(count)) {
            Ok(()) => count += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((full, count), (TransmitError::Full, slots as u64));
    bench.nic().flush(0);
    for number in 0..count {
        assert_eq!(bench.come(), Some(frame(STRANGER, number, 60)));
    }
    let expected: Vec<Token> = (0..count).map(Token).collect();
    assert_eq!(tokens(bench, count as usize), expected);
    // More frames than there are buffers: the first ones come in, in order.
    let own = bench.nic().capabilities().mac;
    let flood = 400;
    let took = (0..flood)
        .take_while(|&number| bench.send(&frame(own, number, 60)))
        .count();
    let mut seen = Vec::new();
    let quiet_after = Duration::from_millis(100);
    let mut last = Instant::now();
    while last.elapsed() < quiet_after {
        bench.pass();
        let taken = bench
            .nic()
            .receive(0, 32, &mut |frame| seen.push(frame.to_vec()));
        if taken > 0 {
            last = Instant::now();
        }
    }
    assert!(seen.len() >= 200.min(took) && seen.len() <= took);
    for (number, seen) in (0..).zip(&seen) {
        assert_eq!(*seen, frame(own, number, 60), "{}", bench.name());
    }
    exchange(bench, 3);
    Outcome::Done(format!("{slots} out, flood in"))
}

/// From idle to busy, often: whatever comes after the last look interrupts, and nothing interrupts while it is busy.
pub(super) fn idle_and_woken(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if bench.interrupts().is_none() {
        return Outcome::NotOffered;
    }
    let own = bench.nic().capabilities().mac;
    let seen = |bench: &mut dyn Bench| bench.interrupts().expect("they can be seen");
    for number in 0..200 {
        // Not before the last look, but before the sleep: it must wake.
        until(bench, "nothing waits", |bench| {
            bench.nic().arm(0) == Armed::Quiet
        });
        let before = seen(bench);
        let coming = frame(own, number, 60);
        assert!(bench.send(&coming));
        until(bench, "an interrupt comes", |bench| seen(bench) > before);
        bench.nic().disarm(0);
        assert_eq!(receive(bench, 1), [coming]);
        // While it is busy there is none, and what came is seen by the last look.
        let before = seen(bench);
        let coming = frame(own, number, 61);
        assert!(bench.send(&coming));
        (0..5).for_each(|_| bench.pass());
        assert_eq!(seen(bench), before, "{}", bench.name());
        until(bench, "the last look sees it", |bench| {
            bench.nic().arm(0) == Armed::WorkPending
        });
        bench.nic().disarm(0);
        assert_eq!(receive(bench, 1), [coming]);
    }
    Outcome::Done("200 times".to_owned())
}
