//! What can go wrong, in words for the operator, and the exit status that tells it to a script.

use std::path::PathBuf;
use std::time::Duration;

use crate::state::XenbusState;
use crate::xenstore::StoreError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// xenstore refused or broke.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// No running domain of that name or number.
    #[error("there is no running domain '{0}': see `xl list`")]
    NoSuchDomain(String),
    /// Two domains carry the name.
    #[error("more than one domain is called '{0}': name it by its number")]
    AmbiguousDomain(String),
    /// A name that cannot be remembered.
    #[error(
        "domain {0} has no name, or one that is not UTF-8 or longer than 200 bytes: give it another by `xl rename`"
    )]
    Nameless(u32),
    /// A domain cannot serve itself.
    #[error("domain '{0}' cannot be its own backend: name the driver domain with backend=")]
    OwnBackend(String),
    /// No such device.
    #[error("domain '{domain}' has no Open-MX device '{device}': see `xl-omx list {domain}`")]
    NoSuchDevice {
        /// As the operator named it.
        domain: String,
        /// As the operator named it.
        device: String,
    },
    /// Nothing is remembered for that name.
    #[error("no Open-MX device of '{0}' is remembered: `xl-omx attach {0}` gives it one")]
    NothingRemembered(String),
    /// Another device of that address is there.
    #[error("address {0} is taken by another Open-MX device: choose another with mac=")]
    MacTaken(mx_wire::MacAddress),
    /// Somebody else attached a device of that number meanwhile.
    #[error(
        "device {index} of '{guest}' was attached by somebody else meanwhile: see `xl-omx list {guest}`"
    )]
    AttachedMeanwhile {
        /// Whose.
        guest: String,
        /// Which.
        index: u32,
    },
    /// The two sides did not reach the state in time.
    #[error("{}", not_reached(.wanted, .backend, .frontend, .waited, .reason))]
    NotReached {
        /// The state that was waited for.
        wanted: XenbusState,
        /// The backend's last state.
        backend: XenbusState,
        /// The frontend's last state.
        frontend: XenbusState,
        /// How long was waited.
        waited: Duration,
        /// What the sides wrote to their `error` nodes.
        reason: Option<String>,
    },
    /// An attached device that is not there any more.
    #[error(
        "device {index} of '{guest}' is gone: the guest or its driver domain has ended, or somebody has taken it away; \
         where it is still remembered, `xl-omx apply` attaches it again"
    )]
    Gone {
        /// Whose.
        guest: String,
        /// Which.
        index: u32,
    },
    /// An attached device that does not work yet.
    #[error(
        "{why}; device {index} of '{guest}' stays attached, is remembered, and connects as soon as both sides can; \
         `xl-omx detach {guest} {index}` takes it away"
    )]
    NotConnected {
        /// Whose.
        guest: String,
        /// Which.
        index: u32,
        /// Why it does not work.
        why: Box<Error>,
    },
    /// A device that was asked to go is still there.
    #[error(
        "{why}; device {index} of '{guest}' was asked to go, is still there, and still remembered; \
         `xl-omx detach --force {guest} {index}` removes it at once"
    )]
    NotDetached {
        /// Whose.
        guest: String,
        /// Which.
        index: u32,
        /// Why it has not gone.
        why: Box<Error>,
    },
    /// One entry of those that are remembered.
    #[error("device {index} of '{guest}': {why}")]
    Entry {
        /// Whose.
        guest: String,
        /// Which.
        index: u32,
        /// What is wrong with it.
        why: Box<Error>,
    },
    /// Some entries, each told already.
    #[error("{0} of the remembered devices could not be attached")]
    Failed(usize),
    /// A file of remembered attachments.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line in such a file.
    #[error("{path}: {reason}; remove the file or correct it")]
    BadFile {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// `xl` cannot be run.
    #[error("`{command}` cannot be run ({source}): is Xen's xl in the PATH?")]
    NoXl {
        /// What was to be run.
        command: String,
        /// Why it cannot.
        source: std::io::Error,
    },
    /// `xl` has failed, and said why.
    #[error("`{command}` failed ({status}): what xl says stands above, and in /var/log/xen")]
    Xl {
        /// What was run.
        command: String,
        /// How it ended.
        status: String,
    },
    /// `xl` does not end.
    #[error("`{command}` has not ended for {} s: is xenstored alive, and does another xl run? see `pgrep -a xl`", .waited.as_secs())]
    XlSilent {
        /// What was run.
        command: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// `check` has found something.
    #[error("to do: {0}, each with an arrow below it; then run `xl-omx check` again")]
    ToDo(usize),
    /// `check` has found nothing, and could not see all.
    #[error("could not be looked at: {0}, each with an arrow below it")]
    NotLookedAt(usize),
    /// A name that xl cannot be told.
    #[error("'{}' cannot be written as a name for xl: give the driver domain another by `xl rename`", crate::plain::shown(.0))]
    Unquotable(String),
    /// A driver domain that is gone, and could not be created.
    #[error("driver domain '{name}' cannot be created from {configuration}: {why}")]
    NotCreated {
        /// Whose name it was to have.
        name: String,
        /// From which file.
        configuration: PathBuf,
        /// Why it cannot.
        why: Box<Error>,
    },
    /// Another one creates the driver domain.
    #[error(
        "another xl-omx creates or replaces driver domain '{0}' just now: see `xl list`, and try again when it is done"
    )]
    ReplacedMeanwhile(String),
    /// A domain is its own successor.
    #[error(
        "'{0}' cannot take its own place: name another running domain, or the configuration from which it is to be \
         created again"
    )]
    OwnSuccessor(String),
    /// Some devices have a new driver domain and do not work yet.
    #[error(
        "{count} devices have '{new}' as their backend now and are not connected yet; they connect as soon as both sides \
         can: see `xl-omx list <guest>`"
    )]
    NotAllConnected {
        /// How many.
        count: usize,
        /// The new driver domain.
        new: String,
    },
    /// The kernel gave no random bytes.
    #[error("no random address can be made ({0}): choose one with mac=")]
    Random(std::io::Error),
}

fn not_reached(
    wanted: &XenbusState,
    backend: &XenbusState,
    frontend: &XenbusState,
    waited: &Duration,
    reason: &Option<String>,
) -> String {
    let seconds = waited.as_secs();
    let mut text = format!(
        "the device did not become {wanted} within {seconds} s (backend {backend}, frontend {frontend})"
    );
    let hint = match (reason, backend, frontend) {
        (Some(reason), _, _) => reason.as_str(),
        (None, XenbusState::Initialising, _) => {
            "the backend did not react (does the driver domain run? see `xl list`)"
        }
        (None, _, XenbusState::Initialising) if *wanted == XenbusState::Connected => {
            "the guest did not react (is the module open-mx-frontend loaded there?)"
        }
        _ => "see the driver domain's console and the guest's kernel log",
    };
    text.push_str(": ");
    text.push_str(hint);
    text
}

impl Error {
    /// 1 for a failure, 3 when the other side did not answer in time, 4 when something could not be looked at. (2 is a
    /// wrong command line.)
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotReached { .. } | Self::NotAllConnected { .. } => 3,
            Self::NotLookedAt(_) => 4,
            Self::NotConnected { why, .. } | Self::NotDetached { why, .. } => why.exit_code(),
            _ => 1,
        }
    }
}
