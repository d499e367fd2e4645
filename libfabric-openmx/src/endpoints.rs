//! Whose progress is made when somebody looks at a queue or a counter.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

/// How long one endpoint of several is waited for before the next is looked at.
const TURN: Duration = Duration::from_millis(1);

/// What makes progress in calls only.
pub trait Advance: Debug + Send + Sync {
    /// Makes progress, and tells what has completed.
    fn advance(&self);

    /// Sleeps until something has completed, at most so long.
    fn wait(&self, time: Option<Duration>);

    /// Who sleeps for it wakes.
    fn wake(&self);
}

/// Endpoints that make progress when somebody looks for what they have done.
#[derive(Debug, Default)]
pub struct Endpoints(Mutex<Vec<Weak<dyn Advance>>>);

impl Endpoints {
    /// Adds one; once is enough.
    pub fn add(&self, endpoint: &Arc<impl Advance + 'static>) {
        let mut all = self.lock();
        all.retain(|known| known.strong_count() > 0);
        let own: Weak<dyn Advance> = Arc::downgrade(endpoint) as _;
        if !all.iter().any(|known| Weak::ptr_eq(known, &own)) {
            all.push(own);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<dyn Advance>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, index: usize) -> Option<Arc<dyn Advance>> {
        self.lock().get(index)?.upgrade()
    }

    /// All of them make progress.
    pub fn advance(&self) {
        let count = self.lock().len();
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            endpoint.advance();
        }
    }

    /// Sleeps until one of them has something to do, at most so long; with several, in turns.
    pub fn wait(&self, time: Option<Duration>) {
        let count = self.lock().len();
        let turn = match count {
            0 => return std::thread::sleep(time.unwrap_or(TURN).min(TURN)),
            1 => time,
            _ => Some(time.unwrap_or(TURN).min(TURN)),
        };
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            endpoint.wait(turn);
        }
    }

    /// Who sleeps for one of them wakes.
    pub fn wake(&self) {
        let count = self.lock().len();
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            endpoint.wake();
        }
    }
}
