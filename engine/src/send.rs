//! Sends, from the application's call to the command queue (protocol.md §4, §6).

use alloc::boxed::Box;
use alloc::vec;

use mx_wire::{Eager, SMALL_MAX, TINY_MAX};

use crate::code::Code;
use crate::engine::Engine;
use crate::memory::Memory;
use crate::queue_port::{QueuePort, Refused};
use crate::state::exported::Exported;
use crate::state::keys::{OutgoingKey, PartnerKey, RequestKey};
use crate::state::outgoing::{Body, Outgoing};
use crate::state::request::{Kind, Purpose};
use crate::state::sequence::Sequence;

/// Messages to one partner that may wait for their acknowledgement: less than half of the sequence numbers.
pub(crate) const UNACKED_MAX: u16 = 8191;

/// How an attempt to send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dispatch {
    /// It is out of the way: sent, failed, or waiting at its partner.
    Gone,
    /// There is no room for it now.
    NoRoom,
}

/// Whether a message could be put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Posted {
    Yes,
    NotNow,
    Never,
}

impl Engine {
    /// Sends a message. A synchronous one is done when it was matched.
    pub fn send(
        &mut self,
        to: PartnerKey,
        memory: Memory,
        match_info: u64,
        context: u64,
        synchronous: bool,
        port: &mut impl QueuePort,
    ) -> RequestKey {
        let total = memory.length();
        if to == self.loopback && !self.loopback_by_network {
            let request = self.begin_send(to, total, match_info, context);
            self.send_to_self(request, &memory, match_info);
            return request;
        }
        let body = if synchronous || total > self.config.rendezvous_threshold.max(SMALL_MAX as u32)
        {
            Body::Large {
                match_info,
                total,
                memory,
                exported: None,
                acked: false,
                notified: None,
            }
        } else if total as usize <= SMALL_MAX {
            let eager = Eager {
                match_info,
                length: total as u16,
            };
            if total as usize <= TINY_MAX {
                let mut data = [0; TINY_MAX];
                memory.copy_out(0, &mut data[..total as usize]);
                Body::Tiny { eager, data }
            } else {
                let mut data = vec![0; total as usize].into_boxed_slice();
                memory.copy_out(0, &mut data);
                Body::Small { eager, data }
            }
        } else {
            Body::Medium {
                match_info,
                total,
                memory: Some(memory),
                span: None,
                commands_end: 0,
            }
        };
        let body = match self.send_at_once(to, body, context, port) {
            Ok(request) => return request,
            Err(body) => body,
        };
        let request = self.begin_send(to, total, match_info, context);
        let key = self.outgoing(to, Some(request), body);
        if !self.delayed.is_empty() || self.dispatch(key, port) == Dispatch::NoRoom {
            self.delayed.push_back(key);
        }
        request
    }

    fn begin_send(
        &mut self,
        to: PartnerKey,
        total: u32,
        match_info: u64,
        context: u64,
    ) -> RequestKey {
        let purpose = Purpose::Send { buffered: false };
        let request = self
            .requests
            .insert(Kind::Send, purpose, match_info, context);
        if let Some(request) = self.requests.get_mut(request) {
            request.outcome.partner = Some(to);
            request.outcome.message_length = total;
        }
        request
    }

    /// Sends what goes before all messages that wait.
    pub(crate) fn send_before_all(&mut self, to: PartnerKey, body: Body) {
        let key = self.outgoing(to, None, body);
        self.delayed.push_front(key);
    }

    #[inline]
    fn outgoing(
        &mut self,
        partner: PartnerKey,
        request: Option<RequestKey>,
        body: Body,
    ) -> OutgoingKey {
        self.outgoing.insert(Outgoing {
            partner,
            request,
            zombie: false,
            seq: Sequence::FIRST,
            transmissions: 0,
            first_sent: self.now,
            last_sent: self.now,
            body,
        })
    }

    /// Sends what waited for room, as far as there is some.
    pub(crate) fn send_delayed(&mut self, port: &mut impl QueuePort) {
        while let Some(key) = self.delayed.pop_front() {
            if self.dispatch(key, port) == Dispatch::NoRoom {
                self.delayed.push_front(key);
                return;
            }
        }
    }

    /// Sends what waited for acknowledgements, as far as they came.
    pub(crate) fn send_throttled(&mut self, port: &mut impl QueuePort) {
        let mut partners = core::mem::take(&mut self.throttled);
        partners.retain(|partner| {
            while let Some(record) = self.partners.get_mut(*partner) {
                let Some(key) = record.throttled.front().copied() else {
                    return false;
                };
                if record.next_send.since(record.next_acked) >= UNACKED_MAX
                    || self.send_first(key, port) == Dispatch::NoRoom
                {
                    return true;
                }
                if let Some(record) = self.partners.get_mut(*partner) {
                    record.throttled.pop_front();
                }
            }
            false
        });
        self.throttled.append(&mut partners);
    }

    /// Sends a message for the first time, or queues it at its partner.
    fn dispatch(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Dispatch {
        let Some(outgoing) = self.outgoing.get(key) else {
            return Dispatch::Gone;
        };
        let to = outgoing.partner;
        if let Some(partner) = self.partners.get_mut(to)
            && partner.session.is_some()
            && (!partner.throttled.is_empty()
                || partner.next_send.since(partner.next_acked) >= UNACKED_MAX)
        {
            partner.throttled.push_back(key);
            if !self.throttled.contains(&to) {
                self.throttled.push(to);
            }
            return Dispatch::Gone;
        }
        self.send_first(key, port)
    }

    /// Sends a message for the first time.
    fn send_first(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Dispatch {
        let connected = self
            .outgoing
            .get(key)
            .and_then(|outgoing| self.partners.get(outgoing.partner))
            .is_some_and(|partner| partner.session.is_some());
        if !connected {
            self.end_outgoing(key, Code::RemoteEndpointUnreachable, port);
            return Dispatch::Gone;
        }
        match self.prepare(key, port) {
            Posted::Yes => {}
            Posted::NotNow => return Dispatch::NoRoom,
            Posted::Never => {
                self.end_outgoing(key, Code::NoSystemResources, port);
                return Dispatch::Gone;
            }
        }
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return Dispatch::Gone;
        };
        let Some(partner) = self.partners.get_mut(outgoing.partner) else {
            return Dispatch::Gone;
        };
        outgoing.seq = partner.next_send;
        outgoing.first_sent = self.now;
        if self.transmit(key, port) != Posted::Yes {
            return Dispatch::NoRoom;
        }
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return Dispatch::Gone;
        };
        let to = outgoing.partner;
        if let Some(partner) = self.partners.get_mut(to) {
            partner.next_send = partner.next_send.next();
            partner.unacked.push_back(key);
        }
        let eager = matches!(
            outgoing.body,
            Body::Tiny { .. } | Body::Small { .. } | Body::Medium { .. }
        );
        if eager && let Some(request) = outgoing.request {
            if self.zombies < self.config.zombies_max {
                self.zombies += 1;
                outgoing.zombie = true;
                outgoing.request = None;
                self.end_send(request, Code::Success, None);
            } else if let Some(request) = self.requests.get_mut(request) {
                request.purpose = Purpose::Send { buffered: true };
            }
        }
        if self
            .partners
            .get(to)
            .is_some_and(|partner| partner.resend_at.is_none())
        {
            self.time_oldest(to);
        }
        Dispatch::Gone
    }

    /// Gets what a message needs besides the queue: a part of the transmit area, or a window.
    fn prepare(&mut self, key: OutgoingKey, port: &mut impl QueuePort) -> Posted {
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return Posted::Yes;
        };
        match &mut outgoing.body {
            Body::Medium {
                total,
                memory,
                span,
                ..
            } if span.is_none() => {
                let fragments = total.div_ceil(self.config.medium_fragment);
                if port.command_room() < fragments {
                    return Posted::NotNow;
                }
                let Some(taken) = self.transmit.take(*total) else {
                    return Posted::NotNow;
                };
                if let Some(memory) = memory.take()
                    && let Some(slice) = port.transmit(taken.offset(), *total as usize)
                {
                    memory.copy_to_slice(0, &slice);
                }
                *span = Some(taken);
                Posted::Yes
            }
            Body::Large {
                total,
                memory,
                exported,
                ..
            } if exported.is_none() => {
                if port.command_room() == 0 {
                    return Posted::NotNow;
                }
                let Some((id, seqnum)) = self.windows.take(key) else {
                    return Posted::NotNow;
                };
                let mut open = Exported::open(id, seqnum, *total, port);
                if *total > 0 && self.now >= self.send_memory_at {
                    match open.export(self.now, memory, port) {
                        Ok(()) => {}
                        // It is exported when it is wanted.
                        Err(Refused::Later) => {
                            self.send_memory_at = self.now + self.config.registration_pause;
                        }
                        Err(Refused::Never) => {
                            open.close(port);
                            self.windows.free(id);
                            return Posted::Never;
                        }
                    }
                }
                *exported = Some(Box::new(open));
                Posted::Yes
            }
            _ => Posted::Yes,
        }
    }

    /// Completes the request of a send. `transferred` is what a large message's receiver said.
    #[inline]
    pub(crate) fn end_send(&mut self, key: RequestKey, code: Code, transferred: Option<u32>) {
        let mut code = code;
        if let Some(request) = self.requests.get_mut(key) {
            let total = request.outcome.message_length;
            request.outcome.transferred = match (code, transferred) {
                (Code::Success, Some(transferred)) => transferred.min(total),
                (Code::Success, None) => total,
                _ => 0,
            };
            if code == Code::Success && request.outcome.transferred < total {
                code = Code::MessageTruncated;
            }
        }
        self.requests.complete(key, code);
    }

    /// Ends a message that will not be delivered, or needs nothing more, and frees all that it holds.
    pub(crate) fn end_outgoing(&mut self, key: OutgoingKey, code: Code, port: &mut impl QueuePort) {
        let Some(outgoing) = self.outgoing.remove(key) else {
            return;
        };
        let mut transferred = None;
        match outgoing.body {
            Body::Medium {
                span: Some(span),
                commands_end,
                ..
            } => self.transmit.leave(span, commands_end),
            Body::Large {
                exported, notified, ..
            } => {
                transferred = notified;
                if let Some(exported) = exported {
                    self.windows.free(exported.id);
                    exported.close(port);
                    self.memory_is_free();
                }
            }
            _ => {}
        }
        if outgoing.zombie {
            self.zombies -= 1;
        }
        if let Some(request) = outgoing.request {
            self.end_send(request, code, transferred);
        }
    }
}
