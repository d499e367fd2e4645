//! The values of the variables.

use std::time::Duration;

use mx_engine::{Config, ContextIds};
use mx_ring::Geometry;
use mx_wire::MacAddress;
use omx_output::log::Filter;

use super::{Binding, Effect, Speaker, VARIABLES, Variable, prefix, say};

/// Where values come from.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What is reported, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporting {
    format: String,
    /// Whether unusual settings are told.
    pub verbose: bool,
    /// How long to wait before the process is ended by an error, for a debugger to be attached.
    pub abort_sleep: Duration,
    /// Whether errors end the process unless the program says otherwise.
    pub errors_are_fatal: bool,
}

/// How endpoints communicate. `None` is the library's own choice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Communication {
    /// Whether messages to the own endpoint take the way of all others.
    pub self_by_network: bool,
    /// Whether messages to other processes of the machine may go through memory that is shared with them.
    pub shared: Option<bool>,
    /// Messages longer than this are large.
    pub rendezvous_threshold: Option<u32>,
    /// How long a message is sent again before its partner is given up.
    pub give_up: Option<Duration>,
    /// Completed sends that may wait for their acknowledgement.
    pub zombies_max: Option<usize>,
    /// Messages received before an acknowledgement is sent at once.
    pub not_acked_max: Option<u16>,
    /// Whether waiting calls never sleep.
    pub wait_spins: bool,
    /// Whether a signal ends a waiting call as its timeout would.
    pub wait_interruptible: bool,
    /// Whether registrations of memory are kept for the next use of it.
    pub registration_cache: Option<bool>,
    /// Processors for the process.
    pub process_binding: Option<Binding>,
    /// Which bits of the match info are the context id.
    pub context_ids: Option<ContextIds>,
    /// Index of the endpoint that is opened when any will do.
    pub any_endpoint: Option<u32>,
    /// Queue entries of an endpoint.
    pub queue_entries: Option<u32>,
    /// Which records go to standard error.
    pub log: Option<Filter>,
}

/// Half a second for each transmission of the original (protocol.md §8).
const RESEND: Duration = Duration::from_millis(500);

struct Reader<'a> {
    lookup: Lookup<'a>,
    /// Whether Myricom's names count.
    myricoms: bool,
    complaints: Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(lookup: Lookup<'a>) -> Self {
        let mut reader = Self {
            lookup,
            myricoms: true,
            complaints: Vec::new(),
        };
        reader.myricoms = !reader.flag("OMX_IGNORE_MX_ENV").unwrap_or(false);
        reader
    }

    /// The value of a variable by the first of its names that has one, and that name.
    fn found(&self, name: &'static str) -> Option<(&'static str, String)> {
        let variable = VARIABLES.iter().find(|variable| variable.name == name)?;
        let mut names = variable
            .names()
            .filter(|name| self.myricoms || !name.starts_with("MX_"));
        names.find_map(|name| Some((name, (self.lookup)(name)?)))
    }

    /// The same as something else; what `parse` refuses is complained of and counts for nothing.
    fn parsed<T>(
        &mut self,
        name: &'static str,
        needs: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Option<T> {
        let (name, value) = self.found(name)?;
        let parsed = parse(value.trim());
        if parsed.is_none() {
            self.complaints
                .push(format!("{name}='{value}' is ignored: it needs {needs}"));
        }
        parsed
    }

    fn flag(&mut self, name: &'static str) -> Option<bool> {
        self.parsed(name, "0 or 1", |value| match value {
            "" => Some(true),
            value => value.parse::<i64>().ok().map(|number| number != 0),
        })
    }

    fn number<T: std::str::FromStr>(&mut self, name: &'static str) -> Option<T> {
        self.parsed(name, "a number", |value| value.parse().ok())
    }
}

impl Reporting {
    /// Reads it, and what is to be complained of.
    pub fn read(lookup: Lookup<'_>) -> (Self, Vec<String>) {
        let mut reader = Reader::new(lookup);
        let seconds = reader.number("OMX_ABORT_SLEEPS").unwrap_or(0);
        let reporting = Self {
            format: reader
                .found("OMX_VERBOSE_PREFIX")
                .map_or_else(|| prefix::DEFAULT.to_owned(), |(_, value)| value),
            verbose: reader.flag("OMX_VERBOSE").unwrap_or(false),
            abort_sleep: Duration::from_secs(seconds),
            errors_are_fatal: reader.flag("OMX_FATAL_ERRORS").unwrap_or(true),
        };
        (reporting, reader.complaints)
    }

    /// What stands before a message of this library.
    pub fn prefix(&self, speaker: &Speaker) -> String {
        prefix::text(&self.format, speaker)
    }
}

impl Communication {
    /// Reads it, and what is to be complained of.
    pub fn read(lookup: Lookup<'_>) -> (Self, Vec<String>) {
        let mut reader = Reader::new(lookup);
        let communication = Self {
            self_by_network: reader.flag("OMX_DISABLE_SELF").unwrap_or(false),
            shared: reader.flag("OMX_DISABLE_SHARED").map(|disabled| !disabled),
            rendezvous_threshold: reader.number("OMX_RNDV_THRESHOLD"),
            give_up: reader
                .number("OMX_RESENDS_MAX")
                .map(|resends| RESEND.saturating_mul(resends)),
            zombies_max: reader.number("OMX_ZOMBIE_SEND"),
            not_acked_max: reader.number("OMX_NOTACKED_MAX"),
            wait_spins: reader.flag("OMX_WAITSPIN").unwrap_or(false),
            wait_interruptible: reader.flag("OMX_WAITINTR").unwrap_or(false),
            registration_cache: reader.flag("OMX_RCACHE"),
            process_binding: reader.parsed(
                "OMX_PROCESS_BINDING",
                "'all:<cpu>', '<cpu>,<cpu>,…' or 'file[:path]'",
                Binding::parse,
            ),
            context_ids: reader.parsed(
                "OMX_CTXIDS",
                "'bits,shift' with at most 16 bits, within 64",
                context_ids,
            ),
            any_endpoint: reader.number("OMX_ANY_ENDPOINT"),
            queue_entries: reader.parsed(
                "OMX_QUEUE_ENTRIES",
                "a power of two from 64 to 2048",
                |value| {
                    let entries = value.parse().ok();
                    entries.filter(|entries| Geometry::of_entries(*entries).is_some())
                },
            ),
            log: reader.parsed(
                "OMX_LOG",
                "error, warn, info, debug or trace, or levels of parts as in info,mx_engine=trace",
                |value| value.parse().ok(),
            ),
        };
        (communication, reader.complaints)
    }
}

impl Communication {
    /// Changes what an endpoint's protocol begins with.
    pub fn adjust(&self, config: &mut Config) {
        if let Some(threshold) = self.rendezvous_threshold {
            config.limit_eager(threshold);
        }
        config.give_up = self.give_up.unwrap_or(config.give_up);
        config.zombies_max = self.zombies_max.unwrap_or(config.zombies_max);
        config.not_acked_max = self.not_acked_max.unwrap_or(config.not_acked_max);
    }

    /// Binds the process for an endpoint that it has opened. A failure is told and harms nothing.
    pub fn bind(&self, mac: MacAddress, endpoint: u32) {
        let bound = self.process_binding.as_ref();
        if let Some(Err(failure)) = bound.map(|binding| binding.apply(mac, endpoint)) {
            say(&format!("OMX_PROCESS_BINDING is ignored: {failure}"));
        }
    }
}

fn context_ids(value: &str) -> Option<ContextIds> {
    let (bits, shift) = value.split_once(',')?;
    ContextIds::new(bits.trim().parse().ok()?, shift.trim().parse().ok()?)
}

/// Complaints of those names that begin as a variable of this library, and are none.
pub fn unknown(names: impl Iterator<Item = String>) -> Vec<String> {
    let strange = |name: &String| {
        let mut known = VARIABLES.iter().flat_map(Variable::names);
        name.starts_with("OMX_") && !known.any(|known| known == name)
    };
    names
        .filter(strange)
        .map(|name| format!("{name} is unknown, and ignored: open-mx(7) lists what there is"))
        .collect()
}

/// What the environment sets, for who wants to be told.
pub fn forced(lookup: Lookup<'_>) -> Vec<String> {
    let reader = Reader::new(lookup);
    VARIABLES
        .iter()
        .filter_map(|variable| {
            let (name, value) = reader.found(variable.name)?;
            Some(match variable.effect {
                Effect::Honoured => format!("{name} is '{value}'"),
                Effect::Nothing(why) => format!("{name} has no effect: {why}"),
                Effect::Elsewhere(reader) => format!("{name} is read by {reader} only"),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| {
            let (_, value) = pairs.iter().find(|(set, _)| *set == name)?;
            Some((*value).to_owned())
        }
    }

    fn communication(pairs: &[(&str, &str)]) -> Communication {
        let (communication, complaints) = Communication::read(&set(pairs));
        assert_eq!(complaints, [""; 0]);
        communication
    }

    fn reporting(pairs: &[(&str, &str)]) -> Reporting {
        let (reporting, complaints) = Reporting::read(&set(pairs));
        assert_eq!(complaints, [""; 0]);
        reporting
    }

    /// Each row: a setting, by its name and by its alias, and the field that it changes.
    macro_rules! rows {
        ($($test:ident: $read:ident $name:literal $(/ $alias:literal)* = $value:literal => $field:ident $expected:expr;)*) => {$(
            #[test]
            fn $test() {
                let expected = $expected;
                let default = $read(&[]).$field;
                assert!(default != expected, "the row shows nothing");
                assert!($read(&[($name, $value)]).$field == expected);
                $(
                    assert!($read(&[($alias, $value)]).$field == expected);
                    let ignored = $read(&[($alias, $value), ("OMX_IGNORE_MX_ENV", "1")]).$field;
                    assert!((ignored == default) == $alias.starts_with("MX_"), "OMX_IGNORE_MX_ENV");
                )*
            }
        )*};
    }

    rows! {
        omx_verbose_prefix_is_read: reporting "OMX_VERBOSE_PREFIX" = "1" => format "1";
        omx_verbose_is_read: reporting "OMX_VERBOSE" / "MX_VERBOSE" = "1" => verbose true;
        omx_abort_sleeps_is_read: reporting "OMX_ABORT_SLEEPS" = "3" => abort_sleep Duration::from_secs(3);
        omx_fatal_errors_is_read: reporting "OMX_FATAL_ERRORS" / "MX_ERRORS_ARE_FATAL" / "OMX_ERRORS_ARE_FATAL" = "0"
            => errors_are_fatal false;
        omx_disable_self_is_read: communication "OMX_DISABLE_SELF" / "MX_DISABLE_SELF" = "1" => self_by_network true;
        omx_disable_shared_is_read: communication "OMX_DISABLE_SHARED" / "MX_DISABLE_SHMEM" = "1" => shared Some(false);
        omx_rndv_threshold_is_read: communication "OMX_RNDV_THRESHOLD" = "4096" => rendezvous_threshold Some(4096);
        omx_resends_max_is_read:
            communication "OMX_RESENDS_MAX" / "MX_MAX_RETRIES" = "20" => give_up Some(Duration::from_secs(10));
        omx_zombie_send_is_read: communication "OMX_ZOMBIE_SEND" / "MX_ZOMBIE_SEND" = "0" => zombies_max Some(0);
        omx_notacked_max_is_read: communication "OMX_NOTACKED_MAX" / "MX_IMM_ACK" = "1" => not_acked_max Some(1);
        omx_waitspin_is_read: communication "OMX_WAITSPIN" = "1" => wait_spins true;
        omx_waitintr_is_read: communication "OMX_WAITINTR" = "1" => wait_interruptible true;
        omx_rcache_is_read: communication "OMX_RCACHE" / "MX_RCACHE" = "0" => registration_cache Some(false);
        omx_process_binding_is_read:
            communication "OMX_PROCESS_BINDING" = "all:1" => process_binding Binding::parse("all:1");
        omx_ctxids_is_read: communication "OMX_CTXIDS" = "10,10" => context_ids ContextIds::new(10, 10);
        omx_queue_entries_is_read: communication "OMX_QUEUE_ENTRIES" = "1024" => queue_entries Some(1024);
        omx_log_is_read: communication "OMX_LOG" = "warn,mx_engine=trace" => log "warn,mx_engine=trace".parse().ok();
        omx_any_endpoint_is_read: communication "OMX_ANY_ENDPOINT" = "5" => any_endpoint Some(5);
    }

    #[test]
    fn what_has_no_effect_changes_nothing_and_is_told_to_who_asks() {
        for variable in VARIABLES {
            let pair = [(variable.name, "1")];
            if variable.effect == Effect::Honoured {
                continue;
            }
            assert_eq!(
                communication(&pair),
                communication(&[]),
                "{}",
                variable.name
            );
            assert_eq!(reporting(&pair), reporting(&[]), "{}", variable.name);
            assert_eq!(forced(&set(&pair)).len(), 1, "{}", variable.name);
        }
    }

    #[test]
    fn nonsense_is_complained_of_and_counts_for_nothing() {
        for (name, value) in [
            ("OMX_RNDV_THRESHOLD", "many"),
            ("OMX_WAITSPIN", "perhaps"),
            ("OMX_CTXIDS", "17,0"),
            ("OMX_QUEUE_ENTRIES", "32"),
            ("OMX_QUEUE_ENTRIES", "300"),
            ("OMX_QUEUE_ENTRIES", "4096"),
            ("OMX_CTXIDS", "10"),
            ("OMX_LOG", "loud"),
            ("OMX_PROCESS_BINDING", "none"),
            ("MX_IMM_ACK", "-1"),
        ] {
            let pair = [(name, value)];
            let (communication, complaints) = Communication::read(&set(&pair));
            assert_eq!(communication, Communication::default());
            assert!(complaints.iter().any(|complaint| complaint.contains(name)));
        }
    }

    #[test]
    fn only_names_that_nobody_knows_are_complained_of() {
        let names = [
            "OMX_SOCKET",
            "OMX_ERRORS_ARE_FATAL",
            "OMX_FOO",
            "PATH",
            "MX_FOO",
        ];
        let complaints = unknown(names.map(String::from).into_iter());
        assert_eq!(complaints.len(), 1);
        assert!(complaints[0].starts_with("OMX_FOO is unknown"));
    }
}
