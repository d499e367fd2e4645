//! What every card must do, whichever it is: run on QEMU's cards and on the models.

mod faults;
mod traffic;

use std::fmt;
use std::time::{Duration, Instant};

use mx_nic::{Fragment, LinkState, MacAddress, Nic, Token};

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

    /// Begins or ends a mischief; whether the card can be made to do it.
    fn inject(&mut self, mischief: Mischief, on: bool) -> bool;

    /// Interrupts so far, where they can be seen.
    fn interrupts(&mut self) -> Option<usize>;
}

/// What a card can be made to do wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mischief {
    /// It holds what it is given.
    Hang,
    /// Its interrupts get lost.
    LostInterrupts,
    /// It writes back what it did only when the mischief ends.
    LateReports,
    /// What it says of received frames cannot be.
    WrongReports,
    /// It says that received frames are damaged.
    DamagedFrames,
    /// It is pulled out.
    PulledOut,
    /// Its accesses to memory fail.
    DmaFails,
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
pub const SCENARIOS: [(&str, Scenario); 14] = [
    ("bursts", traffic::bursts),
    ("jumbo", traffic::jumbo),
    ("1000 addresses", traffic::addresses),
    ("link flaps", traffic::link_flaps),
    ("ring full", traffic::ring_full),
    ("idle and woken", traffic::idle_and_woken),
    ("hang and reset", faults::hang_and_reset),
    ("lost interrupts", faults::lost_interrupts),
    ("spurious interrupts", faults::spurious_interrupts),
    ("late reports", faults::late_reports),
    ("wrong reports", faults::wrong_reports),
    ("damaged frames", faults::damaged_frames),
    ("pulled out", faults::pulled_out),
    ("DMA fails", faults::dma_fails),
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
