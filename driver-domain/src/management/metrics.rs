//! `/metrics`: the text format of Prometheus, version 0.0.4.
//!
//! Every name starts with `xen2mx_`. Boards are told apart by the label `board`, their counters by `counter`, which has
//! the words that Open-MX's own tools print; drops are counters that begin with `Drop`. All lines of a metric stand
//! together, as the format wants it.

use core::fmt::{self, Write};

use mx_ring::Counter;

use super::snapshot::{BoardSnapshot, DomainSnapshot};

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

/// A gauge that each board has: name, help, value.
pub type OfBoards = (&'static str, &'static str, fn(&BoardSnapshot) -> usize);

/// All of them.
pub const OF_BOARDS: [OfBoards; 5] = [
    ("board_endpoints", "Open endpoints.", |board| {
        board.endpoints
    }),
    (
        "board_endpoints_polled",
        "Of them, those whose queues are looked at all the time.",
        |board| board.polled,
    ),
    (
        "board_mapped_pages",
        "Pages of the guest that are mapped.",
        |board| board.pages,
    ),
    (
        "board_peers",
        "Nodes that the guest knows, itself among them.",
        |board| board.peers.into(),
    ),
    (
        "board_warnings",
        "Faults of the network that the guest's board has found; its page and its omx_info say which.",
        |board| board.notices.present().count(),
    ),
];

/// The beginning of such a gauge.
pub fn boards_begin(out: &mut impl Write, (name, help, _): &OfBoards) -> fmt::Result {
    metric(out, name, "gauge", help)
}

/// Its value for a board.
pub fn board(
    out: &mut impl Write,
    (name, _, value): &OfBoards,
    snapshot: &BoardSnapshot,
) -> fmt::Result {
    writeln!(
        out,
        "xen2mx_{name}{{board=\"{}\",mac=\"{}\"}} {}",
        Label(&snapshot.name),
        snapshot.mac,
        value(snapshot)
    )
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
