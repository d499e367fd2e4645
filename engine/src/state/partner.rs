//! Partners: what an endpoint knows of each remote endpoint.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use mx_ring::Destination;
use slotmap::SlotMap;

use crate::state::keys::{OutgoingKey, PartnerKey, RequestKey};
use crate::state::liveness::Liveness;
use crate::state::reassembly::Assembly;
use crate::state::reorder_buffer::ReorderBuffer;
use crate::state::round_trip::RoundTrip;
use crate::state::sequence::Sequence;

/// A connect that waits for its reply.
#[derive(Debug)]
pub struct Connect {
    /// Completed by the reply.
    pub request: RequestKey,
    /// Tells apart the connects to one partner.
    pub counter: u8,
    /// The application key presented.
    pub key: u32,
    /// The sequence number that the request announced as expected next.
    pub announced: Sequence,
    /// What the partner had acknowledged when the connect began.
    pub acked: Sequence,
    /// Transmissions so far.
    pub transmissions: u32,
    /// First transmission.
    pub first_sent: Duration,
    /// How long it waits before the next one: longer each time.
    pub wait: Duration,
    /// When that is.
    pub next: Duration,
}

/// A remote endpoint: what was sent to it and is not acknowledged, what comes from it, and when either is due.
#[derive(Debug)]
pub struct Partner {
    /// Index of its board in the peer table.
    pub peer: u16,
    /// Its endpoint index there.
    pub endpoint: u8,
    /// Its session, once either side has connected.
    pub session: Option<u32>,
    /// The application's word for it.
    pub context: u64,
    /// The session of its last relation, which may have ended.
    pub last_session: Option<u32>,
    /// Sessions that it had before: they do not come back, but frames of theirs may until that time.
    pub past_sessions: VecDeque<(u32, Duration)>,
    /// Counts the relations with it that have ended.
    pub relation: u32,
    /// Until then a refusal may be meant for an earlier session.
    pub refusals_count_from: Duration,
    /// Counts the connects.
    pub connect_counter: u8,
    /// Number of the last explicit ack sent.
    pub ack_number_sent: u32,
    /// Number of the last explicit ack received.
    pub ack_number_received: u32,
    /// Sequence number of the next message to it.
    pub next_send: Sequence,
    /// The oldest message that it has not acknowledged.
    pub next_acked: Sequence,
    /// What it has acknowledged last: everything before it.
    pub confirmed: Sequence,
    /// The next message to match.
    pub next_match: Sequence,
    /// The oldest message that is not whole.
    pub next_fragment: Sequence,
    /// Up to where messages have been acknowledged to it.
    pub last_acked: Sequence,
    /// When an acknowledgement is due, if one is.
    pub ack_due: Option<Duration>,
    /// Whether something of its present relation has been received whole.
    pub has_sent: bool,
    /// Whether the engine's list of due acknowledgements names it.
    pub ack_listed: bool,
    /// Messages from `next_acked` on, in sequence. A refused one leaves its key behind.
    pub unacked: VecDeque<OutgoingKey>,
    /// How fast it acknowledges.
    pub round_trip: RoundTrip,
    /// When unacknowledged messages are sent again, if there are some.
    pub resend_at: Option<Duration>,
    /// When it last acknowledged something.
    pub answered: Duration,
    /// Whether messages were sent again since then.
    pub resent: bool,
    /// Whether it is still there while large messages wait for it.
    pub liveness: Liveness,
    /// Messages that wait for acknowledgements of earlier ones.
    pub throttled: VecDeque<OutgoingKey>,
    /// Connects without reply.
    pub connects: Vec<Connect>,
    /// Messages whose fragments have not all come, in sequence.
    pub partials: VecDeque<Assembly>,
    /// Messages that came before their turn.
    pub reorder_buffer: ReorderBuffer,
}

impl Partner {
    fn new(peer: u16, endpoint: u8) -> Self {
        Self {
            peer,
            endpoint,
            session: None,
            context: 0,
            last_session: None,
            past_sessions: VecDeque::new(),
            relation: 0,
            refusals_count_from: Duration::ZERO,
            connect_counter: 0,
            ack_number_sent: 0,
            ack_number_received: 0,
            next_send: Sequence::FIRST,
            next_acked: Sequence::FIRST,
            confirmed: Sequence::FIRST,
            next_match: Sequence::FIRST,
            next_fragment: Sequence::FIRST,
            last_acked: Sequence::FIRST,
            ack_due: None,
            has_sent: false,
            ack_listed: false,
            unacked: VecDeque::new(),
            round_trip: RoundTrip::default(),
            resend_at: None,
            answered: Duration::ZERO,
            resent: false,
            liveness: Liveness::default(),
            throttled: VecDeque::new(),
            connects: Vec::new(),
            partials: VecDeque::new(),
            reorder_buffer: ReorderBuffer::default(),
        }
    }

    /// Where messages to it go, while there is a relation.
    #[inline]
    pub fn destination(&self) -> Option<Destination> {
        Some(Destination {
            peer: self.peer,
            endpoint: self.endpoint,
            session: self.session?,
        })
    }

    /// Starts a new direction towards it where it wants to begin.
    pub fn restart_sending(&mut self, at: Sequence) {
        self.next_send = at;
        self.next_acked = at;
        self.confirmed = at;
        self.round_trip = RoundTrip::default();
        self.resend_at = None;
        self.resent = false;
    }

    /// Expects its next message to have this number.
    pub fn restart_receiving(&mut self, at: Sequence) {
        self.has_sent = false;
        self.next_match = at;
        self.next_fragment = at;
        self.last_acked = at;
    }
}

/// All partners of an endpoint.
#[derive(Debug, Default)]
pub struct Partners {
    all: SlotMap<PartnerKey, Partner>,
    /// By peer, then by endpoint.
    index: Vec<Option<Box<[Option<PartnerKey>; 256]>>>,
}

impl Partners {
    /// The partner of that name.
    #[inline]
    pub fn find(&self, peer: u16, endpoint: u8) -> Option<PartnerKey> {
        self.index.get(usize::from(peer))?.as_ref()?[usize::from(endpoint)]
    }

    /// The partner of that name, made if needed.
    #[inline]
    pub fn find_or_add(&mut self, peer: u16, endpoint: u8) -> PartnerKey {
        let row = usize::from(peer);
        if self.index.len() <= row {
            self.index.resize_with(row + 1, || None);
        }
        let all = &mut self.all;
        let place = &mut self.index[row].get_or_insert_with(|| Box::new([None; 256]))
            [usize::from(endpoint)];
        *place.get_or_insert_with(|| all.insert(Partner::new(peer, endpoint)))
    }

    /// Those of a peer, whom nobody finds by name from now on.
    pub fn unlist(&mut self, peer: u16) -> Vec<PartnerKey> {
        let row = self.index.get_mut(usize::from(peer)).and_then(Option::take);
        row.map_or_else(Vec::new, |row| row.into_iter().flatten().collect())
    }

    /// A partner that nobody finds by name: the endpoint itself.
    pub fn add_loopback(&mut self) -> PartnerKey {
        self.all.insert(Partner::new(u16::MAX, u8::MAX))
    }

    /// A partner by its key.
    #[inline]
    pub fn get(&self, key: PartnerKey) -> Option<&Partner> {
        self.all.get(key)
    }

    /// A partner by its key.
    #[inline]
    pub fn get_mut(&mut self, key: PartnerKey) -> Option<&mut Partner> {
        self.all.get_mut(key)
    }

    /// A partner as records call it.
    pub fn named(&self, key: PartnerKey) -> Named {
        Named(
            self.get(key)
                .map(|partner| (partner.peer, partner.endpoint)),
        )
    }

    /// Its session as records tell it, 0 without one.
    pub fn session(&self, key: PartnerKey) -> u32 {
        self.get(key)
            .and_then(|partner| partner.session)
            .unwrap_or_default()
    }

    /// Every partner.
    pub fn keys(&self) -> Vec<PartnerKey> {
        self.all.keys().collect()
    }
}

/// Peer and endpoint, as commands and events show them.
pub struct Named(Option<(u16, u8)>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((peer, endpoint)) => write!(f, "{peer}:{endpoint}"),
            None => f.write_str("nobody"),
        }
    }
}
