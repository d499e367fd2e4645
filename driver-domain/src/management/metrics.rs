//! `/metrics`: the text format of Prometheus, version 0.0.4.
//!
//! Every name starts with `xen2mx_`. Boards are told apart by the label `board`, their counters by `counter`, which has
//! the words that Open-MX's own tools print; drops are counters that begin with `Drop`. All lines of a metric stand
//! together, as the format wants it.

use core::fmt::{self, Write};

use mx_ring::Counter;

use super::snapshot::{BoardSnapshot, DomainSnapshot, Usage};
use crate::account::Limit;

/// The domain as a whole.
pub fn domain(out: &mut impl Write, snapshot: &DomainSnapshot) -> fmt::Result {
    metric(
        out,
        "info",
        "gauge",
        "The driver domain and what it speaks.",
    )?;
    writeln!(
        out,
        "xen2mx_info{{version=\"{}\",domain=\"{}\",driver=\"{}\",wire=\"{}\",mtu=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION"),
        snapshot.domain,
        snapshot.driver,
        snapshot.wire,
        snapshot.mtu
    )?;
    let running = snapshot.now.saturating_sub(snapshot.started);
    for (name, help, value) in [
        (
            "running_seconds_total",
            "Time since the domain started.",
            running,
        ),
        (
            "asleep_seconds_total",
            "Of it, time without work, asleep.",
            snapshot.asleep,
        ),
    ] {
        metric(out, name, "counter", help)?;
        writeln!(
            out,
            "xen2mx_{name} {}.{:06}",
            value.as_secs(),
            value.subsec_micros()
        )?;
    }
    for (name, kind, help, value) in [
        (
            "link_up",
            "gauge",
            "Whether the card has a link.",
            u64::from(snapshot.link_up),
        ),
        (
            "hypercalls_total",
            "counter",
            "Hypercalls of all kinds.",
            snapshot.hypercalls,
        ),
        (
            "transmit_in_flight",
            "gauge",
            "Frames in the card's transmit queue that read memory of guests.",
            snapshot.in_flight as u64,
        ),
        (
            "transmit_slots",
            "gauge",
            "Frames that the card's transmit queue holds at most.",
            snapshot.transmit_slots as u64,
        ),
    ] {
        metric(out, name, kind, help)?;
        writeln!(out, "xen2mx_{name} {value}")?;
    }
    Ok(())
}

/// The card's counters.
pub fn nic(out: &mut impl Write, snapshot: &DomainSnapshot) -> fmt::Result {
    metric(
        out,
        "card_total",
        "counter",
        "What the card and its driver have counted.",
    )?;
    for (name, value) in &snapshot.nic {
        writeln!(out, "xen2mx_card_total{{what=\"{name}\"}} {value}")?;
    }
    Ok(())
}

/// A metric that each board has: name, help, value.
pub type OfBoards = (&'static str, &'static str, Value);

/// What a metric says of a board.
#[derive(Clone, Copy, Debug)]
pub enum Value {
    /// A number.
    One(fn(&BoardSnapshot) -> usize),
    /// A number for each limit of its guest.
    Limits(fn(&Usage) -> u32),
}

/// All of them.
pub const OF_BOARDS: [OfBoards; 8] = [
    (
        "board_endpoints",
        "Open endpoints.",
        Value::One(|board| board.endpoints),
    ),
    (
        "board_endpoints_polled",
        "Of them, those whose queues are looked at all the time.",
        Value::One(|board| board.polled),
    ),
    (
        "board_mapped_pages",
        "Pages of the guest that are mapped.",
        Value::One(|board| board.pages),
    ),
    (
        "board_peers",
        "Nodes that the guest knows, itself among them.",
        Value::One(|board| board.peers.into()),
    ),
    (
        "board_warnings",
        "Faults of the network that the guest's board has found; its page and its omx_info say which.",
        Value::One(|board| board.notices.present().count()),
    ),
    (
        "guest_held",
        "What the board's guest has of what is limited.",
        Value::Limits(|usage| usage.held),
    ),
    (
        "guest_limit",
        "What it may have.",
        Value::Limits(|usage| usage.limit),
    ),
    (
        "guest_refused_total",
        "How often it was refused more.",
        Value::Limits(|usage| usage.refused),
    ),
];

/// The beginning of such a metric.
pub fn boards_begin(out: &mut impl Write, (name, help, _): &OfBoards) -> fmt::Result {
    let kind = if name.ends_with("_total") {
        "counter"
    } else {
        "gauge"
    };
    metric(out, name, kind, help)
}

/// Its value for a board, or its values.
pub fn board(
    out: &mut impl Write,
    (name, _, value): &OfBoards,
    snapshot: &BoardSnapshot,
) -> fmt::Result {
    let board = Label(&snapshot.name);
    let mac = snapshot.mac;
    match value {
        Value::One(value) => writeln!(
            out,
            "xen2mx_{name}{{board=\"{board}\",mac=\"{mac}\"}} {}",
            value(snapshot)
        ),
        Value::Limits(value) => {
            let mut usages = Limit::ALL.into_iter().zip(&snapshot.usage);
            usages.try_for_each(|(limit, usage)| {
                let what = limit.name().trim_start_matches("limit-");
                writeln!(
                    out,
                    "xen2mx_{name}{{board=\"{board}\",mac=\"{mac}\",what=\"{what}\"}} {}",
                    value(usage)
                )
            })
        }
    }
}

/// The beginning of the boards' counters.
pub fn counters_begin(out: &mut impl Write) -> fmt::Result {
    metric(
        out,
        "board_counter_total",
        "counter",
        "What a guest's board has counted; those that are 0 are left out.",
    )
}

/// Some counters of a board.
pub fn counters(
    out: &mut impl Write,
    snapshot: &BoardSnapshot,
    mut counters: impl Iterator<Item = (Counter, u64)>,
) -> fmt::Result {
    counters.try_for_each(|(counter, value)| {
        writeln!(
            out,
            "xen2mx_board_counter_total{{board=\"{}\",counter=\"{}\"}} {value}",
            Label(&snapshot.name),
            counter.label()
        )
    })
}

fn metric(out: &mut impl Write, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(
        out,
        "# HELP xen2mx_{name} {help}\n# TYPE xen2mx_{name} {kind}"
    )
}

/// A label's value, escaped as the format asks for.
struct Label<'a, T>(&'a T);

impl<T: fmt::Display> fmt::Display for Label<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for character in text.chars() {
                    match character {
                        '\\' => self.0.write_str("\\\\")?,
                        '"' => self.0.write_str("\\\"")?,
                        '\n' => self.0.write_str("\\n")?,
                        other => self.0.write_char(other)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}
