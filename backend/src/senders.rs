//! Who has how much of an endpoint's event queue and receive ring: a share for each sender, so that nobody's flood costs
//! another's messages.
//!
//! A sender finds room as long as it holds less than a multiple of what is free beyond a reserve, so that those who compete
//! come to equal shares and one alone gets three quarters. The reserve is for those who hold little or nothing.
//!
//! Events are taken in order, so payload waits behind the events of others: the fuller one sender's payload makes the ring,
//! the fewer events may others put before it, down to as many as it has itself.

use alloc::boxed::Box;
use alloc::vec;

use mx_ring::Room;

/// Peers of a board, by the numbers that stand in events.
const SENDERS: usize = 256;
/// A sender may hold so many times what is free beyond the reserve.
const TIMES: u32 = 4;
/// Of so many places, or bytes, one is in the reserve.
const RESERVE: u32 = 16;
/// Of the reserve a sender may have more as long as so many times what it holds is free.
const NEW: u32 = 8;
/// Parts in which the free part of a receive ring is counted.
const PART: u64 = 256;

/// An event that waits: whose it is, and how much of the receive ring its payload takes.
#[derive(Clone, Copy, Default)]
struct Waiting {
    sender: u8,
    bytes: u16,
}

/// What a sender holds.
#[derive(Clone, Copy, Default)]
struct Held {
    events: u32,
    bytes: u32,
}

/// The senders of the events that wait in an endpoint's queue.
pub(crate) struct Senders {
    /// By place in the queue. A power of two.
    waiting: Box<[Waiting]>,
    held: Box<[Held; SENDERS]>,
    /// Who held the most payload when it last put some.
    heaviest: u8,
    /// The first event that is still counted.
    oldest: u32,
    /// The one that comes next.
    next: u32,
}

impl Senders {
    /// Of a queue of so many places whose next event is `next`. What waits in it is nobody's.
    pub fn new(places: u32, next: u32) -> Self {
        Self {
            waiting: vec![Waiting::default(); places as usize].into(),
            held: Box::new([Held::default(); SENDERS]),
            heaviest: 0,
            oldest: next,
            next,
        }
    }

    /// Whether a sender may put an event into the queue, and `bytes` into the receive ring.
    #[inline]
    pub fn admit(&mut self, sender: u16, bytes: u16, room: &Room) -> bool {
        self.forget(room.taken);
        let held = self.held.get(usize::from(sender));
        let held = held.copied().unwrap_or_default();
        has_share(held.events, room.free, room.places)
            && (bytes == 0 || has_share(held.bytes, room.free_bytes, room.bytes))
            && self.leaves_room_for_payload(held.events, room)
    }

    /// Whether one more of so many events of a sender leaves the one with the most payload its share of what is taken.
    #[inline]
    fn leaves_room_for_payload(&self, events: u32, room: &Room) -> bool {
        let heaviest = self.held.get(usize::from(self.heaviest));
        let Held {
            events: fair,
            bytes,
        } = heaviest.copied().unwrap_or_default();
        if events <= fair || bytes < room.bytes / RESERVE {
            return true;
        }
        // The third power: few events are in the way long before the ring is full, and many as long as it is nearly empty.
        let free = u64::from(room.bytes.saturating_sub(bytes)) * PART / u64::from(room.bytes);
        u64::from(events) * PART.pow(3) < u64::from(room.places) * free.pow(3)
    }

    /// An event of that sender was put into the queue, with so many bytes of payload.
    #[inline]
    pub fn put(&mut self, sender: u16, bytes: u16) {
        let sender = sender as u8;
        if let Some(held) = self.held.get_mut(usize::from(sender)) {
            held.events += 1;
            held.bytes += u32::from(bytes);
            let held = held.bytes;
            let heaviest = self.held.get(usize::from(self.heaviest));
            if bytes > 0 && heaviest.is_some_and(|heaviest| heaviest.bytes <= held) {
                self.heaviest = sender;
            }
        }
        let place = self.next as usize & (self.waiting.len() - 1);
        if let Some(waiting) = self.waiting.get_mut(place) {
            *waiting = Waiting { sender, bytes };
        }
        self.next = self.next.wrapping_add(1);
    }

    /// The process has taken all events before `taken`, which is not beyond the next one.
    #[inline]
    fn forget(&mut self, taken: u32) {
        // A process may take back what it said.
        while (taken.wrapping_sub(self.oldest) as i32) > 0 && self.oldest != self.next {
            let place = self.oldest as usize & (self.waiting.len() - 1);
            if let Some(Waiting { sender, bytes }) = self.waiting.get(place)
                && let Some(held) = self.held.get_mut(usize::from(*sender))
            {
                held.events = held.events.saturating_sub(1);
                held.bytes = held.bytes.saturating_sub(u32::from(*bytes));
            }
            self.oldest = self.oldest.wrapping_add(1);
        }
    }
}

/// Whether somebody who holds so much of something may have more of it.
#[inline]
const fn has_share(held: u32, free: u32, of: u32) -> bool {
    held < TIMES * free.saturating_sub(of / RESERVE) || held.saturating_mul(NEW) < free
}

#[cfg(test)]
mod tests {
    use alloc::collections::VecDeque;

    use super::*;

    /// As of an endpoint whose program does not ask for other numbers.
    const PLACES: u32 = 1024;
    const BYTES: u32 = 1 << 20;

    /// A queue, and how many events of each sender are put into it while its process takes some.
    struct Queue {
        senders: Senders,
        taken: u32,
        /// Of the events that wait.
        bytes: VecDeque<u16>,
        held: u32,
    }

    impl Queue {
        fn new() -> Self {
            let first = u32::MAX - 100;
            Self {
                senders: Senders::new(PLACES, first),
                taken: first,
                bytes: VecDeque::new(),
                held: 0,
            }
        }

        fn room(&self) -> Room {
            Room {
                taken: self.taken,
                places: PLACES,
                free: PLACES - self.bytes.len() as u32,
                bytes: BYTES,
                free_bytes: BYTES - self.held,
            }
        }

        fn send(&mut self, sender: u16, events: u32) -> u32 {
            self.send_bytes(sender, events, 0)
        }

        fn send_bytes(&mut self, sender: u16, events: u32, bytes: u16) -> u32 {
            let mut put = 0;
            for _ in 0..events {
                let room = self.room();
                let fits = room.free > 0 && room.free_bytes >= u32::from(bytes);
                if fits && self.senders.admit(sender, bytes, &room) {
                    self.senders.put(sender, bytes);
                    self.bytes.push_back(bytes);
                    self.held += u32::from(bytes);
                    put += 1;
                }
            }
            put
        }

        fn take(&mut self, events: usize) {
            let events = events.min(self.bytes.len());
            let gone = self.bytes.drain(..events).map(u32::from);
            self.held -= gone.sum::<u32>();
            self.taken = self.taken.wrapping_add(events as u32);
        }
    }

    #[test]
    fn one_sender_alone_gets_three_quarters_of_the_queue_and_again_when_it_is_empty() {
        let mut queue = Queue::new();
        for _ in 0..3 {
            assert!(queue.send(1, 2000) >= PLACES * 3 / 4);
            queue.take(PLACES as usize);
        }
    }

    #[test]
    fn whoever_holds_nothing_finds_room_beside_the_floods_of_63_others() {
        let mut queue = Queue::new();
        for _ in 0..3 {
            // Those who began when others had everything already have come to their shares by then.
            for _ in 0..200 {
                queue.take(20);
                for flood in 1..64 {
                    queue.send(flood, 50);
                }
            }
            assert_eq!(queue.send(200, 1), 1);
        }
    }

    #[test]
    fn who_sends_less_than_its_share_of_what_is_taken_loses_nothing_to_a_flood() {
        let mut queue = Queue::new();
        for flood in 0..1000 {
            queue.send(1, 1000);
            assert_eq!(queue.send(2, 8), 8, "after {flood} floods");
            queue.take(20);
        }
    }

    #[test]
    fn a_flood_of_payload_costs_nobody_elses_payload_though_the_queue_has_places() {
        let mut queue = Queue::new();
        for flood in 0..1000 {
            queue.send_bytes(1, 100, 8192);
            assert_eq!(queue.send_bytes(2, 2, 8192), 2, "after {flood} floods");
            queue.take(5);
        }
    }

    #[test]
    fn floods_share_what_is_taken_equally() {
        let mut queue = Queue::new();
        let mut put = [0; 4];
        for turn in 0..5000_u16 {
            for place in 0..4 {
                let sender = (turn + place) % 4;
                put[usize::from(sender)] += queue.send(sender, 50);
            }
            queue.take(16);
        }
        let (least, most) = (put.iter().min().unwrap(), put.iter().max().unwrap());
        assert!(*least * 10 >= *most * 9, "{put:?}");
    }

    #[test]
    fn whatever_a_process_says_that_it_has_taken_costs_no_more_than_the_queue_has_places() {
        let mut queue = Queue::new();
        queue.send(1, 100);
        let next = queue.senders.next;
        for taken in [0, u32::MAX, 1 << 31, next, next.wrapping_sub(300), 7] {
            let room = Room {
                taken,
                ..queue.room()
            };
            queue.senders.admit(1, 0, &room);
            assert!(queue.senders.held[1].events <= 100);
        }
    }
}
