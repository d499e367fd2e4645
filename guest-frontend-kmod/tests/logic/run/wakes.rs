//! Events of a backend, which may storm, and processes that sleep.

use super::Run;

/// Wake-ups of an endpoint that are worth it although nobody finds anything: an honest backend answers to an arming whose sleeper
/// has found something by itself.
const WORTH_MAX: u32 = 4;

impl Run {
    /// An event of the backend. It brings nobody anything, so few are worth it whatever processes do.
    pub(super) fn interrupt(&mut self) {
        let (board, _) = self.frontend.board(0).unwrap();
        let Some(view) = board.interrupt_view() else {
            return;
        };
        let wakes = &mut self.wakes;
        let brought = view.interrupt(|endpoint, armed| {
            let (wakes, worth) = &mut wakes[usize::from(endpoint)];
            let useful = wakes.woken(armed);
            *worth += u32::from(useful);
            assert!(*worth <= WORTH_MAX, "a storm at endpoint {endpoint}");
            // Who slept there finds nothing.
            wakes.looked(false);
            useful
        });
        if brought.answers {
            self.respond();
            let (board, _) = self.frontend.board(0).unwrap();
            let waiting = board
                .interrupt_view()
                .is_some_and(|view| view.responses.waiting());
            assert!(!waiting, "the next event would be worth it, too");
        }
    }

    /// Looks, arms, looks again, and sleeps.
    pub(super) fn sleep(&mut self, endpoint: u8) {
        let (board, _) = self.frontend.board(0).unwrap();
        let Some(view) = board.interrupt_view() else {
            return;
        };
        let (wakes, _) = &self.wakes[usize::from(endpoint)];
        wakes.looked(false);
        view.armed.arm(endpoint);
        wakes.looked(false);
    }
}
