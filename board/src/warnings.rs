//! What a board has found wrong with the network, for its users (wire.md §4: nothing on the wire announces what all nodes
//! must have in common).

use core::time::Duration;

use mx_ring::warning::{Notice, Notices, WARNINGS, Warning};
use mx_wire::MacAddress;

use crate::time::Instant;

/// A fault that was not seen for so long is over.
const OVER: Duration = Duration::from_secs(600);

/// A fault that comes and goes is not said more often than that.
const QUIET: Duration = Duration::from_secs(60);

/// The faults that are there, each said once.
#[derive(Clone, Debug, Default)]
pub struct Warnings {
    notices: Notices,
    seen: [Instant; WARNINGS],
    said: [Option<Instant>; WARNINGS],
    /// A bit for each that was not said yet.
    unsaid: u8,
    changed: bool,
}

const _: () = assert!(WARNINGS <= u8::BITS as usize);

impl Warnings {
    /// How often each fault was seen, and about whom.
    pub const fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Whether the notices have changed since this was asked last.
    pub fn take_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// The next fault that has not been said yet.
    pub fn take_unsaid(&mut self) -> Option<(Warning, Notice)> {
        let bit = |warning: &Warning| self.unsaid & 1 << *warning as u8 != 0;
        let warning = Warning::ALL.into_iter().find(bit)?;
        self.unsaid &= !(1 << warning as u8);
        Some((warning, self.notices.get(warning)))
    }

    /// A fault is seen: `about` is the machine that shows it.
    pub(crate) fn see(&mut self, now: Instant, warning: Warning, about: MacAddress) {
        let notice = self.notices.get(warning);
        if let Some(said) = self.said.get_mut(warning as usize)
            && notice.times == 0
            && said.is_none_or(|said| now - said >= QUIET)
        {
            *said = Some(now);
            self.unsaid |= 1 << warning as u8;
        }
        let notice = Notice {
            times: notice.times.saturating_add(1),
            about,
        };
        self.notices.set(warning, notice);
        if let Some(seen) = self.seen.get_mut(warning as usize) {
            *seen = now;
        }
        self.changed = true;
    }

    /// Faults that have not been seen for long are over.
    pub(crate) fn end_old(&mut self, now: Instant) {
        for (warning, seen) in Warning::ALL.into_iter().zip(self.seen) {
            if now - seen >= OVER {
                self.end(warning);
            }
        }
    }

    /// A fault is over.
    pub(crate) fn end(&mut self, warning: Warning) {
        self.changed |= self.notices.has(warning);
        self.notices.set(warning, Notice::default());
        self.unsaid &= !(1 << warning as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_said_once_and_counted_each_time() {
        let mut warnings = Warnings::default();
        let about = MacAddress([2, 0, 0, 0, 0, 9]);
        assert!(warnings.take_unsaid().is_none());
        for second in 1..=3 {
            let now = Instant::from_nanos(second * 1_000_000_000);
            warnings.see(now, Warning::OtherFormat, about);
        }
        let notice = Notice { times: 3, about };
        assert!(warnings.take_changed());
        assert!(!warnings.take_changed());
        assert_eq!(warnings.take_unsaid(), Some((Warning::OtherFormat, notice)));
        assert_eq!(warnings.take_unsaid(), None);
        warnings.end(Warning::OtherFormat);
        assert!(warnings.take_changed());
        assert!(!warnings.notices().has(Warning::OtherFormat));
        let said = |warnings: &mut Warnings, second: u64| {
            let now = Instant::from_nanos(second * 1_000_000_000);
            warnings.see(now, Warning::OtherFormat, about);
            warnings.end(Warning::OwnName);
            let said = warnings.take_unsaid().is_some();
            warnings.end(Warning::OtherFormat);
            said
        };
        let often = (4..300).filter(|second| said(&mut warnings, *second));
        assert_eq!(often.count(), 4, "once a minute while it comes and goes");
    }
}
