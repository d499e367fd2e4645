//! Locks that refuse an acquisition out of the order of [`open_mx_frontend::lock`].

use std::cell::{Cell, RefCell};

use open_mx_frontend::lock::{Lock, LockName};

use crate::sync::{Mutex, thread_local};

thread_local! {
    static HELD: RefCell<Vec<LockName>> = const { RefCell::new(Vec::new()) };
    static GRANTS: Cell<usize> = const { Cell::new(0) };
}

/// A value behind a lock that knows its place.
pub struct Ordered<T> {
    name: LockName,
    value: Mutex<T>,
}

impl<T> Ordered<T> {
    /// A lock of that name.
    pub fn new(name: LockName, value: T) -> Self {
        let value = Mutex::new(value);
        Self { name, value }
    }
}

impl<T> Lock<T> for Ordered<T> {
    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            let before = held.iter().all(|other| other.rank() < self.name.rank());
            assert!(before, "{:?} is taken under {held:?}", self.name);
            held.push(self.name);
        });
        GRANTS.with(|grants| grants.set(0));
        let result = work(&mut self.value.lock().expect("no test panics under a lock"));
        HELD.with(|held| held.borrow_mut().pop());
        result
    }
}

/// Whether the thread holds a lock.
pub fn holds_a_lock() -> bool {
    HELD.with(|held| !held.borrow().is_empty())
}

/// Grants that are made or ended while the thread holds a lock, at most: others wait for it.
const GRANTS_UNDER_A_LOCK: usize = 300;

/// A grant is made or ended.
pub fn grant_operation() {
    if holds_a_lock() {
        let grants = GRANTS.with(|grants| {
            grants.set(grants.get() + 1);
            grants.get()
        });
        assert!(grants <= GRANTS_UNDER_A_LOCK, "many under one lock");
    }
}
