//! `/`: a page for people. No scripts; it reloads itself.

use core::fmt::{self, Write};
use core::time::Duration;

use mx_ring::Counter;

use super::facts::{BoardFacts, DomainFacts, PeerFacts};
use super::rates::Rates;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#1b1f24}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin:2rem 0 .5rem;border-bottom:2px solid #d7dde3}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid #e4e8ec;vertical-align:top}\
th{font-weight:600;color:#57606a;width:16rem}td{font-variant-numeric:tabular-nums}\
.up{color:#116329}.down{color:#a40e26;font-weight:600}.drop{color:#953800}small{color:#57606a}\
ul{columns:2;list-style:none;padding:0;margin:.25rem 0}code{font-size:.9em}";

/// The beginning of the page, and the domain as a whole.
pub fn domain(out: &mut impl Write, facts: &DomainFacts, rates: &Rates) -> fmt::Result {
    write!(
        out,
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Open-MX driver domain</title>\
         <style>{STYLE}</style><h1>Open-MX driver domain</h1><table>"
    )?;
    let link = if facts.link_up {
        "<span class=\"up\">up</span>"
    } else {
        "<span class=\"down\">down</span>"
    };
    let running = facts.now.saturating_sub(facts.started);
    row(
        out,
        "Domain",
        format_args!("{}, version {}", facts.domain, env!("CARGO_PKG_VERSION")),
    )?;
    row(out, "Running for", format_args!("{}", Clock(running)))?;
    row(
        out,
        "Wire",
        format_args!("{}, frames up to {} bytes", facts.wire, facts.mtu),
    )?;
    row(out, "Card", format_args!("{}, link {link}", facts.driver))?;
    row(
        out,
        "Asleep",
        format_args!(
            "{:.1} % <small>of the last {:.0} s</small>",
            rates.asleep() * 100.0,
            rates.seconds()
        ),
    )?;
    row(out, "Frames in flight", format_args!("{}", facts.in_flight))?;
    row(out, "Hypercalls", format_args!("{}", facts.hypercalls))?;
    for (index, (name, value)) in facts.card.iter().enumerate() {
        row(
            out,
            Words(name),
            format_args!(
                "{value} <small>{:.0} in a second</small>",
                rates.card(index)
            ),
        )?;
    }
    out.write_str("</table>")
}

/// A board: its beginning, up to the list of its peers.
pub fn board(
    out: &mut impl Write,
    facts: &BoardFacts,
    count: impl Fn(Counter) -> u64,
) -> fmt::Result {
    write!(
        out,
        "<h2>{} <small><code>{}</code></small></h2><table>",
        Html(&facts.name),
        facts.mac
    )?;
    row(
        out,
        "Endpoints",
        format_args!("{} open, {} of them polled", facts.endpoints, facts.polled),
    )?;
    row(
        out,
        "Memory of the guest",
        format_args!("{} pages", facts.pages),
    )?;
    for counter in Counter::ALL {
        let value = count(counter);
        if value > 0 {
            let drop = counter.label().starts_with("Drop");
            let class = if drop { " class=\"drop\"" } else { "" };
            write!(out, "<tr{class}><th>{}<td>{value}", Html(&counter.label()))?;
        }
    }
    write!(out, "<tr><th>{} peers<td><ul>", facts.peers)
}

/// Some peers of a board; nothing when there are none.
pub fn peers(out: &mut impl Write, peers: impl Iterator<Item = PeerFacts>) -> fmt::Result {
    for peer in peers {
        let name: &dyn fmt::Display = if peer.name.is_unknown() {
            &"not yet known"
        } else {
            &peer.name
        };
        let local = if peer.local {
            " <small>here</small>"
        } else {
            ""
        };
        write!(out, "<li><code>{}</code> {}{local}", peer.mac, Html(&name))?;
    }
    Ok(())
}

/// The end of a board.
pub fn board_end(out: &mut impl Write) -> fmt::Result {
    out.write_str("</ul></table>")
}

/// The end of the page.
pub fn end(out: &mut impl Write) -> fmt::Result {
    out.write_str("<p><small>For machines: <a href=\"/metrics\">/metrics</a></small></html>\n")
}

fn row(out: &mut impl Write, name: impl fmt::Display, value: fmt::Arguments<'_>) -> fmt::Result {
    write!(out, "<tr><th>{name}<td>{value}")
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
