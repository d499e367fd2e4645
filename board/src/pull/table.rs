//! The running pulls of an endpoint, and those that have ended but whose `PullDone` is not delivered yet.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::ops::Range;
use core::time::Duration;

use mx_ring::{Destination, Event, EventBody, PullDone, PullOrder, PullStatus, RegionKey, Window};
use mx_wire::{Format, Pull};

use super::backoff::Backoff;
use super::puller::Retry;
use super::{LocalPull, WirePull};
use crate::key::EndpointKey;
use crate::random::Shuffled;
use crate::time::Instant;

/// A handle is 10 bits of slot and 22 bits of generation (wire.md §6.8).
const SLOTS_MAX: u32 = 1 << 10;
const GENERATION_BITS: u32 = 22;
const GENERATION_MASK: u32 = (1 << GENERATION_BITS) - 1;
/// Slots whose clocks are looked at in one go.
const LOOK: usize = 64;
/// Generations, so that no handle comes again before all others of its slot have been used.
type Generations = Shuffled<{ GENERATION_BITS / 2 }>;
/// Slots that a table gets at a time.
pub(crate) const ALLOTMENT: u32 = 16;
/// How soon a `PullDone` that found no room is tried again.
const DELIVER_AGAIN: Duration = Duration::from_millis(1);

#[derive(Debug)]
enum PullState {
    Free,
    Wire(WirePull),
    Local(LocalPull),
    /// To be delivered, however long that takes.
    Ended(Event),
}

fn ended(done: PullDone) -> PullState {
    PullState::Ended(Event::of_board(EventBody::PullDone(done)))
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: PullState,
    queued: bool,
}

/// What a slot needs when its turn comes.
pub(crate) enum Attention {
    /// Requests are to be sent to this peer.
    Ask { peer: u16 },
    /// A slice is to be copied.
    Copy(LocalPull),
    /// The end is to be told.
    Tell(Event),
}

/// What the timers of a table found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Retries {
    pub first_blocks: u32,
    pub other_blocks: u32,
    pub given_up: u32,
}

/// The pulls of one endpoint: never more than its expected queue has entries.
#[derive(Debug)]
pub(crate) struct PullTable {
    slots: Vec<Slot>,
    free: Vec<u16>,
    limit: u32,
    /// Slots that it may use, and has memory for.
    allotted: u32,
    generations: Generations,
    /// Slots that wait for their turn, in order.
    waiting: VecDeque<u16>,
    timer: Option<Instant>,
    /// The slot whose clock is looked at next, while all are looked at.
    retrying: Option<usize>,
}

impl PullTable {
    /// `seed` decides of the handles, so that a reply meant for an earlier life of the endpoint fits none.
    pub fn new(expected_entries: u32, seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            limit: expected_entries.min(SLOTS_MAX),
            allotted: 0,
            generations: Generations::new(seed),
            waiting: VecDeque::new(),
            timer: None,
            retrying: None,
        }
    }

    /// Whether the next pull needs slots that are not allotted yet.
    pub const fn wants_slots(&self) -> bool {
        self.free.is_empty()
            && self.slots.len() as u32 == self.allotted
            && self.allotted < self.limit
    }

    /// Gets [`ALLOTMENT`] more slots; false without memory for them.
    pub fn allot(&mut self) -> bool {
        let count = ALLOTMENT as usize;
        // In all of them, room for every slot.
        let lists = self.allotted as usize + count;
        let room = self.slots.try_reserve_exact(count).is_ok()
            && self.free.try_reserve_exact(lists).is_ok()
            && self
                .waiting
                .try_reserve_exact(lists.saturating_sub(self.waiting.len()))
                .is_ok();
        if room {
            self.allotted += ALLOTMENT;
        }
        room
    }

    /// Slots that are allotted.
    pub const fn allotted(&self) -> u32 {
        self.allotted
    }

    /// Pulls that run, or whose end is not told.
    pub const fn running(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Gives all slots but one allotment back if none is in use; says how many.
    pub fn give_back(&mut self) -> u32 {
        if self.allotted <= ALLOTMENT || self.running() > 0 || !self.waiting.is_empty() {
            return 0;
        }
        let count = ALLOTMENT as usize;
        self.slots.truncate(count);
        self.slots.shrink_to(count);
        self.free.retain(|index| u32::from(*index) < ALLOTMENT);
        self.free.shrink_to(count);
        self.waiting.shrink_to(count);
        core::mem::replace(&mut self.allotted, ALLOTMENT) - ALLOTMENT
    }

    /// Starts a pull over the wire from a peer whose answer takes less than `wait`; `None` when all slots are taken.
    pub fn start_wire(
        &mut self,
        now: Instant,
        wait: Duration,
        format: &Format,
        to: Destination,
        order: PullOrder,
    ) -> Option<u16> {
        let pull = WirePull::new(now, wait, format, to, order);
        let retry_at = pull.retry_at();
        let slot = self.take(PullState::Wire(pull))?;
        self.arm(retry_at);
        Some(slot)
    }

    /// Starts a pull from a local endpoint; `None` when all slots are taken.
    pub fn start_local(
        &mut self,
        to: Destination,
        order: PullOrder,
        owner: EndpointKey,
    ) -> Option<u16> {
        let state = PullState::Local(LocalPull {
            to,
            order,
            owner,
            done: 0,
            window_told: None,
            backoff: Backoff::new(),
            look_at: Instant::default(),
        });
        self.take(state)
    }

    /// The board from which that slot pulls has gone, and may come back, as that of a guest that is saved to a disk: all of it
    /// is asked for anew, as from a peer on the wire whose answer takes less than `wait`.
    pub fn over_wire(&mut self, now: Instant, index: u16, wait: Duration, format: &Format) {
        if let Some(slot) = self.slots.get_mut(usize::from(index))
            && let PullState::Local(local) = &slot.state
        {
            let pull = WirePull::new(now, wait, format, local.to, local.order);
            let retry_at = pull.retry_at();
            slot.state = PullState::Wire(pull);
            self.arm(retry_at);
            self.wait(index);
        }
    }

    /// A pull that cannot even start: its end is still told. `None` when all slots are taken.
    pub fn start_ended(&mut self, cookie: u32, status: PullStatus) -> Option<u16> {
        self.take(ended(PullDone {
            cookie,
            status,
            transferred: 0,
        }))
    }

    fn take(&mut self, state: PullState) -> Option<u16> {
        let index = match self.free.pop() {
            Some(index) => index,
            None if (self.slots.len() as u32) < self.allotted.min(self.limit) => {
                self.slots.push(Slot {
                    generation: 0,
                    state: PullState::Free,
                    queued: false,
                });
                (self.slots.len() - 1) as u16
            }
            None => return None,
        };
        let slot = self.slots.get_mut(usize::from(index))?;
        slot.generation = self.generations.next();
        slot.state = state;
        self.wait(index);
        Some(index)
    }

    /// The handle by which replies name this slot.
    pub fn handle(&self, index: u16) -> u32 {
        let generation = self
            .slots
            .get(usize::from(index))
            .map_or(0, |slot| slot.generation);
        u32::from(index) << GENERATION_BITS | generation
    }

    /// The running pull that a handle from the wire names.
    pub fn by_handle(&mut self, handle: u32) -> Option<(u16, &mut WirePull)> {
        let index = (handle >> GENERATION_BITS) as u16;
        let slot = self.slots.get_mut(usize::from(index))?;
        match &mut slot.state {
            PullState::Wire(pull) if slot.generation == handle & GENERATION_MASK => {
                Some((index, pull))
            }
            _ => None,
        }
    }

    /// Ends a running pull. Its slot stays taken until the end is told.
    pub fn end(&mut self, index: u16, status: PullStatus) {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return;
        };
        let (order, transferred) = match &slot.state {
            PullState::Wire(pull) => (&pull.order, pull.received()),
            PullState::Local(pull) => (&pull.order, pull.done),
            PullState::Free | PullState::Ended(_) => return,
        };
        slot.state = ended(PullDone {
            cookie: order.cookie,
            status,
            transferred,
        });
        self.wait(index);
    }

    /// Ends every pull for which `which` holds.
    fn abort(&mut self, which: impl Fn(&PullOrder) -> bool) {
        for index in 0..self.slots.len() {
            let order = match &self.slots[index].state {
                PullState::Wire(pull) => &pull.order,
                PullState::Local(pull) => &pull.order,
                PullState::Free | PullState::Ended(_) => continue,
            };
            if which(order) {
                self.end(index as u16, PullStatus::Aborted);
            }
        }
    }

    /// The process wants no more of it.
    pub fn abort_cookie(&mut self, cookie: u32) {
        self.abort(|order| order.cookie == cookie);
    }

    /// The region that would receive goes away.
    pub fn abort_region(&mut self, region: RegionKey) {
        self.abort(|order| order.region == region);
    }

    /// Puts a slot into the line of those that wait for their turn.
    pub fn wait(&mut self, index: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(index))
            && !slot.queued
        {
            slot.queued = true;
            self.waiting.push_back(index);
        }
    }

    /// How many slots wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes the slot whose turn it is out of the line.
    pub fn next_waiting(&mut self) -> Option<u16> {
        let index = self.waiting.pop_front()?;
        if let Some(slot) = self.slots.get_mut(usize::from(index)) {
            slot.queued = false;
        }
        Some(index)
    }

    /// What that slot needs.
    pub fn attention(&self, index: u16) -> Option<Attention> {
        Some(match &self.slots.get(usize::from(index))?.state {
            PullState::Free => return None,
            PullState::Wire(pull) => Attention::Ask { peer: pull.to.peer },
            PullState::Local(pull) => Attention::Copy(*pull),
            PullState::Ended(event) => Attention::Tell(*event),
        })
    }

    /// The next request of that slot, from endpoint `source`, and the frames that it asks for.
    pub fn next_request(&self, index: u16, source: u8) -> Option<(Range<u32>, Pull)> {
        match &self.slots.get(usize::from(index))?.state {
            PullState::Wire(pull) => pull.next_request(self.handle(index), source),
            _ => None,
        }
    }

    /// That request was sent.
    pub fn asked(&mut self, now: Instant, index: u16, frames: Range<u32>) {
        if let Some(slot) = self.slots.get_mut(usize::from(index))
            && let PullState::Wire(pull) = &mut slot.state
        {
            pull.asked(now, frames);
        }
    }

    /// A slice was copied. The pull waits for its next turn, or has ended.
    pub fn copied(&mut self, index: u16, bytes: u32) {
        let Some(slot) = self.slots.get_mut(usize::from(index)) else {
            return;
        };
        let PullState::Local(pull) = &mut slot.state else {
            return;
        };
        pull.done += bytes;
        pull.backoff = Backoff::new();
        if pull.slice() == 0 {
            self.end(index, PullStatus::Done);
        } else {
            self.wait(index);
        }
    }

    /// The window does not reach the next slice: it is tried again later. `told`: what its process was told of.
    pub fn copy_later(&mut self, now: Instant, index: u16, told: Option<Window>) {
        if let Some(slot) = self.slots.get_mut(usize::from(index))
            && let PullState::Local(pull) = &mut slot.state
        {
            if pull.window_told != told {
                pull.window_told = told;
                pull.backoff = Backoff::new();
            }
            let at = now + pull.backoff.next_wait();
            pull.look_at = at;
            self.arm(at);
        }
    }

    /// The end was told: the slot is free for another pull, which has another handle.
    pub fn told(&mut self, index: u16) {
        if let Some(slot) = self.slots.get_mut(usize::from(index)) {
            slot.state = PullState::Free;
            self.free.push(index);
        }
    }

    /// The end found no room in the event queue: it is told later.
    pub fn tell_later(&mut self, now: Instant) {
        self.arm(now + DELIVER_AGAIN);
    }

    /// The peer of that pull is expected to answer within this time.
    pub fn expect_within(&mut self, now: Instant, index: u16, wait: Duration) {
        if let Some(slot) = self.slots.get_mut(usize::from(index))
            && let PullState::Wire(pull) = &mut slot.state
        {
            pull.expect_within(now, wait);
            let at = pull.retry_at();
            self.arm(at);
        }
    }

    fn arm(&mut self, at: Instant) {
        self.timer = Some(self.timer.map_or(at, |timer| timer.min(at)));
    }

    /// When [`Self::begin_retry`] is to be called, at the latest.
    pub const fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// If the timer has run out, all clocks are to be looked at: some in each [`Self::retry`].
    pub fn begin_retry(&mut self, now: Instant) {
        if self.retrying.is_none() && self.timer.is_some_and(|timer| now >= timer) {
            self.timer = None;
            self.retrying = Some(0);
        }
    }

    /// Whether clocks are still to be looked at.
    pub const fn is_retrying(&self) -> bool {
        self.retrying.is_some()
    }

    /// Looks at the clocks of some more pulls.
    pub fn retry(&mut self, now: Instant) -> Retries {
        let mut found = Retries::default();
        let Some(start) = self.retrying else {
            return found;
        };
        let end = (start + LOOK).min(self.slots.len());
        self.retrying = (end < self.slots.len()).then_some(end);
        for index in start..end {
            let slot = &mut self.slots[index];
            match &mut slot.state {
                PullState::Free => {}
                PullState::Local(pull) if now < pull.look_at => {
                    let at = pull.look_at;
                    self.arm(at);
                }
                PullState::Local(_) | PullState::Ended(_) => self.wait(index as u16),
                PullState::Wire(pull) => {
                    let outcome = pull.retry(now);
                    let retry_at = pull.retry_at();
                    match outcome {
                        Retry::NotDue => self.arm(retry_at),
                        Retry::Asked { first, others } => {
                            found.first_blocks += u32::from(first);
                            found.other_blocks += u32::from(others);
                            self.arm(retry_at);
                            self.wait(index as u16);
                        }
                        Retry::GivenUp => {
                            found.given_up += 1;
                            self.end(index as u16, PullStatus::TimedOut);
                        }
                    }
                }
            }
        }
        found
    }
}
