//! How fast counters grow: from two looks, some seconds apart.

use core::time::Duration;

use super::facts::{CARD_COUNTERS, DomainFacts};

/// How far looks are apart at least.
const APART: Duration = Duration::from_secs(2);

/// Growth in a second.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    last: Option<DomainFacts>,
    seconds: f64,
    card: [f64; CARD_COUNTERS],
    asleep: f64,
}

impl Rates {
    /// When the next look is due.
    pub fn is_due(&self, now: Duration) -> bool {
        self.last
            .as_ref()
            .is_none_or(|last| now.saturating_sub(last.now) >= APART)
    }

    /// Takes a look.
    pub fn look(&mut self, domain: DomainFacts) {
        if let Some(last) = &self.last {
            let seconds = domain.now.saturating_sub(last.now).as_secs_f64();
            if seconds > 0.0 {
                self.seconds = seconds;
                for (rate, ((_, now), (_, before))) in
                    self.card.iter_mut().zip(domain.card.iter().zip(&last.card))
                {
                    // A card that was opened anew counts from zero.
                    *rate = now.saturating_sub(*before) as f64 / seconds;
                }
                let asleep = domain.asleep.saturating_sub(last.asleep).as_secs_f64();
                self.asleep = (asleep / seconds).min(1.0);
            }
        }
        self.last = Some(domain);
    }

    /// Growth of the card's counter of this number in a second.
    pub fn card(&self, counter: usize) -> f64 {
        self.card.get(counter).copied().unwrap_or(0.0)
    }

    /// Share of the time that the domain slept.
    pub fn asleep(&self) -> f64 {
        self.asleep
    }

    /// Seconds that the rates are of.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }
}
