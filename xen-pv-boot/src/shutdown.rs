//! Ends of the domain.

use core::fmt;

use xen_sys::sched;

use crate::{console, hypercall};

/// How the domain ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// For good.
    Poweroff,
    /// To be started again.
    Reboot,
    /// By a fault of its own: the tools act as `on_crash` of its configuration says.
    Crash,
}

impl End {
    /// What the tools wrote to `control/shutdown`: `poweroff`, `halt` or `reboot`; `None` for anything else, such as
    /// `suspend`, which a driver domain does not do.
    pub fn from_request(request: &str) -> Option<Self> {
        match request {
            "poweroff" | "halt" => Some(Self::Poweroff),
            "reboot" => Some(Self::Reboot),
            _ => None,
        }
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Crash => "crash",
        })
    }
}

/// Lets the console daemon read the last lines, then ends the domain.
pub fn shutdown(end: End) -> ! {
    console::drain();
    hypercall::sched_shutdown(match end {
        End::Poweroff => sched::SHUTDOWN_POWEROFF,
        End::Reboot => sched::SHUTDOWN_REBOOT,
        End::Crash => sched::SHUTDOWN_CRASH,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tools_requests_are_known_and_others_are_not_obeyed() {
        assert_eq!(End::from_request("poweroff"), Some(End::Poweroff));
        assert_eq!(End::from_request("halt"), Some(End::Poweroff));
        assert_eq!(End::from_request("reboot"), Some(End::Reboot));
        assert_eq!(End::from_request("suspend"), None);
        assert_eq!(End::from_request(""), None);
    }
}
