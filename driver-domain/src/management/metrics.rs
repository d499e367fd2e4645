//! `/metrics`: the text format of Prometheus, version 0.0.4.
//!
//! Every name starts with `xen2mx_`. Boards are told apart by the label `board`, their counters by `counter`, which has
//! the words that Open-MX's own tools print; drops are counters that begin with `Drop`.

use core::fmt::{self, Write};

use mx_ring::Counter;

use super::facts::{BoardFacts, DomainFacts};

/// The domain as a whole.
pub fn domain(out: &mut impl Write, facts: &DomainFacts) -> fmt::Result {
    writeln!(
        out,
        "# HELP xen2mx_info The driver domain and what it speaks.\n# TYPE xen2mx_info gauge\n\
         xen2mx_info{{version=\"{}\",domain=\"{}\",driver=\"{}\",wire=\"{}\",mtu=\"{}\"}} 1",
        env!("CARGO_PKG_VERSION"),
        facts.domain,
        facts.driver,
        facts.wire,
        facts.mtu
    )?;
    let running = facts.now.saturating_sub(facts.started);
    for (name, kind, help, value) in [
        (
            "running_seconds_total",
            "counter",
            "Time since the domain started.",
            running,
        ),
        (
            "asleep_seconds_total",
            "counter",
            "Of it, time without work, asleep.",
            facts.asleep,
        ),
    ] {
        metric(out, name, kind, help)?;
        writeln!(
            out,
            "xen2mx_{name} {}.{:06}",
            value.as_secs(),
            value.subsec_micros()
        )?;
    }
    metric(out, "link_up", "gauge", "Whether the card has a link.")?;
    writeln!(out, "xen2mx_link_up {}", u8::from(facts.link_up))?;
    metric(
        out,
        "hypercalls_total",
        "counter",
        "Hypercalls of all kinds.",
    )?;
    writeln!(out, "xen2mx_hypercalls_total {}", facts.hypercalls)?;
    metric(
        out,
        "transmit_in_flight",
        "gauge",
        "Frames in the card's transmit queue that read memory of guests.",
    )?;
    writeln!(out, "xen2mx_transmit_in_flight {}", facts.in_flight)?;
    metric(
        out,
        "card_total",
        "counter",
        "What the card and its driver have counted.",
    )?;
    for (name, value) in &facts.card {
        writeln!(out, "xen2mx_card_total{{what=\"{name}\"}} {value}")?;
    }
    Ok(())
}

/// A board, with all counters that are not 0.
pub fn board(
    out: &mut impl Write,
    facts: &BoardFacts,
    count: impl Fn(Counter) -> u64,
) -> fmt::Result {
    let name = Label(&facts.name);
    for (metric, value) in [
        ("endpoints", facts.endpoints),
        ("endpoints_polled", facts.polled),
        ("mapped_pages", facts.pages),
        ("peers", usize::from(facts.peers)),
    ] {
        writeln!(
            out,
            "xen2mx_board_{metric}{{board=\"{name}\",mac=\"{}\"}} {value}",
            facts.mac
        )?;
    }
    for counter in Counter::ALL {
        let value = count(counter);
        if value > 0 {
            writeln!(
                out,
                "xen2mx_board_counter_total{{board=\"{name}\",counter=\"{}\"}} {value}",
                Label(&counter.label())
            )?;
        }
    }
    Ok(())
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
