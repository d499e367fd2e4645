#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
//! The protocol of one Open-MX endpoint: everything between the application's calls and the queues of its board.
//!
//! It is a crate of its own so that nothing but values can get in. [`mx_ring::Event`]s, the application's calls and the
//! time since some fixed moment go in; [`mx_ring::Command`]s go out through a [`Link`]; finished requests are asked for.
//! So the same code runs in a process, in simulated networks with virtual time and in fuzz targets.
//!
//! Neighbours: `mx-ring` has the vocabulary of commands and events and the [`mx_ring::Area`]s that bytes are copied from
//! and to; `open-mx` calls the engine under an endpoint's lock and is its link; `mx-board` is the other end of the queues.
//! It refuses to know a file, a system call, a clock, a thread, a lock and a type of C, and it does no I/O: a call returns
//! at once. What an event says is an allegation of a peer or of the home: nothing here panics or reaches outside of a
//! message for any event.
//!
//! | file | what |
//! |---|---|
//! | `code` | return and status codes |
//! | `connect` | handshake and sessions |
//! | `send`, `transmit`, `transmit_space` | sends, from the call to the queue |
//! | `ack`, `resend`, `round_trip`, `inquiry` | acknowledgements, retransmission, giving up |
//! | `receive`, `early` | order of what comes |
//! | `matching`, `reassembly` | posted receives, unexpected messages, fragments |
//! | `contexts` | context ids |
//! | `unexpected` | the application's handler of unexpected messages |
//! | `large`, `pull_timeout` | rendezvous, pull, notify |
//! | `shown`, `window` | what the network sees of large sends |
//! | `own` | messages to the own endpoint |
//! | `cleanup` | end of a relation |
//! | `counts` | what was sent or came more than once |

extern crate alloc;
#[cfg(test)]
extern crate std;

mod ack;
mod cleanup;
mod code;
mod config;
mod connect;
mod contexts;
mod counts;
mod early;
mod inquiry;
mod large;
mod link;
mod matching;
mod memory;
mod own;
mod partner;
mod pull_timeout;
mod random;
mod reassembly;
mod receive;
mod request;
mod resend;
mod round_trip;
mod send;
mod sequence;
mod shown;
mod transmit;
mod transmit_space;
mod unexpected;
mod window;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::{Area, Event};
use slotmap::SlotMap;

pub use code::Code;
pub use config::Config;
pub use contexts::ContextIds;
pub use counts::{ByKind, Counts, FrameKind, Holdings};
pub use link::{Exposure, Link, Part, Refused, Use};
pub use memory::Memory;
pub use partner::PartnerKey;
pub use request::{Kind, Outcome, Purpose, RequestKey};
pub use unexpected::{Action, Offer};

use contexts::Queues;
use large::Pull;
use matching::{Posted, Unexpected};
use memory::Payload;
use partner::Partners;
use random::Random;
use receive::Content;
use request::Requests;
use send::{Outgoing, OutgoingKey};
use sequence::Sequence;
use transmit_space::TransmitSpace;
use window::Windows;

/// The protocol state of one endpoint.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    now: Duration,
    own: PartnerKey,
    own_by_network: bool,
    partners: Partners,
    requests: Requests,
    /// Receives without message, in the order of posting.
    posted: Queues<Posted>,
    /// Messages without receive, in the order of arrival.
    unexpected: Unexpected,
    outgoing: SlotMap<OutgoingKey, Outgoing>,
    /// Messages that wait for room in a queue or for memory, of all partners in strict order.
    delayed: VecDeque<OutgoingKey>,
    transmit: TransmitSpace,
    windows: Windows,
    /// Large sends of which bytes are wanted that their windows do not reach, in order.
    wanted: VecDeque<OutgoingKey>,
    pulls: BTreeMap<u32, Pull>,
    pulls_waiting: VecDeque<u32>,
    pulls_running: usize,
    next_cookie: u32,
    zombies: usize,
    /// Bytes of early messages.
    early_bytes: usize,
    /// Partners that may have throttled messages.
    throttled: Vec<PartnerKey>,
    acks: Vec<PartnerKey>,
    ack_at: Option<Duration>,
    resend_at: Option<Duration>,
    /// When memory that was refused is asked for again, to receive and to send: who waits for the one keeps nobody waiting
    /// for the other.
    receive_memory_at: Duration,
    send_memory_at: Duration,
    /// When the time of a pull may be over.
    pull_expiry: Option<Duration>,
    random: Random,
    counts: Counts,
}

impl Engine {
    /// The state of a freshly opened endpoint.
    pub fn new(config: Config) -> Self {
        let mut partners = Partners::default();
        Self {
            own: partners.add_own(),
            own_by_network: false,
            transmit: TransmitSpace::new(config.transmit_bytes),
            random: Random::new(config.session.into()),
            now: Duration::ZERO,
            partners,
            requests: Requests::new(config.context_ids, config.give_up),
            posted: Queues::new(config.context_ids),
            unexpected: Unexpected::new(config.context_ids),
            config,
            outgoing: SlotMap::with_key(),
            delayed: VecDeque::new(),
            windows: Windows::default(),
            wanted: VecDeque::new(),
            pulls: BTreeMap::new(),
            pulls_waiting: VecDeque::new(),
            pulls_running: 0,
            next_cookie: 0,
            zombies: 0,
            early_bytes: 0,
            throttled: Vec::new(),
            acks: Vec::new(),
            ack_at: None,
            resend_at: None,
            receive_memory_at: Duration::ZERO,
            send_memory_at: Duration::ZERO,
            pull_expiry: None,
            counts: Counts::default(),
        }
    }

    /// What it was told at the beginning.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The partner that is the endpoint itself.
    pub fn own(&self) -> PartnerKey {
        self.own
    }

    /// Tells the time, which counts for all that follows. It never goes back.
    pub fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Takes an event from the board. `payload` is what a small or medium message carries, still in shared memory.
    pub fn event(&mut self, event: &Event, payload: Option<Area>, link: &mut impl Link) {
        match *event {
            Event::Tiny {
                from,
                seq,
                ack,
                match_info,
                length,
                data,
            } => {
                let data = data.get(..usize::from(length)).unwrap_or(&data);
                let content = Content::Eager { match_info };
                self.message(from, seq, ack, content, Payload::Bytes(data), link);
            }
            Event::Small {
                from,
                seq,
                ack,
                match_info,
                ..
            } => {
                if let Some(area) = payload {
                    let content = Content::Eager { match_info };
                    self.message(from, seq, ack, content, Payload::Shared(area), link);
                }
            }
            Event::Medium {
                from,
                seq,
                ack,
                match_info,
                total,
                fragment,
                ..
            } => {
                if let Some(area) = payload {
                    let content = Content::Fragment {
                        match_info,
                        total,
                        number: fragment,
                    };
                    self.message(from, seq, ack, content, Payload::Shared(area), link);
                }
            }
            Event::Rendezvous {
                from,
                seq,
                ack,
                match_info,
                total,
                window,
                window_seqnum,
                window_offset,
            } => {
                let content = Content::Rendezvous {
                    match_info,
                    total,
                    window,
                    window_seqnum,
                    window_offset,
                };
                self.message(from, seq, ack, content, Payload::Bytes(&[]), link);
            }
            Event::Notify {
                from,
                seq,
                ack,
                transferred,
                window,
                window_seqnum,
            } => {
                let content = Content::Notify {
                    transferred,
                    window,
                    window_seqnum,
                };
                self.message(from, seq, ack, content, Payload::Bytes(&[]), link);
            }
            Event::ConnectRequest {
                from,
                session,
                key,
                next_expected,
                connect_seqnum,
            } => {
                let expected = Sequence::from_wire(next_expected);
                self.connect_request(from, session, key, expected, connect_seqnum, link);
            }
            Event::ConnectReply {
                from,
                requester_session,
                session,
                next_expected,
                connect_seqnum,
                status,
            } => {
                if requester_session == self.config.session {
                    let expected = Sequence::from_wire(next_expected);
                    self.connect_reply(from, session, expected, connect_seqnum, status, link);
                }
            }
            Event::Ack {
                from,
                ack,
                ack_number,
            } => self.explicit_ack(from, Sequence::from_wire(ack), ack_number, link),
            Event::Nack { from, seq, code } => {
                self.nack(from, Sequence::from_wire(seq), code, link);
            }
            Event::PullDone {
                cookie,
                status,
                transferred,
            } => self.pull_done(cookie, status, transferred, link),
            Event::Wanted {
                window,
                window_seqnum,
                offset,
            } => self.wanted(window, window_seqnum, offset),
        }
    }

    /// What a progress round does after the events: resends, delayed messages, due acknowledgements.
    pub fn work(&mut self, link: &mut impl Link) {
        self.resend_due(link);
        self.expire_pulls(link);
        self.work_between(link);
    }

    /// The same while more events wait, for a caller that takes only so many at once: what has waited too long for an
    /// answer is not judged, for the answer may be among them.
    pub fn work_between(&mut self, link: &mut impl Link) {
        self.transmit.settle(link.sent());
        self.start_pulls(link);
        self.show_wanted(link);
        self.send_delayed(link);
        self.send_throttled(link);
        self.send_due_acks(link);
    }

    /// Whether [`Self::work`] may find something to do at this time although no event has come: what is due, and what waits
    /// for room, memory or acknowledgements.
    pub fn has_work(&self, now: Duration) -> bool {
        let due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        due(self.ack_at)
            || due(self.resend_at)
            || due(self.pull_expiry)
            || self.awaits_memory()
            || self.has_offers()
            || !self.throttled.is_empty()
    }

    /// Memory was given back: who waits for it need not wait longer.
    fn memory_is_free(&mut self) {
        self.receive_memory_at = self.now;
        self.send_memory_at = self.now;
    }

    fn awaits_memory(&self) -> bool {
        !(self.delayed.is_empty() && self.pulls_waiting.is_empty() && self.wanted.is_empty())
    }

    /// When [`Self::work`] has something to do even if no event comes.
    pub fn deadline(&self) -> Option<Duration> {
        // Whoever was refused memory before asks again no later than that.
        let retry = self
            .awaits_memory()
            .then(|| self.now + self.config.registration_pause);
        [self.ack_at, self.resend_at, self.pull_expiry, retry]
            .into_iter()
            .flatten()
            .min()
    }

    /// How many requests were completed so far.
    pub fn completions(&self) -> u64 {
        self.requests.completions()
    }

    /// Whether a request is done; `None` when there is none of that key.
    pub fn is_done(&self, key: RequestKey) -> Option<bool> {
        self.requests.is_done(key)
    }

    /// Takes a done request away.
    pub fn take_done(&mut self, key: RequestKey) -> Option<Outcome> {
        self.requests.take_done(key)
    }

    /// The first done request whose match info fits; it stays.
    pub fn first_done(&self, info: u64, mask: u64) -> Option<RequestKey> {
        self.requests.first_done(info, mask)
    }

    /// The application's word of a request.
    pub fn context(&self, key: RequestKey) -> Option<u64> {
        Some(self.requests.get(key)?.outcome.context)
    }

    /// Whether the memory of a send may be used again although it is not done. `None` for what is no send.
    pub fn buffered(&self, key: RequestKey) -> Option<bool> {
        let request = self.requests.get(key)?;
        match request.purpose {
            Purpose::Send { buffered } => Some(buffered),
            Purpose::Done => (request.kind == Kind::Send).then_some(true),
            _ => None,
        }
    }

    /// Nobody will ask for this request any more.
    pub fn forget(&mut self, key: RequestKey) {
        if self.requests.take_done(key).is_none()
            && let Some(request) = self.requests.get_mut(key)
        {
            request.forgotten = true;
        }
    }

    /// Takes back a receive that nothing has matched, or a pending connect: true. False when it is too late; `None`
    /// for a send, which cannot be taken back, or an unknown request. The request is gone unless `told`: then it is
    /// done, as [`Code::Cancelled`].
    pub fn cancel(&mut self, key: RequestKey, told: bool) -> Option<bool> {
        let request = self.requests.get(key)?;
        match (request.kind, &request.purpose) {
            (Kind::Send, _) => return None,
            (_, Purpose::PostedReceive(_)) => self.unpost(key),
            (_, Purpose::Connect) => self.forget_connect(key),
            _ => return Some(false),
        }
        if told {
            self.requests.complete(key, Code::Cancelled);
        } else {
            self.requests.withdraw(key);
        }
        Some(true)
    }

    /// How long a request, or with `None` all that begin later, is tried: sends and connects until they are answered,
    /// else their partner is given up; receives of large messages from their match on. `None` when there is no such
    /// request.
    pub fn set_timeout(&mut self, key: Option<RequestKey>, timeout: Duration) -> Option<()> {
        match key {
            Some(key) => self.requests.get_mut(key)?.timeout = timeout,
            None => self.requests.timeout = timeout,
        }
        self.pull_expires_by(Some(self.now));
        self.resend_by(self.now);
        Some(())
    }

    /// The application's word of a partner, 0 at first. `None` when there is no such partner.
    pub fn partner_context(&mut self, key: PartnerKey) -> Option<&mut u64> {
        Some(&mut self.partners.get_mut(key)?.context)
    }

    /// The home is gone: everything that waits ends.
    pub fn abandon(&mut self, code: Code) {
        self.posted.clear();
        self.requests.complete_all(code);
    }

    /// What was sent again, and what came again.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// What is held for messages and requests: nothing when all of them have ended.
    pub fn holdings(&self) -> Holdings {
        Holdings {
            requests: self.requests.count(),
            messages: self.outgoing.len(),
            zombies: self.zombies,
            pulls: self.pulls.len(),
            windows: self.windows.taken(),
            transmit: self.transmit.taken(),
            kept: self.kept_bytes(),
        }
    }

    /// Whether everything that was sent has been acknowledged.
    pub fn settled(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// Peer index and endpoint of a partner, and its session when there is one.
    pub fn describe(&self, key: PartnerKey) -> Option<(u16, u8, Option<u32>)> {
        let partner = self.partners.get(key)?;
        Some((partner.peer, partner.endpoint, partner.session))
    }
}
