//! What each guest has of what all of them share, and what it was refused.
//!
//! Pages and heap are shared by all guests. Half of each is divided into guaranteed shares, one for each of the guests that the
//! domain is to serve; the other half goes to whoever wants more, up to its limits. What a guest gives back goes to the shared
//! half first, so nobody keeps more than its share from others for longer than it uses it, and nobody can be without its share.
//!
//! What is refused is answered with a code in the guest; the log says so once, until the guest has come down to half of its
//! limit or share. What is counted here is what was asked for, not what an allocator makes of it: `costs` has the sizes, and a
//! test holds them against the heap.

mod costs;
mod limits;

use alloc::rc::Rc;
use core::cell::Cell;
use core::fmt;

use arrayvec::ArrayVec;
pub use costs::{DEVICE, PULL, RAW, REGION, REGION_GROUP, endpoint};
pub use limits::{LIMITS, Limit, LimitError, Limits};
use mx_backend::{Instant, Rate};

/// A minute, over which lines and connects are counted.
const MINUTE: u32 = 60;

/// Something that is shared: a part for each guest, and the rest for all.
#[derive(Debug)]
struct Pool {
    /// What each guest is sure of.
    share: usize,
    /// What is left of the rest.
    free: Cell<usize>,
}

impl Pool {
    fn new(total: usize, guests: usize) -> Self {
        let share = total / 2 / guests.max(1);
        Self {
            share,
            free: Cell::new(total - share * guests),
        }
    }

    /// How much of `held` is beyond the share of an account.
    fn beyond(&self, held: usize, sure: bool) -> usize {
        held.saturating_sub(if sure { self.share } else { 0 })
    }
}

/// What all guests share.
#[derive(Debug)]
pub struct Pools {
    pages: Pool,
    /// Bytes.
    heap: Pool,
    /// Guests that still can be given a guaranteed share.
    sure: Cell<usize>,
}

impl Pools {
    /// So many pages and bytes of heap, for so many guests.
    pub fn new(pages: usize, heap: usize, guests: usize) -> Rc<Self> {
        Rc::new(Self {
            pages: Pool::new(pages, guests),
            heap: Pool::new(heap, guests),
            sure: Cell::new(guests),
        })
    }

    fn of(&self, limit: Limit) -> Option<&Pool> {
        match limit {
            Limit::Pages => Some(&self.pages),
            Limit::Heap => Some(&self.heap),
            _ => None,
        }
    }
}

/// What was refused, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The guest has as much as it may have.
    #[error(
        "it has as many {words} as it may ({name}={1})",
        words = .0.words(),
        name = .0.name()
    )]
    Limit(Limit, u32),
    /// It has its share, and others have all the rest.
    #[error(
        "it has its guaranteed share of {words}, and others have all the rest",
        words = .0.words()
    )]
    Shared(Limit),
    /// The domain has no memory left.
    #[error("the domain is short of memory: give it more (memory= in its configuration)")]
    NoMemory,
}

/// The account of one guest. All of its devices have the same.
#[derive(Debug)]
pub struct Account {
    pools: Rc<Pools>,
    /// It has a guaranteed share.
    sure: bool,
    limits: Cell<Limits>,
    held: [Cell<usize>; LIMITS],
    refused: [Cell<u32>; LIMITS],
    /// A bit for each limit that the log was told of.
    told: Cell<u16>,
    reconnects: Cell<Rate>,
    log_lines: Cell<Rate>,
}

const _: () = assert!(LIMITS <= u16::BITS as usize);

impl Account {
    /// The account of a guest that comes: nothing is charged to it yet.
    pub fn new(pools: &Rc<Pools>, limits: Limits, now: Instant) -> Rc<Self> {
        let sure = pools.sure.get() > 0;
        pools.sure.set(pools.sure.get() - usize::from(sure));
        let account = Self {
            pools: pools.clone(),
            sure,
            limits: Cell::new(limits),
            held: Default::default(),
            refused: Default::default(),
            told: Cell::new(0),
            reconnects: Cell::new(Rate::new(now, 0, MINUTE)),
            log_lines: Cell::new(Rate::new(now, 0, MINUTE)),
        };
        account.set_limits(now, limits);
        Rc::new(account)
    }

    /// What the guest may have.
    pub fn limits(&self) -> Limits {
        self.limits.get()
    }

    /// Other limits than before. What the guest has beyond them stays with it.
    pub fn set_limits(&self, now: Instant, limits: Limits) {
        self.limits.set(limits);
        self.reconnects
            .set(Rate::new(now, limits.get(Limit::Reconnects), MINUTE));
        self.log_lines
            .set(Rate::new(now, limits.get(Limit::LogLines), MINUTE));
    }

    fn limit(&self, limit: Limit) -> u32 {
        self.limits.get().get(limit)
    }

    /// What the guest may have of something that is counted in bytes here, and in KiB for people.
    fn most(&self, limit: Limit) -> usize {
        let unit = if limit == Limit::Heap { 1024 } else { 1 };
        (self.limit(limit) as usize).saturating_mul(unit)
    }

    /// What the guest has; of heap, bytes.
    pub fn held(&self, limit: Limit) -> usize {
        self.held.get(limit as usize).map_or(0, Cell::get)
    }

    /// How often it was refused more.
    pub fn refused(&self, limit: Limit) -> u32 {
        self.refused.get(limit as usize).map_or(0, Cell::get)
    }

    /// The guest wants more of something.
    fn take(&self, limit: Limit, count: usize) -> Result<(), Refused> {
        let held = self.held(limit);
        let wanted = held.saturating_add(count);
        if wanted > self.most(limit) {
            return Err(self.refuse(Refused::Limit(limit, self.limit(limit)), limit));
        }
        if let Some(pool) = self.pools.of(limit) {
            let more = pool.beyond(wanted, self.sure) - pool.beyond(held, self.sure);
            match pool.free.get().checked_sub(more) {
                Some(left) => pool.free.set(left),
                None => return Err(self.refuse(Refused::Shared(limit), limit)),
            }
        }
        self.set(limit, wanted);
        Ok(())
    }

    /// The guest wants more of several things, all or nothing; what it gets is given back when the charge is dropped.
    pub fn charge<const N: usize>(
        self: &Rc<Self>,
        what: [(Limit, usize); N],
    ) -> Result<Charge, Refused> {
        let nothing = Charge {
            account: self.clone(),
            what: ArrayVec::new(),
        };
        nothing.and(what)
    }

    /// It gives something back.
    fn give(&self, limit: Limit, count: usize) {
        let held = self.held(limit);
        let left = held.saturating_sub(count);
        if let Some(pool) = self.pools.of(limit) {
            let back = pool.beyond(held, self.sure) - pool.beyond(left, self.sure);
            pool.free.set(pool.free.get() + back);
        }
        self.set(limit, left);
        let full = self.pools.of(limit).map_or(usize::MAX, |pool| pool.share);
        if left <= self.most(limit).min(full) / 2 {
            self.told.set(self.told.get() & !(1 << limit as u16));
        }
    }

    fn set(&self, limit: Limit, count: usize) {
        if let Some(held) = self.held.get(limit as usize) {
            held.set(count);
        }
    }

    fn refuse(&self, why: Refused, limit: Limit) -> Refused {
        if let Some(refused) = self.refused.get(limit as usize) {
            refused.set(refused.get().saturating_add(1));
        }
        why
    }

    /// Whether the log is to be told of this refusal: once.
    pub fn is_news(&self, why: Refused) -> bool {
        let (Refused::Limit(limit, _) | Refused::Shared(limit)) = why else {
            return true;
        };
        let bit = 1 << limit as u16;
        let told = self.told.get();
        self.told.set(told | bit);
        told & bit == 0
    }

    /// A channel of the guest wakes the domain no more.
    pub fn masked(&self) {
        let limit = Limit::Doorbells;
        self.refuse(Refused::Limit(limit, self.limit(limit)), limit);
    }

    /// Whether the guest may connect now.
    pub fn may_connect(&self, now: Instant) -> Result<(), Refused> {
        let mut rate = self.reconnects.get();
        let may = rate.take(now);
        self.reconnects.set(rate);
        if may {
            return Ok(());
        }
        let limit = Limit::Reconnects;
        Err(self.refuse(Refused::Limit(limit, self.limit(limit)), limit))
    }

    /// A line about the guest for the log, unless there were too many of late; the next one says how many were left out.
    pub fn say(&self, now: Instant, level: log::Level, line: fmt::Arguments<'_>) {
        let mut rate = self.log_lines.get();
        let may = rate.take(now);
        self.log_lines.set(rate);
        let Some(left_out) = self.refused.get(Limit::LogLines as usize) else {
            return;
        };
        if !may {
            left_out.set(left_out.get().saturating_add(1));
            self.set(Limit::LogLines, self.held(Limit::LogLines) + 1);
            return;
        }
        // One line, not two: a second one would double what a guest may have logged.
        match self.held(Limit::LogLines) {
            0 => log::log!(level, "{line}"),
            before => {
                self.set(Limit::LogLines, 0);
                log::log!(
                    level,
                    "{line} (before this, {before} lines about it were left out)"
                );
            }
        }
    }
}

/// What a guest has got, as long as it has it.
#[derive(Debug)]
pub struct Charge {
    account: Rc<Account>,
    what: ArrayVec<(Limit, usize), 3>,
}

impl Charge {
    /// The same, and more; or nothing at all.
    pub fn and<const N: usize>(mut self, what: [(Limit, usize); N]) -> Result<Self, Refused> {
        for (limit, count) in what {
            self.account.take(limit, count)?;
            self.what.push((limit, count));
        }
        Ok(self)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        for (limit, count) in &self.what {
            self.account.give(*limit, *count);
        }
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let sure = &self.pools.sure;
        sure.set(sure.get() + usize::from(self.sure));
    }
}

#[cfg(test)]
mod tests;
