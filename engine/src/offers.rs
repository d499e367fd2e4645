//! The application's handler of unexpected messages (protocol.md §10). The engine calls nobody: it holds such a message
//! back, in no queue, until its caller has asked the handler and tells the answer.

use alloc::vec::Vec;

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::keys::{PartnerKey, UnexpectedKey};
use crate::state::reassembly::Target;
use crate::state::unexpected::{Kept, Message};

/// What the handler did with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it goes to a receive that fits by now, else it waits for one.
    Continue,
    /// All there was to do: it is gone.
    Finished,
}

/// A message that the handler is to see.
#[derive(Debug)]
pub struct Offer {
    key: UnexpectedKey,
    /// Who sent it.
    pub partner: PartnerKey,
    /// Match info, as its sender gave it.
    pub match_info: u64,
    /// Bytes of it.
    pub length: u32,
    /// All of it, unless it is large or still arriving.
    pub data: Option<Vec<u8>>,
}

impl Engine {
    /// Whether unexpected messages are offered to the application before they are kept.
    #[inline]
    pub fn offer_unexpected(&mut self, offered: bool) {
        self.unexpected.offered = offered;
    }

    /// Whether there are messages to offer. Nothing should progress before they are.
    #[inline]
    pub fn has_offers(&self) -> bool {
        !self.unexpected.to_offer.is_empty()
    }

    /// The next message to offer. [`Self::answer`] must follow.
    pub fn next_offer(&mut self) -> Option<Offer> {
        while let Some(key) = self.unexpected.to_offer.pop_front() {
            // Its sender may be gone.
            let Some(message) = self.unexpected.get_mut(key) else {
                continue;
            };
            let data = match &mut message.body {
                Kept::Whole(data) | Kept::Loopback(_, data) => Some(core::mem::take(data)),
                Kept::Partial(..) | Kept::Large(_) => None,
            };
            return Some(Offer {
                key,
                partner: message.partner,
                match_info: message.match_info,
                length: message.total,
                data,
            });
        }
        None
    }

    /// Goes on with a message that was offered.
    pub fn answer(&mut self, offer: Offer, action: Action, port: &mut impl QueuePort) {
        let key = offer.key;
        let Some(message) = self.unexpected.get_mut(key) else {
            return;
        };
        if let Some(seen) = offer.data
            && let Kept::Whole(data) | Kept::Loopback(_, data) = &mut message.body
        {
            *data = seen;
        }
        let receive = match action {
            Action::Continue => self.take_posted(offer.match_info, offer.partner),
            Action::Finished => None,
        };
        if action == Action::Continue && receive.is_none() {
            self.unexpected.list(key);
            return;
        }
        let Some(message) = self.unexpected.take(key) else {
            return;
        };
        match receive {
            Some(receive) => self.give(receive, message, port),
            None => self.discard(message, port),
        }
    }

    pub(crate) fn discard(&mut self, message: Message, port: &mut impl QueuePort) {
        match message.body {
            Kept::Partial(seq, _) => self.redirect(message.partner, seq, Target::Nobody),
            Kept::Large(offer) => {
                self.notify(message.partner, &offer, 0);
                self.send_delayed(port);
            }
            Kept::Loopback(send, _) => self.end_send(send, Code::Success, None),
            Kept::Whole(_) => {}
        }
    }
}
