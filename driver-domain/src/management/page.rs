//! `/`: a page for people. No scripts and nothing from elsewhere; it reloads itself.

use core::fmt::{self, Write};
use core::time::Duration;

use mx_ring::Counter;

use super::rates::Rates;
use super::snapshot::{BoardSnapshot, Counts, DomainSnapshot, PeerSnapshot, Totals, is_drop};
use crate::account::Limit;

const STYLE: &str = include_str!("page.css");

/// The beginning of the page: the domain at a glance.
pub fn domain(out: &mut impl Write, snapshot: &DomainSnapshot, rates: &Rates) -> fmt::Result {
    let running = snapshot.now.saturating_sub(snapshot.started);
    write!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><link rel=\"icon\" href=\"data:,\">\
         <title>Open-MX driver domain {domain}</title><style>{STYLE}</style></head><body><header>\
         <h1>Open-MX driver domain</h1><p>Domain {domain}, version {}, running for {}",
        env!("CARGO_PKG_VERSION"),
        Clock(running),
        domain = snapshot.domain,
    )?;
    if let Some(address) = snapshot.address {
        write!(
            out,
            ", at {}{}",
            address.address.address(),
            if address.leased { " by DHCP" } else { "" }
        )?;
    }
    write!(
        out,
        "<br>{} wire, frames up to {} bytes</header><dl class=\"tiles\">",
        snapshot.wire, snapshot.mtu
    )?;
    let (word, class) = if snapshot.link_up {
        ("up", "good")
    } else {
        ("down", "bad")
    };
    write!(
        out,
        "<div class=\"{class}\"><dt>Link<dd id=\"link\">{word}<small>{} {}</small></div>",
        snapshot.driver, snapshot.mac
    )?;
    write!(
        out,
        "<div><dt>Asleep<dd id=\"asleep\">{:.1} %<small>of the last {:.0} s</small></div>",
        rates.asleep() * 100.0,
        rates.seconds()
    )?;
    for (id, name, frames, bytes) in [
        (
            "in",
            "From the wire",
            DomainSnapshot::RECEIVED_FRAMES,
            DomainSnapshot::RECEIVED_BYTES,
        ),
        (
            "out",
            "To the wire",
            DomainSnapshot::TRANSMITTED_FRAMES,
            DomainSnapshot::TRANSMITTED_BYTES,
        ),
    ] {
        write!(
            out,
            "<div><dt>{name}<dd id=\"{id}\">{}/s<small>{} frames/s</small></div>",
            Bytes(rates.nic(bytes)),
            Grouped(rates.nic(frames) as u64)
        )?;
    }
    write!(
        out,
        "<div><dt>Transmit queue<dd id=\"queue\">{}<small>of {} places in use</small></div></dl>",
        snapshot.in_flight, snapshot.transmit_slots
    )
}

/// The beginning of the table of boards.
pub fn boards_begin(out: &mut impl Write) -> fmt::Result {
    out.write_str(
        "<section><h2>Guests</h2><div class=\"wide\"><table id=\"guests\"><thead><tr><th>Guest<th>Endpoints<th>Peers\
         <th>To the wire<th>From the wire<th>To guests here<th>Dropped</thead><tbody>",
    )
}

/// A board in that table: its sums, and how fast they grow.
pub fn board_line(
    out: &mut impl Write,
    number: usize,
    snapshot: &BoardSnapshot,
    counts: &Counts,
    rates: &Rates,
) -> fmt::Result {
    let (totals, rate) = (Totals::of(counts), rates.board(snapshot.mac));
    write!(
        out,
        "<tr><th scope=\"row\"><a href=\"#guest{number}\">{}</a><td>{}<small>{} polled</small><td>{}",
        Html(&snapshot.name),
        snapshot.endpoints,
        snapshot.polled,
        snapshot.peers
    )?;
    for (sum, rate) in [
        (totals.sent, rate.sent),
        (totals.received, rate.received),
        (totals.shared, rate.shared),
    ] {
        write!(
            out,
            "<td>{}<small>{}/s</small>",
            Grouped(sum),
            Grouped(rate)
        )?;
    }
    let class = if rate.dropped > 0 {
        " class=\"bad\""
    } else {
        ""
    };
    write!(
        out,
        "<td{class}>{}<small>{}/s</small>",
        Grouped(totals.dropped),
        Grouped(rate.dropped)
    )
}

/// Its end; how many boards there were.
pub fn boards_end(out: &mut impl Write, boards: usize) -> fmt::Result {
    if boards == 0 {
        out.write_str(
            "<tr><td colspan=\"7\">No guest is attached: <code>xl-omx attach &lt;guest&gt;</code>",
        )?;
    }
    out.write_str("</tbody></table></div></section>")
}

/// The card's counters.
pub fn nic(out: &mut impl Write, snapshot: &DomainSnapshot, rates: &Rates) -> fmt::Result {
    out.write_str(
        "<section><h2>Card</h2><table id=\"card\"><thead><tr><th>Counter<th>Count<th>in a second</thead><tbody>",
    )?;
    for (index, (name, value)) in snapshot.nic.iter().enumerate() {
        write!(
            out,
            "<tr><th scope=\"row\">{}<td>{}<td>{}",
            Words(name),
            Grouped(*value),
            Grouped(rates.nic(index) as u64)
        )?;
    }
    write!(
        out,
        "<tr><th scope=\"row\">Hypercalls<td>{}<td></tbody></table></section>",
        Grouped(snapshot.hypercalls)
    )
}

/// A board's own part, up to its counters: what it has found wrong with the network stands before them.
pub fn board(out: &mut impl Write, number: usize, snapshot: &BoardSnapshot) -> fmt::Result {
    write!(
        out,
        "<section class=\"guest\"><h2 id=\"guest{number}\">{} <code>{}</code></h2><p>{} pages of its memory are mapped.\
         <table class=\"limits\"><thead><tr><th>The guest's<th>Now<th>At most<th>Refused</thead><tbody>",
        Html(&snapshot.name),
        snapshot.mac,
        Grouped(snapshot.pages as u64)
    )?;
    for (limit, usage) in Limit::ALL.into_iter().zip(snapshot.usage) {
        let class = if usage.refused > 0 {
            " class=\"drop\""
        } else {
            ""
        };
        write!(
            out,
            "<tr{class}><th scope=\"row\">{}<td>{}<td>{}<td>{}",
            limit.words(),
            Grouped(usage.held.into()),
            Grouped(usage.limit.into()),
            Grouped(usage.refused.into())
        )?;
    }
    out.write_str("</tbody></table><table><tbody>")?;
    snapshot
        .notices
        .present()
        .try_for_each(|(warning, notice)| {
            write!(
                out,
                "<tr class=\"drop\"><th scope=\"row\">{} <code>{}</code><td>{}",
                Html(warning.sentence()),
                notice.about,
                Grouped(notice.times.into())
            )
        })
}

/// Some of its counters.
pub fn counters(
    out: &mut impl Write,
    mut counters: impl Iterator<Item = (Counter, u64)>,
) -> fmt::Result {
    counters.try_for_each(|(counter, value)| {
        let class = if is_drop(counter) {
            " class=\"drop\""
        } else {
            ""
        };
        write!(
            out,
            "<tr{class}><th scope=\"row\">{}<td>{}",
            counter.label(),
            Grouped(value)
        )
    })
}

/// The end of its counters, and the beginning of its peers: how many it knows.
pub fn peers_begin(out: &mut impl Write, count: u16) -> fmt::Result {
    let plural = if count == 1 { "" } else { "s" };
    write!(
        out,
        "</tbody></table><h3>{count} peer{plural}</h3><ul class=\"peers\">"
    )
}

/// Some of its peers.
pub fn peers(out: &mut impl Write, mut peers: impl Iterator<Item = PeerSnapshot>) -> fmt::Result {
    peers.try_for_each(|peer| {
        let name: &dyn fmt::Display = if peer.name.is_unknown() {
            &"not yet known"
        } else {
            &peer.name
        };
        let local = if peer.local {
            " <small>on this host</small>"
        } else {
            ""
        };
        write!(out, "<li>{} <code>{}</code>{local}", Html(name), peer.mac)
    })
}

/// The end of a board.
pub fn board_end(out: &mut impl Write) -> fmt::Result {
    out.write_str("</ul></section>")
}

/// The end of the page.
pub fn end(out: &mut impl Write) -> fmt::Result {
    out.write_str(
        "<footer><p>This page loads itself anew every 5 seconds. For Prometheus: <a href=\"/metrics\">/metrics</a>\
         </footer></body></html>\n",
    )
}

/// Days, hours, minutes, seconds.
struct Clock(Duration);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        if days > 0 {
            write!(f, "{days} d ")?;
        }
        write!(f, "{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60)
    }
}

/// A number in groups of three digits.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut unit = 1;
        while self.0 / unit >= 1000 {
            unit *= 1000;
        }
        write!(f, "{}", self.0 / unit)?;
        while unit > 1 {
            unit /= 1000;
            // A space that is narrow, and where no line ends.
            write!(f, "\u{202f}{:03}", self.0 / unit % 1000)?;
        }
        Ok(())
    }
}

/// Bytes, with the unit that leaves a readable number.
struct Bytes(f64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 1000.0 {
            return write!(f, "{:.0} B", self.0);
        }
        let mut value = self.0 / 1000.0;
        for unit in ["kB", "MB"] {
            if value < 1000.0 {
                return write!(f, "{value:.1} {unit}");
            }
            value /= 1000.0;
        }
        write!(f, "{value:.1} GB")
    }
}

/// A counter's name as words.
struct Words<'a>(&'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, character) in self.0.chars().enumerate() {
            match character {
                '_' => f.write_char(' ')?,
                first if at == 0 => f.write_char(first.to_ascii_uppercase())?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// Text that is no markup: names come from guests and from the network.
struct Html<'a, T: ?Sized>(&'a T);

impl<T: fmt::Display + ?Sized> fmt::Display for Html<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Escaping<'a, 'b>(&'a mut fmt::Formatter<'b>);
        impl fmt::Write for Escaping<'_, '_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for character in text.chars() {
                    match character {
                        '&' => self.0.write_str("&amp;")?,
                        '<' => self.0.write_str("&lt;")?,
                        '>' => self.0.write_str("&gt;")?,
                        '"' => self.0.write_str("&quot;")?,
                        other => self.0.write_char(other)?,
                    }
                }
                Ok(())
            }
        }
        write!(Escaping(f), "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn numbers_are_readable() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1\u{202f}000"),
            (1_002_003, "1\u{202f}002\u{202f}003"),
        ] {
            assert_eq!(format!("{}", Grouped(number)), text);
        }
        assert_eq!(format!("{}", Grouped(u64::MAX)).chars().count(), 26);
        for (bytes, text) in [(0.0, "0 B"), (1500.0, "1.5 kB"), (2.5e9, "2.5 GB")] {
            assert_eq!(format!("{}", Bytes(bytes)), text);
        }
        let time = Duration::from_secs(90_061);
        assert_eq!(format!("{}", Clock(time)), "1 d 1:01:01");
    }
}
