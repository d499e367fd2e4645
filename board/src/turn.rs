//! Whose turn it is: deficit round robin between boards first, then between the endpoints of a board.
//!
//! Whatever is done on behalf of a board has a cost, in bytes that could be copied meanwhile. A board may spend its share,
//! then the next one has its turn; what it has spent beyond is taken from its next share. The same holds for its endpoints
//! below it. A turn of all boards ends when enough was spent, and the next one begins with whoever did not come to its turn.
//! Boards and endpoints without work are in no set, and cost nothing.
//!
//! Room on the way out is scarcer than time. Whoever finds it full keeps what is left of its share, and is the first to
//! be served in the next turn; the others go on with what needs no such room.

use mx_ring::{Command, CommandBody};

use crate::board::Board;
use crate::key::{BoardId, EndpointKey};
use crate::ports::{CommandError, Ports};
use crate::share::{CLOCKS, MESSAGE, Order, Progress, Served};
use crate::switch::Switch;
use crate::time::Instant;

/// What all boards may spend in a turn.
const TURN: i64 = 512 << 10;
/// A board's share.
const BOARD: i64 = 64 << 10;
/// An endpoint's share.
const ENDPOINT: i64 = 32 << 10;

/// A look at a queue without a command.
const LOOK: i64 = 256;
/// What a command costs that looks through all pulls of its endpoint.
const SEARCH: i64 = 16 << 10;
impl Switch {
    /// The command queue of an endpoint is to be looked at in every turn from now on; false when it is already.
    pub fn poll(&mut self, key: EndpointKey) -> bool {
        let Some(board) = self.board_mut(key.board) else {
            return false;
        };
        let is_new =
            board.endpoint(key.endpoint).is_some() && board.polled.insert(key.endpoint.into());
        self.note(key.board);
        is_new
    }

    /// Whether the command queue of any endpoint is looked at.
    pub const fn is_polling(&self) -> bool {
        !self.polled.is_empty()
    }

    /// Whether a board has something to do, or an endpoint whose command queue is looked at.
    pub const fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// One bounded turn of all boards that have something to do, or endpoints that are polled.
    pub fn work<P: Ports>(&mut self, now: Instant, ports: &mut P) -> Progress {
        while let Some(place) = self.deadlines.due(now) {
            self.fall_due(BoardId(place as u16));
        }
        let mut left = TURN;
        let mut progress = Progress::Idle;
        let Order { first, cursor } = self.order;
        self.order.first = None;
        let mut waits = None;
        let mut begun = None;
        let mut cut = None;
        let mut next = first.filter(|id| self.ready.contains(*id));
        // Once around, from the cursor on.
        let mut at = cursor;
        let mut around = false;
        loop {
            let found = next.take();
            let is_first = found.is_some();
            let Some(id) = found.or_else(|| self.ready.next(at)) else {
                if around {
                    break;
                }
                around = true;
                at = 0;
                continue;
            };
            if !is_first {
                if around && id >= cursor {
                    break;
                }
                at = id + 1;
                // It was served before all others.
                if Some(id) == first {
                    continue;
                }
                if left <= 0 {
                    cut = Some(id);
                    break;
                }
                begun = begun.or(Some(id));
            }
            let served = self.serve_board(now, BoardId(id), ports);
            left -= served.cost;
            progress = progress.max(served.progress);
            if served.full {
                waits = waits.or(Some(id));
            }
        }
        self.order = match cut {
            // Those that are left begin. Whoever had room on the way out before them leaves it to his successor.
            Some(cut) => {
                progress = Progress::Busy;
                let heir = first.and_then(|first| self.ready.next_around(first + 1));
                Order {
                    first: waits.map(|id| match (first, heir) {
                        (Some(first), Some(heir)) if first != id => heir,
                        _ => id,
                    }),
                    cursor: cut,
                }
            }
            None => Order {
                first: waits,
                cursor: waits.or(begun).map_or(cursor, |id| id + 1),
            },
        };
        progress
    }

    /// A timer of a board has run out.
    fn fall_due(&mut self, id: BoardId) {
        if let Some(board) = self.board_mut(id) {
            board.due = true;
        }
        self.note(id);
    }

    /// Lets a board spend its share.
    fn serve_board<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Served {
        let mut all = Served::default();
        let Some(board) = self.board_mut(id) else {
            return all;
        };
        board.share.begin(BOARD);
        let was = (board.due, board.polled.is_empty());
        if board.due {
            all.add(self.serve_timers(now, id, ports));
        }
        self.serve_endpoints(now, id, &mut all, ports);
        if let Some(board) = self.board_mut(id) {
            board.share.spend(all.cost);
            if all.full {
                board.share.interrupt();
                all.full = board.share.goes_on;
            }
        }
        if all.progress == Progress::Busy {
            self.counted.insert(id.0);
        }
        let is_other = |board: &Board| {
            board.stirred || !board.is_ready() || was != (board.due, board.polled.is_empty())
        };
        if self.board(id).is_some_and(is_other) {
            self.note(id);
        }
        all
    }

    /// What is due without anybody's asking.
    fn serve_timers<P: Ports>(&mut self, now: Instant, id: BoardId, ports: &mut P) -> Served {
        let mut all = Served::default();
        let Some(board) = self.board_mut(id) else {
            return all;
        };
        board.due = false;
        if board.begin_retries(now) {
            all.cost += CLOCKS;
        }
        if !board.muted {
            all.add(self.discover(now, id, ports));
        }
        all.add(self.say_farewells(now, id, ports));
        if let Some(board) = self.board_mut(id) {
            board.due = board.deadline().is_some_and(|deadline| deadline <= now);
        }
        all
    }

    /// The endpoints of a board, one after the other, until nothing is left of the board's share.
    fn serve_endpoints<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        all: &mut Served,
        ports: &mut P,
    ) {
        let Some(board) = self.board_mut(id) else {
            return;
        };
        let share = board.share.left;
        let Order { first, cursor } = board.order;
        let mut waits = None;
        // Whoever gets something to do meanwhile has its turn the next time.
        let mut rest = board.turns();
        let mut cut = None;
        let mut next = first.filter(|endpoint| rest.contains(*endpoint));
        let mut at = cursor;
        while let Some(endpoint) = next.take().or_else(|| rest.next_around(at)) {
            if all.cost >= share {
                cut = Some(endpoint);
                // Whoever is only polled may have nothing to do.
                if self.board(id).is_some_and(|board| !board.active.is_empty()) {
                    all.progress = Progress::Busy;
                }
                break;
            }
            let key = EndpointKey {
                board: id,
                endpoint: endpoint as u8,
            };
            let served = self.serve_endpoint(now, key, ports);
            all.add(served);
            if Some(endpoint) != first {
                at = endpoint + 1;
            }
            if served.full && waits.is_none() && self.goes_on(key) {
                waits = Some(endpoint);
            }
            if !served.more {
                rest.remove(endpoint);
            }
        }
        let cursor = cut.or(waits.map(|endpoint| endpoint + 1)).unwrap_or(at);
        if let Some(board) = self.board_mut(id) {
            board.order = Order {
                first: waits,
                cursor,
            };
        }
    }

    /// Whether an endpoint has been interrupted in its turn.
    fn goes_on(&self, key: EndpointKey) -> bool {
        let endpoint = self
            .board(key.board)
            .and_then(|board| board.endpoint(key.endpoint));
        endpoint.is_some_and(|record| record.share.goes_on)
    }

    /// Lets an endpoint spend its share: commands, and what its board has to do for it.
    fn serve_endpoint<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        let Some(board) = self.board_mut(key.board) else {
            return all;
        };
        let place = u16::from(key.endpoint);
        let (polled, works) = (board.polled.contains(place), board.active.contains(place));
        let Some(record) = board.endpoint_mut(key.endpoint) else {
            board.polled.remove(place);
            board.active.remove(place);
            return all;
        };
        if record.share.begin(ENDPOINT) {
            record.replies_first ^= true;
        }
        let (left, replies_first) = (record.share.left, record.replies_first);
        if polled {
            // What else there is to do for it gets half, so that neither keeps the other waiting.
            let most = if works { left - ENDPOINT / 2 } else { left };
            all = self.commands(now, key, most, ports);
        }
        let works = self.is_active(key);
        if !works && all.progress == Progress::Idle && !all.more {
            // A look for nothing is its board's to pay.
            return all;
        }
        if works {
            for replies in [replies_first, !replies_first] {
                let left = left - all.cost;
                let served = if replies {
                    self.reply(now, key, left, ports)
                } else {
                    self.pull(now, key, left, ports)
                };
                all.add(served);
            }
        }
        let Some(board) = self.board_mut(key.board) else {
            return all;
        };
        if works {
            board.touched(key.endpoint);
        }
        let works = board.active.contains(place);
        let Some(record) = board.endpoint_mut(key.endpoint) else {
            return all;
        };
        record.share.spend(all.cost);
        all.more |= works && (record.share.is_spent() || all.progress == Progress::Busy);
        if all.full {
            record.share.interrupt();
            all.more = false;
        }
        all
    }

    #[inline]
    fn is_active(&self, key: EndpointKey) -> bool {
        let board = self.board(key.board);
        board.is_some_and(|board| board.active.contains(key.endpoint.into()))
    }

    /// Carries out commands of an endpoint, for at most so much and one more.
    fn commands<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        most: i64,
        ports: &mut P,
    ) -> Served {
        let mut all = Served::default();
        loop {
            if all.cost >= most {
                all.more = true;
                break;
            }
            let Some((index, command)) = ports.next_command(key) else {
                all.cost += LOOK;
                break;
            };
            match self.command(now, key, index, &command, ports) {
                Ok(()) => all.did(cost(&command)),
                Err(CommandError::Full) => {
                    ports.put_back(key);
                    all.found_full();
                    break;
                }
                Err(CommandError::PullsFull) => {
                    ports.put_back(key);
                    all.cost += LOOK;
                    all.progress = all.progress.max(Progress::Blocked);
                    break;
                }
                Err(CommandError::Misbehaved(blame)) => {
                    ports.blame(key, blame);
                    break;
                }
            }
        }
        let rests = match all.progress {
            Progress::Busy => ports.commands_done(key),
            Progress::Idle => !all.more && ports.may_rest(key),
            Progress::Blocked => false,
        };
        if rests && let Some(board) = self.board_mut(key.board) {
            board.polled.remove(key.endpoint.into());
        }
        all
    }
}

/// What a command costs.
fn cost(command: &Command) -> i64 {
    match &command.body {
        CommandBody::AbortPull { .. } => MESSAGE + SEARCH,
        CommandBody::Message(message, _) => MESSAGE + i64::from(message.content.length()),
        _ => MESSAGE,
    }
}
