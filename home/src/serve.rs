//! The turn: commands of polled endpoints, the engine's own work, wakes. Everything in it is bounded.

use core::time::Duration;

use mx_board::{BoardId, CommandError, EndpointKey, Instant, Progress};
use mx_ring::Command;

use crate::error::Misbehaviour;
use crate::home::Home;
use crate::link::{Link, Sleepers};

/// Bytes that a board's commands may move in a turn. What they move beyond is taken from its next turns.
const QUANTUM: i64 = 64 << 10;
/// Commands of an endpoint in a turn.
const COMMANDS: u32 = 16;
/// Bytes of an endpoint's commands in a turn.
const BYTES: i64 = 32 << 10;
/// What a command costs besides its payload.
const COMMAND_COST: i64 = 64;
/// How soon a full link is tried again, if its owner sleeps.
const FULL_AGAIN: Duration = Duration::from_millis(1);

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Something was done, or an endpoint is still polled: take another turn soon. If not, every endpoint has asked to
    /// be kicked, and the owner may arm its card and sleep until a frame, a kick, or `deadline`.
    pub busy: bool,
    /// When the next timer is due, if there is one.
    pub deadline: Option<Instant>,
}

impl Home {
    /// A frame came in. Group frames are for all boards, others for the board of their destination.
    pub fn frame(&mut self, now: Instant, frame: &[u8], link: &mut impl Link) {
        self.now = now;
        self.counted = true;
        self.engine(link, |switch, ports| switch.frame(now, frame, ports));
    }

    /// The doorbell of an endpoint rang, or its eventfd: poll it again.
    pub fn kicked(&mut self, now: Instant, endpoint: EndpointKey) {
        let Some(slot) = self.slots.board_mut(endpoint.board) else {
            return;
        };
        let Some(open) = slot.endpoint_mut(endpoint.endpoint) else {
            return;
        };
        if open.closing {
            return;
        }
        open.active_at = now;
        if !open.polled {
            open.polled = true;
            open.side.polled_again();
            slot.polled.push(endpoint.endpoint);
        }
    }

    /// One bounded turn: commands, pull replies, local copies, timers, wakes, counters.
    pub fn turn(
        &mut self,
        now: Instant,
        link: &mut impl Link,
        sleepers: &mut impl Sleepers,
    ) -> Activity {
        self.now = now;
        let commands = self.serve_boards(now, link);
        let work = self.engine(link, |switch, ports| switch.work(now, ports));
        self.close_blamed();
        self.publish_changes();
        self.wake(sleepers);
        let progress = commands.max(work);
        if progress == Progress::Busy {
            self.active_at = now;
            self.counted = true;
        }
        let polled = self.demote(now);
        // A full link empties itself in no time, or not at all: it is polled for a spell, then now and then. An endpoint
        // that is polled has not asked to be kicked: as long as there is one, the owner must not sleep for long.
        let blocked = progress == Progress::Blocked;
        let busy = match progress {
            Progress::Busy => true,
            Progress::Blocked => now - self.active_at < self.config.idle_spell,
            Progress::Idle => polled,
        };
        self.publish_counters(now, !busy);
        let again = blocked.then_some(now + FULL_AGAIN);
        Activity {
            busy,
            deadline: [self.switch.deadline(), self.overdue_at(), again]
                .into_iter()
                .flatten()
                .min(),
        }
    }

    /// Deficit round robin in two levels: boards, then their endpoints.
    fn serve_boards(&mut self, now: Instant, link: &mut impl Link) -> Progress {
        let count = self.slots.count();
        let mut progress = Progress::Idle;
        for step in 0..count {
            let board = BoardId((self.cursor + step) % count);
            progress = progress.max(self.serve_board(now, board, link));
        }
        self.cursor = (self.cursor + 1).checked_rem(count).unwrap_or(0);
        progress
    }

    fn serve_board(&mut self, now: Instant, board: BoardId, link: &mut impl Link) -> Progress {
        let Some(slot) = self.slots.board_mut(board) else {
            return Progress::Idle;
        };
        let count = slot.polled.len();
        if count == 0 {
            return Progress::Idle;
        }
        slot.credit = (slot.credit + QUANTUM).min(QUANTUM);
        let first = slot.cursor;
        let mut progress = Progress::Idle;
        for step in 0..count {
            let Some(slot) = self.slots.board_mut(board) else {
                break;
            };
            slot.cursor = (first + step) % count;
            if slot.credit <= 0 {
                return Progress::Busy;
            }
            let Some(endpoint) = slot.polled.get(slot.cursor).copied() else {
                break;
            };
            let key = EndpointKey { board, endpoint };
            let (served, cost) = self.serve_endpoint(now, key, link);
            progress = progress.max(served);
            if let Some(slot) = self.slots.board_mut(board) {
                slot.credit -= cost;
            }
        }
        if let Some(slot) = self.slots.board_mut(board) {
            slot.cursor = (first + 1) % count;
        }
        progress
    }

    /// Some commands of an endpoint; says what they cost.
    fn serve_endpoint(
        &mut self,
        now: Instant,
        key: EndpointKey,
        link: &mut impl Link,
    ) -> (Progress, i64) {
        let mut cost = 0;
        let mut blocked = false;
        for _ in 0..COMMANDS {
            if cost >= BYTES {
                break;
            }
            let Some(endpoint) = self.slots.endpoint_mut(key) else {
                break;
            };
            let Some(next) = endpoint.side.next_command() else {
                break;
            };
            let outcome = match &next {
                Ok((index, command)) => self.engine(link, |switch, ports| {
                    switch.command(now, key, *index, command, ports)
                }),
                Err(_) => Ok(()),
            };
            match (outcome, next) {
                (_, Err(error)) => {
                    self.blame(key, Misbehaviour::Entry(error), link);
                    break;
                }
                (Ok(()), Ok((_, command))) => cost += COMMAND_COST + payload(&command),
                (Err(CommandError::Full), Ok(_)) => {
                    if let Some(endpoint) = self.slots.endpoint_mut(key) {
                        endpoint.side.put_back();
                    }
                    blocked = true;
                    break;
                }
                (Err(CommandError::Misbehaved(blame)), Ok(_)) => {
                    self.blame(key, Misbehaviour::Command(blame), link);
                    break;
                }
            }
        }
        if cost > 0
            && let Some(endpoint) = self.slots.endpoint_mut(key)
        {
            endpoint.active_at = now;
            let sent = endpoint.commands.sent(endpoint.side.command_index());
            endpoint.side.publish_commands(sent);
        }
        let progress = match (cost, blocked) {
            (0, false) => Progress::Idle,
            (0, true) => Progress::Blocked,
            _ => Progress::Busy,
        };
        (progress, cost)
    }

    fn blame(&mut self, key: EndpointKey, misbehaviour: Misbehaviour, link: &mut impl Link) {
        self.engine(link, |_, ports| ports.blame(key, misbehaviour));
    }

    /// Looks at the sleepers of all endpoints that got events.
    fn wake(&mut self, sleepers: &mut impl Sleepers) {
        while let Some(key) = self.outcome.published.pop() {
            if let Some(endpoint) = self.slots.endpoint_mut(key) {
                endpoint.published = false;
                sleepers.wake_if_armed(key, &mut endpoint.side);
            }
        }
    }

    /// Asks the processes of endpoints that have been idle for a spell to kick, and stops polling them. Says whether any
    /// endpoint is still polled.
    fn demote(&mut self, now: Instant) -> bool {
        let mut polled = false;
        for board in 0..self.slots.count() {
            let Some(slot) = self.slots.board_mut(BoardId(board)) else {
                continue;
            };
            let mut place = 0;
            while let Some(endpoint) = slot.polled.get(place).copied() {
                let idle = slot
                    .endpoint_mut(endpoint)
                    .is_none_or(|open| open.falls_idle(now, self.config.idle_spell));
                if idle {
                    slot.polled.swap_remove(place);
                } else {
                    place += 1;
                }
            }
            polled |= !slot.polled.is_empty();
        }
        polled
    }
}

/// Bytes that a command moves.
fn payload(command: &Command) -> i64 {
    match *command {
        Command::Tiny { length, .. } | Command::Small { length, .. } => length.into(),
        Command::Medium { length, .. } => length.into(),
        _ => 0,
    }
}
