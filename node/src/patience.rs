//! How long to look for more before sleeping, and when to give the processor away meanwhile.
//!
//! Looking pays where nobody else wants the processor. Where somebody does, giving it away may cost a whole slice of his, and
//! going on keeps back whom this node waits for: there a node sleeps soon, since who is woken runs soon.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// How long it looks where the processor is wanted: about as long as it takes to be woken.
const SHORT: Duration = Duration::from_micros(10);
/// Sleeps before it is seen whether somebody still wants the processor.
const TRY_AGAIN: u32 = 1024;

/// What the own waits have taught.
#[derive(Debug)]
pub struct Patience {
    /// How long it looks at most.
    most: Duration,
    /// Somebody wants it to look so long, whoever else wants the processor.
    fixed: bool,
    /// Sleeps that are left before it gives the processor away again; 0 where nobody else wants it.
    shared: u32,
}

impl Patience {
    pub const fn new(most: Duration, fixed: bool) -> Self {
        Self {
            most,
            fixed,
            shared: 0,
        }
    }

    /// How long to look for more.
    pub fn spell(&self) -> Duration {
        match self.shared {
            0 => self.most,
            _ => self.most.min(SHORT),
        }
    }

    /// How long to look for more frames, whatever processes do.
    pub fn short_spell(&self) -> Duration {
        self.most.min(SHORT)
    }

    /// Lets others run, unless they would keep the processor for long.
    pub fn give_way(&mut self) {
        if self.shared > 0 {
            return;
        }
        let (begun, ran) = (time(ClockId::Monotonic), time(ClockId::ThreadCPUTime));
        std::thread::yield_now();
        let ran = time(ClockId::ThreadCPUTime).saturating_sub(ran);
        let took = time(ClockId::Monotonic).saturating_sub(begun);
        self.learn(took > ran * 2);
    }

    /// Whether somebody else has run meanwhile.
    const fn learn(&mut self, somebody: bool) {
        if somebody && !self.fixed {
            self.shared = TRY_AGAIN;
        }
    }

    /// It goes to sleep.
    pub const fn sleeps(&mut self) {
        self.shared = self.shared.saturating_sub(1);
    }
}

fn time(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_millis(1);

    #[test]
    fn where_somebody_else_has_run_spells_are_short_for_a_thousand_sleeps() {
        let mut patience = Patience::new(LONG, false);
        assert_eq!(patience.spell(), LONG);
        patience.learn(false);
        assert_eq!(patience.spell(), LONG);
        patience.learn(true);
        for _ in 0..TRY_AGAIN {
            assert_eq!(patience.spell(), SHORT);
            patience.sleeps();
        }
        assert_eq!(patience.spell(), LONG);
    }

    #[test]
    fn who_is_told_how_long_to_poll_polls_so_long_whoever_else_has_run() {
        let mut patience = Patience::new(LONG, true);
        patience.learn(true);
        assert_eq!(patience.spell(), LONG);
    }

    #[test]
    fn who_is_told_not_to_poll_never_does() {
        let mut patience = Patience::new(Duration::ZERO, true);
        for somebody in [false, true] {
            patience.learn(somebody);
            assert_eq!(
                (patience.spell(), patience.short_spell()),
                Default::default()
            );
        }
    }
}
