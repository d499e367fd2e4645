//! What can go wrong, in words for the operator, and the exit status that tells it to a script.

use std::path::PathBuf;
use std::time::Duration;

use crate::device::State;
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
    /// Another device of that address is there.
    #[error("address {0} is taken by another Open-MX device: choose another with mac=")]
    MacTaken(crate::mac::Mac),
    /// The two sides did not reach the state in time.
    #[error("{}", not_reached(.wanted, .backend, .frontend, .waited, .reason))]
    NotReached {
        /// The state that was waited for.
        wanted: State,
        /// The backend's last state.
        backend: State,
        /// The frontend's last state.
        frontend: State,
        /// How long was waited.
        waited: Duration,
        /// What the sides wrote to their `error` nodes.
        reason: Option<String>,
    },
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
}

fn not_reached(
    wanted: &State,
    backend: &State,
    frontend: &State,
    waited: &Duration,
    reason: &Option<String>,
) -> String {
    let seconds = waited.as_secs();
    let mut text = format!(
        "the device did not become {wanted} within {seconds} s (backend {backend}, frontend {frontend})"
    );
    let hint = match (reason, backend, frontend) {
        (Some(reason), _, _) => reason.as_str(),
        (None, State::Initialising, _) => {
            "the backend did not react: does the driver domain run? see `xl list`"
        }
        (None, _, State::Initialising) => {
            "the guest did not react: is the module open-mx-frontend loaded there? the device stays and connects when it is"
        }
        _ => "see the driver domain's console and the guest's kernel log",
    };
    text.push_str(": ");
    text.push_str(hint);
    text
}

impl Error {
    /// 1 for a failure, 3 when the other side did not answer in time. (2 is a wrong command line.)
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotReached { .. } => 3,
            _ => 1,
        }
    }
}
