//! The command line (`extra=` of the domain's configuration): words `name=value`, separated by blanks.
//!
//! | option | values | default |
//! |---|---|---|
//! | `mtu` | 1500 to 9000: longest frame in bytes, Ethernet header included | 9000 |
//! | `wire` | `native`, `mx` (whose frames have fixed sizes, so without `mtu`) | native |
//! | `log` | `error`, `warn`, `info`, `debug`; `trace` in a domain with the feature `trace` | info |
//! | `endpoints` | 1 to 256: endpoints that each guest may open | 32 |
//! | `guests` | 1 to 1024: guests among which half of the pages and of the heap are divided, so that each is sure of its share; the other half is for whoever wants more | 64 |
//! | `limit-…` | what one guest may have of something, unless `xl-omx attach … limit-…=` says something else: see [`crate::account::Limit`] | |
//! | `queue-entries` | a power of two from 64 to 2048: queue entries of a guest's endpoint, unless its module or its program asks for another number; 256 are 1.64 MiB of the guest's memory | 256 |
//! | `idle` | `auto`, or 0 to 100000: microseconds without work before the domain stops looking for it and sleeps; `auto` learns from the waits of late | auto |
//! | `interrupt` | `auto`: the best that the card and dom0 agree to; `msi-x`, `msi` only so; `none`: the card is polled | auto |
//! | `manage` | `dhcp`, `<address>/<prefix>`, `<address>/<prefix>,<router>`: where a browser and Prometheus find the domain, on the card's own address | off |
//! | `capture` | 64 to 4096: KiB for the first 60 bytes of each of the last frames, guests' own to each other too, which whoever reaches the address of `manage` may read as `/capture.pcap` | off |
//! | `watchdog` | 0 to 3600: seconds that the domain may hang before Xen ends it; 0: for ever | 60 |
//! | `self-test` | `trap`, `panic`, `stack`: ends at once by this fault, to see what it leaves on the console | none |

use core::str::FromStr;
use core::time::Duration;

use alloc::string::{String, ToString};

use log::LevelFilter;
use mx_ring::{QUEUE_ENTRIES, QUEUE_ENTRIES_MAX, QUEUE_ENTRIES_MIN};
use mx_wire::Format;
use xen_pv_boot::self_test::Fault;

use crate::account::{LimitError, Limits};
use crate::idle::Policy;
use crate::management::Address;

/// What the command line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DomainOptions {
    /// Wire mode and MTU.
    pub format: Format,
    /// What goes to the console.
    pub log: LevelFilter,
    /// Endpoints of a guest.
    pub endpoints: u16,
    /// Guests that are sure of a share.
    pub guests: usize,
    /// What one guest may have.
    pub limits: Limits,
    /// Queue entries of an endpoint, unless the guest asks for another number.
    pub queue_entries: u16,
    /// How long to look for work before sleeping.
    pub idle: Policy,
    /// How the card's interrupt may come.
    pub interrupt: Interrupt,
    /// The management's address; none: off.
    pub manage: Option<Address>,
    /// Bytes for the last frames; none: off.
    pub capture: Option<usize>,
    /// Seconds that the domain may hang before Xen ends it; 0: for ever.
    pub watchdog: u32,
    /// Ends by this fault.
    pub self_test: Option<Fault>,
}

/// How the card's interrupt may come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// By MSI-X, else by MSI, else not at all.
    Auto,
    /// By MSI-X, else not at all.
    MsiX,
    /// By MSI, else not at all.
    Msi,
    /// Not at all: the card is polled.
    None,
}

/// What is wrong with the command line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// No option has this name, or it has no `=`.
    #[error(
        "unknown option \"{}\": there are mtu={MTU}, wire={WIRE}, log={LOG}, endpoints={ENDPOINTS}, guests={GUESTS}, limit-<what>=<number>, queue-entries={ENTRIES}, \
         idle={IDLE}, interrupt={INTERRUPT}, manage={MANAGE}, capture={CAPTURE}, watchdog={WATCHDOG}, \
         self-test={SELF_TEST}",
        .0.escape_default()
    )]
    Unknown(String),
    /// An option has a value that it cannot have; its name, the value, the possible ones.
    #[error("option {0}: \"{value}\" is not possible, choose {2}", value = .1.escape_default())]
    Value(&'static str, String, &'static str),
    /// A limit of a guest.
    #[error("option {0}")]
    Limit(#[from] LimitError),
    /// `mtu` together with `wire=mx`.
    #[error(
        "option mtu: not together with wire=mx, whose frames have fixed sizes; leave one of them out"
    )]
    MtuWithMx,
}

const MTU: &str = "1500 to 9000";
const WIRE: &str = "native or mx";
const LOG: &str = if cfg!(feature = "trace") {
    "error, warn, info, debug or trace"
} else {
    "error, warn, info or debug"
};
const ENDPOINTS: &str = "1 to 256";
const GUESTS: &str = "1 to 1024";
const ENTRIES: &str = "a power of two from 64 to 2048";
const INTERRUPT: &str = "auto, msi-x, msi or none";
const IDLE: &str = "auto, or 0 to 100000 (microseconds)";
const MANAGE: &str =
    "dhcp, or an address with its prefix and perhaps a router, like 10.0.0.5/24,10.0.0.1";
const CAPTURE: &str = "64 to 4096 (KiB)";
const WATCHDOG: &str = "0 to 3600 (seconds; 0: off)";
const SELF_TEST: &str = "trap, panic or stack";

/// Reads the command line.
pub fn parse(line: &str) -> Result<DomainOptions, OptionError> {
    let mut mtu = None;
    let mut mx = false;
    let mut log = LevelFilter::Info;
    let mut endpoints = 32;
    let mut guests = 64;
    let mut limits = Limits::default();
    let mut queue_entries = QUEUE_ENTRIES;
    let mut idle = Policy::Learnt;
    let mut interrupt = Interrupt::Auto;
    let mut manage = None;
    let mut capture = None;
    let mut watchdog = 60;
    let mut self_test = None;
    for word in line.split_ascii_whitespace() {
        let Some((name, value)) = word.split_once('=') else {
            return Err(OptionError::Unknown(word.to_string()));
        };
        match name {
            "mtu" => mtu = Some(number("mtu", value, 1500, 9000, MTU)?),
            "wire" => {
                mx = match value {
                    "native" => false,
                    "mx" => true,
                    _ => return Err(OptionError::Value("wire", value.to_string(), WIRE)),
                }
            }
            "log" => {
                log = match value {
                    "error" => LevelFilter::Error,
                    "warn" => LevelFilter::Warn,
                    "info" => LevelFilter::Info,
                    "debug" => LevelFilter::Debug,
                    #[cfg(feature = "trace")]
                    "trace" => LevelFilter::Trace,
                    _ => return Err(OptionError::Value("log", value.to_string(), LOG)),
                }
            }
            "endpoints" => endpoints = number("endpoints", value, 1, 256, ENDPOINTS)?,
            "guests" => guests = number("guests", value, 1, 1024, GUESTS)?,
            name if name.starts_with("limit-") => limits.set(name, value)?,
            "queue-entries" => {
                let (least, most) = (QUEUE_ENTRIES_MIN, QUEUE_ENTRIES_MAX);
                queue_entries = number("queue-entries", value, least, most, ENTRIES)?;
                if !queue_entries.is_power_of_two() {
                    return Err(OptionError::Value(
                        "queue-entries",
                        value.to_string(),
                        ENTRIES,
                    ));
                }
            }
            "idle" => {
                idle = match value {
                    "auto" => Policy::Learnt,
                    value => {
                        let micros = number("idle", value, 0, 100_000, IDLE)?;
                        Policy::Fixed(Duration::from_micros(micros))
                    }
                }
            }
            "interrupt" => {
                interrupt = match value {
                    "auto" => Interrupt::Auto,
                    "msi-x" => Interrupt::MsiX,
                    "msi" => Interrupt::Msi,
                    "none" => Interrupt::None,
                    _ => {
                        return Err(OptionError::Value(
                            "interrupt",
                            value.to_string(),
                            INTERRUPT,
                        ));
                    }
                }
            }
            "manage" => {
                let address = Address::parse(value)
                    .ok_or_else(|| OptionError::Value("manage", value.to_string(), MANAGE))?;
                manage = Some(address);
            }
            "capture" => {
                capture = Some(number::<usize>("capture", value, 64, 4096, CAPTURE)? << 10)
            }
            "watchdog" => watchdog = number("watchdog", value, 0, 3600, WATCHDOG)?,
            "self-test" => {
                self_test = Some(match value {
                    "trap" => Fault::Trap,
                    "panic" => Fault::Panic,
                    "stack" => Fault::Stack,
                    _ => {
                        return Err(OptionError::Value(
                            "self-test",
                            value.to_string(),
                            SELF_TEST,
                        ));
                    }
                })
            }
            _ => return Err(OptionError::Unknown(word.to_string())),
        }
    }
    let format = match (mx, mtu) {
        (true, None) => Format::mx_wire(),
        (true, Some(_)) => return Err(OptionError::MtuWithMx),
        (false, mtu) => {
            let mtu = mtu.unwrap_or(9000);
            Format::native(mtu).map_err(|_| OptionError::Value("mtu", mtu.to_string(), MTU))?
        }
    };
    Ok(DomainOptions {
        format,
        log,
        endpoints,
        guests,
        limits,
        queue_entries,
        idle,
        interrupt,
        manage,
        capture,
        watchdog,
        self_test,
    })
}

fn number<T: FromStr + PartialOrd>(
    name: &'static str,
    text: &str,
    least: T,
    most: T,
    possible: &'static str,
) -> Result<T, OptionError> {
    text.parse()
        .ok()
        .filter(|value| *value >= least && *value <= most)
        .ok_or_else(|| OptionError::Value(name, text.to_string(), possible))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::Limit;
    use alloc::format;
    use mx_wire::Mode;
    use proptest::prelude::*;

    #[test]
    fn nothing_means_native_frames_of_9000_bytes() {
        let options = parse("").unwrap();
        assert_eq!(options.format, Format::native(9000).unwrap());
        assert_eq!(options.log, LevelFilter::Info);
        assert_eq!(options.endpoints, 32);
        assert_eq!((options.guests, options.limits), (64, Limits::default()));
        assert_eq!(options.queue_entries, 256);
        assert_eq!(options.idle, Policy::Learnt);
        assert_eq!(options.capture, None);
        assert_eq!(options.watchdog, 60);
    }

    #[test]
    fn every_option_is_taken() {
        let options = parse("  mtu=1500 log=debug\tendpoints=256 idle=0 wire=native ").unwrap();
        assert_eq!(options.format, Format::native(1500).unwrap());
        assert_eq!(options.log, LevelFilter::Debug);
        assert_eq!(options.endpoints, 256);
        assert_eq!(options.idle, Policy::Fixed(Duration::ZERO));
        for (word, interrupt) in [
            ("auto", Interrupt::Auto),
            ("msi-x", Interrupt::MsiX),
            ("msi", Interrupt::Msi),
            ("none", Interrupt::None),
        ] {
            let options = parse(&format!("interrupt={word}")).unwrap();
            assert_eq!(options.interrupt, interrupt);
        }
        let limits = parse("guests=8 limit-heap=2048 limit-log-lines=5").unwrap();
        assert_eq!(limits.guests, 8);
        assert_eq!(limits.limits.get(Limit::Heap), 2048);
        assert_eq!(limits.limits.get(Limit::LogLines), 5);
        assert_eq!(parse("capture=64").unwrap().capture, Some(65536));
        assert_eq!(parse("watchdog=0").unwrap().watchdog, 0);
        assert_eq!(parse("wire=mx").unwrap().format.mode(), Mode::MxWire);
    }

    #[test]
    fn a_bad_option_is_named_with_its_possible_values() {
        for (line, option, possible) in [
            ("mtu=1499", "mtu", "1500 to 9000"),
            ("mtu=9001", "mtu", "1500 to 9000"),
            ("mtu=", "mtu", "1500 to 9000"),
            ("wire=MX", "wire", "native or mx"),
            ("log=loud", "log", LOG),
            ("endpoints=0", "endpoints", "1 to 256"),
            ("guests=0", "guests", "1 to 1024"),
            ("limit-pages=0", "limit-pages", "1 to 262144"),
            ("limit-paging=7", "limit-paging", "there is no"),
            ("queue-entries=32", "queue-entries", "64 to 2048"),
            ("queue-entries=4096", "queue-entries", "64 to 2048"),
            ("queue-entries=300", "queue-entries", "a power of two"),
            ("idle=-1", "idle", "0 to 100000"),
            ("interrupt=msix", "interrupt", "auto, msi-x, msi or none"),
            ("manage=10.0.0.5", "manage", "10.0.0.5/24,10.0.0.1"),
            ("capture=63", "capture", "64 to 4096"),
            ("capture=5000", "capture", "64 to 4096"),
            ("watchdog=3601", "watchdog", "0 to 3600"),
            ("self-test=fire", "self-test", "trap, panic or stack"),
            ("wire=mx mtu=9000", "mtu", "leave one of them out"),
            ("quiet", "quiet", "mtu=1500 to 9000"),
            ("mut=1500", "mut=1500", "wire=native or mx"),
        ] {
            let message = format!("{}", parse(line).unwrap_err());
            assert!(message.contains(option), "{line}: {message}");
            assert!(message.contains(possible), "{line}: {message}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_taken_or_refused_with_a_printable_message(line in ".*") {
            if let Err(error) = parse(&line) {
                let message = format!("{error}");
                prop_assert!(message.is_ascii(), "{}", message);
            }
        }

        #[test]
        fn only_possible_values_are_taken(mtu in any::<u32>(), endpoints in any::<u32>()) {
            prop_assert_eq!(parse(&format!("mtu={mtu}")).is_ok(), (1500..=9000).contains(&mtu));
            prop_assert_eq!(parse(&format!("endpoints={endpoints}")).is_ok(), (1..=256).contains(&endpoints));
        }
    }
}
