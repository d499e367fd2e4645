//! What the domain has done, as one line for people and tests.
//!
//! Whoever may write the domain's `data` directory in xenstore (dom0, for one) gets the line on request: write any
//! word to [`REQUEST`], and the line appears in [`ANSWER`], starting with `request=<that word>`, so that an answer can
//! be told from an older one. `xl sysrq driver-domain s` writes it to the log instead. While both sides are awake, a
//! message changes none of the numbers of hypercalls, events and grants; compare two lines.
//!
//! The names: `request`, `time-us`, `hypercalls` (all kinds together), then each counter of
//! [`xen_pv_boot::counters`], `frames-out`, `frames-in`, `doorbells` (register writes to the card), `boards`,
//! `pages` (of guests, held), `heap-used` and `heap-size` (bytes).

use alloc::string::String;
use core::fmt::Write;

use mx_nic::Statistics;
use xen_pv_boot::{clock, counters};

/// Where a request is written.
pub const REQUEST: &str = "data/omx-stats-request";
/// Where the answer appears.
pub const ANSWER: &str = "data/omx-stats";

/// The answer to a request: names and values in one line.
pub fn line(
    request: &str,
    nic: Statistics,
    boards: usize,
    pages: usize,
    (heap_free, heap_size): (usize, usize),
) -> String {
    let word: String = request
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect();
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        line,
        "request={word} time-us={} hypercalls={}",
        clock::now().as_micros(),
        counters::hypercalls()
    );
    for (counter, name) in counters::NAMES {
        let _ = write!(line, " {name}={}", counters::get(counter));
    }
    let _ = write!(
        line,
        " frames-out={} frames-in={} doorbells={} boards={boards} pages={pages} heap-used={} \
         heap-size={heap_size}",
        nic.transmitted_frames,
        nic.received_frames,
        nic.doorbells,
        heap_size.saturating_sub(heap_free)
    );
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_names_its_request_and_every_counter() {
        let line = line("serial 7!\u{1b}", Statistics::default(), 2, 17, (10, 30));
        assert!(line.starts_with("request=serial7 time-us="));
        for (_, name) in counters::NAMES {
            assert!(line.contains(&alloc::format!(" {name}=")), "{name}");
        }
        assert!(line.ends_with(
            " frames-out=0 frames-in=0 doorbells=0 boards=2 pages=17 heap-used=20 heap-size=30"
        ));
    }
}
