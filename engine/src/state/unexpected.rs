//! Messages that came before their receive.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use mx_wire::Rendezvous;
use slotmap::SlotMap;

use crate::state::contexts::{ContextIds, Place, Queues};
use crate::state::keys::{PartnerKey, RequestKey, UnexpectedKey};
use crate::state::selection::Selection;
use crate::state::sequence::Sequence;

/// What is kept of an unexpected message.
#[derive(Debug)]
pub enum Kept {
    /// All of it.
    Whole(Vec<u8>),
    /// As much as came so far of the message of that number.
    Partial(Sequence, Vec<u8>),
    /// Nothing: it is large and waits at the sender.
    Large(Rendezvous),
    /// All of it; the own send that waits for the match.
    Loopback(RequestKey, Vec<u8>),
}

/// A message that came before its receive.
#[derive(Debug)]
pub struct Message {
    /// Who sent it.
    pub partner: PartnerKey,
    /// Match info, as its sender gave it.
    pub match_info: u64,
    /// Bytes of it.
    pub total: u32,
    /// As much as is here.
    pub body: Kept,
    /// Bytes kept of it.
    kept: usize,
}

/// What an unexpected message costs besides its bytes.
const MESSAGE_COST: usize = 128;

impl Message {
    /// A message of which this is here.
    #[inline]
    pub fn new(partner: PartnerKey, match_info: u64, total: u32, body: Kept) -> Self {
        let kept = match &body {
            Kept::Whole(data) | Kept::Partial(_, data) | Kept::Loopback(_, data) => data.len(),
            Kept::Large(_) => 0,
        };
        Self {
            partner,
            match_info,
            total,
            body,
            kept,
        }
    }

    /// What it counts among the bytes that are kept.
    #[inline]
    pub fn cost(&self) -> usize {
        MESSAGE_COST + self.kept
    }
}

/// The unexpected messages of an endpoint, in the order of arrival.
#[derive(Debug)]
pub struct Unexpected {
    all: SlotMap<UnexpectedKey, Message>,
    order: Queues<UnexpectedKey>,
    bytes: usize,
    /// Whether messages are offered to the application before they are listed in `order`.
    pub offered: bool,
    /// Messages to offer.
    pub to_offer: VecDeque<UnexpectedKey>,
}

impl Unexpected {
    /// None yet.
    #[inline]
    pub fn new(context_ids: ContextIds) -> Self {
        Self {
            all: SlotMap::with_key(),
            order: Queues::new(context_ids),
            bytes: 0,
            offered: false,
            to_offer: VecDeque::new(),
        }
    }

    /// Whether none is there, listed or not.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What all of them cost.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A message by its key.
    #[inline]
    pub fn get_mut(&mut self, key: UnexpectedKey) -> Option<&mut Message> {
        self.all.get_mut(key)
    }

    /// Whether a large message of that partner waits for its receive.
    pub fn has_large_of(&self, partner: PartnerKey) -> bool {
        let mut all = self.all.values();
        all.any(|message| message.partner == partner && matches!(message.body, Kept::Large(_)))
    }

    /// Keeps a message: to be offered, if messages are, else listed.
    #[inline]
    pub fn push(&mut self, message: Message) -> UnexpectedKey {
        self.bytes += message.cost();
        let match_info = message.match_info;
        let key = self.all.insert(message);
        if self.offered {
            self.to_offer.push_back(key);
        } else {
            self.order.push(match_info, key);
        }
        key
    }

    /// Lists a message that was offered.
    pub fn list(&mut self, key: UnexpectedKey) {
        if let Some(message) = self.all.get(key) {
            self.order.push(message.match_info, key);
        }
    }

    /// The first listed message that is wanted.
    #[inline]
    pub fn find(&self, wanted: &Selection) -> Option<(Place, &Message)> {
        let place = self.order.find(wanted.match_info, wanted.mask, |key| {
            let message = self.all.get(*key);
            message.is_some_and(|message| wanted.wants(message.match_info, message.partner))
        })?;
        Some((place, self.all.get(*self.order.get(place)?)?))
    }

    /// Takes the message that is listed there.
    #[inline]
    pub fn remove(&mut self, place: Place) -> Option<Message> {
        let key = self.order.remove(place)?;
        self.take(key)
    }

    /// Strikes a message off the list, and keeps it: only who has its key finds it.
    pub fn unlist(&mut self, place: Place) -> Option<UnexpectedKey> {
        self.order.remove(place)
    }

    /// Takes a message that is not listed.
    #[inline]
    pub fn take(&mut self, key: UnexpectedKey) -> Option<Message> {
        let message = self.all.remove(key)?;
        self.bytes -= message.cost();
        Some(message)
    }

    /// Forgets what came from a partner.
    pub fn forget(&mut self, partner: PartnerKey) {
        let bytes = &mut self.bytes;
        self.all.retain(|_, message| {
            let forgotten = message.partner == partner;
            if forgotten {
                *bytes -= message.cost();
            }
            !forgotten
        });
        let all = &self.all;
        self.order.retain(|key| all.contains_key(*key));
    }
}
