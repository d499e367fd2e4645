//! The turn: commands of polled endpoints, the switch's own work, wakes. Everything in it is bounded.

use core::time::Duration;

use mx_board::{BoardId, CommandError, EndpointKey, Instant, Progress};
use mx_ring::Command;

use crate::backend::Backend;
use crate::error::Misbehaviour;
use crate::frame_sink::{FrameSink, Sleepers};
use crate::tap;

/// Bytes that a board's commands may move in a turn. What they move beyond is taken from its next turns.
const QUANTUM: i64 = 64 << 10;
/// Commands of an endpoint in a turn.
const COMMANDS: u32 = 16;
/// Bytes of an endpoint's commands in a turn.
const BYTES: i64 = 32 << 10;
/// What a command costs besides its payload.
const COMMAND_COST: i64 = 64;
/// How soon a full sink is tried again, if its owner sleeps.
const FULL_AGAIN: Duration = Duration::from_millis(1);

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Something was done.
    pub worked: bool,
    /// Something was done, or an endpoint is still polled: take another turn soon. If not, every endpoint has asked to
    /// be kicked, and the owner may arm its card and sleep until a frame, a kick, or `deadline`.
    pub busy: bool,
    /// When the next turn is due at the latest, if there is a timer: at once when busy.
    pub deadline: Option<Instant>,
}

impl Backend {
    /// A frame came in. Group frames are for all boards, others for the board of their destination.
    pub fn frame(&mut self, now: Instant, frame: &[u8], sink: &mut impl FrameSink) {
        self.now = now;
        self.counted = true;
        if let Some(tap) = &mut self.tap {
            tap::came_in(tap.as_mut(), frame);
        }
        self.with_switch(sink, |switch, ports| switch.frame(now, frame, ports));
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
        sink: &mut impl FrameSink,
        sleepers: &mut impl Sleepers,
    ) -> Activity {
        self.now = now;
        let (commands, polled) = self.serve_boards(now, sink);
        let work = self.with_switch(sink, |switch, ports| switch.work(now, ports));
        self.close_blamed();
        self.publish_changes();
        self.wake(sleepers);
        let progress = commands.max(work);
        if progress == Progress::Busy {
            self.active_at = now;
            self.counted = true;
        }
        // A full sink empties itself in no time, or not at all: it is polled for a spell, then now and then. An endpoint
        // that is polled has not asked to be kicked: as long as there is one, the owner must not sleep for long.
        let busy = match progress {
            Progress::Busy => true,
            Progress::Blocked => !now.is_past(self.active_at, self.idle_nanos),
            Progress::Idle => polled,
        };
        self.publish_counters(now, !busy);
        let deadline = if busy {
            Some(now)
        } else {
            let again = (progress == Progress::Blocked).then_some(now + FULL_AGAIN);
            [self.switch.deadline(), self.overdue_at(), again]
                .into_iter()
                .flatten()
                .min()
        };
        Activity {
            worked: progress == Progress::Busy,
            busy,
            deadline,
        }
    }

    /// Deficit round robin in two levels: boards, then their endpoints. Says also whether any endpoint is still polled.
    fn serve_boards(&mut self, now: Instant, sink: &mut impl FrameSink) -> (Progress, bool) {
        let count = self.slots.count();
        let first = self.cursor;
        let mut progress = Progress::Idle;
        let mut polled = false;
        for board in (first..count).chain(0..first).map(BoardId) {
            let (served, any) = self.serve_board(now, board, sink);
            progress = progress.max(served);
            polled |= any;
        }
        self.cursor = if first + 1 < count { first + 1 } else { 0 };
        (progress, polled)
    }

    /// Every polled endpoint of a board, as far as the board's credit goes. Those that have been idle for a spell are asked
    /// to kick, and are no longer polled. Says also whether any is left.
    fn serve_board(
        &mut self,
        now: Instant,
        board: BoardId,
        sink: &mut impl FrameSink,
    ) -> (Progress, bool) {
        let Some(slot) = self.slots.board_mut(board) else {
            return (Progress::Idle, false);
        };
        let count = slot.polled.len();
        if count == 0 {
            return (Progress::Idle, false);
        }
        let mut credit = (slot.credit + QUANTUM).min(QUANTUM);
        // The one that was first last time is last now, or goes on where the credit ended.
        let mut place = if slot.cursor < count { slot.cursor } else { 0 };
        let mut after = place + 1;
        let mut progress = Progress::Idle;
        for _ in 0..count {
            if credit <= 0 {
                after = place;
                progress = Progress::Busy;
                break;
            }
            let Some(endpoint) = self.slots.polled(board, place) else {
                break;
            };
            let key = EndpointKey { board, endpoint };
            let (served, cost) = self.serve_endpoint(now, key, sink);
            credit -= cost;
            progress = progress.max(served);
            let idle = served == Progress::Idle && self.falls_idle(now, key);
            let Some(slot) = self.slots.board_mut(board) else {
                break;
            };
            if idle && place < slot.polled.len() {
                slot.polled.swap_remove(place);
            } else {
                place += 1;
            }
            if place >= slot.polled.len() {
                place = 0;
            }
        }
        let Some(slot) = self.slots.board_mut(board) else {
            return (progress, false);
        };
        slot.credit = credit;
        slot.cursor = after;
        (progress, !slot.polled.is_empty())
    }

    /// Some commands of an endpoint; says what they cost.
    fn serve_endpoint(
        &mut self,
        now: Instant,
        key: EndpointKey,
        sink: &mut impl FrameSink,
    ) -> (Progress, i64) {
        let mut cost = 0;
        let mut progress = Progress::Idle;
        for _ in 0..COMMANDS {
            let Some(endpoint) = self.slots.endpoint_mut(key) else {
                break;
            };
            let (index, command) = match endpoint.side.next_command() {
                None => break,
                Some(Ok(next)) => next,
                Some(Err(error)) => {
                    self.blame(key, Misbehaviour::Descriptor(error), sink);
                    break;
                }
            };
            let outcome = self.with_switch(sink, |switch, ports| {
                switch.command(now, key, index, &command, ports)
            });
            match outcome {
                Ok(()) => cost += COMMAND_COST + payload(&command),
                Err(CommandError::Full) => {
                    if let Some(endpoint) = self.slots.endpoint_mut(key) {
                        endpoint.side.put_back();
                    }
                    progress = Progress::Blocked;
                    break;
                }
                Err(CommandError::Misbehaved(blame)) => {
                    self.blame(key, Misbehaviour::Command(blame), sink);
                    break;
                }
            }
            if cost >= BYTES {
                break;
            }
        }
        if cost > 0
            && let Some(endpoint) = self.slots.endpoint_mut(key)
        {
            endpoint.active_at = now;
            let sent = endpoint.commands.sent(endpoint.side.command_index());
            endpoint.side.publish_commands(sent);
            progress = Progress::Busy;
        }
        (progress, cost)
    }

    /// Whether an endpoint without commands is no longer to be polled.
    fn falls_idle(&mut self, now: Instant, key: EndpointKey) -> bool {
        let idle_nanos = self.idle_nanos;
        self.slots
            .endpoint_mut(key)
            .is_none_or(|endpoint| endpoint.falls_idle(now, idle_nanos))
    }

    fn blame(&mut self, key: EndpointKey, misbehaviour: Misbehaviour, sink: &mut impl FrameSink) {
        self.with_switch(sink, |_, ports| ports.blame(key, misbehaviour));
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
}

/// Bytes that a command moves.
fn payload(command: &Command) -> i64 {
    command
        .message()
        .map_or(0, |message| message.content.length().into())
}
