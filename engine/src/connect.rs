//! The connect handshake (protocol.md §3).
//!
//! Two repairs of the original, compatible on the wire: a successful reply makes the relation good in both directions
//! (the original could not acknowledge before the other side had connected too), and a "next expected" of another
//! relation is adopted although the session is unchanged (the original went on with numbers that the other side, having
//! given up, refuses). And one rule in place of the original's restart at 1: what this side announced as expected next
//! stays true. The other side adopts exactly that number when it learns our session, from our request or our reply.

use core::time::Duration;

use mx_records::record;
use mx_ring::{Command, CommandBody, Destination, Origin};
use mx_wire::{ConnectReply, ConnectRequest, ConnectStatus, FrameKind};

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::QueuePort;
use crate::state::keys::{PartnerKey, RequestKey};
use crate::state::partner::Connect;
use crate::state::request::{Kind, Purpose};
use crate::state::sequence::Sequence;

/// Sessions of a partner that are remembered after their end.
const PAST_SESSIONS_MAX: usize = 4;
/// How long a frame may be under way.
const FRAME_LIFE: Duration = Duration::from_secs(10);

impl Engine {
    /// Connects to an endpoint of a peer.
    pub fn connect(
        &mut self,
        peer: u16,
        endpoint: u8,
        key: u32,
        match_info: u64,
        context: u64,
        port: &mut impl QueuePort,
    ) -> RequestKey {
        let request = self
            .requests
            .insert(Kind::Connect, Purpose::Connect, match_info, context);
        let partner_key = self.partners.find_or_add(peer, endpoint);
        let now = self.now;
        if let Some(partner) = self.partners.get_mut(partner_key) {
            let wait = partner.round_trip.first_wait(&self.config);
            let connect = Connect {
                request,
                counter: partner.connect_counter,
                key,
                announced: partner.next_match,
                acked: partner.next_acked,
                transmissions: 1,
                first_sent: now,
                wait,
                next: now + wait,
            };
            partner.connect_counter = partner.connect_counter.wrapping_add(1);
            // A full queue is a lost frame: the request is sent again.
            let command = request_command(peer, endpoint, &connect);
            port.post(&command, &[]);
            record!(debug, "sent: {command}");
            partner.connects.push(connect);
            self.resend_by(now + wait);
        }
        request
    }

    /// Connects to the own endpoint: done at once.
    pub fn connect_own(&mut self, key: u32, match_info: u64, context: u64) -> RequestKey {
        let request = self
            .requests
            .insert(Kind::Connect, Purpose::Connect, match_info, context);
        if let Some(request) = self.requests.get_mut(request) {
            request.outcome.partner = Some(self.loopback);
        }
        let code = if key == self.config.key {
            Code::Success
        } else {
            Code::RemoteEndpointBadConnectionKey
        };
        self.requests.complete(request, code);
        request
    }

    /// A remote endpoint asks to be connected, and is answered (protocol.md §3).
    pub(crate) fn connect_request(
        &mut self,
        from: Origin,
        session: u32,
        request: &ConnectRequest,
        port: &mut impl QueuePort,
    ) {
        let status = if request.key == self.config.key {
            ConnectStatus::Success
        } else {
            ConnectStatus::BadKey
        };
        let expected = Sequence::from_wire(request.next_expected);
        let partner_key = self.partners.find_or_add(from.peer, from.endpoint);
        self.adopt(partner_key, session, expected, port);
        let Some(partner) = self.partners.get_mut(partner_key) else {
            return;
        };
        if partner.session != Some(session) {
            return;
        }
        // A full queue is a lost frame: the peer asks again.
        let reply = ConnectReply {
            requester_session: session,
            next_expected: partner.next_match.to_wire(),
            connect_seqnum: request.connect_seqnum,
            status,
        };
        let to = Destination {
            peer: from.peer,
            endpoint: from.endpoint,
            session,
        };
        let body = CommandBody::Connect(mx_wire::Connect::Reply(reply));
        let command = Command { to, body };
        port.post(&command, &[]);
        record!(debug, "sent: {command}");
    }

    /// A peer answers a connect.
    pub(crate) fn connect_reply(
        &mut self,
        from: Origin,
        session: u32,
        reply: &ConnectReply,
        port: &mut impl QueuePort,
    ) {
        if reply.requester_session != self.config.session {
            return;
        }
        let code = match reply.status {
            ConnectStatus::Success => Code::Success,
            ConnectStatus::BadKey => Code::RemoteEndpointBadConnectionKey,
            ConnectStatus::Unknown(_) => return,
        };
        let counter = reply.connect_seqnum;
        let expected = Sequence::from_wire(reply.next_expected);
        let Some(partner_key) = self.partners.find(from.peer, from.endpoint) else {
            return;
        };
        let Some(partner) = self.partners.get_mut(partner_key) else {
            return;
        };
        let Some(at) = partner.connects.iter().position(|c| c.counter == counter) else {
            record!(
                debug,
                "dropped, a duplicate: CONNECT reply {from}, connect {counter}"
            );
            self.counts.duplicates.add(FrameKind::Connect, 1);
            return;
        };
        if code == Code::Success {
            self.adopt(partner_key, session, expected, port);
        }
        let Some(partner) = self.partners.get_mut(partner_key) else {
            return;
        };
        if code == Code::Success && partner.session != Some(session) {
            return;
        }
        let connect = partner.connects.remove(at);
        // A native node restarts at 1 when it is connected to for the first time, whatever it had received before. What
        // it has not acknowledged yet it may have received or not: that cannot be repaired.
        if code == Code::Success
            && expected.is_before(connect.acked)
            && expected.same_relation(partner.next_send)
            && partner.unacked.is_empty()
        {
            partner.restart_sending(expected);
        }
        if connect.transmissions == 1 {
            let time = self.now.saturating_sub(connect.first_sent);
            partner.round_trip.measured(time, &self.config);
        }
        if let Some(request) = self.requests.get_mut(connect.request) {
            request.outcome.partner = Some(partner_key);
        }
        self.requests.complete(connect.request, code);
    }

    /// Takes over what a partner says of its session and of the number it expects next. What an earlier session said is
    /// late, and without effect.
    fn adopt(
        &mut self,
        key: PartnerKey,
        session: u32,
        expected: Sequence,
        port: &mut impl QueuePort,
    ) {
        let Some(partner) = self.partners.get(key) else {
            return;
        };
        let known = partner.session;
        let late = |(past, until): &(u32, Duration)| *past == session && self.now < *until;
        if (known == Some(session) && partner.next_send.same_relation(expected))
            || partner.past_sessions.iter().any(late)
        {
            return;
        }
        if known.is_some() {
            self.end_relation(key, port);
        }
        record!(
            info,
            "connected with {}: it is session {session:08x}, this is {:08x}; it expects seq {}",
            self.partners.named(key),
            self.config.session,
            expected.to_wire()
        );
        if let Some(partner) = self.partners.get_mut(key) {
            if let Some(past) = partner.last_session.replace(session)
                && past != session
            {
                partner.past_sessions.truncate(PAST_SESSIONS_MAX - 1);
                partner
                    .past_sessions
                    .push_front((past, self.now + FRAME_LIFE));
                partner.refusals_count_from = self.now + self.config.resend_delay;
            }
            partner.session = Some(session);
            partner.restart_sending(expected);
            // A request of ours that it may have seen before decides what it sends next.
            if let Some(connect) = partner.connects.first()
                && known.is_some()
            {
                partner.restart_receiving(connect.announced);
            }
        }
    }

    /// Drops a connect whose request was cancelled.
    pub(crate) fn forget_connect(&mut self, request: RequestKey) {
        for key in self.partners.keys() {
            if let Some(partner) = self.partners.get_mut(key) {
                partner.connects.retain(|c| c.request != request);
            }
        }
    }
}

/// The frame that asks for a connect.
pub(crate) fn request_command(peer: u16, endpoint: u8, connect: &Connect) -> Command {
    let request = ConnectRequest {
        key: connect.key,
        next_expected: connect.announced.to_wire(),
        connect_seqnum: connect.counter,
    };
    Command {
        to: Destination {
            peer,
            endpoint,
            session: 0,
        },
        body: CommandBody::Connect(mx_wire::Connect::Request(request)),
    }
}
