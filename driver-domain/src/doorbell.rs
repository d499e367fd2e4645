//! Events that a guest sends for nothing: after some in a row its channel no longer wakes the domain, and is looked at every
//! millisecond, until it brings something or is quiet for a while.

use core::time::Duration;

use mx_backend::Instant;

/// How often a channel is looked at that does not wake the domain.
const EVERY: Duration = Duration::from_millis(1);
/// Looks without an event before a channel wakes the domain again.
const QUIET: u32 = 1000;

/// What is known of the events of one channel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Doorbell {
    /// Events in a row that brought nothing.
    in_vain: u32,
    /// When it is looked at again, if it does not wake the domain.
    masked_until: Option<Instant>,
    quiet: u32,
}

impl Doorbell {
    /// When the channel is to be looked at, if it does not wake the domain.
    pub const fn masked_until(&self) -> Option<Instant> {
        self.masked_until
    }

    /// Whether the channel is to be looked at now.
    pub fn is_due(&self, now: Instant) -> bool {
        self.masked_until.is_none_or(|until| now >= until)
    }

    /// There was no event.
    pub fn silent(&mut self, now: Instant) {
        if self.masked_until.is_none() {
            return;
        }
        self.quiet += 1;
        if self.quiet >= QUIET {
            *self = Self::default();
        } else {
            self.masked_until = Some(now + EVERY);
        }
    }

    /// There was an event, and it brought something or not; true when from now on the channel wakes the domain no more.
    /// `most` may be in vain in a row.
    pub fn rang(&mut self, now: Instant, useful: bool, most: u32) -> bool {
        if useful {
            *self = Self::default();
            return false;
        }
        let was_masked = self.masked_until.is_some();
        self.quiet = 0;
        self.in_vain = self.in_vain.saturating_add(1);
        if self.in_vain >= most {
            self.masked_until = Some(now + EVERY);
        }
        self.masked_until.is_some() && !was_masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(count: u64) -> Instant {
        Instant::from_nanos(count * 1_000_000)
    }

    #[test]
    fn events_in_vain_are_looked_at_every_millisecond_and_a_good_one_ends_that() {
        let mut bell = Doorbell::default();
        let start = millis(1);
        for _ in 0..63 {
            assert!(!bell.rang(start, false, 64));
            assert!(bell.is_due(start));
        }
        assert!(bell.rang(start, false, 64), "said once");
        assert!(!bell.is_due(start));
        let mut looks = 0;
        for nanos in (1_000_000..1_001_000_000).step_by(10_000) {
            let now = Instant::from_nanos(nanos);
            if bell.is_due(now) {
                looks += 1;
                assert!(!bell.rang(now, false, 64));
            }
        }
        assert!((990..=1000).contains(&looks), "{looks} looks in a second");
        assert!(!bell.rang(millis(2000), true, 64));
        assert_eq!(bell.masked_until(), None);
        for _ in 0..63 {
            assert!(!bell.rang(millis(2000), false, 64));
        }
        assert_eq!(bell.masked_until(), None);
    }

    #[test]
    fn a_channel_that_has_been_quiet_wakes_the_domain_again() {
        let mut bell = Doorbell::default();
        for _ in 0..64 {
            bell.rang(millis(0), false, 64);
        }
        let mut now = 0;
        while bell.masked_until().is_some() {
            now += 1;
            bell.silent(millis(now));
        }
        assert_eq!(now, 1000);
    }
}
