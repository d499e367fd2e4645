//! Whose progress is made when somebody looks at a queue or a counter.

use core::ffi::c_int;
use std::fmt::Debug;
use std::os::fd::BorrowedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use open_mx::Sleep;

/// How long one endpoint of several is waited for before the next is looked at.
const TURN: Duration = Duration::from_millis(1);

/// What makes progress in calls only.
pub trait Advance: Debug + Send + Sync {
    /// Makes progress, and tells what has completed.
    fn advance(&self);

    /// Sleeps until something has completed, at most so long; an error when nothing can any more.
    fn wait(&self, time: Option<Duration>) -> Result<(), c_int>;

    /// Whether something can still complete.
    fn is_usable(&self) -> Result<(), c_int>;

    /// What happens to it makes this descriptor readable.
    fn add_to_poll(&self, poll: BorrowedFd<'_>) -> Result<(), c_int>;

    /// Whether the calling thread may sleep on that, and how long.
    fn prepare_sleep(&self) -> Sleep;

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
    pub fn wait(&self, time: Option<Duration>) -> Result<(), c_int> {
        let count = self.lock().len();
        let turn = match count {
            0 => {
                std::thread::sleep(time.unwrap_or(TURN).min(TURN));
                return Ok(());
            }
            1 => time,
            _ => Some(time.unwrap_or(TURN).min(TURN)),
        };
        self.one_of_them(|endpoint| endpoint.wait(turn))
    }

    /// Whether something can still complete: when all are of no use any more whoever waits would wait for ever.
    pub fn are_usable(&self) -> Result<(), c_int> {
        self.one_of_them(|endpoint| endpoint.is_usable())
    }

    /// Asks each; an error when there are some and all have one.
    fn one_of_them(&self, ask: impl Fn(&dyn Advance) -> Result<(), c_int>) -> Result<(), c_int> {
        let count = self.lock().len();
        let mut answer = None;
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            let one = ask(&*endpoint);
            answer = match answer {
                Some(Ok(())) => answer,
                _ => Some(one),
            };
        }
        answer.unwrap_or(Ok(()))
    }

    /// Whether the calling thread may sleep on the descriptors of all of them, and how long.
    pub fn prepare_sleep(&self) -> Sleep {
        let count = self.lock().len();
        let mut earliest = None;
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            match endpoint.prepare_sleep() {
                Sleep::NotNow => return Sleep::NotNow,
                Sleep::Until(until) => earliest = earliest.into_iter().chain(until).min(),
            }
        }
        Sleep::Until(earliest)
    }

    /// Who sleeps for one of them wakes.
    pub fn wake(&self) {
        let count = self.lock().len();
        for endpoint in (0..count).filter_map(|index| self.of(index)) {
            endpoint.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An endpoint that waits, or whose node has gone.
    #[derive(Debug)]
    struct Node(Result<(), c_int>);

    impl Advance for Node {
        fn advance(&self) {}

        fn wait(&self, _: Option<Duration>) -> Result<(), c_int> {
            self.0
        }

        fn is_usable(&self) -> Result<(), c_int> {
            self.0
        }

        fn add_to_poll(&self, _: BorrowedFd<'_>) -> Result<(), c_int> {
            self.0
        }

        fn prepare_sleep(&self) -> Sleep {
            Sleep::NotNow
        }

        fn wake(&self) {}
    }

    #[test]
    fn who_waits_goes_on_while_one_endpoint_can_still_complete_something() {
        let endpoints = Endpoints::default();
        assert_eq!(endpoints.are_usable(), Ok(()));
        let (gone, other) = (Arc::new(Node(Err(19))), Arc::new(Node(Ok(()))));
        endpoints.add(&gone);
        assert_eq!(endpoints.are_usable(), Err(19));
        assert_eq!(endpoints.wait(None), Err(19));
        endpoints.add(&other);
        assert_eq!(endpoints.are_usable(), Ok(()));
        assert_eq!(endpoints.wait(None), Ok(()));
        drop(other);
        assert_eq!(endpoints.are_usable(), Err(19));
    }
}
