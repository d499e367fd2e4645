//! The environment variables of Open-MX (api.md §5): which there are, and what each does here. `open-mx(7)` tells the
//! same to users.
//!
//! Those about messages and errors are read when the library is initialised, those about communication when the first
//! endpoint is opened.

mod binding;
mod prefix;
mod settings;

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use binding::Binding;
pub use prefix::Speaker;
use settings::Communication;
pub use settings::Reporting;

/// A variable of the environment.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// As the process finds it in its environment.
    pub name: &'static str,
    /// Other names for it. Myricom's begin with `MX_`, and count unless `OMX_IGNORE_MX_ENV` is set.
    pub aliases: &'static [&'static str],
    /// What it does.
    pub effect: Effect,
}

/// What a variable does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// What Open-MX says it does.
    Honoured,
    /// Nothing; the reason.
    Nothing(&'static str),
    /// Nothing in this library; who reads it.
    Elsewhere(&'static str),
}

use Effect::{Elsewhere, Honoured, Nothing};

const DEBUG_ONLY: &str = "there is no debug library: use OMX_LOG, or a debugger";
const NO_SHARED_THRESHOLD: &str = "neighbours on one host keep the thresholds of the network";
const SCRIPT: &str = "the start script of the original's module";

/// Every variable, in the order of the specification; those at the end are this implementation's own.
pub const VARIABLES: &[Variable] = &[
    own("OMX_IGNORE_MX_ENV", Honoured),
    own("OMX_VERBOSE_PREFIX", Honoured),
    aliased("OMX_VERBOSE", &["MX_VERBOSE"], Honoured),
    own("OMX_VERBDEBUG", Nothing(DEBUG_ONLY)),
    own("OMX_ABORT_SLEEPS", Honoured),
    aliased(
        "OMX_FATAL_ERRORS",
        &["MX_ERRORS_ARE_FATAL", "OMX_ERRORS_ARE_FATAL"],
        Honoured,
    ),
    own("OMX_DEBUG_SIGNAL", Nothing(DEBUG_ONLY)),
    own("OMX_DEBUG_SIGNAL_NUM", Nothing(DEBUG_ONLY)),
    own("OMX_DEBUG_REQUESTS", Nothing(DEBUG_ONLY)),
    own("OMX_DEBUG_CHECKSUM", Nothing(DEBUG_ONLY)),
    aliased("OMX_DISABLE_SELF", &["MX_DISABLE_SELF"], Honoured),
    aliased("OMX_DISABLE_SHARED", &["MX_DISABLE_SHMEM"], Honoured),
    own("OMX_RNDV_THRESHOLD", Honoured),
    own("OMX_SHARED_RNDV_THRESHOLD", Nothing(NO_SHARED_THRESHOLD)),
    aliased("OMX_RESENDS_MAX", &["MX_MAX_RETRIES"], Honoured),
    aliased("OMX_ZOMBIE_SEND", &["MX_ZOMBIE_SEND"], Honoured),
    aliased("OMX_NOTACKED_MAX", &["MX_IMM_ACK"], Honoured),
    own("OMX_WAITSPIN", Honoured),
    own("OMX_WAITINTR", Honoured),
    own(
        "OMX_CONNECT_POLLALL",
        Nothing("whatever waits makes all endpoints of the process progress"),
    ),
    own("OMX_PRCACHE", Nothing("it never had any: use OMX_RCACHE")),
    aliased("OMX_RCACHE", &["MX_RCACHE"], Honoured),
    own("OMX_PROCESS_BINDING", Honoured),
    own(
        "OMX_MEDIUM_SENDQ",
        Nothing("medium messages always go through the send queue"),
    ),
    own("OMX_CTXIDS", Honoured),
    own("OMX_ANY_ENDPOINT", Honoured),
    own("OMX_IFACES", Elsewhere(SCRIPT)),
    own("OMX_MODULE_PARAMS", Elsewhere(SCRIPT)),
    own("OMX_MODULE_DEPENDS", Elsewhere(SCRIPT)),
    own("OMX_FMA_PARAMS", Elsewhere(SCRIPT)),
    own("OMX_FMA_START_TIMEOUT", Elsewhere(SCRIPT)),
    own("OMX_TEST_VERBOSE", Elsewhere("test scripts")),
    own("OMX_CAPTURES", Elsewhere("this library's tests")),
    own("OMX_SOCKET", Honoured),
    own("OMX_QUEUE_ENTRIES", Honoured),
    own("OMX_LOG", Honoured),
];

const fn own(name: &'static str, effect: Effect) -> Variable {
    Variable {
        name,
        aliases: &[],
        effect,
    }
}

const fn aliased(name: &'static str, aliases: &'static [&'static str], effect: Effect) -> Variable {
    Variable {
        name,
        aliases,
        effect,
    }
}

impl Variable {
    /// All its names, the first one first.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        core::iter::once(self.name).chain(self.aliases.iter().copied())
    }
}

static REPORTING: RwLock<Option<Arc<Reporting>>> = RwLock::new(None);
static COMMUNICATION: OnceLock<Communication> = OnceLock::new();

fn of_process(name: &str) -> Option<String> {
    let value = std::env::var_os(name)?;
    Some(value.to_string_lossy().into_owned())
}

/// Reads what counts from the initialisation on, and complains of what nobody knows.
pub fn read_reporting() {
    let (reporting, complaints) = Reporting::read(&of_process);
    *REPORTING.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(reporting));
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for complaint in complaints.into_iter().chain(settings::unknown(names)) {
        say(&complaint);
    }
}

/// How messages and errors are reported: as it was read last, else as it is now.
pub fn reporting() -> Arc<Reporting> {
    let read = REPORTING
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    read.unwrap_or_else(|| Arc::new(Reporting::read(&of_process).0))
}

/// How endpoints communicate. Read once, when it is first needed.
pub(crate) fn communication() -> &'static Communication {
    COMMUNICATION.get_or_init(|| {
        let (communication, complaints) = Communication::read(&of_process);
        complaints.iter().for_each(|complaint| say(complaint));
        if reporting().verbose {
            for forced in settings::forced(&of_process) {
                say(&forced);
            }
        }
        if let Some(filter) = &communication.log {
            omx_output::log::begin(filter);
        }
        communication
    })
}

/// Tells something on standard error.
pub fn say(text: &str) {
    eprintln!("{}{text}", reporting().prefix(&Speaker::default()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_page_names_each_variable_and_its_aliases() {
        let page = include_str!("../../man/open-mx.7").replace("\\-", "-");
        for variable in VARIABLES {
            for name in variable.names() {
                let entry = page.lines().any(|line| {
                    line.starts_with(".B") && line.split_whitespace().any(|word| word == name)
                });
                assert!(entry, "open-mx(7) has no entry for {name}");
            }
        }
    }

    #[test]
    fn no_variable_is_listed_twice() {
        for (at, variable) in VARIABLES.iter().enumerate() {
            let mut others = VARIABLES[..at].iter().flat_map(Variable::names);
            assert!(others.all(|other| variable.names().all(|name| name != other)));
        }
    }
}
