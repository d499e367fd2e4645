//! Records of the boards on the console, in a domain that is built with the feature `trace`.
//!
//! Whoever sends frames causes records. So there are [`A_SECOND`] in a second at most, the others are counted: a guest or a
//! neighbour fills neither the console nor the time of others.

use core::fmt;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use core::time::Duration;

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Records in a second.
pub const A_SECOND: u32 = 50;

/// Writes records to the log until a second has had enough of them.
pub struct Records {
    now: fn() -> Duration,
    /// The second that is counted.
    second: AtomicU64,
    /// Records in it.
    count: AtomicU32,
}

/// Takes all records from now on, with the time that `now` tells. To be called once.
pub fn listen(now: fn() -> Duration) {
    if tracing::subscriber::set_global_default(Records::new(now)).is_err() {
        log::warn!("records go elsewhere already");
    }
}

impl Records {
    /// With the time that `now` tells.
    pub const fn new(now: fn() -> Duration) -> Self {
        Self {
            now,
            second: AtomicU64::new(0),
            count: AtomicU32::new(0),
        }
    }

    /// Whether a record may be written. There is one processor, so no other call comes between.
    fn take(&self) -> bool {
        let second = (self.now)().as_secs();
        if self.second.swap(second, Ordering::Relaxed) != second {
            let before = self.count.swap(0, Ordering::Relaxed);
            let left_out = before.saturating_sub(A_SECOND);
            if left_out > 0 {
                log::warn!("{left_out} records were left out");
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed) < A_SECOND
    }
}

fn level(of: &Level) -> log::Level {
    match *of {
        Level::ERROR => log::Level::Error,
        Level::WARN => log::Level::Warn,
        Level::INFO => log::Level::Info,
        Level::DEBUG => log::Level::Debug,
        Level::TRACE => log::Level::Trace,
    }
}

impl Subscriber for Records {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        level(metadata.level()) <= log::max_level()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match log::max_level() {
            log::LevelFilter::Off => LevelFilter::OFF,
            log::LevelFilter::Error => LevelFilter::ERROR,
            log::LevelFilter::Warn => LevelFilter::WARN,
            log::LevelFilter::Info => LevelFilter::INFO,
            log::LevelFilter::Debug => LevelFilter::DEBUG,
            log::LevelFilter::Trace => LevelFilter::TRACE,
        })
    }

    fn event(&self, event: &Event<'_>) {
        if self.take() {
            log::log!(level(event.metadata().level()), "{}", Text(event));
        }
    }

    // There are no spans.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Text<'a, 'b>(&'a Event<'b>);

impl fmt::Display for Text<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Words(f, Ok(()));
        self.0.record(&mut words);
        words.1
    }
}

struct Words<'a, 'b>(&'a mut fmt::Formatter<'b>, fmt::Result);

impl Visit for Words<'_, '_> {
    fn record_debug(&mut self, _: &Field, value: &dyn fmt::Debug) {
        self.1 = self.1.and_then(|()| write!(self.0, "{value:?}"));
    }
}
