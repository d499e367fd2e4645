//! Records are bounded, and the domain that is run has none.

use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use driver_domain::records::{A_SECOND, Records};
use log::{LevelFilter, Log, Metadata, Record};

static NOW: AtomicU64 = AtomicU64::new(0);

fn now() -> Duration {
    Duration::from_millis(NOW.load(Ordering::Relaxed))
}

/// Keeps the lines of the log.
struct Lines(Mutex<Vec<String>>);

static LINES: Lines = Lines(Mutex::new(Vec::new()));

impl Log for Lines {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }
    fn log(&self, record: &Record<'_>) {
        let line = format!("{} {}", record.level(), record.args());
        self.0.lock().unwrap().push(line);
    }
    fn flush(&self) {}
}

#[test]
fn a_flood_of_records_is_so_many_lines_in_a_second_and_the_number_of_the_others() {
    log::set_logger(&LINES).unwrap();
    log::set_max_level(LevelFilter::Debug);
    tracing::subscriber::with_default(Records::new(now), || {
        for number in 0..1000 {
            tracing::debug!("number {number}");
            tracing::trace!("below the level");
        }
        let lines = std::mem::take(&mut *LINES.0.lock().unwrap());
        assert_eq!(lines.len(), A_SECOND as usize);
        assert_eq!(lines[7], "DEBUG number 7");
        NOW.store(1000, Ordering::Relaxed);
        tracing::debug!("after it");
        let lines = std::mem::take(&mut *LINES.0.lock().unwrap());
        assert_eq!(lines, ["WARN 950 records were left out", "DEBUG after it"]);
    });
}

/// The crates of the domain's image.
fn crates(features: &str) -> String {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--package", "driver-domain"])
        .args(["--edges", "normal", "--target", "x86_64-unknown-none"])
        .args(["--prefix", "none", "--features", features])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_domain_that_is_run_has_no_code_of_records() {
    assert!(!crates("").contains("tracing"));
    assert!(crates("trace").contains("tracing-core v"));
}
