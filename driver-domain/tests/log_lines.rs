//! The lines of a guest that gives cause for one without end, as the log gets them. Alone in its process, whose log it has.

use std::sync::Mutex;
use std::time::Duration;

use driver_domain::account::{Account, Limits, Pools};
use mx_backend::Instant;

/// What was logged.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}

#[test]
fn a_guest_has_no_more_lines_than_its_limit_also_with_what_is_said_of_those_left_out() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let start = Instant::from_nanos(5_000_000_000);
    let guest = Account::new(&Pools::new(1000, 1 << 20, 1), Limits::default(), start);
    for tenth in 0..3000 {
        let now = start + Duration::from_millis(100 * tenth);
        guest.say(now, log::Level::Warn, format_args!("about it"));
    }
    let lines = LINES.0.lock().unwrap();
    // 60 at once and 60 in each of five minutes.
    assert!(lines.len() <= 6 * 60, "{}", lines.len());
    assert!(
        lines
            .last()
            .unwrap()
            .contains("lines about it were left out)")
    );
}
