//! The Xen host: a QEMU process, and the commands that run inside of it.
//!
//! | file | what |
//! |---|---|
//! | `spec` | what host is wanted |
//! | `qemu` | the process and its command line |
//! | `kvm` | hardware virtualisation, where Xen boots under it |
//! | `monitor` | what QEMU is asked to do to the machine |
//! | `only_one` | waits while another host runs on this machine |
//! | `sessions` | commands in its domains, many at a time |
//! | `keeper` | a host that stays when the command that started it has ended |
//! | `client` | asks such a host |

pub mod client;
pub mod keeper;
pub mod kvm;
mod monitor;
mod only_one;
mod qemu;
mod sessions;
pub mod spec;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{At, Error};
use crate::stall_timeout::StallTimeout;
use qemu::Qemu;
use sessions::Sessions;
pub use sessions::{Output, Session};
pub use spec::{HostSpec, Images, Nic, Wire};

/// A running Xen host. It ends when this value is dropped.
pub struct Host {
    qemu: Qemu,
    sessions: Sessions,
    _only_one: File,
}

impl Host {
    /// Boots a host and waits until dom0 runs commands.
    pub fn start(spec: &HostSpec) -> Result<Self, Error> {
        let only_one = only_one::wait()?;
        std::fs::create_dir_all(&spec.directory).at("create", &spec.directory)?;
        let mut qemu = Qemu::start(spec)?;
        let limit = spec.boot_limit();
        let sessions = Sessions::connect(qemu.agent_socket())?;
        let begun = Instant::now();
        let mut timeout = ConsoleTimeout::new(spec, limit);
        loop {
            match sessions.exec("dom0", &["true"], Duration::from_secs(2)) {
                Ok(output) if output.status == 0 => break,
                _ if timeout.is_over() || !qemu.is_running() => {
                    return Err(Error::NoBoot {
                        seconds: begun.elapsed().as_secs(),
                        tail: tail(&spec.console_log()),
                        log: spec.console_log(),
                    });
                }
                _ => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        Ok(Self {
            qemu,
            sessions,
            _only_one: only_one,
        })
    }

    /// Runs a command in a domain to its end.
    pub fn exec(&self, domain: &str, command: &[&str], limit: Duration) -> Result<Output, Error> {
        self.sessions.exec(domain, command, limit)
    }

    /// Seconds that the emulated machine has run so far, and that it was kept waiting for a processor of this one. Its
    /// own clock goes on meanwhile.
    pub fn ran_and_waited(&self) -> (f64, f64) {
        self.qemu.ran_and_waited()
    }

    /// Plugs the cable of the card in, or pulls it.
    pub fn set_link(&self, up: bool) -> Result<(), Error> {
        monitor::set_link(self.qemu.monitor_socket(), up)
    }

    /// Starts a command in a domain.
    pub fn spawn(&self, domain: &str, command: &[&str]) -> Result<Session, Error> {
        self.sessions.spawn(domain, command)
    }
}

/// Boots a host whose dom0 runs a script, waits until it is switched off, and returns what dom0 wrote to its console.
pub fn run_to_end(spec: &HostSpec, limit: Duration) -> Result<String, Error> {
    let _only_one = only_one::wait()?;
    std::fs::create_dir_all(&spec.directory).at("create", &spec.directory)?;
    let mut qemu = Qemu::start(spec)?;
    let begun = Instant::now();
    let mut timeout = ConsoleTimeout::new(spec, limit);
    while qemu.is_running() {
        if timeout.is_over() {
            return Err(Error::NoBoot {
                seconds: begun.elapsed().as_secs(),
                tail: tail(&spec.console_log()),
                log: spec.console_log(),
            });
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    let log = spec.console_log();
    let text = std::fs::read(&log).at("read", &log)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The stall timeout of a host, which gets on as long as its console says something new.
struct ConsoleTimeout {
    log: PathBuf,
    said: u64,
    timeout: StallTimeout,
}

impl ConsoleTimeout {
    fn new(spec: &HostSpec, limit: Duration) -> Self {
        ConsoleTimeout {
            log: spec.console_log(),
            said: 0,
            timeout: StallTimeout::new(limit),
        }
    }

    fn is_over(&mut self) -> bool {
        let said = std::fs::metadata(&self.log).map_or(0, |log| log.len());
        if said != self.said {
            self.said = said;
            self.timeout.renew();
        }
        self.timeout.is_over()
    }
}

fn tail(log: &Path) -> String {
    let bytes = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(25)..].join("\n")
}

/// The domain that is no domain: the process that keeps a host.
const SELF: &str = "lab";

/// Where the host that `up` keeps is asked.
pub fn control_socket() -> PathBuf {
    crate::place::work().join("host/control.sock")
}
