//! What the threads of an endpoint share under its lock.

use std::sync::Arc;
use std::time::Duration;

use mx_engine::Code;
use mx_engine::{Config, Engine, Outcome, PartnerKey};
use mx_ring::control::Status as Reason;
use mx_ring::inbox::Sender;
use mx_ring::{Event, EventBody, Origin, VolatileSlice};
use mx_wire::{Connect, MacAddress};

use super::handling::Handling;
use super::neighbours::{Neighbours, Own, OwnInbox};
use super::port::Port;
use super::readings::Readings;
use super::spin::Spin;
use super::{Address, Status};
use crate::backend::Channel;
use crate::board::Board;
use crate::clock;
use crate::error::Error;

/// Events taken in one round, so that a flood does not keep a caller for ever.
const EVENTS_PER_ROUND: usize = 256;
/// When a backend that reads nothing is taken to lack a processor. The clock has steps of up to 10 ms.
const STARVED: Duration = Duration::from_millis(12);
/// Status of an endpoint that its backend serves.
pub const OPEN: u32 = Reason::Ok as u32;
const BACKEND_GONE: u32 = Reason::BackendGone as u32;
/// How often a silent backend is asked whether it is still there.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);

/// State of an endpoint.
pub struct EndpointState {
    /// Order, matching, retransmission: all that needs no backend.
    pub engine: Engine,
    /// Where the protocol posts commands and finds events.
    pub port: Port,
    /// Where neighbours put what is for this endpoint.
    pub inbox: Option<OwnInbox>,
    /// The board's pages.
    pub board: Board,
    /// Own address and endpoint index.
    pub own: (u64, u32),
    /// Why the endpoint is of no use any more.
    pub broken: Option<Error>,
    /// Whether a thread sleeps at the backend.
    pub sleeping: bool,
    /// Whether a thread that waits on another endpoint sleeps for this one, too.
    pub covered: bool,
    /// By when a thread that sleeps, for this endpoint or for this one, too, wakes by itself.
    pub alarm: Option<Duration>,
    /// Threads that wait for the sleeping one.
    pub waiting: u32,
    /// Counts the calls of `wakeup`.
    pub wakeups: u64,
    /// Addresses of peers by their index, which never means another peer later.
    pub nic_ids: Vec<Option<u64>>,
    /// Events that were taken since time was last judged, while there were always more.
    pub behind: usize,
    /// When progress was last made, if it took all events there were.
    pub rested: Option<Duration>,
    /// Whether there was nothing else to do then, nor is since.
    pub idle: bool,
    /// The calls' readings of the clock.
    pub readings: Readings,
    /// When the backend was last known to be there.
    pub heard: Duration,
    /// How long to look before sleeping.
    pub spin: Spin,
    /// What the process has posted and the backend has not read, and since when: the time of the last look that found
    /// it changed.
    pub unread: (u32, Duration),
    /// Whether the application has forbidden progress.
    pub disabled: bool,
    /// The application's handler of unexpected messages.
    pub handling: Handling,
}

impl EndpointState {
    /// Of a freshly opened endpoint. `adjust` changes what the protocol begins with.
    pub fn new(
        port: Port,
        board: Board,
        endpoint: u32,
        session: u32,
        key: u32,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, Error> {
        let description = board.description()?;
        let fragment = description.medium_fragment.into();
        let mut config = Config::new(session, key, fragment, description.mx_wire);
        let geometry = port.process.layout().geometry();
        config.backend = description.generation;
        config.transmit_bytes = geometry.transmit;
        config.pulls_max = geometry.expected as usize;
        adjust(&mut config);
        Ok(Self {
            engine: Engine::new(config),
            port,
            inbox: None,
            own: (description.mac.nic_id(), endpoint),
            board,
            broken: None,
            sleeping: false,
            covered: false,
            alarm: None,
            unread: (0, Duration::ZERO),
            spin: Spin::new(),
            waiting: 0,
            wakeups: 0,
            nic_ids: Vec::new(),
            behind: 0,
            rested: None,
            idle: false,
            readings: Readings::default(),
            heard: Duration::ZERO,
            disabled: false,
            handling: Handling::default(),
        })
    }

    /// Has neighbours send without the backend, and sends so to them, where there is the means for it.
    pub fn share_with_neighbours(&mut self, board: u32, channel: Arc<dyn Channel>) {
        let (nic_id, endpoint) = self.own;
        let (Ok(peer), Ok(endpoint)) = (self.peer_by_nic_id(nic_id), u8::try_from(endpoint)) else {
            return;
        };
        let session = self.engine.config().session;
        let sender = Sender { endpoint, session };
        let mac = MacAddress::from_nic_id(nic_id);
        match OwnInbox::new(mac, sender) {
            Ok(inbox) => self.inbox = Some(inbox),
            Err(error) => tracing::debug!("no memory is shared with neighbours: {error}"),
        }
        let own = Own {
            board,
            mac,
            peer,
            sender,
        };
        self.port.neighbours = Some(Neighbours::new(own, channel));
    }

    /// Whether nothing may progress: the application says so, or its handler runs.
    pub fn stopped(&self) -> bool {
        self.disabled || self.handling.running()
    }

    /// Whether progress at this time would find what it left: no event, and no call has made work since. The clock has steps
    /// of milliseconds, within which nothing becomes due. What the backend has given back meanwhile is work only for those
    /// who wait for room, and with those there is no rest.
    #[inline]
    pub fn rests(&mut self, now: Duration) -> bool {
        self.rested == Some(now) && !self.has_news() && self.is_idle(now)
    }

    /// Whether nothing is due at the time of the last progress. Asked by looks, of which there are many while nothing changes,
    /// and not by the calls that change something.
    #[inline]
    fn is_idle(&mut self, rested: Duration) -> bool {
        self.idle = self.idle || !self.engine.has_work(rested);
        self.idle
    }

    /// Whether the backend or a neighbour has written what progress would take, or there is another backend.
    #[inline(always)]
    pub fn has_news(&self) -> bool {
        self.event_waits() || self.board.generation() != self.engine.backend()
    }

    /// Whether an event waits: a few loads, for who looks again and again.
    #[inline(always)]
    pub fn event_waits(&self) -> bool {
        self.port.process.event_waits() || self.inbox.as_ref().is_some_and(OwnInbox::has_news)
    }

    /// A thread is about to sleep for this endpoint: neighbours have the backend wake it. Whether one has put something
    /// before it knew.
    pub fn about_to_sleep(&mut self) -> bool {
        self.inbox.as_mut().is_some_and(|own| {
            own.inbox().sleeps();
            own.has_news()
        })
    }

    /// No thread sleeps for this endpoint.
    pub fn woken(&mut self) {
        if let Some(own) = &mut self.inbox
            && !self.sleeping
            && !self.covered
        {
            own.inbox().wakes();
        }
    }

    /// Takes what neighbours have put in; whether nothing is left of it.
    fn take_from_neighbours(&mut self) -> bool {
        let Self {
            engine,
            port,
            inbox: Some(own),
            ..
        } = self
        else {
            return true;
        };
        if !own.has_news() {
            return true;
        }
        own.inbox()
            .take(EVENTS_PER_ROUND as u32, |sender, event, payload| {
                tracing::trace!("from a neighbour: {event}");
                take_from_neighbour(engine, port, sender, event, payload);
                !engine.has_offers()
            });
        !own.has_news()
    }

    /// The time at which a look has to make progress, if it has to: with news, or when something may be due.
    #[inline(always)]
    pub fn time_of_progress(&mut self, news: bool) -> Option<Duration> {
        let Some(rested) = self.rested.filter(|_| !news) else {
            return Some(self.readings.read());
        };
        if !self.is_idle(rested) {
            return Some(self.readings.read());
        }
        if self.readings.may_be_spared() {
            self.readings.spare();
            return None;
        }
        let now = self.readings.read();
        (now != rested).then_some(now)
    }

    /// Whether the backend has read nothing of what was posted for longer than it takes to wake: it does not get to
    /// run.
    pub fn backend_starves(&mut self) -> bool {
        let (process, now) = (&self.port.process, clock::now());
        let sent = process.sent();
        if sent == process.next_command_index() || sent != self.unread.0 {
            self.unread = (sent, now);
        }
        now.saturating_sub(self.unread.1) >= STARVED
    }

    /// Takes events, does what is due at this time. Whether there were events. An unexpected message that the
    /// application wants to see ends the round: it must be offered before the next one.
    pub fn progress(&mut self, now: Duration, channel: &dyn Channel) -> bool {
        if self.broken.is_some() || self.stopped() || self.engine.has_offers() {
            return false;
        }
        self.engine.set_now(now);
        self.rested = None;
        self.idle = false;
        // Before the events, among which those of the backend before are when another one is there.
        let generation = self.board.generation();
        // Before those of the backend, which may say that who sent them is gone.
        let none_left = self.take_from_neighbours();
        let mut taken = 0;
        while none_left
            && taken < EVENTS_PER_ROUND
            && !self.engine.has_offers()
            && let Some(event) = self.port.process.next_unexpected()
        {
            taken += 1;
            match event {
                Ok(event) => self.take(&event),
                Err(_) => return self.fail(Error::Confused),
            }
        }
        let mut ended = 0;
        while ended < EVENTS_PER_ROUND
            && let Some(event) = self.port.process.next_expected()
        {
            ended += 1;
            match event {
                Ok(event) => {
                    tracing::trace!("event: {event}");
                    self.engine.event(&event, None, &mut self.port);
                }
                Err(_) => return self.fail(Error::Confused),
            }
        }
        let all = none_left && taken.max(ended) < EVENTS_PER_ROUND && !self.engine.has_offers();
        if all && generation != self.engine.backend() && generation != 0 {
            self.engine.backend_changed(generation);
        }
        let taken = taken + ended;
        // When as many events were taken as the queue holds, those that waited at first have all been seen. A flood does
        // not keep messages from being sent again.
        let queue = self.port.process.layout().geometry().unexpected as usize;
        self.behind = if all { 0 } else { self.behind + taken };
        let judge = all || self.behind >= queue;
        if taken > 0 {
            self.port.process.publish_consumed();
            self.heard = now;
        } else {
            match self.port.process.status() {
                OPEN => {}
                BACKEND_GONE => return self.fail(Error::BackendGone),
                reason => return self.fail(Error::Closed(reason)),
            }
            if now.saturating_sub(self.heard) > SIGN_OF_LIFE {
                self.heard = now;
                if !channel.alive() {
                    return self.fail(Error::BackendGone);
                }
                if let Some(own) = &mut self.inbox {
                    own.expire();
                }
            }
        }
        if judge {
            self.behind = 0;
            self.engine.judge(&mut self.port);
        }
        self.engine.work_between(&mut self.port);
        self.flush(channel);
        self.rested = all.then_some(now);
        taken > 0
    }

    fn take(&mut self, event: &Event) {
        tracing::trace!("event: {event}");
        if let EventBody::Connect {
            connect: Connect::Request(_),
            ..
        } = event.body
        {
            self.recognise(event.from.peer);
        }
        let Some((position, length)) = event.received() else {
            self.engine.event(event, None, &mut self.port);
            return;
        };
        let part: Option<VolatileSlice> =
            self.port.process.receive_part(position, length.into()).ok();
        self.engine.event(event, part, &mut self.port);
        self.port.process.release_receive(position, length.into());
    }

    /// Wakes the backend if something was posted and it sleeps.
    #[inline(always)]
    pub fn flush(&mut self, channel: &dyn Channel) {
        if std::mem::take(&mut self.port.posted) && self.port.process.kick_needed() {
            channel.kick();
        }
    }

    /// The endpoint is of no use any more: everything that waits ends.
    pub fn fail(&mut self, error: Error) -> bool {
        if self.broken.is_none() {
            self.broken = Some(error);
            if let Some(own) = &mut self.inbox {
                own.inbox().close();
            }
            self.engine.abandon(Code::MessageAborted);
        }
        true
    }

    /// An outcome with the address of its partner.
    #[inline(always)]
    pub fn status(&self, outcome: Outcome) -> Status {
        Status {
            code: outcome.code,
            address: outcome.partner.and_then(|partner| self.address(partner)),
            match_info: outcome.match_info,
            message_length: outcome.message_length,
            transferred: outcome.transferred,
            context: outcome.context,
        }
    }

    /// Index of the peer with this address.
    pub fn peer_by_nic_id(&mut self, nic_id: u64) -> Result<u16, Error> {
        let peer = self.board.peer_by_nic_id(nic_id)?;
        self.recognise(peer);
        Ok(peer)
    }

    /// Looks who has a peer's index: that of one which was silent for long may have become another machine's. Whoever is
    /// new connects, or is connected to, before anything else passes.
    fn recognise(&mut self, peer: u16) {
        let Some(present) = self.board.peer(peer).map(|peer| peer.mac.nic_id()) else {
            return;
        };
        let before = self.nic_id_of_peer(peer).replace(present);
        if before.is_some_and(|before| before != present) {
            self.engine.peer_is_another(peer, &mut self.port);
        }
    }

    fn nic_id_of_peer(&mut self, peer: u16) -> &mut Option<u64> {
        let index = usize::from(peer);
        if self.nic_ids.len() <= index {
            self.nic_ids.resize(index + 1, None);
        }
        &mut self.nic_ids[index]
    }

    /// The address of a partner.
    #[inline]
    pub fn address(&self, partner: PartnerKey) -> Option<Address> {
        if partner == self.engine.loopback() {
            return Some(Address {
                partner,
                nic_id: self.own.0,
                endpoint: self.own.1,
                session: self.engine.config().session,
            });
        }
        let (peer, endpoint, session) = self.engine.describe(partner)?;
        Some(Address {
            partner,
            nic_id: self
                .nic_ids
                .get(usize::from(peer))
                .map_or(0, |known| known.unwrap_or(0)),
            endpoint: endpoint.into(),
            session: session.unwrap_or(u32::MAX),
        })
    }
}

/// Takes an event that a neighbour has put in: nothing but what one may send, and only from whom this endpoint knows there, if it
/// knows anybody.
fn take_from_neighbour(
    engine: &mut Engine,
    port: &mut Port,
    sender: Sender,
    event: &Event,
    payload: Option<VolatileSlice>,
) {
    let Some(peer) = port.neighbours.as_ref().map(Neighbours::peer) else {
        return;
    };
    let partner = engine.partner(peer, sender.endpoint);
    let known = engine.describe(partner).and_then(|(_, _, session)| session);
    if known.is_some_and(|session| session != sender.session)
        || !matches!(event.body, EventBody::Message(..) | EventBody::Ack(_))
    {
        return;
    }
    let from = Origin {
        peer,
        endpoint: sender.endpoint,
        local: true,
    };
    let event = Event {
        from,
        body: event.body,
    };
    engine.event(&event, payload, port);
}
