//! Which message goes into which receive (protocol.md §6).

use mx_wire::{FrameKind, Medium};

use crate::code::Code;
use crate::engine::Engine;
use crate::memory::{Memory, Payload, zeroed};
use crate::queue_port::QueuePort;
use crate::state::keys::{PartnerKey, RequestKey, UnexpectedKey};
use crate::state::posted::PostedReceive;
use crate::state::reassembly::{Assembly, Progress, Target, fragment_offset};
use crate::state::request::{Kind, Outcome, Purpose};
use crate::state::selection::Selection;
use crate::state::sequence::Sequence;
use crate::state::unexpected::{Kept, Message};

/// What a probe tells of a message.
pub(crate) fn found(message: &Message) -> Outcome {
    Outcome {
        code: Code::Success,
        partner: Some(message.partner),
        match_info: message.match_info,
        message_length: message.total,
        transferred: 0,
        context: 0,
    }
}

impl Engine {
    /// Posts a receive: it takes the first unexpected message that is wanted, or waits.
    pub fn receive(
        &mut self,
        memory: Memory,
        wanted: Selection,
        context: u64,
        port: &mut impl QueuePort,
    ) -> RequestKey {
        let purpose = Purpose::PostedReceive(memory);
        let match_info = wanted.match_info;
        let request = self
            .requests
            .insert(Kind::Receive, purpose, match_info, context);
        let found = match self.unexpected.is_empty() {
            true => None,
            false => self.unexpected.find(&wanted).map(|(at, _)| at),
        };
        let Some(message) = found.and_then(|at| self.unexpected.remove(at)) else {
            let posted = PostedReceive { request, wanted };
            self.posted.push(match_info, posted);
            return request;
        };
        self.give(request, message, port);
        request
    }

    /// Gives a posted receive a message that came before it.
    pub(crate) fn give(
        &mut self,
        request: RequestKey,
        message: Message,
        port: &mut impl QueuePort,
    ) {
        self.begin_receive(request, message.partner, message.match_info, message.total);
        match message.body {
            Kept::Whole(data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.end_receive(request);
            }
            Kept::Partial(seq, data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.redirect(message.partner, seq, Target::Receive(request));
            }
            Kept::Large(offer) => {
                self.pull(request, message.partner, offer);
                self.start_pulls(port);
                self.send_delayed(port);
            }
            Kept::Loopback(send, data) => {
                self.copy_in(request, 0, Payload::Bytes(&data));
                self.end_loopback(send, request);
            }
        }
    }

    /// Sends the rest of a message that is arriving elsewhere.
    pub(crate) fn redirect(&mut self, partner: PartnerKey, seq: Sequence, target: Target) {
        if let Some(partner) = self.partners.get_mut(partner)
            && let Some(assembly) = partner.partials.iter_mut().find(|a| a.seq == seq)
        {
            assembly.target = target;
        }
    }

    /// Takes a posted receive back.
    pub(crate) fn unpost(&mut self, request: RequestKey) {
        self.posted.retain(|posted| posted.request != request);
    }

    /// Whether a receive may find a message that came before it. One that does not takes no time and makes no work.
    #[inline]
    pub fn keeps_messages(&self) -> bool {
        !self.unexpected.is_empty()
    }

    /// The first unexpected message that is wanted; it stays.
    pub fn probe(&self, wanted: &Selection) -> Option<Outcome> {
        let (_, message) = self.unexpected.find(wanted)?;
        Some(found(message))
    }

    /// The first posted receive that wants a message of this match info from that partner.
    #[inline]
    pub(crate) fn take_posted(
        &mut self,
        match_info: u64,
        partner: PartnerKey,
    ) -> Option<RequestKey> {
        let posted = self.posted.take(match_info, |posted| {
            posted.wanted.wants(match_info, partner)
        });
        posted.map(|posted| posted.request)
    }

    /// Tells a receive which message it gets.
    #[inline]
    pub(crate) fn begin_receive(
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
    #[inline]
    pub(crate) fn copy_in(&self, request: RequestKey, offset: u32, payload: Payload<'_>) {
        if let Some(request) = self.requests.get(request)
            && let Purpose::MatchedReceive(memory) = &request.purpose
        {
            memory.copy_in(offset, payload);
        }
    }

    /// Completes a receive whose message is there.
    #[inline]
    pub(crate) fn end_receive(&mut self, key: RequestKey) {
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
    #[inline]
    pub(crate) fn keep(
        &mut self,
        partner: PartnerKey,
        match_info: u64,
        total: u32,
        body: Kept,
    ) -> Option<UnexpectedKey> {
        let message = Message::new(partner, match_info, total, body);
        let loopback = matches!(message.body, Kept::Loopback(..));
        if !loopback && self.kept_bytes() + message.cost() > self.config.kept_bytes_max {
            return None;
        }
        Some(self.unexpected.push(message))
    }

    /// A whole message. False when it could not be taken, as if it had been lost.
    #[inline]
    pub(crate) fn eager(
        &mut self,
        partner: PartnerKey,
        match_info: u64,
        payload: Payload<'_>,
    ) -> bool {
        let Ok(total) = u32::try_from(payload.len()) else {
            return false;
        };
        if let Some(request) = self.take_posted(match_info, partner) {
            self.begin_receive(request, partner, match_info, total);
            self.copy_in(request, 0, payload);
            self.end_receive(request);
            return true;
        }
        payload
            .to_vec()
            .and_then(|data| self.keep(partner, match_info, total, Kept::Whole(data)))
            .is_some()
    }

    /// The first fragment to arrive of the next message. False when it could not be taken.
    pub(crate) fn first_fragment(
        &mut self,
        partner: PartnerKey,
        seq: Sequence,
        fragment: &Medium,
        payload: Payload<'_>,
    ) -> bool {
        let size = self.config.medium_fragment;
        let (match_info, total) = (fragment.match_info, fragment.total);
        if fragment_offset(size, total, fragment.fragment, payload.len()).is_none() {
            return false;
        }
        let target = if let Some(request) = self.take_posted(match_info, partner) {
            self.begin_receive(request, partner, match_info, total);
            Target::Receive(request)
        } else {
            let kept = zeroed(total as usize)
                .and_then(|data| self.keep(partner, match_info, total, Kept::Partial(seq, data)));
            match kept {
                Some(key) => Target::Unexpected(key),
                None => return false,
            }
        };
        let Some(record) = self.partners.get_mut(partner) else {
            return false;
        };
        record.partials.push_back(Assembly::new(seq, total, target));
        self.later_fragment(partner, seq, fragment, payload);
        true
    }

    /// A fragment of a message of which others are there.
    pub(crate) fn later_fragment(
        &mut self,
        partner: PartnerKey,
        seq: Sequence,
        fragment: &Medium,
        payload: Payload<'_>,
    ) {
        let size = self.config.medium_fragment;
        let (total, number) = (fragment.total, fragment.fragment);
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
                if let Kept::Partial(_, data) = &mut message.body {
                    let end = (offset as usize + payload.len()).min(data.len());
                    if let Some(place) = data.get_mut(offset as usize..end) {
                        payload.copy_to(place);
                    }
                    if whole {
                        message.body = Kept::Whole(core::mem::take(data));
                    }
                }
            }
            Target::Nobody => {}
        }
    }
}
