//! Which message goes into which receive (protocol.md §6).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use slotmap::SlotMap;

use crate::Engine;
use crate::code::Code;
use crate::contexts::{ContextIds, Place, Queues};
use crate::counts::FrameKind;
use crate::link::Link;
use crate::memory::{Memory, Payload, zeroed};
use crate::partner::PartnerKey;
use crate::reassembly::{Assembly, Progress, Target, fragment_offset};
use crate::receive::Content;
use crate::request::{Kind, Outcome, Purpose, RequestKey};
use crate::sequence::Sequence;

slotmap::new_key_type! {
    /// A message that came before its receive.
    pub struct UnexpectedKey;
}

/// What is kept of an unexpected message.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Vec<u8>),
    /// As much as came so far of the message of that number.
    Partial(Sequence, Vec<u8>),
    /// Nothing: it is large and waits at the sender.
    Large(Content),
    /// All of it; the own send that waits for the match.
    Own(RequestKey, Vec<u8>),
}

/// A message that came before its receive.
#[derive(Debug)]
pub struct Message {
    /// Who sent it.
    pub partner: PartnerKey,
    /// Its match info.
    pub match_info: u64,
    /// Bytes of it.
    pub total: u32,
    /// As much as is here.
    pub body: Body,
    /// Bytes kept of it.
    kept: usize,
}

/// What an unexpected message costs besides its bytes.
const MESSAGE_COST: usize = 128;

impl Message {
    fn cost(&self) -> usize {
        MESSAGE_COST + self.kept
    }
}

/// A receive that no message has matched yet.
#[derive(Clone, Copy, Debug)]
pub struct Posted {
    request: RequestKey,
    match_info: u64,
    mask: u64,
}

/// The unexpected messages of an endpoint, in the order of arrival.
#[derive(Debug)]
pub struct Unexpected {
    all: SlotMap<UnexpectedKey, Message>,
    order: Queues<UnexpectedKey>,
    bytes: usize,
    /// Whether messages are offered to the application before they are listed in `order`.
    pub(super) offered: bool,
    /// Messages to offer.
    pub(super) to_offer: VecDeque<UnexpectedKey>,
}

impl Unexpected {
    /// None yet.
    pub fn new(context_ids: ContextIds) -> Self {
        Self {
            all: SlotMap::with_key(),
            order: Queues::new(context_ids),
            bytes: 0,
            offered: false,
            to_offer: VecDeque::new(),
        }
    }

    /// What all of them cost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// A message by its key.
    pub fn get_mut(&mut self, key: UnexpectedKey) -> Option<&mut Message> {
        self.all.get_mut(key)
    }

    /// Whether a large message of that partner waits for its receive.
    pub fn has_large_of(&self, partner: PartnerKey) -> bool {
        let mut all = self.all.values();
        all.any(|message| message.partner == partner && matches!(message.body, Body::Large(_)))
    }

    fn push(&mut self, message: Message) -> UnexpectedKey {
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

    fn find(&self, info: u64, mask: u64) -> Option<(Place, &Message)> {
        let place = self.order.find(info, mask, |key| {
            let message = self.all.get(*key);
            message.is_some_and(|message| message.match_info & mask == info)
        })?;
        Some((place, self.all.get(*self.order.get(place)?)?))
    }

    fn remove(&mut self, place: Place) -> Option<Message> {
        let key = self.order.remove(place)?;
        self.take(key)
    }

    /// Takes a message that is not listed.
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

impl Engine {
    /// Posts a receive: it takes the first unexpected message that fits, or waits. `match_info` lies within `mask`.
    pub fn receive(
        &mut self,
        memory: Memory,
        match_info: u64,
        mask: u64,
        context: u64,
        link: &mut impl Link,
    ) -> RequestKey {
        let purpose = Purpose::PostedReceive(memory);
        let request = self
            .requests
            .insert(Kind::Receive, purpose, match_info, context);
        let found = self.unexpected.find(match_info, mask).map(|(at, _)| at);
        let Some(message) = found.and_then(|at| self.unexpected.remove(at)) else {
            let posted = Posted {
                request,
                match_info,
                mask,
            };
            self.posted.push(match_info, posted);
            return request;
        };
        self.give(request, message, link);
        request
    }

    /// Gives a posted receive a message that came before it.
    pub(super) fn give(&mut self, request: RequestKey, message: Message, link: &mut impl Link) {
        self.begin_receive(request, message.partner, message.match_info, message.total);
        match message.body {
            Body::Whole(data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.end_receive(request);
            }
            Body::Partial(seq, data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.redirect(message.partner, seq, Target::Receive(request));
            }
            Body::Large(content) => {
                self.pull(request, message.partner, content);
                self.start_pulls(link);
                self.send_delayed(link);
            }
            Body::Own(send, data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.end_own(send, request);
            }
        }
    }

    /// Sends the rest of a message that is arriving elsewhere.
    pub(super) fn redirect(&mut self, partner: PartnerKey, seq: Sequence, target: Target) {
        if let Some(partner) = self.partners.get_mut(partner)
            && let Some(assembly) = partner.partials.iter_mut().find(|a| a.seq == seq)
        {
            assembly.target = target;
        }
    }

    /// Takes a posted receive back.
    pub(super) fn unpost(&mut self, request: RequestKey) {
        self.posted.retain(|posted| posted.request != request);
    }

    /// The first unexpected message whose match info fits; it stays.
    pub fn probe(&self, info: u64, mask: u64) -> Option<Outcome> {
        let (_, message) = self.unexpected.find(info, mask)?;
        Some(Outcome {
            code: Code::Success,
            partner: Some(message.partner),
            match_info: message.match_info,
            message_length: message.total,
            transferred: 0,
            context: 0,
        })
    }

    /// The first posted receive that takes a message of this match info.
    pub(super) fn take_posted(&mut self, match_info: u64) -> Option<RequestKey> {
        // Whatever the masks are, the context is a part of them.
        let fits = |posted: &Posted| match_info & posted.mask == posted.match_info;
        let place = self.posted.find(match_info, u64::MAX, fits)?;
        self.posted.remove(place).map(|posted| posted.request)
    }

    /// Tells a receive which message it gets.
    pub(super) fn begin_receive(
        &mut self,
        request: RequestKey,
        partner: PartnerKey,
        match_info: u64,
        total: u32,
    ) {
        let Some(request) = self.requests.get_mut(request) else {
            return;
        };
        request.purpose = match core::mem::replace(&mut request.purpose, Purpose::Done) {
            Purpose::PostedReceive(memory) => {
                request.outcome.transferred = memory.length().min(total);
                Purpose::MatchedReceive(memory)
            }
            other => other,
        };
        request.outcome.partner = Some(partner);
        request.outcome.match_info = match_info;
        request.outcome.message_length = total;
    }

    /// Copies a part of the message into a receive's memory, as far as it fits.
    pub(super) fn copy_in(&self, request: RequestKey, offset: u32, payload: Payload<'_>) {
        if let Some(request) = self.requests.get(request)
            && let Purpose::MatchedReceive(memory) = &request.purpose
        {
            memory.copy_in(offset, payload);
        }
    }

    /// Completes a receive whose message is there.
    pub(super) fn end_receive(&mut self, key: RequestKey) {
        if let Some(request) = self.requests.get(key) {
            let code = if request.outcome.transferred < request.outcome.message_length {
                Code::MessageTruncated
            } else {
                Code::Success
            };
            self.requests.complete(key, code);
        }
    }

    /// Keeps a message until its receive is posted. False when there is no room.
    pub(super) fn keep(
        &mut self,
        partner: PartnerKey,
        match_info: u64,
        total: u32,
        body: Body,
    ) -> Option<UnexpectedKey> {
        let kept = match &body {
            Body::Whole(data) | Body::Partial(_, data) | Body::Own(_, data) => data.len(),
            Body::Large(_) => 0,
        };
        let message = Message {
            partner,
            match_info,
            total,
            body,
            kept,
        };
        let own = matches!(message.body, Body::Own(..));
        if !own && self.kept_bytes() + message.cost() > self.config.kept_bytes_max {
            return None;
        }
        Some(self.unexpected.push(message))
    }

    /// A whole message. False when it could not be taken, as if it had been lost.
    pub(super) fn eager(
        &mut self,
        partner: PartnerKey,
        match_info: u64,
        payload: Payload<'_>,
    ) -> bool {
        let Ok(total) = u32::try_from(payload.len()) else {
            return false;
        };
        if let Some(request) = self.take_posted(match_info) {
            self.begin_receive(request, partner, match_info, total);
            self.copy_in(request, 0, payload);
            self.end_receive(request);
            return true;
        }
        payload
            .to_vec()
            .and_then(|data| self.keep(partner, match_info, total, Body::Whole(data)))
            .is_some()
    }

    /// The first fragment to arrive of the next message. False when it could not be taken.
    pub(super) fn first_fragment(
        &mut self,
        partner: PartnerKey,
        seq: Sequence,
        match_info: u64,
        total: u32,
        number: u8,
        payload: Payload<'_>,
    ) -> bool {
        let size = self.config.medium_fragment;
        if fragment_offset(size, total, number, payload.len()).is_none() {
            return false;
        }
        let target = if let Some(request) = self.take_posted(match_info) {
            self.begin_receive(request, partner, match_info, total);
            Target::Receive(request)
        } else {
            let kept = zeroed(total as usize)
                .and_then(|data| self.keep(partner, match_info, total, Body::Partial(seq, data)));
            match kept {
                Some(key) => Target::Unexpected(key),
                None => return false,
            }
        };
        let Some(record) = self.partners.get_mut(partner) else {
            return false;
        };
        record.partials.push_back(Assembly::new(seq, total, target));
        self.later_fragment(partner, seq, total, number, payload);
        true
    }

    /// A fragment of a message of which others are there.
    pub(super) fn later_fragment(
        &mut self,
        partner: PartnerKey,
        seq: Sequence,
        total: u32,
        number: u8,
        payload: Payload<'_>,
    ) {
        let size = self.config.medium_fragment;
        let Some(offset) = fragment_offset(size, total, number, payload.len()) else {
            return;
        };
        let Some(record) = self.partners.get_mut(partner) else {
            return;
        };
        let Some(at) = record.partials.iter().position(|a| a.seq == seq) else {
            self.counts.duplicates.add(FrameKind::Medium, 1);
            return;
        };
        let progress = record.partials[at].count(total, number, payload.len() as u32);
        let target = record.partials[at].target;
        if progress == Progress::Dropped {
            self.counts.duplicates.add(FrameKind::Medium, 1);
            return;
        }
        let whole = progress == Progress::Whole;
        if whole {
            record.partials.remove(at);
        }
        match target {
            Target::Receive(request) => {
                self.copy_in(request, offset, payload);
                if whole {
                    self.end_receive(request);
                }
            }
            Target::Unexpected(key) => {
                let Some(message) = self.unexpected.get_mut(key) else {
                    return;
                };
                if let Body::Partial(_, data) = &mut message.body {
                    let end = (offset as usize + payload.len()).min(data.len());
                    if let Some(place) = data.get_mut(offset as usize..end) {
                        payload.copy_to(place);
                    }
                    if whole {
                        message.body = Body::Whole(core::mem::take(data));
                    }
                }
            }
            Target::Nobody => {}
        }
    }
}
