//! The turn: what the switch has to do, commands first, then wakes. Everything in it is bounded (`mx_board`'s `turn`).

use core::time::Duration;

use mx_board::{Board, EndpointKey, Instant, Progress};

use crate::backend::Backend;
use crate::frame_sink::{FrameSink, Sleepers};
use crate::tap;

/// How soon a full sink is tried again, if its owner sleeps.
const FULL_AGAIN: Duration = Duration::from_millis(1);

/// How a turn went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Something was done.
    pub worked: bool,
    /// There is more to do, or an endpoint is still polled: take another turn soon. If not, every endpoint has asked to
    /// be kicked, and the owner may arm its card and sleep until a frame, a kick, or `deadline`.
    pub busy: bool,
    /// When the next turn is due at the latest, if there is a timer: at once when busy.
    pub deadline: Option<Instant>,
}

impl Backend {
    /// A frame came in. Group frames are for all boards, others for the board of their destination.
    pub fn frame(&mut self, now: Instant, frame: &[u8], sink: &mut impl FrameSink) {
        self.now = now;
        if let Some(tap) = &mut self.tap {
            tap::came_in(tap.as_mut(), frame);
        }
        self.with_switch(sink, |switch, ports| switch.frame(now, frame, ports));
    }

    /// The doorbell of an endpoint rang, or its eventfd: poll it again.
    pub fn kicked(&mut self, now: Instant, endpoint: EndpointKey) {
        let Some(open) = self.slots.endpoint_mut(endpoint) else {
            return;
        };
        // A muted board's endpoints are kicked when it is ready.
        let muted = self
            .switch
            .board(endpoint.board)
            .is_none_or(Board::is_muted);
        if open.closing || muted {
            return;
        }
        open.active_at = now;
        if self.switch.poll(endpoint) {
            open.side.polled_again();
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
        let progress = self.with_switch(sink, |switch, ports| switch.work(now, ports));
        self.close_blamed();
        self.publish_changes();
        self.wake(sleepers);
        if progress == Progress::Busy {
            self.active_at = now;
        }
        // A full sink empties itself in no time, or not at all: it is polled for a spell, then now and then. An endpoint
        // that is polled has not asked to be kicked: as long as there is one, the owner must not sleep for long.
        let busy = match progress {
            Progress::Busy => self.switch.is_ready(),
            Progress::Blocked => !now.is_past(self.active_at, self.idle_nanos),
            Progress::Idle => self.switch.is_polling(),
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
