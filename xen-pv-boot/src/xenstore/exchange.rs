//! Requests on their way out, replies and watches on their way in. Nothing here waits: bytes move when they can.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use xen_sys::xs_wire as abi;

use super::Error;
use super::ring::Ring;
use super::wire::{Assembler, Header, Message, WatchEvent, text};

/// Watch events that are kept; beyond it the oldest goes, and [`Exchange::take_lost`] tells.
const EVENTS_MAX: usize = 512;
/// Bytes of requests that wait for room in the ring; beyond it requests are refused.
const OUTGOING_MAX: usize = 64 << 10;

/// What moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moved {
    /// Bytes went out or came in: the daemon is to be told.
    pub bytes: bool,
    /// Replies or watches came.
    pub messages: bool,
    /// More may have come than was taken.
    pub more: bool,
}

/// The daemon moved an index, or told a length, that cannot be.
struct OutOfStep;

/// A request whose reply was not fetched yet.
struct Request {
    kind: u32,
    reply: Option<Result<Vec<u8>, Error>>,
}

/// Both directions of the connection to the daemon.
pub(crate) struct Exchange {
    ring: Ring,
    outgoing: VecDeque<u8>,
    assembler: Assembler,
    next_request: u32,
    requests: BTreeMap<u32, Request>,
    events: VecDeque<WatchEvent>,
    lost: bool,
    broken: bool,
    /// A request was queued since the last turn.
    fresh: bool,
}

impl Exchange {
    pub(crate) fn new(ring: Ring) -> Self {
        Self {
            ring,
            outgoing: VecDeque::new(),
            assembler: Assembler::default(),
            next_request: 1,
            requests: BTreeMap::new(),
            events: VecDeque::new(),
            lost: false,
            broken: false,
            fresh: false,
        }
    }

    /// Queues a request; its number.
    pub(crate) fn submit(
        &mut self,
        kind: u32,
        transaction: u32,
        body: &[&[u8]],
    ) -> Result<u32, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let length: usize = body.iter().map(|part| part.len()).sum();
        if length > abi::XENSTORE_PAYLOAD_MAX {
            return Err(Error::TooLong);
        }
        if self.outgoing.len() + abi::HEADER_SIZE + length > OUTGOING_MAX {
            return Err(Error::Busy);
        }
        let request = self.next_request;
        self.next_request = self.next_request.wrapping_add(1).max(1);
        let header = Header {
            kind,
            request,
            transaction,
            length: length as u32,
        };
        self.outgoing.extend(header.to_bytes());
        for part in body {
            self.outgoing.extend(part.iter());
        }
        self.requests.insert(request, Request { kind, reply: None });
        self.fresh = true;
        Ok(request)
    }

    /// The reply to a request, once it is there.
    pub(crate) fn reply(&mut self, request: u32) -> Option<Result<Vec<u8>, Error>> {
        self.requests.get(&request)?.reply.as_ref()?;
        self.requests.remove(&request)?.reply
    }

    /// Nobody waits for this reply any more.
    pub(crate) fn forget(&mut self, request: u32) {
        self.requests.remove(&request);
    }

    /// Whether a request was queued since the last turn. One that found no room in the ring then is not fresh: the daemon
    /// tells when it has read something.
    pub(crate) fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Moves bytes in both directions, as far as the ring has room, and takes at most `messages` messages.
    pub(crate) fn turn(&mut self, messages: usize) -> Moved {
        let mut moved = Moved::default();
        self.fresh = false;
        if self.broken {
            return moved;
        }
        while let (head, _) = self.outgoing.as_slices()
            && !head.is_empty()
        {
            match self.ring.send(head) {
                Ok(0) => break,
                Ok(sent) => {
                    self.outgoing.drain(..sent);
                    moved.bytes = true;
                }
                Err(_) => {
                    self.fail();
                    return moved;
                }
            }
        }
        moved.more = true;
        for _ in 0..messages {
            match self.message(&mut moved.bytes) {
                Ok(Some(message)) => {
                    moved.messages = true;
                    self.came(message);
                }
                Ok(None) => {
                    moved.more = false;
                    break;
                }
                Err(OutOfStep) => {
                    self.fail();
                    moved.messages = true;
                    moved.more = false;
                    break;
                }
            }
        }
        moved
    }

    /// The next whole message of the ring.
    fn message(&mut self, took: &mut bool) -> Result<Option<Message>, OutOfStep> {
        let mut piece = [0; 256];
        loop {
            if let Some(message) = self.assembler.take() {
                return Ok(Some(message));
            }
            let wants = self.assembler.wants().map_err(|_| OutOfStep)?;
            let room = &mut piece[..wants.min(256)];
            match self.ring.receive(room).map_err(|_| OutOfStep)? {
                0 => return Ok(None),
                count => {
                    *took = true;
                    self.assembler.push(&piece[..count]);
                }
            }
        }
    }

    fn came(&mut self, message: Message) {
        if message.header.kind == abi::XS_WATCH_EVENT {
            if let Some(event) = WatchEvent::parse(&message.payload) {
                self.keep(event);
            }
        } else if let Some(request) = self.requests.get_mut(&message.header.request) {
            request.reply = Some(said(request.kind, message));
        }
    }

    fn keep(&mut self, event: WatchEvent) {
        if self.events.contains(&event) {
            return;
        }
        if self.events.len() >= EVENTS_MAX {
            self.events.pop_front();
            self.lost = true;
        }
        self.events.push_back(event);
    }

    /// The next watch that fired.
    pub(crate) fn next_event(&mut self) -> Option<WatchEvent> {
        self.events.pop_front()
    }

    /// Whether watches were lost since the last call.
    pub(crate) fn take_lost(&mut self) -> bool {
        core::mem::take(&mut self.lost)
    }

    /// The daemon did what it cannot do: every request fails from now on.
    fn fail(&mut self) {
        log::error!("{}; nothing can attach or detach any more", Error::Broken);
        self.broken = true;
        for request in self.requests.values_mut() {
            request.reply.get_or_insert(Err(Error::Broken));
        }
    }
}

/// What a reply says.
fn said(kind: u32, message: Message) -> Result<Vec<u8>, Error> {
    if message.header.kind == kind {
        return Ok(message.payload);
    }
    if message.header.kind != abi::XS_ERROR {
        return Err(Error::BadReply);
    }
    Err(match text(&message.payload).as_deref() {
        Some("ENOENT") => Error::NotFound,
        Some("EACCES" | "EPERM") => Error::Denied,
        Some("EAGAIN") => Error::Again,
        Some(name) => Error::Other(name.into()),
        None => Error::BadReply,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake::Daemon;
    use super::*;
    use proptest::prelude::*;

    fn read(exchange: &mut Exchange, path: &[u8]) -> u32 {
        exchange.submit(abi::XS_READ, 0, &[path, &[0]]).unwrap()
    }

    #[test]
    fn replies_find_their_requests_in_any_order_and_watches_come_beside_them() {
        let (mut daemon, ring) = Daemon::start();
        let mut exchange = Exchange::new(ring);
        let (one, two) = (read(&mut exchange, b"one"), read(&mut exchange, b"two"));
        assert!(exchange.turn(4).bytes);
        let asked = daemon.take();
        assert_eq!(asked.len(), 2);
        daemon.say(abi::XS_READ, two, b"second");
        daemon.say(abi::XS_WATCH_EVENT, 0, b"some/path\0token\0");
        daemon.say(abi::XS_ERROR, one, b"ENOENT\0");
        assert!(exchange.turn(4).messages);
        assert_eq!(exchange.reply(one), Some(Err(Error::NotFound)));
        assert_eq!(exchange.reply(two), Some(Ok(b"second".to_vec())));
        assert_eq!(exchange.reply(two), None);
        assert_eq!(exchange.next_event().unwrap().token, "token");
    }

    #[test]
    fn requests_beyond_the_rings_room_wait_and_none_is_cut() {
        let (mut daemon, ring) = Daemon::start();
        let mut exchange = Exchange::new(ring);
        let numbers: Vec<u32> = (0..40).map(|_| read(&mut exchange, &[b'p'; 100])).collect();
        let mut asked = Vec::new();
        for _ in 0..40 {
            exchange.turn(4);
            asked.extend(
                daemon
                    .take()
                    .into_iter()
                    .map(|message| message.header.request),
            );
        }
        assert_eq!(asked, numbers);
    }

    #[test]
    fn a_daemon_that_takes_nothing_fills_a_bounded_queue_and_is_no_loss_to_those_who_gave_up() {
        let (_daemon, ring) = Daemon::start();
        let mut exchange = Exchange::new(ring);
        let refused = loop {
            match exchange.submit(abi::XS_READ, 0, &[&[b'p'; 1000], &[0]]) {
                Ok(request) => exchange.forget(request),
                Err(error) => break error,
            }
            exchange.turn(4);
        };
        assert_eq!(refused, Error::Busy);
        assert!(exchange.requests.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_of_the_daemon_leave_a_request_without_an_end(
            noise in proptest::collection::vec(any::<u8>(), 0..600),
            index in any::<u32>(),
            moves_index in any::<bool>(),
        ) {
            let (mut daemon, ring) = Daemon::start();
            let mut exchange = Exchange::new(ring);
            let request = read(&mut exchange, b"x");
            exchange.turn(4);
            daemon.say_raw(&noise);
            if moves_index {
                daemon.move_index(index);
            }
            for _ in 0..200 {
                exchange.turn(4);
            }
            // Broken at the latest when an index cannot be; otherwise the noise may be the start of a message.
            if exchange.broken {
                prop_assert!(exchange.reply(request).is_some());
                prop_assert_eq!(exchange.submit(abi::XS_READ, 0, &[b"y\0"]), Err(Error::Broken));
            }
        }
    }
}
