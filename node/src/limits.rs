//! What a user may have of a node, so that one of them leaves something for the others. Root and the user who runs the
//! node may have everything, as who may lift resource limits may in a guest.

use crate::cli::NodeOptions;
use crate::credentials::Credentials;

/// The limits of each user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Endpoints of one board.
    pub endpoints: usize,
    /// Bytes of queues and of registered memory, buffers of last resort left out.
    pub bytes: u64,
}

/// What a user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Held {
    /// Endpoints of the board that is asked about, those that are being given back included.
    pub endpoints: usize,
    /// Bytes, of all boards.
    pub bytes: u64,
}

impl Limits {
    /// Of the options. Without one, an eighth of the endpoints and three quarters of the machine's memory are left.
    pub fn new(options: &NodeOptions) -> Self {
        let all = usize::from(options.endpoints);
        let machine = rustix::system::sysinfo();
        let memory = (machine.totalram as u64).saturating_mul(machine.mem_unit.into());
        Self {
            endpoints: options
                .endpoints_per_user
                .map_or(all - all.div_ceil(8).min(all - 1), usize::from),
            bytes: options
                .memory_per_user
                .map_or(memory / 4, |mebibytes| mebibytes << 20),
        }
    }

    /// Whether a user who has so much may have an endpoint more, whose queues have so many bytes.
    pub fn allow_endpoint(&self, user: &Credentials, held: Held, queues: u64) -> bool {
        user.may_administer()
            || held.endpoints < self.endpoints && self.fits(held.bytes.saturating_add(queues))
    }

    /// Whether he may register so many bytes more.
    pub fn allow_bytes(&self, user: &Credentials, held: Held, more: u64) -> bool {
        user.may_administer() || self.fits(held.bytes.saturating_add(more))
    }

    fn fits(&self, bytes: u64) -> bool {
        bytes <= self.bytes
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn limits(line: &str) -> Limits {
        Limits::new(&NodeOptions::parse_from(line.split(' ')))
    }

    fn user(uid: u32) -> Credentials {
        Credentials {
            pid: 1,
            uid,
            command: [0; 16],
        }
    }

    fn root() -> Credentials {
        user(0)
    }

    /// One that does not run the tests.
    fn stranger() -> Credentials {
        let own = rustix::process::geteuid().as_raw();
        user(if own == 1000 { 1001 } else { 1000 })
    }

    #[test]
    fn a_user_leaves_endpoints_and_memory_to_others_unless_the_options_say_otherwise() {
        assert_eq!(limits("omxd --alone").endpoints, 28);
        assert_eq!(limits("omxd --alone --endpoints 256").endpoints, 224);
        assert_eq!(limits("omxd --alone --endpoints 2").endpoints, 1);
        assert_eq!(limits("omxd --alone --endpoints 1").endpoints, 1);
        let told = limits("omxd --alone --endpoints-per-user 3 --memory-per-user 5");
        assert_eq!((told.endpoints, told.bytes), (3, 5 << 20));
        let memory = limits("omxd --alone").bytes;
        assert!(memory > 64 << 20, "{memory} bytes by default");
    }

    #[test]
    fn a_user_gets_no_more_than_the_limits_and_an_administrator_what_he_wants() {
        let limits = limits("omxd --alone --endpoints-per-user 3 --memory-per-user 5");
        let held = |endpoints, bytes| Held { endpoints, bytes };
        let user = stranger();
        assert!(limits.allow_endpoint(&user, held(2, 4 << 20), 1 << 20));
        assert!(!limits.allow_endpoint(&user, held(3, 0), 0));
        assert!(!limits.allow_endpoint(&user, held(2, 4 << 20), (1 << 20) + 1));
        assert!(limits.allow_bytes(&user, held(3, 0), 5 << 20));
        assert!(!limits.allow_bytes(&user, held(3, 1), 5 << 20));
        assert!(!limits.allow_bytes(&user, held(3, u64::MAX), u64::MAX));
        let root = root();
        assert!(limits.allow_endpoint(&root, held(99, 99 << 20), 1));
        assert!(limits.allow_bytes(&root, held(99, 99 << 20), 1));
    }
}
