//! What every card must do, whichever it is: run on QEMU's cards and on the models.

use std::fmt;
use std::time::{Duration, Instant};

use mx_nic::{Armed, Fault, Fragment, LinkState, MacAddress, Nic, Reception, Token, TransmitError};

/// A card and what is around it.
pub trait Bench {
    /// What the card is called in the table.
    fn name(&self) -> &'static str;

    /// The driver.
    fn nic(&mut self) -> &mut dyn Nic;

    /// Puts a frame onto the wire, towards the card; whether the wire took it.
    fn send(&mut self, frame: &[u8]) -> bool;

    /// The next frame that left the card, if one comes in a moment.
    fn come(&mut self) -> Option<Vec<u8>>;

    /// Memory that the card may read, for as long as the bench lives.
    fn buffer(&mut self, bytes: &[u8]) -> Fragment;

    /// Plugs the cable in, or out.
    fn set_link(&mut self, up: bool);

    /// Lets some time pass.
    fn pass(&mut self);

    /// Makes the card hold what it is given; whether that can be done.
    fn hang(&mut self) -> bool;

    /// Interrupts so far, where they can be seen.
    fn interrupts(&mut self) -> Option<usize>;
}

/// What a scenario showed.
pub enum Outcome {
    /// It went well; a figure.
    Done(String),
    /// The card or its driver does not offer it.
    NotOffered,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(figure) => f.write_str(figure),
            Self::NotOffered => f.write_str("-"),
        }
    }
}

type Scenario = fn(&mut dyn Bench) -> Outcome;

/// All scenarios by name.
pub const SCENARIOS: [(&str, Scenario); 7] = [
    ("bursts", bursts),
    ("jumbo", jumbo),
    ("1000 addresses", addresses),
    ("link flaps", link_flaps),
    ("ring full", ring_full),
    ("hang and reset", hang_and_reset),
    ("idle and woken", idle_and_woken),
];

/// Runs all scenarios on one bench after the other, and prints the table.
pub fn table(benches: &mut [&mut dyn Bench]) {
    let mut rows = vec![vec![String::from("scenario")]];
    rows[0].extend(benches.iter().map(|bench| bench.name().to_owned()));
    for (name, scenario) in SCENARIOS {
        let mut row = vec![name.to_owned()];
        for bench in benches.iter_mut() {
            let start = Instant::now();
            let outcome = scenario(*bench);
            assert_eq!(bench.nic().fault(), None, "{name} on {}", bench.name());
            log(name, bench.name(), start.elapsed());
            row.push(outcome.to_string());
        }
        rows.push(row);
    }
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| format!("{cell:<22}")).collect();
        println!("| {} |", cells.join(" | "));
    }
}

fn log(scenario: &str, card: &str, time: Duration) {
    eprintln!("{scenario} on {card}: {} ms", time.as_millis());
}

/// A frame of that length to that address.
fn frame(to: MacAddress, number: u64, len: usize) -> Vec<u8> {
    let mut frame: Vec<u8> = (0..len)
        .map(|at| (number.wrapping_mul(31) as usize + at * 7) as u8)
        .collect();
    frame[..6].copy_from_slice(&to);
    frame[6..12].copy_from_slice(&[2, 0, 0, 0, 0, 0xaa]);
    frame[12..14].copy_from_slice(&[0x86, 0xdf]);
    frame[14..22].copy_from_slice(&number.to_le_bytes());
    frame
}

/// An address that no card has.
const STRANGER: MacAddress = [2, 0x77, 0, 0, 0, 1];

fn until(bench: &mut dyn Bench, what: &str, mut happens: impl FnMut(&mut dyn Bench) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !happens(bench) {
        assert!(Instant::now() < deadline, "{}: {what}", bench.name());
        bench.pass();
    }
}

fn link_up(bench: &mut dyn Bench) {
    until(bench, "the link comes up", |bench| {
        bench.nic().link() == LinkState::Up
    });
}

/// Takes frames until there are `count`.
fn receive(bench: &mut dyn Bench, count: usize) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    until(bench, "the frames come in", |bench| {
        bench
            .nic()
            .receive(0, 32, &mut |frame| frames.push(frame.to_vec()));
        frames.len() >= count
    });
    frames
}

/// Takes tokens until there are `count`.
fn tokens(bench: &mut dyn Bench, count: usize) -> Vec<Token> {
    let mut all = Vec::new();
    until(bench, "the tokens come back", |bench| {
        let mut some = [Token::default(); 16];
        let taken = bench.nic().completed(0, &mut some);
        all.extend_from_slice(&some[..taken]);
        all.len() >= count
    });
    all
}

/// One frame out and one in.
fn exchange(bench: &mut dyn Bench, number: u64) {
    let sent = frame(STRANGER, number, 200);
    let nic = bench.nic();
    nic.transmit(0, &[&sent], &[], Token(number)).expect("room");
    nic.flush(0);
    assert_eq!(bench.come().as_ref(), Some(&sent), "{}", bench.name());
    assert_eq!(tokens(bench, 1), [Token(number)]);
    let own = bench.nic().capabilities().mac;
    let coming = frame(own, number, 300);
    assert!(bench.send(&coming));
    assert_eq!(receive(bench, 1), [coming]);
}

/// Bursts of frames of three pieces out, and of frames in: in order, whole, and with one doorbell each.
fn bursts(bench: &mut dyn Bench) -> Outcome {
    const BURST: u64 = 64;
    link_up(bench);
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
        for number in first..first + BURST {
            let head = frame(STRANGER, number, 64);
            let (a, b) = head.split_at(14);
            let nic = bench.nic();
            nic.transmit(0, &[a, b], &pieces, Token(number))
                .expect("room");
        }
        bench.nic().flush(0);
        for number in first..first + BURST {
            let expected = [&frame(STRANGER, number, 64)[..], &payload].concat();
            assert_eq!(bench.come(), Some(expected), "{}", bench.name());
        }
        next += BURST;
        let expected: Vec<Token> = (first..next).map(Token).collect();
        assert_eq!(tokens(bench, BURST as usize), expected);
    }
    let sent = bench.nic().statistics();
    assert!(
        sent.doorbells - before.doorbells <= 20,
        "one for each burst"
    );
    for round in 0..20 {
        let coming: Vec<Vec<u8>> = (0..BURST)
            .map(|number| frame(STRANGER, round * BURST + number, 60 + number as usize * 20))
            .collect();
        for frame in &coming {
            assert!(bench.send(frame));
        }
        assert_eq!(receive(bench, coming.len()), coming, "{}", bench.name());
    }
    let now = bench.nic().statistics();
    assert_eq!(
        now.transmitted_frames - before.transmitted_frames,
        20 * BURST
    );
    assert_eq!(now.received_frames - before.received_frames, 20 * BURST);
    Outcome::Done(format!("{} each way", 20 * BURST))
}

/// Frames of an MTU of 9000 both ways, and none that is longer.
fn jumbo(bench: &mut dyn Bench) -> Outcome {
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
fn addresses(bench: &mut dyn Bench) -> Outcome {
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
fn link_flaps(bench: &mut dyn Bench) -> Outcome {
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
fn ring_full(bench: &mut dyn Bench) -> Outcome {
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

/// A card that sends no more is noticed, gives its tokens back, and is what it was after its recovery.
fn hang_and_reset(bench: &mut dyn Bench) -> Outcome {
    link_up(bench);
    if !bench.nic().capabilities().recovers || !bench.hang() {
        return Outcome::NotOffered;
    }
    bench.nic().set_addresses(&[[2, 0x10, 0, 0, 0, 5]], &[]);
    for number in 0..10 {
        let head = frame(STRANGER, number, 60);
        let nic = bench.nic();
        nic.transmit(0, &[&head], &[], Token(number)).expect("room");
        nic.flush(0);
    }
    let nic = bench.nic();
    assert_eq!(nic.health(Duration::from_secs(100)), Ok(()));
    assert_eq!(nic.health(Duration::from_secs(101)), Ok(()));
    assert_eq!(nic.health(Duration::from_secs(103)), Err(Fault::Hung));
    assert_eq!(nic.link(), LinkState::Down);
    let refused = nic.transmit(0, &[&[0; 60]], &[], Token(0));
    assert_eq!(refused, Err(TransmitError::Stopped));
    let expected: Vec<Token> = (0..10).map(Token).collect();
    assert_eq!(tokens(bench, 10), expected);
    bench.nic().recover().expect("the card comes back");
    assert_eq!(bench.nic().fault(), None);
    link_up(bench);
    // Its addresses, too.
    assert!(bench.send(&frame(STRANGER, 1, 60)));
    let to_it = frame([2, 0x10, 0, 0, 0, 5], 2, 60);
    assert!(bench.send(&to_it));
    assert_eq!(receive(bench, 1), [to_it]);
    for number in 0..600 {
        exchange(bench, number);
    }
    let own = bench.nic().capabilities().mac;
    bench.nic().set_addresses(&vec![own; 1000], &[]);
    Outcome::Done("10 tokens, then 600".to_owned())
}

/// From idle to busy, often: whatever comes after the last look interrupts, and nothing interrupts while it is busy.
fn idle_and_woken(bench: &mut dyn Bench) -> Outcome {
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
