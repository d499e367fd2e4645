//! What a driver costs: instructions per frame, as valgrind counts them on x86-64, without those of the card's model.
//!
//! `cargo test --profile bare -p mx-nic --features count --test cards cost -- --nocapture` prints them, compiled as a driver
//! domain is. It needs valgrind, and some minutes: the feature keeps it out of the tests.
//!
//! The test starts itself again under callgrind for every figure. Counting is on within [`send`], [`take_back`] and [`receive`],
//! and off where these call the model.

use std::fs;
use std::process::Command;

use mx_nic::intel::{Igb, Interrupts, Ixgbe};
use mx_nic::{Fragment, LinkState, Nic, Token};

use crate::intel::bench::ModelBench;
use crate::model::virtio::{F_EVENT_INDEX, F_INDIRECT, F_MERGEABLE};
use crate::scenarios::Bench;
use crate::virtio::BASIC;
use crate::virtio::bench::VirtioBench;

/// Names the case to the process that is counted.
const CASE: &str = "MX_NIC_COST";

/// Frames of a burst: as many as a ring of 256 entries holds without tables of descriptors.
const BURST: usize = 32;
const BURSTS: usize = 100;

/// Bytes of a frame that are copied; the card reads the rest where it lies, page by page.
const HEAD: usize = 60;
const PAGE: usize = 4096;

/// Counts are forgotten where this begins.
const START: &str = "cards::cost::work";

/// Where counting is switched: on by the first three, off and on again by the others.
const SWITCHES: [&str; 6] = [
    "cards::cost::send",
    "cards::cost::take_back",
    "cards::cost::receive",
    "<cards::model::virtio::registers::Registers as mx_nic::virtio::transport::Transport>::notify",
    "<cards::model::intel::Model as mx_nic::intel::mmio::Mmio>::read",
    "<cards::model::intel::Model as mx_nic::intel::mmio::Mmio>::write",
];

type Make = fn() -> Box<dyn Bench>;

const CARDS: [(&str, Make); 8] = [
    ("virtio", || virtio(0)),
    ("virtio, event index", || virtio(F_EVENT_INDEX)),
    ("virtio, tables", || virtio(F_INDIRECT)),
    ("virtio, tables, event index", || {
        virtio(F_INDIRECT | F_EVENT_INDEX)
    }),
    ("virtio, mergeable", || virtio(F_MERGEABLE)),
    ("virtio, all three", || {
        virtio(F_MERGEABLE | F_INDIRECT | F_EVENT_INDEX)
    }),
    ("igb", || Box::new(ModelBench::<Igb>::new(Interrupts::None))),
    ("ixgbe", || {
        Box::new(ModelBench::<Ixgbe>::new(Interrupts::None))
    }),
];

fn virtio(features: u64) -> Box<dyn Bench> {
    Box::new(VirtioBench::with(BASIC | features, 1))
}

/// A direction and a length.
type Traffic = (Way, usize);

#[derive(Clone, Copy, Debug)]
enum Way {
    Out,
    In,
}

const TRAFFIC: [Traffic; 6] = [
    (Way::Out, 60),
    (Way::Out, 1514),
    (Way::Out, 9014),
    (Way::In, 60),
    (Way::In, 1514),
    (Way::In, 9014),
];

#[inline(never)]
fn send(nic: &mut dyn Nic, head: &[u8], fragments: &[Fragment]) {
    for _ in 0..BURST {
        let sent = nic.transmit(0, &[head], fragments, Token(0));
        sent.expect("there is room");
    }
    nic.flush(0);
}

#[inline(never)]
fn take_back(nic: &mut dyn Nic, tokens: &mut [Token]) -> usize {
    nic.completed(0, tokens)
}

#[inline(never)]
fn receive(nic: &mut dyn Nic) -> usize {
    let mut bytes = 0;
    nic.receive(0, BURST, &mut |frame| bytes += frame.len());
    bytes
}

/// Moves frames, burst by burst.
#[inline(never)]
fn work(bench: &mut dyn Bench, (way, len): Traffic) {
    let frame = vec![0x5a; len];
    let (head, rest) = frame.split_at(HEAD);
    let pieces: Vec<Fragment> = rest.chunks(PAGE).map(|piece| bench.buffer(piece)).collect();
    let mut tokens = [Token::default(); 2 * BURST];
    for _ in 0..BURSTS {
        match way {
            Way::Out => {
                send(bench.nic(), head, &pieces);
                assert_eq!((0..BURST).filter_map(|_| bench.come()).count(), BURST);
                assert_eq!(take_back(bench.nic(), &mut tokens), BURST);
            }
            Way::In => {
                (0..BURST).for_each(|_| assert!(bench.send(&frame)));
                assert_eq!(receive(bench.nic()), BURST * len);
            }
        }
    }
}

/// The process that is counted.
fn do_case(case: usize) {
    let (_, make) = CARDS[case / TRAFFIC.len()];
    // What its end costs is not of interest.
    let bench = Box::leak(make());
    while bench.nic().link() == LinkState::Down {
        bench.pass();
    }
    work(bench, TRAFFIC[case % TRAFFIC.len()]);
}

/// Instructions per frame of a case.
fn count(case: usize) -> f64 {
    let counts = std::env::temp_dir().join(format!("mx-nic-cost-{}", std::process::id()));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--compress-strings=no"]);
    valgrind.arg(format!("--callgrind-out-file={}", counts.display()));
    valgrind.arg(format!("--zero-before={START}"));
    valgrind.args(SWITCHES.map(|name| format!("--toggle-collect={name}")));
    valgrind.arg(std::env::current_exe().expect("this program"));
    valgrind.args(["--exact", "cost::instructions_per_frame"]);
    let output = valgrind.env(CASE, case.to_string()).output();
    let output = output.expect("valgrind is installed (package valgrind)");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let text = fs::read_to_string(&counts).expect("valgrind's counts");
    fs::remove_file(counts).expect("it was there");
    let is_models = |line: &&str| line.starts_with("fn=") && line.contains("cards::model::");
    // The name of a switch has changed, for one.
    assert_eq!(text.lines().find(is_models), None, "the model was counted");
    let total = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let total: usize = total.and_then(|sum| sum.parse().ok()).expect("a sum");
    total as f64 / (BURST * BURSTS) as f64
}

#[test]
fn instructions_per_frame() {
    if let Ok(case) = std::env::var(CASE) {
        return do_case(case.parse().expect("a number"));
    }
    let titles = TRAFFIC.map(|(way, len)| format!("{way:?} {len}"));
    for (card, (name, _)) in CARDS.iter().enumerate() {
        let cases = (card * TRAFFIC.len()..).zip(&titles);
        let row: Vec<String> = cases
            .map(|(case, title)| format!("{title}: {:.1}", count(case)))
            .collect();
        println!("{name:<28} {}", row.join(", "));
    }
}
