//! What the domain asked of Xen since it started. A message costs none of it while both sides are awake, and these
//! counters show it.

use core::sync::atomic::{AtomicU64, Ordering};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Counter {
    /// Hypercalls on page tables and memory.
    Memory,
    /// Hypercalls on grants, however many operations each carries.
    GrantCalls,
    /// Grant pages mapped (operations).
    GrantMaps,
    /// Grant pages unmapped (operations).
    GrantUnmaps,
    /// Events sent (hypercalls).
    EventsSent,
    /// Events found pending and taken.
    EventsTaken,
    /// Times the domain went to sleep (hypercalls).
    Sleeps,
    /// All other hypercalls.
    Other,
}

/// All counters with their names, in order.
pub const NAMES: [(Counter, &str); 8] = [
    (Counter::Memory, "memory-hypercalls"),
    (Counter::GrantCalls, "grant-hypercalls"),
    (Counter::GrantMaps, "grant-maps"),
    (Counter::GrantUnmaps, "grant-unmaps"),
    (Counter::EventsSent, "events-sent"),
    (Counter::EventsTaken, "events-taken"),
    (Counter::Sleeps, "sleeps"),
    (Counter::Other, "other-hypercalls"),
];

static VALUES: [AtomicU64; NAMES.len()] = [const { AtomicU64::new(0) }; NAMES.len()];

pub(crate) fn add(counter: Counter, amount: u64) {
    let value = &VALUES[counter as usize];
    // One vCPU, no interrupts: a load and a store cannot be torn apart, and cost less than a locked addition.
    value.store(
        value.load(Ordering::Relaxed).wrapping_add(amount),
        Ordering::Relaxed,
    );
}

/// Value of a counter.
pub fn get(counter: Counter) -> u64 {
    VALUES[counter as usize].load(Ordering::Relaxed)
}

/// All hypercalls, of whatever kind.
pub fn hypercalls() -> u64 {
    use Counter::*;
    [Memory, GrantCalls, EventsSent, Sleeps, Other]
        .iter()
        .map(|&counter| get(counter))
        .sum()
}
