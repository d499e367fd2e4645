//! Which message goes into which receive (protocol.md §6).

use std::collections::VecDeque;

use slotmap::SlotMap;

use super::Engine;
use super::link::Link;
use super::memory::{Memory, Payload, zeroed};
use super::partner::PartnerKey;
use super::reassembly::{Assembly, Progress, Target, fragment_offset};
use super::receive::Content;
use super::request::{Outcome, Purpose, RequestKey};
use super::sequence::Sequence;
use crate::code::Code;

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
    partner: PartnerKey,
    match_info: u64,
    total: u32,
    body: Body,
}

/// What an unexpected message costs besides its bytes.
const MESSAGE_COST: usize = 128;

impl Message {
    fn cost(&self) -> usize {
        MESSAGE_COST
            + match &self.body {
                Body::Whole(data) | Body::Partial(_, data) | Body::Own(_, data) => data.len(),
                Body::Large(_) => 0,
            }
    }
}

/// The unexpected messages of an endpoint, in the order of arrival.
#[derive(Debug, Default)]
pub struct Unexpected {
    all: SlotMap<UnexpectedKey, Message>,
    order: VecDeque<UnexpectedKey>,
    bytes: usize,
}

impl Unexpected {
    /// What all of them cost.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, message: Message) -> UnexpectedKey {
        self.bytes += message.cost();
        let key = self.all.insert(message);
        self.order.push_back(key);
        key
    }

    fn find(&self, info: u64, mask: u64) -> Option<(usize, &Message)> {
        self.order.iter().enumerate().find_map(|(at, key)| {
            let message = self.all.get(*key)?;
            (message.match_info & mask == info).then_some((at, message))
        })
    }

    fn remove(&mut self, at: usize) -> Option<Message> {
        let message = self.all.remove(self.order.remove(at)?)?;
        self.bytes -= message.cost();
        Some(message)
    }

    /// Forgets what came from a partner.
    pub fn forget(&mut self, partner: PartnerKey) {
        let Self { all, order, bytes } = self;
        order.retain(|key| match all.get(*key) {
            Some(message) if message.partner == partner => {
                *bytes -= message.cost();
                all.remove(*key);
                false
            }
            other => other.is_some(),
        });
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
        let request = self.requests.insert(purpose, match_info, context);
        let found = self.unexpected.find(match_info, mask).map(|(at, _)| at);
        let Some(message) = found.and_then(|at| self.unexpected.remove(at)) else {
            self.posted.push_back((request, match_info, mask));
            return request;
        };
        self.begin_receive(request, message.partner, message.match_info, message.total);
        match message.body {
            Body::Whole(data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.end_receive(request);
            }
            Body::Partial(seq, data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                if let Some(partner) = self.partners.get_mut(message.partner)
                    && let Some(assembly) = partner.partials.iter_mut().find(|a| a.seq == seq)
                {
                    assembly.target = Target::Receive(request);
                }
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
        request
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
        let at = self
            .posted
            .iter()
            .position(|(_, info, mask)| match_info & mask == *info)?;
        self.posted.remove(at).map(|(request, ..)| request)
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
        request.purpose = match std::mem::replace(&mut request.purpose, Purpose::Done) {
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
        let message = Message {
            partner,
            match_info,
            total,
            body,
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
            return;
        };
        let progress = record.partials[at].count(total, number, payload.len() as u32);
        let target = record.partials[at].target;
        if progress == Progress::Dropped {
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
                let Some(message) = self.unexpected.all.get_mut(key) else {
                    return;
                };
                if let Body::Partial(_, data) = &mut message.body {
                    let end = (offset as usize + payload.len()).min(data.len());
                    if let Some(place) = data.get_mut(offset as usize..end) {
                        payload.copy_to(place);
                    }
                    if whole {
                        message.body = Body::Whole(std::mem::take(data));
                    }
                }
            }
        }
    }
}
