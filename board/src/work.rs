//! What boards do without being asked: beacons, questions for names, timers of pulls, replies, local copies. Whose turn it is,
//! and for how much, is the affair of `turn`.

use mx_records::record;
use mx_ring::{Counter, Event, EventBody, PullStatus, Reach, RegionKey, Wanted, Window};
use mx_wire::{NackCode, Packet, PullReply};

use crate::board::Board;
use crate::key::{BoardId, EndpointKey, Extent, Source};
use crate::peers::Peer;
use crate::ports::{Full, Ports};
use crate::pull::{Attention, LocalPull, PullTable, Transfer};
use crate::share::{CLOCKS, MESSAGE, NEWS, Served};
use crate::switch::Switch;
use crate::time::Instant;

/// Replies that an endpoint sends in a turn.
const REPLIES: u32 = 8;
/// Farewells that a board sends in a turn.
const FAREWELLS: u32 = 16;
/// Host queries that a board sends in a turn.
const QUERIES: u32 = 16;

impl Switch {
    /// What closed endpoints have left to be said, and is due.
    pub(crate) fn say_farewells<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        for _ in 0..FAREWELLS {
            let Some(board) = self.board_mut(id) else {
                break;
            };
            let Some((mac, packet)) = board.departed.due(now) else {
                break;
            };
            all.did(MESSAGE);
            if let Some(peer) = board.peers.index_of(mac) {
                // One that does not get out is said again like one that is lost.
                let _lost = self.send(now, id, peer, &packet, Source::NONE, ports);
            }
        }
        all
    }

    /// Beacons and host queries that are due.
    pub(crate) fn discover<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        let Some(board) = self.board_mut(id) else {
            return all;
        };
        if board.discovery.beacon_due(now) {
            board.tidy(now, ports);
            if self.beacon(now, id, ports).is_err() {
                all.found_full();
                return all;
            }
            all.did(MESSAGE + NEWS * self.boards.len() as i64);
        }
        for _ in 0..QUERIES {
            let Some(board) = self.board_mut(id) else {
                break;
            };
            if !board.discovery.query_due(now) {
                break;
            }
            let Some(peer) = board.peers.next_to_ask(now) else {
                board.discovery.asked_all(now, board.peers.ask_next_at());
                break;
            };
            let query = Board::host_query(peer);
            if self
                .send(now, id, peer, &query, Source::NONE, ports)
                .is_err()
            {
                all.found_full();
                break;
            }
            if let Some(board) = self.board_mut(id) {
                board.peers.asked(peer, now);
            }
            all.did(MESSAGE);
        }
        all
    }

    /// Sends some replies of the transfer whose turn it is, for at most so much and one more.
    pub(crate) fn reply<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        most: i64,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        if most <= 0 {
            return all;
        }
        let Some(mut transfer) = self
            .board_mut(key.board)
            .and_then(|board| board.endpoint_mut(key.endpoint))
            .and_then(|endpoint| endpoint.replies.take_next())
        else {
            return all;
        };
        // The window may have been unbound or bound anew since the pull came: then its bytes are no longer to be read.
        let Some(window) = ports
            .window(key, transfer.window_id)
            .filter(|window| transfer.reads(window))
            .filter(|window| window_fits(ports, key, window))
        else {
            all.did(MESSAGE);
            return all;
        };
        let mut waits = false;
        for _ in 0..REPLIES {
            let Some(reply) = transfer.next_reply().filter(|_| all.cost < most) else {
                break;
            };
            let length = reply.length.into();
            let Some((region, offset)) = reached(ports, key, &window, reply.window_offset, length)
            else {
                waits = true;
                all.did(MESSAGE);
                if transfer.window_told != Some(window)
                    && !self.reaches_another(key, &transfer, &window, ports)
                {
                    let wanted = wanted(transfer.window_id, &window, reply.window_offset);
                    if ports.deliver(key, &wanted, Source::NONE).is_ok() {
                        transfer.told(window);
                    }
                }
                break;
            };
            let packet = Packet::PullReply(PullReply {
                frame_seqnum: reply.frame_seqnum,
                length: reply.length,
                message_offset: reply.message_offset,
                handle: transfer.handle,
                magic: transfer.magic,
            });
            let payload = Source::Region(Extent {
                owner: key,
                region,
                offset,
                length,
            });
            if self
                .send(now, key.board, transfer.peer, &packet, payload, ports)
                .is_err()
            {
                all.found_full();
                break;
            }
            transfer.reply_sent();
            all.did(MESSAGE + i64::from(reply.length));
        }
        if let Some(endpoint) = self
            .board_mut(key.board)
            .and_then(|board| board.endpoint_mut(key.endpoint))
        {
            if waits {
                endpoint.replies.put_aside(now, transfer);
            } else {
                endpoint.replies.put_back(transfer, all.full);
            }
        }
        all
    }

    /// Gives the waiting pulls of an endpoint their turns, for at most so much and one more: requests, ends, slices of local
    /// copies, and clocks that are to be looked at.
    pub(crate) fn pull<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        most: i64,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        while all.cost < most && self.pulls(key).is_some_and(|pulls| pulls.is_retrying()) {
            all.did(CLOCKS);
            if let Some(board) = self.board_mut(key.board) {
                board.retry_pulls(now, key.endpoint);
            }
        }
        let waiting = self.pulls(key).map_or(0, |pulls| pulls.waiting());
        for _ in 0..waiting {
            if all.cost >= most {
                break;
            }
            let Some(slot) = self.pulls(key).and_then(PullTable::next_waiting) else {
                break;
            };
            match self.pulls(key).and_then(|pulls| pulls.attention(slot)) {
                None => {}
                Some(Attention::Tell(event)) => {
                    all.did(MESSAGE);
                    self.tell(now, key, slot, event, ports);
                }
                Some(Attention::Copy(pull)) => {
                    let copied = self.copy(now, key, slot, &pull, ports);
                    all.did(MESSAGE + i64::from(copied));
                }
                Some(Attention::Ask { peer }) => {
                    let (requests, asked) = self.ask(now, key, slot, peer, ports);
                    if requests > 0 {
                        all.did(MESSAGE * requests);
                    }
                    if asked.is_err() {
                        if let Some(pulls) = self.pulls(key) {
                            pulls.wait(slot);
                        }
                        all.found_full();
                        break;
                    }
                }
            }
        }
        all
    }

    fn pulls(&mut self, key: EndpointKey) -> Option<&mut PullTable> {
        let endpoint = self.board_mut(key.board)?.endpoint_mut(key.endpoint)?;
        Some(&mut endpoint.pulls)
    }

    /// Tells the process that a pull has ended.
    fn tell<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        slot: u16,
        event: Event,
        ports: &mut P,
    ) {
        let told = ports.deliver(key, &event, Source::NONE).is_ok();
        let Some(pulls) = self.pulls(key) else { return };
        if told {
            pulls.told(slot);
            self.tidy_pulls(key);
            return;
        }
        pulls.tell_later(now);
        if let Some(board) = self.board_mut(key.board) {
            board.count(Counter::ExpectedEventQueueFull);
            record!(debug, "{}: no room yet for the event: {event}", board.name);
        }
    }

    /// Sends the requests that a pull wants to send; how many, and whether there was room for all.
    fn ask<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        slot: u16,
        peer: u16,
        ports: &mut P,
    ) -> (i64, Result<(), Full>) {
        let mut sent = 0;
        while let Some((frames, request)) = self
            .pulls(key)
            .and_then(|pulls| pulls.next_request(slot, key.endpoint))
        {
            let packet = Packet::Pull(request);
            if let Err(full) = self.send(now, key.board, peer, &packet, Source::NONE, ports) {
                return (sent, Err(full));
            }
            sent += 1;
            if let Some(pulls) = self.pulls(key) {
                pulls.asked(now, slot, frames);
            }
        }
        (sent, Ok(()))
    }

    /// Copies a slice between local endpoints, or ends the pull; says how many bytes were copied.
    fn copy<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        slot: u16,
        pull: &LocalPull,
        ports: &mut P,
    ) -> u32 {
        if self.local_board(key.board, pull.to.peer) != Some(pull.owner.board) {
            self.over_wire(now, key, slot, pull.to.peer);
            return 0;
        }
        if !self.may_be_refused(now, key.board, pull) {
            if let Some(pulls) = self.pulls(key) {
                pulls.copy_later(now, slot, pull.window_told);
            }
            return 0;
        }
        let slice = pull.slice();
        let start = pull.order.window_offset + pull.done;
        let window = self.readable(pull, ports).map_err(PullStatus::from);
        if window.is_err() {
            self.refused(now, key.board, pull);
        }
        let place = window.map(|window| reached(ports, pull.owner, &window, start, slice));
        if let (Ok(window), Ok(None)) = (window, place) {
            let wanted = wanted(pull.order.window, &window, start);
            let told = pull.window_told == Some(window)
                || ports.deliver(pull.owner, &wanted, Source::NONE).is_ok();
            if let Some(pulls) = self.pulls(key) {
                pulls.copy_later(now, slot, told.then_some(window));
            }
            return 0;
        }
        let outcome = place.and_then(|place| {
            let (region, offset) = place.ok_or(PullStatus::Aborted)?;
            let from = Extent {
                owner: pull.owner,
                region,
                offset,
                length: slice,
            };
            let to = Extent {
                owner: key,
                region: pull.order.region,
                offset: pull.order.offset + pull.done,
                length: slice,
            };
            ports
                .copy(Source::Region(from), to)
                .map_err(|_| PullStatus::Aborted)
        });
        let Some(pulls) = self.pulls(key) else {
            return 0;
        };
        match outcome {
            Ok(()) => {
                pulls.copied(slot, slice);
                slice
            }
            Err(status) => {
                pulls.end(slot, status);
                0
            }
        }
    }

    /// What was pulled from a board of this backend is asked for over the wire from now on.
    fn over_wire(&mut self, now: Instant, key: EndpointKey, slot: u16, peer: u16) {
        let format = self.settings.format;
        let peer = self
            .board(key.board)
            .and_then(|board| board.peers.get(peer));
        let wait = peer.map(|peer| peer.round_trip.wait());
        let Some(pulls) = self.pulls(key) else {
            return;
        };
        match wait {
            Some(wait) => pulls.over_wire(now, slot, wait, &format),
            None => pulls.end(slot, PullStatus::TimedOut),
        }
    }

    /// How the window's owner knows the board that pulls.
    fn puller(&mut self, from: BoardId, pull: &LocalPull) -> Option<&mut Peer> {
        let index = self.board(from)?.peers.get(pull.to.peer)?.reverse?;
        self.board_mut(pull.owner.board)?.peers.get_mut(index)
    }

    /// Whether a refusal may be told now. A pull that has begun named the right session; any other one is not even looked
    /// at until then, since a session can be tried by what is not refused, too.
    fn may_be_refused(&mut self, now: Instant, from: BoardId, pull: &LocalPull) -> bool {
        pull.done > 0
            || self
                .puller(from, pull)
                .is_none_or(|peer| peer.nacks.has(now))
    }

    /// A local pull is refused, which counts as a nack.
    fn refused(&mut self, now: Instant, from: BoardId, pull: &LocalPull) {
        if let Some(peer) = self.puller(from, pull) {
            peer.nacks.take(now);
        }
    }

    /// The window that a local pull reads; else the code that a nack would bring.
    fn readable<P: Ports>(&mut self, pull: &LocalPull, ports: &mut P) -> Result<Window, NackCode> {
        let endpoint_max = self.settings.endpoint_max;
        let order = &pull.order;
        let owner = pull.owner;
        let Some(board) = self.board_mut(owner.board) else {
            return Err(NackCode::EndpointClosed);
        };
        let (code, counter) = match board.endpoint(owner.endpoint) {
            Some(endpoint) if endpoint.session == pull.to.session => {
                let end = order.window_offset.checked_add(order.length);
                match ports
                    .window(owner, order.window)
                    .filter(|window| window.seqnum == order.window_seqnum)
                    .filter(|window| window_fits(ports, owner, window))
                {
                    Some(window) if end.is_some_and(|end| end <= window.length) => {
                        return Ok(window);
                    }
                    Some(_) => (NackCode::BadWindow, Counter::DropPullBadOffsetOrLength),
                    None => (NackCode::BadWindow, Counter::DropPullBadRegion),
                }
            }
            Some(_) => (NackCode::BadSession, Counter::DropBadSession),
            None if u16::from(owner.endpoint) >= endpoint_max => {
                (NackCode::BadEndpoint, Counter::DropBadEndpoint)
            }
            None => (NackCode::EndpointClosed, Counter::DropBadEndpoint),
        };
        board.count(counter);
        record!(
            debug,
            "{}: {}: a pull here {}, window {}, {code}",
            board.name,
            counter.label(),
            pull.to,
            order.window
        );
        Err(code)
    }
}

/// Whether a window lies within its region, as far as it alleges that.
pub(crate) fn window_fits<P: Ports>(ports: &mut P, owner: EndpointKey, window: &Window) -> bool {
    window.reach != Reach::Whole
        || ports.region(owner, window.region).is_some_and(|region| {
            window
                .offset
                .checked_add(window.length)
                .is_some_and(|end| end <= region.length)
        })
}

/// Where bytes of a message lie that are within it and whose window fits; `None` when the window does not reach them.
fn reached<P: Ports>(
    ports: &mut P,
    owner: EndpointKey,
    window: &Window,
    start: u32,
    length: u32,
) -> Option<(RegionKey, u32)> {
    let offset = match window.reach {
        Reach::Whole => window.offset.checked_add(start)?,
        Reach::Piece => start.checked_sub(window.offset)?,
        Reach::Nothing => return None,
    };
    let end = offset.checked_add(length)?;
    let region = ports.region(owner, window.region)?;
    (end <= region.length).then_some((window.region, offset))
}

impl Switch {
    /// Whether the window reaches what another transfer of its message sends next. That one goes first: if each of them had
    /// the piece moved when it finds it elsewhere, none would ever find it in its place.
    fn reaches_another<P: Ports>(
        &self,
        key: EndpointKey,
        transfer: &Transfer,
        window: &Window,
        ports: &mut P,
    ) -> bool {
        let endpoint = self
            .board(key.board)
            .and_then(|board| board.endpoint(key.endpoint));
        endpoint.is_some_and(|endpoint| {
            let mut others = endpoint.replies.of_window(transfer.window_id);
            others.any(|other| {
                other.reads(window)
                    && other.next_reply().is_some_and(|reply| {
                        let length = reply.length.into();
                        reached(ports, key, window, reply.window_offset, length).is_some()
                    })
            })
        })
    }
}

/// What tells a process that bytes from `offset` on are wanted.
fn wanted(window: u8, of: &Window, offset: u32) -> Event {
    Event::of_board(EventBody::Wanted(Wanted {
        window,
        window_seqnum: of.seqnum,
        offset,
    }))
}
