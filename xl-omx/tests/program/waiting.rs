//! How the tests wait.

use std::thread;
use std::time::{Duration, Instant};

/// Only a failure takes so long.
pub const LIMIT: Duration = Duration::from_secs(120);

/// Waits for something that somebody else does.
pub fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < LIMIT, "never: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
