//! Which thread looks after an endpoint, for the threads that would do it otherwise.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::thread::this_thread;

/// How many endpoints of this process are open.
pub static OPEN_ENDPOINTS: AtomicUsize = AtomicUsize::new(0);

/// How long a thread that has called is expected to call again.
const LATELY: Duration = Duration::from_millis(100);
/// How long an endpoint is left to a thread that waits there: it may have gone by then.
const LEFT: Duration = Duration::from_secs(1);

/// Which thread looks after an endpoint.
#[derive(Debug, Default)]
pub struct Attendance {
    /// Threads that wait there.
    waiting: AtomicU32,
    /// The thread that has called last.
    thread: AtomicUsize,
    /// When, in nanoseconds.
    at: AtomicU64,
}

impl Attendance {
    /// The calling thread calls.
    #[inline(always)]
    pub fn ours(&self, now: Duration) {
        if OPEN_ENDPOINTS.load(Ordering::Relaxed) > 1 {
            self.thread.store(this_thread(), Ordering::Relaxed);
            self.at.store(now.as_nanos() as u64, Ordering::Relaxed);
        }
    }

    /// The calling thread waits until the value is dropped, if there is another endpoint that wants to know.
    pub fn wait(&self) -> Option<Waiting<'_>> {
        if OPEN_ENDPOINTS.load(Ordering::Relaxed) < 2 {
            return None;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Some(Waiting(self))
    }

    /// Whether another thread looks after the endpoint: how long it may be relied on.
    pub fn left_to_another(&self, now: Duration) -> Option<Duration> {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            return Some(LEFT);
        }
        let at = Duration::from_nanos(self.at.load(Ordering::Relaxed));
        let another = self.thread.load(Ordering::Relaxed) != this_thread();
        (another && now.saturating_sub(at) < LATELY).then_some(LATELY)
    }
}

/// A thread that waits on an endpoint.
pub struct Waiting<'a>(&'a Attendance);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
