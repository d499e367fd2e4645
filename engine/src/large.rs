//! Large messages: rendezvous, pull, notify (protocol.md §6).

use alloc::vec::Vec;

use mx_records::record;
use mx_ring::{Command, CommandBody, PullDone, PullStatus};
use mx_wire::{Content, Notify, Rendezvous};

use crate::code::Code;
use crate::engine::Engine;
use crate::queue_port::{Part, QueuePort, Refused, Use};
use crate::state::keys::{PartnerKey, RequestKey};
use crate::state::outgoing::Body;
use crate::state::partner::Partner;
use crate::state::pull::Pull;
use crate::state::request::Purpose;
use crate::state::unexpected::Kept;

impl Engine {
    /// What comes of large messages: the offer of one, or the end of one of ours. False when it could not be taken.
    pub(crate) fn large(
        &mut self,
        partner: PartnerKey,
        content: &Content,
        port: &mut impl QueuePort,
    ) -> bool {
        match content {
            Content::Rendezvous(offer) => self.rendezvous(partner, *offer),
            Content::Notify(notify) => {
                self.notified(partner, notify, port);
                true
            }
            _ => false,
        }
    }

    /// A partner has a large message. False when there is no room to remember it.
    fn rendezvous(&mut self, partner: PartnerKey, offer: Rendezvous) -> bool {
        let Rendezvous {
            match_info, total, ..
        } = offer;
        if let Some(request) = self.take_posted(match_info, partner) {
            self.begin_receive(request, partner, match_info, total);
            self.pull(request, partner, offer);
            return true;
        }
        self.keep(partner, match_info, total, Kept::Large(offer))
            .is_some()
    }

    /// Whether a large message of that partner is not fetched, or not whole.
    pub(crate) fn has_unfetched_of(&self, partner: PartnerKey) -> bool {
        self.pulls.values().any(|pull| pull.partner == partner)
            || self.unexpected.has_large_of(partner)
    }

    /// Fetches a large message into a matched receive.
    pub(crate) fn pull(&mut self, request: RequestKey, partner: PartnerKey, offer: Rendezvous) {
        let Some(length) = self.requests.get(request).map(|r| r.outcome.transferred) else {
            return;
        };
        if length == 0 {
            self.end_receive(request);
            self.notify(partner, &offer, 0);
            return;
        }
        while self.pulls.contains_key(&self.next_cookie) {
            self.next_cookie = self.next_cookie.wrapping_add(1);
        }
        let cookie = self.next_cookie;
        self.next_cookie = cookie.wrapping_add(1);
        let relation = self
            .partners
            .get(partner)
            .map_or(0, |partner| partner.relation);
        let pull = Pull {
            request,
            partner,
            relation,
            length,
            offer,
            done: 0,
            registered: None,
            began: None,
            expired: false,
        };
        self.pulls.insert(cookie, pull);
        self.pulls_waiting.push_back(cookie);
    }

    /// Starts the pulls that wait, as far as there is room.
    pub(crate) fn start_pulls(&mut self, port: &mut impl QueuePort) {
        while let Some(cookie) = self.pulls_waiting.front().copied() {
            let Some(pull) = self.pulls.get_mut(&cookie) else {
                self.pulls_waiting.pop_front();
                continue;
            };
            if self.pulls_running >= self.config.pulls_max
                || port.command_room() == 0
                || self.now < self.receive_memory_at
            {
                return;
            }
            let partner = self.partners.get(pull.partner);
            let session = partner.and_then(Partner::destination);
            let memory =
                self.requests
                    .get(pull.request)
                    .and_then(|request| match &request.purpose {
                        Purpose::MatchedReceive(memory) => Some(memory),
                        _ => None,
                    });
            let (Some(to), Some(memory)) = (session, memory) else {
                self.pulls_waiting.pop_front();
                self.end_pull(cookie, Code::RemoteEndpointUnreachable, port);
                continue;
            };
            let part = Part {
                start: pull.done,
                length: pull.length - pull.done,
                divisible: true,
            };
            match port.register(memory, part, Use::Receive) {
                Ok(registered) => {
                    let body = CommandBody::Pull(pull.order(&registered, cookie, self.backend));
                    let command = Command { to, body };
                    // There is room in the queue: it was asked for above.
                    port.post(&command, &[]);
                    record!(debug, "pull begins: {command}");
                    pull.registered = Some(registered);
                    pull.began = Some(self.now);
                    let timeout = self.requests.timeout_of(Some(pull.request));
                    self.pulls_running += 1;
                    self.pulls_waiting.pop_front();
                    self.pull_expires_by(self.now.checked_add(timeout));
                }
                Err(Refused::Later) => {
                    self.receive_memory_at = self.now + self.config.registration_pause;
                    return;
                }
                Err(Refused::Never) => {
                    self.pulls_waiting.pop_front();
                    self.end_pull(cookie, Code::NoSystemResources, port);
                }
            }
        }
    }

    /// A pull has ended.
    pub(crate) fn pull_done(&mut self, told: &PullDone, port: &mut impl QueuePort) {
        let PullDone {
            cookie,
            status,
            transferred,
        } = *told;
        let Some(pull) = self.pulls.get_mut(&cookie) else {
            return;
        };
        let Some(length) = pull.registered.as_ref().map(|registered| registered.length) else {
            return;
        };
        let done = status == PullStatus::Done && transferred == length;
        if done && length < pull.length - pull.done {
            self.end_piece(cookie, port);
            return;
        }
        let code = match status {
            PullStatus::Done if done => Code::Success,
            PullStatus::Refused(code) => code.into(),
            PullStatus::TimedOut => Code::RemoteEndpointUnreachable,
            _ if pull.expired => Code::RemoteEndpointUnreachable,
            PullStatus::Done | PullStatus::Aborted => Code::MessageAborted,
        };
        self.end_pull(cookie, code, port);
        self.send_delayed(port);
    }

    /// A piece of a message has been fetched: the next one waits for memory.
    fn end_piece(&mut self, cookie: u32, port: &mut impl QueuePort) {
        let Some(pull) = self.pulls.get_mut(&cookie) else {
            return;
        };
        if let Some(registered) = pull.registered.take() {
            self.pulls_running -= 1;
            if let Some(request) = self.requests.get(pull.request)
                && let Purpose::MatchedReceive(memory) = &request.purpose
            {
                port.collect(&registered, memory, pull.done);
            }
            pull.done += registered.length;
            port.release(registered);
            self.memory_is_free();
            self.pulls_waiting.push_back(cookie);
        }
    }

    /// Ends a pull: the receive is completed, the sender is told.
    pub(crate) fn end_pull(&mut self, cookie: u32, code: Code, port: &mut impl QueuePort) {
        let Some(pull) = self.pulls.remove(&cookie) else {
            return;
        };
        record!(
            debug,
            "pull ends: cookie {cookie} from {}, {} bytes, {code}",
            self.partners.named(pull.partner),
            pull.length
        );
        if let Some(registered) = pull.registered {
            self.pulls_running -= 1;
            if code == Code::Success
                && let Some(request) = self.requests.get(pull.request)
                && let Purpose::MatchedReceive(memory) = &request.purpose
            {
                port.collect(&registered, memory, pull.done);
            }
            port.release(registered);
            self.memory_is_free();
        }
        let related = self
            .partners
            .get(pull.partner)
            .is_some_and(|partner| partner.session.is_some() && partner.relation == pull.relation);
        let code = if related || code == Code::Success {
            code
        } else {
            Code::RemoteEndpointUnreachable
        };
        let transferred = if code == Code::Success {
            self.end_receive(pull.request);
            pull.length
        } else {
            if let Some(request) = self.requests.get_mut(pull.request) {
                request.outcome.transferred = 0;
            }
            self.requests.complete(pull.request, code);
            0
        };
        // Whoever is there now may use the same window for another message.
        if related {
            self.notify(pull.partner, &pull.offer, transferred);
        }
    }

    /// Ends the pulls from a partner that is gone: those that run are given up by the board.
    pub(crate) fn abort_pulls(&mut self, partner: PartnerKey, port: &mut impl QueuePort) {
        let cookies: Vec<(u32, bool)> = self
            .pulls
            .iter()
            .filter(|(_, pull)| pull.partner == partner)
            .map(|(cookie, pull)| (*cookie, pull.registered.is_some()))
            .collect();
        for (cookie, running) in cookies {
            if running {
                // Without room the pull ends by its refusal or its timeout.
                port.post(&Command::to_board(CommandBody::AbortPull { cookie }), &[]);
            } else {
                self.end_pull(cookie, Code::RemoteEndpointUnreachable, port);
            }
        }
    }

    /// Tells a partner how much of its large message was pulled. It goes before all messages that wait.
    pub(crate) fn notify(&mut self, to: PartnerKey, offer: &Rendezvous, transferred: u32) {
        let content = Content::Notify(Notify {
            transferred,
            window: offer.window,
            window_seqnum: offer.window_seqnum,
        });
        self.send_before_all(to, Body::Bare(content));
    }

    /// A partner has pulled a large message of ours.
    fn notified(&mut self, partner: PartnerKey, notify: &Notify, port: &mut impl QueuePort) {
        let Some(key) = self.windows.holder(notify.window, notify.window_seqnum) else {
            return;
        };
        let Some(outgoing) = self.outgoing.get_mut(key) else {
            return;
        };
        if outgoing.partner != partner {
            return;
        }
        if let Body::Large {
            acked, notified, ..
        } = &mut outgoing.body
        {
            *notified = Some(notify.transferred);
            record!(
                debug,
                "fetched by {}: session {:08x}, seq {}, {} bytes",
                self.partners.named(partner),
                self.partners.session(partner),
                outgoing.seq.to_wire(),
                notify.transferred
            );
            if *acked {
                self.end_outgoing(key, Code::Success, port);
            }
        }
    }
}
