//! An inbox: memory in which endpoints of the same board put what is for a neighbour, without its backend. It belongs to
//! the endpoint that takes from it. Who may map it is decided by who opens it: processes of one user.
//!
//! | offset | words | written by | meaning |
//! |---|---|---|---|
//! | 0 | 1 | owner | 1 while it sleeps, or may |
//! | 4 | 1 | owner | 1 once it takes nothing any more |
//! | 64 | 2 | all | a bit for each lane in which there is news |
//! | 4096 + 64 n | 16 | both | record of lane n |
//! | 8192 + n times the size of a lane | | both | lane n: W and R areas as an endpoint has them, of which the unexpected queue and the receive ring are used |
//!
//! A lane has one sender at a time, which claims it, and is the backend of its queues; the owner is their process. The
//! record of a lane:
//!
//! | offset | words | written by | meaning |
//! |---|---|---|---|
//! | 0 | 2 | sender, owner | the claim: 0 when it is free; bit 0 claimed, bit 1 let go of, bits 8 to 15 the sender's endpoint, bits 32 to 63 its session |
//! | 8 | 1 | sender | its process id |
//! | 16 | 2 | owner | where the queue and the ring of a free lane stand |
//!
//! **The owner sleeps**: the handshake of [`crate::sleep`], with the news in place of the lap words.
//!
//! ```text
//!  owner                              sender
//!  sleeps: asleep = 1                 put: descriptor, its lap (release)
//!          fence(SeqCst)                   news |= lane (SeqCst)
//!  has_news?                               asleep?
//!    yes: wakes                              yes: the same by the backend, which wakes the owner
//!    no:  sleep at the backend               no:  nothing more to do
//! ```
//!
//! What comes both ways is a doubled frame to the protocol above, as networks have them. So is a lane that overtakes the
//! backend, or is overtaken.

use crate::backend::BackendSide;
use crate::layout::{EndpointLayout, GRANULE, PAGE_SIZE};
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::message::Event;
use crate::process::{Positions, ProcessSide};
use crate::sync::{Ordering, fence};

/// Lanes of an inbox: as many as its word of news has bits. A model has one.
pub const LANES: usize = if cfg!(loom) { 1 } else { 64 };

const ASLEEP: usize = 0;
const CLOSED: usize = 4;
const NEWS: usize = 64;
const RECORDS: usize = PAGE_SIZE;
const RECORD: usize = 64;
const PID: usize = 8;
const UNEXPECTED: usize = 16;
const RECEIVE: usize = 20;
const FIRST_LANE: usize = 2 * PAGE_SIZE;

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const LET_GO: u64 = 2;

/// Bytes of an inbox. Only the first pages and the lanes in use need memory.
pub const SIZE: usize = FIRST_LANE + LANES * LANE_SIZE;
/// Bytes at its start that its owner provides memory for.
pub const HEAD: usize = FIRST_LANE;
const LANE_SIZE: usize = EndpointLayout::LANE.w_size() + EndpointLayout::LANE.r_size();

/// Events that are taken from a lane before others get their turn.
const TURN: u32 = 64;

/// Who sends through a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Its endpoint on the same board.
    pub endpoint: u8,
    /// The session of that.
    pub session: u32,
}

impl Sender {
    fn claim(self) -> u64 {
        CLAIMED | u64::from(self.endpoint) << 8 | u64::from(self.session) << 32
    }

    fn of_claim(claim: u64) -> Self {
        Self {
            endpoint: (claim >> 8) as u8,
            session: (claim >> 32) as u32,
        }
    }
}

/// The inbox's own words and those of its first lane's record, for a model.
#[cfg(loom)]
pub(crate) fn control_words() -> crate::model::ModelMemory {
    let at = record(0);
    crate::model::ModelMemory::default()
        .words([ASLEEP, CLOSED, at + PID, at + UNEXPECTED, at + RECEIVE])
        .words64([NEWS, at])
}

/// Where the memory of a lane lies in an inbox: offset and bytes of each span that its sender touches.
pub fn spans(lane: usize) -> [(usize, usize); 2] {
    let at = FIRST_LANE + lane * LANE_SIZE;
    let layout = EndpointLayout::LANE;
    [(at, PAGE_SIZE), (at + layout.w_size(), layout.r_size())]
}

/// W and R areas of a lane.
fn areas(
    inbox: &VolatileSlice,
    lane: usize,
) -> Result<(VolatileSlice, VolatileSlice), VolatileSliceError> {
    let at = FIRST_LANE + lane * LANE_SIZE;
    let layout = EndpointLayout::LANE;
    let w = inbox.line_part(at, layout.w_size())?;
    let r = inbox.line_part(at + layout.w_size(), layout.r_size())?;
    Ok((w, r))
}

fn record(lane: usize) -> usize {
    RECORDS + lane * RECORD
}

/// A lane whose sender is known.
struct Occupied {
    claim: u64,
    side: ProcessSide,
    /// Receive space is free up to there.
    receive: u32,
}

/// The owner's side.
pub struct Inbox {
    memory: VolatileSlice,
    lanes: [Option<Occupied>; LANES],
    /// Lanes in which something may wait.
    pending: u64,
    /// The lane whose turn is next.
    next: u32,
}

impl Inbox {
    /// Over [`SIZE`] bytes of zeros, page-aligned.
    pub fn new(memory: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            memory: memory.line_part(0, SIZE)?,
            lanes: [const { None }; LANES],
            pending: 0,
            next: 0,
        })
    }

    /// Whether something may have come.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.pending != 0 || self.memory.word64(NEWS).load(Ordering::Relaxed) != 0
    }

    /// From now on senders have the backend wake the owner, which looks at [`Self::has_news`] once more.
    pub fn sleeps(&self) {
        self.memory.word(ASLEEP).store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The owner looks by itself again.
    #[inline]
    pub fn wakes(&self) {
        let asleep = self.memory.word(ASLEEP);
        if asleep.load(Ordering::Relaxed) != 0 {
            asleep.store(0, Ordering::Relaxed);
        }
    }

    /// The owner takes nothing any more.
    pub fn close(&self) {
        self.memory.word(CLOSED).store(1, Ordering::Release);
    }

    /// Hands over what has come, at most so many events: who sent it, and the payload of a small or medium message, which the
    /// sender may change at any time. Stops when whoever receives says that it wants no more. How many there were.
    pub fn take(
        &mut self,
        most: u32,
        mut receive: impl FnMut(Sender, &Event, Option<VolatileSlice>) -> bool,
    ) -> u32 {
        let news = self.memory.word64(NEWS);
        if news.load(Ordering::Relaxed) != 0 {
            self.pending |= news.swap(0, Ordering::SeqCst);
        }
        let mut taken = 0;
        while self.pending != 0 && taken < most {
            let turned = self.pending.rotate_right(self.next);
            let lane = (self.next + turned.trailing_zeros()) % LANES as u32;
            self.next = (lane + 1) % LANES as u32;
            let share = TURN.min(most - taken);
            let (events, more) = self.take_from(lane as usize, share, &mut receive);
            taken += events;
            if !more {
                break;
            }
            if events < share {
                self.pending &= !(1 << lane);
                self.clear_up(lane as usize);
            }
        }
        taken
    }

    /// How many there were, and whether more are wanted.
    fn take_from(
        &mut self,
        lane: usize,
        most: u32,
        receive: &mut impl FnMut(Sender, &Event, Option<VolatileSlice>) -> bool,
    ) -> (u32, bool) {
        let claim = self.memory.word64(record(lane)).load(Ordering::Acquire);
        if claim & CLAIMED == 0 {
            return (0, true);
        }
        let sender = Sender::of_claim(claim);
        let same = |it: &&mut Occupied| it.claim & !LET_GO == claim & !LET_GO;
        let occupied = match self.lanes[lane].as_mut().filter(same) {
            Some(occupied) => occupied,
            None => match self.occupy(lane, claim) {
                Some(occupied) => occupied,
                None => return (0, true),
            },
        };
        let (mut taken, mut more) = (0, true);
        while more
            && taken < most
            && let Some(event) = occupied.side.next_unexpected()
        {
            taken += 1;
            // What cannot be read is nothing that the protocol would not send again.
            let Ok(event) = event else {
                continue;
            };
            let Some((position, length)) = event.received() else {
                more = receive(sender, &event, None);
                continue;
            };
            let part = occupied.side.receive_part(position, length.into()).ok();
            more = receive(sender, &event, part);
            let bytes = u32::from(length).next_multiple_of(GRANULE);
            occupied.receive = position.wrapping_add(bytes);
            occupied.side.release_receive(position, length.into());
        }
        if taken > 0 {
            occupied.side.publish_consumed();
        }
        (taken, more)
    }

    /// Begins with a lane that was claimed.
    fn occupy(&mut self, lane: usize, claim: u64) -> Option<&mut Occupied> {
        let at = positions(&self.memory, lane);
        let (w, r) = areas(&self.memory, lane).ok()?;
        let side = ProcessSide::resume(EndpointLayout::LANE, w, r, &at).ok()?;
        Some(self.lanes[lane].insert(Occupied {
            claim,
            side,
            receive: at.receive,
        }))
    }

    /// A lane in which nothing waits: if its sender has let go of it, it is free.
    fn clear_up(&mut self, lane: usize) {
        let claim = self.memory.word64(record(lane));
        if claim.load(Ordering::Acquire) & LET_GO == 0 {
            return;
        }
        if let Some(occupied) = &self.lanes[lane] {
            if occupied.side.event_waits() {
                // It came since, and the news tell of it.
                return;
            }
            let at = record(lane);
            let word = |offset| self.memory.word(at + offset);
            word(UNEXPECTED).store(occupied.side.consumed().0, Ordering::Relaxed);
            word(RECEIVE).store(occupied.receive, Ordering::Relaxed);
            self.lanes[lane] = None;
        }
        self.memory
            .word(record(lane) + PID)
            .store(0, Ordering::Relaxed);
        claim.store(FREE, Ordering::Release);
    }

    /// Takes the lanes of senders that are gone without a word.
    pub fn expire(&mut self, lives: impl Fn(u32) -> bool) {
        for lane in 0..LANES {
            let claim = self.memory.word64(record(lane));
            let claimed = claim.load(Ordering::Acquire);
            let pid = self.memory.word(record(lane) + PID).load(Ordering::Acquire);
            if claimed & (CLAIMED | LET_GO) == CLAIMED && pid != 0 && !lives(pid) {
                claim.store(claimed | LET_GO, Ordering::Relaxed);
                self.pending |= 1 << lane;
            }
        }
    }
}

/// Where the queue and the ring of a free lane stand, as its owner alleges to a sender.
fn positions(inbox: &VolatileSlice, lane: usize) -> Positions {
    let word = |offset| inbox.word(record(lane) + offset).load(Ordering::Acquire);
    Positions {
        unexpected: word(UNEXPECTED),
        receive: word(RECEIVE),
        ..Positions::default()
    }
}

/// A sender's side of its lane in a neighbour's inbox. Dropped, it is let go of.
pub struct Lane {
    memory: VolatileSlice,
    lane: usize,
    claim: u64,
    side: BackendSide,
}

impl Lane {
    /// Claims a free lane of an inbox for the process `pid`, once `provide` has memory for it; `None` if there is none.
    pub fn claim(
        inbox: VolatileSlice,
        sender: Sender,
        pid: u32,
        mut provide: impl FnMut(usize) -> bool,
    ) -> Result<Option<Self>, VolatileSliceError> {
        let memory = inbox.line_part(0, SIZE)?;
        let claim = sender.claim();
        for lane in 0..LANES {
            let word = memory.word64(record(lane));
            if word.load(Ordering::Relaxed) != FREE {
                continue;
            }
            if !provide(lane) {
                return Ok(None);
            }
            let claimed = word.compare_exchange(FREE, claim, Ordering::AcqRel, Ordering::Relaxed);
            if claimed.is_err() {
                continue;
            }
            memory
                .word(record(lane) + PID)
                .store(pid, Ordering::Release);
            let (w, r) = areas(&memory, lane)?;
            let at = positions(&memory, lane);
            let side = BackendSide::resume(EndpointLayout::LANE, w, r, &at)?;
            return Ok(Some(Self {
                memory,
                lane,
                claim,
                side,
            }));
        }
        Ok(None)
    }

    /// Whether the owner takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.memory.word(CLOSED).load(Ordering::Acquire) != 0
    }

    /// Whether the owner has taken all that was put.
    pub fn is_drained(&self) -> bool {
        self.side
            .room_for_events()
            .is_ok_and(|room| room.taken == self.side.unexpected_index())
    }

    /// Puts an event, with the payload if it has one. Whether the owner will find it: if not, it has to go by the backend.
    pub fn put(
        &mut self,
        length: u16,
        fill: impl FnOnce(&VolatileSlice),
        event: impl FnOnce(u32) -> Event,
    ) -> bool {
        if self.sleeper() {
            return false;
        }
        let put = match length {
            0 => self.side.deliver(&event(0)),
            length => self.side.deliver_payload(length, fill, event),
        };
        if put.is_err() {
            return false;
        }
        self.tell();
        !self.sleeper()
    }

    fn sleeper(&self) -> bool {
        self.memory.word(ASLEEP).load(Ordering::Relaxed) != 0
    }

    fn tell(&self) {
        self.memory
            .word64(NEWS)
            .fetch_or(1 << self.lane, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        let claim = self.memory.word64(record(self.lane));
        let let_go = self.claim | LET_GO;
        // Who was taken for gone has lost it already.
        if claim
            .compare_exchange(self.claim, let_go, Ordering::Release, Ordering::Relaxed)
            .is_ok()
        {
            self.tell();
        }
    }
}
