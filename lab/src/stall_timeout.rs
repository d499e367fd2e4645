//! Waiting on a machine that may be busy otherwise.
//!
//! No clock ends what goes on: a limit is one on silence, and it counts only the time that the machine has for each of
//! those who want to run. Eight other busy processes on two processors make everything five times as slow, and every limit
//! five times as long.

use crate::error::Error;
use std::thread;
use std::time::{Duration, Instant};

/// A limit on the time without a sign of progress.
pub struct StallTimeout {
    limit: Duration,
    spent: Duration,
    looked: Instant,
}

impl StallTimeout {
    /// Begins to count. [`StallTimeout::is_over`] has to be asked every second or so.
    pub fn new(limit: Duration) -> Self {
        StallTimeout {
            limit,
            spent: Duration::ZERO,
            looked: Instant::now(),
        }
    }

    /// Whether the limit has passed without progress.
    pub fn is_over(&mut self) -> bool {
        let passed = self.looked.elapsed();
        self.looked += passed;
        self.spent += passed.div_f64(slowness());
        self.spent > self.limit
    }

    /// Something has happened: counts from here.
    pub fn renew(&mut self) {
        self.spent = Duration::ZERO;
        self.looked = Instant::now();
    }

    /// The limit in seconds, for people.
    pub fn seconds(&self) -> u64 {
        self.limit.as_secs()
    }
}

/// Asks again and again until something holds, and returns how long that took. The look says what it sees instead; the
/// last such word ends an error, after `what` did not happen.
pub fn wait_until<T>(
    limit: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<Result<T, String>, Error>,
) -> Result<(T, Duration), Error> {
    let begun = Instant::now();
    let mut timeout = StallTimeout::new(limit);
    loop {
        let seen = match look()? {
            Ok(found) => return Ok((found, begun.elapsed())),
            Err(seen) => seen,
        };
        if timeout.is_over() {
            let seconds = timeout.seconds();
            let seen = if seen.is_empty() {
                seen
            } else {
                format!("; instead:\n{seen}")
            };
            return Err(Error::Judged(format!(
                "within {seconds} s it did not happen that {what}{seen}"
            )));
        }
        thread::sleep(PAUSE);
    }
}

const PAUSE: Duration = Duration::from_millis(200);

/// How many times as slow as alone a process is: those that want to run for each processor, at least 1.
fn slowness() -> f64 {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    (running(&text) / processors as f64).max(1.0)
}

/// The tasks that run or want to, of proc(5)'s `loadavg`.
fn running(loadavg: &str) -> f64 {
    let tasks = loadavg.split_whitespace().nth(3);
    let running = tasks.and_then(|tasks| tasks.split('/').next()?.parse().ok());
    running.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_that_want_to_run_are_counted() {
        assert_eq!(running("9.05 3.32 1.94 11/320 16044\n"), 11.0);
        assert_eq!(running("nonsense"), 1.0);
    }

    #[test]
    fn progress_renews_the_limit_and_silence_ends_it() {
        let mut timeout = StallTimeout::new(Duration::from_millis(500));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(600) {
            thread::sleep(Duration::from_millis(1));
            timeout.renew();
            assert!(!timeout.is_over(), "it goes on");
        }
        let silent = Instant::now();
        while !timeout.is_over() {
            thread::sleep(Duration::from_millis(1));
        }
        assert!(silent.elapsed() >= Duration::from_millis(500));
    }

    #[test]
    fn what_is_seen_instead_ends_the_error() {
        let look = || Ok(Err::<(), _>("two of three".into()));
        let error = wait_until(Duration::ZERO, "all are there", look).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("all are there") && text.contains("two of three"),
            "{text}"
        );
    }
}
