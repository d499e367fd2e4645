//! What the engine knows of one endpoint. How it acts is in the files beside this one, each with its part of the protocol.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use slotmap::SlotMap;

use crate::config::Config;
use crate::state::contexts::Queues;
use crate::state::counts::{Counts, Holdings};
use crate::state::keys::{OutgoingKey, PartnerKey};
use crate::state::outgoing::Outgoing;
use crate::state::partner::Partners;
use crate::state::posted::PostedReceive;
use crate::state::pull::Pull;
use crate::state::random::Random;
use crate::state::request::Requests;
use crate::state::transmit_space::TransmitSpace;
use crate::state::unexpected::Unexpected;
use crate::state::window::Windows;

/// The protocol state of one endpoint.
#[derive(Debug)]
pub struct Engine {
    pub(crate) config: Config,
    pub(crate) now: Duration,
    /// Generation of the backend that serves the endpoint.
    pub(crate) backend: u32,
    pub(crate) loopback: PartnerKey,
    pub(crate) loopback_by_network: bool,
    pub(crate) partners: Partners,
    pub(crate) requests: Requests,
    /// Receives without message, in the order of posting.
    pub(crate) posted: Queues<PostedReceive>,
    /// Messages without receive, in the order of arrival.
    pub(crate) unexpected: Unexpected,
    pub(crate) outgoing: SlotMap<OutgoingKey, Outgoing>,
    /// Messages that wait for room in a queue or for memory, of all partners in strict order.
    pub(crate) delayed: VecDeque<OutgoingKey>,
    pub(crate) transmit: TransmitSpace,
    pub(crate) windows: Windows,
    /// Large sends of which bytes are wanted that their windows do not reach, in order.
    pub(crate) wanted: VecDeque<OutgoingKey>,
    pub(crate) pulls: BTreeMap<u32, Pull>,
    pub(crate) pulls_waiting: VecDeque<u32>,
    /// Pulls that an earlier backend was asked for, and that the present one is to be asked for.
    pub(crate) pulls_again: VecDeque<u32>,
    pub(crate) pulls_running: usize,
    pub(crate) next_cookie: u32,
    pub(crate) zombies: usize,
    /// Bytes of all reorder buffers.
    pub(crate) reorder_bytes: usize,
    /// Partners that may have throttled messages.
    pub(crate) throttled: Vec<PartnerKey>,
    pub(crate) acks: Vec<PartnerKey>,
    pub(crate) ack_at: Option<Duration>,
    pub(crate) resend_at: Option<Duration>,
    /// When memory that was refused is asked for again, to receive and to send: who waits for the one keeps nobody waiting
    /// for the other.
    pub(crate) receive_memory_at: Duration,
    pub(crate) send_memory_at: Duration,
    /// When the time of a pull may be over.
    pub(crate) pull_expiry: Option<Duration>,
    pub(crate) random: Random,
    pub(crate) counts: Counts,
}

impl Engine {
    /// The state of a freshly opened endpoint.
    pub fn new(config: Config) -> Self {
        let mut partners = Partners::default();
        Self {
            loopback: partners.add_loopback(),
            loopback_by_network: false,
            transmit: TransmitSpace::new(config.transmit_bytes),
            random: Random::new(config.session.into()),
            backend: config.backend,
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
            pulls_again: VecDeque::new(),
            pulls_running: 0,
            next_cookie: 0,
            zombies: 0,
            reorder_bytes: 0,
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
    #[inline]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The partner that is the endpoint itself.
    #[inline]
    pub fn loopback(&self) -> PartnerKey {
        self.loopback
    }

    /// Tells the time, which counts for all that follows. It never goes back.
    #[inline]
    pub fn set_now(&mut self, now: Duration) {
        self.now = self.now.max(now);
    }

    /// Memory was given back: who waits for it need not wait longer.
    #[inline]
    pub(crate) fn memory_is_free(&mut self) {
        self.receive_memory_at = self.now;
        self.send_memory_at = self.now;
    }

    /// The application's word of a partner, 0 at first. `None` when there is no such partner.
    #[inline]
    pub fn partner_context(&mut self, key: PartnerKey) -> Option<&mut u64> {
        Some(&mut self.partners.get_mut(key)?.context)
    }

    /// What was sent again, and what came again.
    #[inline]
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
    #[inline]
    pub fn settled(&self) -> bool {
        self.outgoing.is_empty()
    }

    /// The partner of that name, whom nothing need have passed with yet.
    pub fn partner(&mut self, peer: u16, endpoint: u8) -> PartnerKey {
        self.partners.find_or_add(peer, endpoint)
    }

    /// Peer index and endpoint of a partner, and its session when there is one.
    #[inline]
    pub fn describe(&self, key: PartnerKey) -> Option<(u16, u8, Option<u32>)> {
        let partner = self.partners.get(key)?;
        Some((partner.peer, partner.endpoint, partner.session))
    }
}
