//! Endpoints that are closed, and for a while still answer for what they had received.
//!
//! The last acknowledgement of an endpoint may be lost. Its partner then sends again what has arrived, and would be told
//! that the endpoint is closed: an error for a message that was received. So the library leaves word with its board,
//! partner by partner, before it closes: what it has acknowledged, and which large messages it has fetched without knowing
//! that their sender knows. To whoever repeats what was received the board repeats that answer; everything else is refused
//! as ever.
//!
//! What is kept is little and for a short time, and until the endpoint is opened again at the longest. Of one board's endpoints the one that has left most gives way first.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::{Destination, Farewell};
use mx_wire::{Ends, MacAddress, Packet};

use crate::time::Instant;

/// Words that an endpoint may leave.
pub(crate) const WORDS_MAX: usize = 128;
/// Words that a board keeps, of all endpoints that it has had.
const KEPT_MAX: usize = 512;
/// How long they are kept: a partner that has been out of reach for as long tries ever more rarely.
const KEPT_FOR: Duration = Duration::from_secs(60);
/// Pause before a notice is repeated unasked; twice as long each time.
const PAUSE: Duration = Duration::from_millis(500);
/// How often.
const REPEATS: u8 = 6;
/// Sequence numbers of one relation.
const MODULUS: u16 = 1 << 14;

/// What an endpoint leaves for one partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// The partner that is told.
    pub to: Destination,
    /// Address of its board.
    pub mac: MacAddress,
    /// What the endpoint knew last.
    pub farewell: Farewell,
}

/// A word of a closed endpoint.
#[derive(Debug)]
struct Kept {
    endpoint: u8,
    session: u32,
    word: Word,
    until: Instant,
    /// When its notice is repeated unasked.
    again: Option<Instant>,
    repeats: u8,
}

/// The words of a board's closed endpoints, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Departed {
    kept: Vec<Kept>,
    timer: Option<Instant>,
}

/// A message that was sent to an endpoint which is not there any more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Late {
    pub source: MacAddress,
    pub ends: Ends,
    pub session: u32,
}

impl Kept {
    fn concerns(&self, late: &Late) -> bool {
        self.endpoint == late.ends.destination
            && self.session == late.session
            && self.word.to.endpoint == late.ends.source
            && self.word.mac == late.source
    }

    fn ends(&self) -> Ends {
        Ends {
            destination: self.word.to.endpoint,
            source: self.endpoint,
        }
    }

    /// The notice, which acknowledges, too.
    fn notice(&self) -> Option<Packet> {
        let farewell = &self.word.farewell;
        farewell.notice.map(|notice| Packet::Message {
            ends: self.ends(),
            session: self.word.to.session,
            message: notice.message(farewell.ack.ack),
        })
    }

    fn next(&self) -> Instant {
        self.again.map_or(self.until, |again| again.min(self.until))
    }
}

impl Departed {
    /// An endpoint is closed, and has left these words.
    pub fn add(&mut self, now: Instant, endpoint: u8, session: u32, words: Vec<Word>) {
        self.forget(now);
        self.kept.extend(words.into_iter().map(|word| Kept {
            endpoint,
            session,
            word,
            until: now + KEPT_FOR,
            again: word.farewell.notice.map(|_| now + PAUSE),
            repeats: 0,
        }));
        while self.kept.len() > KEPT_MAX {
            self.make_room();
        }
        self.set_timer();
    }

    /// An endpoint is opened in the place of one that has left words. They are void: an acknowledgement does not say of which
    /// session it is, and the partner may have a relation with the new one by the time that it hears it.
    pub fn replaced(&mut self, endpoint: u8) {
        self.kept.retain(|kept| kept.endpoint != endpoint);
        self.set_timer();
    }

    fn set_timer(&mut self) {
        self.timer = self.kept.iter().map(Kept::next).min();
    }

    /// The oldest word of the endpoint that has left most.
    fn make_room(&mut self) {
        let mut counts = [0_u16; 256];
        for kept in &self.kept {
            if let Some(count) = counts.get_mut(usize::from(kept.endpoint)) {
                *count += 1;
            }
        }
        let count = |kept: &Kept| counts.get(usize::from(kept.endpoint)).copied();
        let most = self.kept.iter().map(count).max().flatten();
        if let Some(place) = self.kept.iter().position(|kept| count(kept) == most) {
            self.kept.remove(place);
        }
    }

    fn forget(&mut self, now: Instant) {
        self.kept.retain(|kept| kept.until > now);
    }

    /// What the endpoint would have answered to a message of this number that it has received before: an acknowledgement,
    /// or a notice that carries it. Notices that are still unknown to the partner are all due at once.
    pub fn answer(&mut self, now: Instant, late: &Late, seq: u16) -> Option<Packet> {
        if self.kept.is_empty() {
            return None;
        }
        self.forget(now);
        let mut answer = None;
        for kept in self.kept.iter_mut().filter(|kept| kept.concerns(late)) {
            let farewell = &mut kept.word.farewell;
            if !is_before(seq, farewell.ack.ack) {
                continue;
            }
            if farewell.notice.is_some() {
                kept.again = Some(now);
            }
            farewell.ack.ack_number = farewell.ack.ack_number.wrapping_add(1);
            let ack = farewell.ack;
            answer = Some(Packet::LibAck {
                ends: kept.ends(),
                session: kept.word.to.session,
                ack,
            });
        }
        self.set_timer();
        answer
    }

    /// The partner has received everything before that number: it need not be told again.
    pub fn acknowledged(&mut self, late: &Late, ack: u16) {
        for kept in self.kept.iter_mut().filter(|kept| kept.concerns(late)) {
            let farewell = &mut kept.word.farewell;
            if farewell
                .notice
                .is_some_and(|notice| is_before(notice.seq, ack))
            {
                farewell.notice = None;
                kept.again = None;
            }
        }
        self.set_timer();
    }

    /// When there is something to do.
    pub const fn timer(&self) -> Option<Instant> {
        self.timer
    }

    /// A notice that is due, and the board where it goes.
    pub fn due(&mut self, now: Instant) -> Option<(MacAddress, Packet)> {
        if self.timer.is_none_or(|timer| now < timer) {
            return None;
        }
        self.forget(now);
        let due = |kept: &&mut Kept| kept.again.is_some_and(|again| again <= now);
        let Some(kept) = self.kept.iter_mut().find(due) else {
            self.set_timer();
            return None;
        };
        let pause = PAUSE * (1 << kept.repeats);
        kept.repeats += 1;
        kept.again = (kept.repeats < REPEATS).then_some(now + pause);
        // Asked for, it is told again however often it was repeated.
        kept.repeats = kept.repeats.min(REPEATS - 1);
        let said = (kept.word.mac, kept.notice()?);
        self.set_timer();
        Some(said)
    }
}

/// Whether a sequence number lies before another one of the same relation.
fn is_before(seq: u16, other: u16) -> bool {
    let ahead = other.wrapping_sub(seq) & (MODULUS - 1);
    (seq ^ other) < MODULUS && ahead != 0 && ahead < MODULUS / 2
}

#[cfg(test)]
mod tests {
    use mx_wire::{LibAck, Notify, Pulled};
    use proptest::prelude::*;

    use super::*;

    const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 9]);
    const START: Instant = Instant::from_nanos(5_000_000_000);

    fn word(partner: u8, ack: u16, notice: Option<u16>) -> Word {
        Word {
            to: Destination {
                peer: 1,
                endpoint: partner,
                session: 0xb,
            },
            mac: MAC,
            farewell: Farewell {
                ack: LibAck { ack, ack_number: 3 },
                notice: notice.map(|seq| Pulled {
                    seq,
                    notify: Notify {
                        transferred: 100,
                        window: 1,
                        window_seqnum: 23,
                    },
                }),
            },
        }
    }

    fn late(endpoint: u8, partner: u8) -> Late {
        Late {
            source: MAC,
            ends: Ends {
                destination: endpoint,
                source: partner,
            },
            session: 0xa,
        }
    }

    proptest! {
        /// Whatever processes leave, a board keeps little, gives everybody a share, and is rid of it in a minute.
        #[test]
        fn what_is_left_is_bounded_shared_fairly_and_forgotten(
            closes in prop::collection::vec((0..4_u8, 0..=WORDS_MAX, any::<u16>(), any::<bool>()), 1..40),
        ) {
            let mut departed = Departed::default();
            for (endpoint, count, ack, noticed) in &closes {
                let word = |partner: usize| word(partner as u8, *ack, noticed.then_some(*ack));
                departed.add(START, *endpoint, 0xa, (0..*count).map(word).collect());
                prop_assert!(departed.kept.len() <= KEPT_MAX);
                let mine = departed.kept.iter().filter(|kept| kept.endpoint == *endpoint).count();
                prop_assert!(mine >= (*count).min(KEPT_MAX / 4));
            }
            // Notices are repeated so many times, and no more.
            let mut now = START;
            let mut said = 0;
            while let Some(timer) = departed.timer() {
                prop_assert!(timer >= now && timer <= START + KEPT_FOR);
                now = timer;
                while departed.due(now).is_some() {
                    said += 1;
                }
            }
            prop_assert!(departed.kept.is_empty());
            prop_assert!(said <= KEPT_MAX * usize::from(REPEATS));
        }
    }

    #[test]
    fn what_was_received_is_acknowledged_again_with_growing_numbers_and_nothing_else_is() {
        let mut departed = Departed::default();
        departed.add(START, 1, 0xa, alloc::vec![word(7, 5, None)]);
        for (seq, expected) in [
            (4, Some(4)),
            (1, Some(5)),
            (5, None),
            (6, None),
            (0x4004, None),
        ] {
            let answer = departed.answer(START, &late(1, 7), seq);
            let number = answer.map(|answer| match answer {
                Packet::LibAck { session, ack, .. } => {
                    assert_eq!((ack.ack, session), (5, 0xb));
                    ack.ack_number
                }
                other => panic!("{other:?}"),
            });
            assert_eq!(number, expected, "number {seq}");
        }
        let strangers = [
            late(2, 7),
            late(1, 8),
            Late {
                session: 0xb,
                ..late(1, 7)
            },
            Late {
                source: MacAddress([2; 6]),
                ..late(1, 7)
            },
        ];
        for stranger in strangers {
            assert_eq!(departed.answer(START, &stranger, 4), None);
        }
        assert_eq!(departed.answer(START + KEPT_FOR, &late(1, 7), 4), None);
    }

    #[test]
    fn a_notice_is_repeated_ever_more_rarely_until_it_is_acknowledged_and_at_once_when_asked_for() {
        let mut departed = Departed::default();
        departed.add(START, 1, 0xa, alloc::vec![word(7, 5, Some(9))]);
        let mut times = Vec::new();
        for _ in 0..3 {
            let now = departed.timer().unwrap();
            assert!(
                matches!(departed.due(now), Some((MAC, Packet::Message { message, .. })) if (message.seq, message.ack) == (9, 5))
            );
            assert_eq!(departed.due(now), None);
            times.push((now - START).as_millis());
        }
        assert_eq!(times, [500, 1000, 2000]);
        let asked = START + Duration::from_millis(2500);
        assert!(departed.answer(asked, &late(1, 7), 4).is_some());
        assert!(departed.due(asked).is_some());
        departed.acknowledged(&late(1, 7), 9);
        assert!(departed.due(asked + Duration::from_secs(10)).is_some());
        departed.acknowledged(&late(1, 7), 10);
        assert_eq!(departed.timer(), Some(START + KEPT_FOR));
    }
}
