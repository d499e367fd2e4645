//! What boards do without being asked: beacons, questions for names, timers of pulls, replies, local copies. A turn is
//! bounded, and a board gets its share of bytes (deficit round robin).

use mx_records::record;
use mx_ring::{Counter, Event, EventBody, PullStatus, Reach, RegionKey, Wanted, Window};
use mx_wire::{NackCode, Packet, PullReply};

use crate::board::Board;
use crate::key::{BoardId, EndpointKey, Extent, Source};
use crate::ports::{Full, Ports};
use crate::pull::{Attention, COPY_SLICE, LocalPull, PullTable};
use crate::switch::{Progress, Switch};
use crate::time::Instant;

/// Bytes that a board may move in a turn. What it moves beyond is taken from its next turns.
const QUANTUM: i64 = 128 << 10;
/// Replies that an endpoint sends in a turn.
const REPLIES: u32 = 8;
/// Farewells that a board sends in a turn.
const FAREWELLS: u32 = 16;
/// Host queries that a board sends in a turn.
const QUERIES: u32 = 16;

impl Switch {
    /// One bounded turn for every board.
    pub fn work<P: Ports>(&mut self, now: Instant, ports: &mut P) -> Progress {
        let count = self.boards.len();
        let mut progress = Progress::Idle;
        let first = self.cursor;
        for place in (first..count).chain(0..first) {
            let wants = self
                .boards
                .get(place)
                .is_some_and(|board| board.as_ref().is_some_and(|board| board.wants_turn(now)));
            if wants {
                progress = progress.max(self.work_board(now, BoardId(place as u16), ports));
            }
        }
        self.cursor = if first + 1 < count { first + 1 } else { 0 };
        progress
    }

    fn work_board<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Progress {
        let Some(board) = self.board_mut(id) else {
            return Progress::Idle;
        };
        board.retry_pulls(now);
        let has_work = board.has_work();
        let mut progress = if board.muted {
            Progress::Idle
        } else {
            self.discover(now, id, ports)
        };
        progress = progress.max(self.say_farewells(now, id, ports));
        if has_work {
            progress = progress.max(self.work_endpoints(now, id, ports));
        }
        progress
    }

    /// What closed endpoints have left to be said, and is due.
    fn say_farewells<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Progress {
        let mut progress = Progress::Idle;
        for _ in 0..FAREWELLS {
            let Some(board) = self.board_mut(id) else {
                break;
            };
            let Some((mac, packet)) = board.departed.due(now) else {
                break;
            };
            progress = Progress::Busy;
            if let Some(peer) = board.peers.index_of(mac) {
                // One that does not get out is said again like one that is lost.
                let _lost = self.send(now, id, peer, &packet, Source::NONE, ports);
            }
        }
        progress
    }

    /// Beacons and host queries that are due.
    fn discover<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Progress {
        let Some(board) = self.board_mut(id) else {
            return Progress::Idle;
        };
        let mut progress = Progress::Idle;
        if board.discovery.beacon_due(now) {
            board.tidy(now, ports);
            progress = match self.beacon(now, id, ports) {
                Ok(()) => Progress::Busy,
                Err(Full) => return Progress::Blocked,
            };
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
                return Progress::Blocked;
            }
            if let Some(board) = self.board_mut(id) {
                board.peers.asked(peer, now);
            }
            progress = Progress::Busy;
        }
        progress
    }

    /// A slice for every endpoint of a board that has work, as far as the board's credit goes.
    fn work_endpoints<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Progress {
        let Some(board) = self.board_mut(id) else {
            return Progress::Idle;
        };
        board.credit = (board.credit + QUANTUM).min(QUANTUM);
        let mut progress = Progress::Idle;
        let mut passed = 0;
        let mut last = None;
        while let Some(board) = self.board_mut(id)
            && board.credit > 0
            && let Some((endpoint, distance)) = board.next_active(passed)
        {
            passed = distance + 1;
            last = Some(endpoint);
            let key = board.key(endpoint);
            let (replied, reply_bytes) = self.reply(now, key, ports);
            let (pulled, copied) = self.pull(now, key, ports);
            progress = progress.max(replied).max(pulled);
            if let Some(board) = self.board_mut(id) {
                board.credit -= i64::from(reply_bytes) + i64::from(copied);
                board.touched(endpoint);
            }
        }
        if let Some(endpoint) = last
            && let Some(board) = self.board_mut(id)
        {
            board.turn_ended_at(endpoint);
        }
        // Credit is not enough for anybody: it grows with the next turn.
        if last.is_none() {
            Progress::Busy
        } else {
            progress
        }
    }

    /// Sends some replies of the transfer whose turn it is; says how many bytes.
    fn reply<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        ports: &mut P,
    ) -> (Progress, u32) {
        let Some(mut transfer) = self
            .board_mut(key.board)
            .and_then(|board| board.endpoint_mut(key.endpoint))
            .and_then(|endpoint| endpoint.replies.take_next())
        else {
            return (Progress::Idle, 0);
        };
        // The window may have been unbound or bound anew since the pull came: then its bytes are no longer to be read.
        let Some(window) = ports
            .window(key, transfer.window_id)
            .filter(|window| transfer.reads(window))
            .filter(|window| window_fits(ports, key, window))
        else {
            return (Progress::Busy, 0);
        };
        let mut bytes = 0;
        let mut blocked = false;
        let mut waits = false;
        for _ in 0..REPLIES {
            let Some(reply) = transfer.next_reply() else {
                break;
            };
            let length = reply.length.into();
            let Some((region, offset)) = reached(ports, key, &window, reply.window_offset, length)
            else {
                waits = true;
                if transfer.window_told != Some(window) {
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
                blocked = true;
                break;
            }
            transfer.reply_sent();
            bytes += u32::from(reply.length);
        }
        if let Some(endpoint) = self
            .board_mut(key.board)
            .and_then(|board| board.endpoint_mut(key.endpoint))
        {
            if waits {
                endpoint.replies.put_aside(now, transfer);
            } else {
                endpoint.replies.put_back(transfer, blocked);
            }
        }
        let progress = match (bytes, blocked) {
            (0, true) => Progress::Blocked,
            _ => Progress::Busy,
        };
        (progress, bytes)
    }

    /// Gives every waiting pull of an endpoint a turn: requests, ends, and local copies up to a slice in all; says how
    /// many bytes were copied.
    fn pull<P: Ports>(&mut self, now: Instant, key: EndpointKey, ports: &mut P) -> (Progress, u32) {
        let mut copied = 0;
        let mut progress = Progress::Idle;
        let waiting = self.pulls(key).map_or(0, |pulls| pulls.waiting());
        for _ in 0..waiting {
            let Some(slot) = self.pulls(key).and_then(PullTable::next_waiting) else {
                break;
            };
            match self.pulls(key).and_then(|pulls| pulls.attention(slot)) {
                None => {}
                Some(Attention::Tell(event)) => {
                    self.tell(now, key, slot, event, ports);
                    progress = Progress::Busy;
                }
                Some(Attention::Copy(pull)) => {
                    copied += self.copy(now, key, slot, &pull, ports);
                    progress = Progress::Busy;
                    if copied >= COPY_SLICE {
                        break;
                    }
                }
                Some(Attention::Ask { peer }) => {
                    if self.ask(now, key, slot, peer, ports).is_err() {
                        if let Some(pulls) = self.pulls(key) {
                            pulls.wait(slot);
                        }
                        return (progress.max(Progress::Blocked), copied);
                    }
                    progress = Progress::Busy;
                }
            }
        }
        (progress, copied)
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
            return;
        }
        pulls.tell_later(now);
        if let Some(board) = self.board_mut(key.board) {
            board.count(Counter::ExpectedEventQueueFull);
            record!(debug, "{}: no room yet for the event: {event}", board.name);
        }
    }

    /// Sends the requests that a pull wants to send.
    fn ask<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        slot: u16,
        peer: u16,
        ports: &mut P,
    ) -> Result<(), Full> {
        while let Some((frames, request)) = self
            .pulls(key)
            .and_then(|pulls| pulls.next_request(slot, key.endpoint))
        {
            let packet = Packet::Pull(request);
            self.send(now, key.board, peer, &packet, Source::NONE, ports)?;
            if let Some(pulls) = self.pulls(key) {
                pulls.asked(now, slot, frames);
            }
        }
        Ok(())
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
        let slice = pull.slice();
        let start = pull.order.window_offset + pull.done;
        let window = self.readable(pull, ports).map_err(PullStatus::from);
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

/// What tells a process that bytes from `offset` on are wanted.
fn wanted(window: u8, of: &Window, offset: u32) -> Event {
    Event::of_board(EventBody::Wanted(Wanted {
        window,
        window_seqnum: of.seqnum,
        offset,
    }))
}
