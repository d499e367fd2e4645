//! The program on Xen: waits for its device, then does what it is told to by xenstore.
//!
//! | node | writer | value |
//! |---|---|---|
//! | `data/mini/order` | whoever tests | an order ([`crate::order`]) |
//! | `data/mini/report` | the mini | the order, ` -> `, what came of it; before the first, that it is ready, and Xen's time in milliseconds; of a liar also how far it is |

use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::ABI_VERSION;
use mx_ring::control::PROTOCOL;
use xen_pv_boot::event::{self, Channel};
use xen_pv_boot::frontend::Frontend;
use xen_pv_boot::grant::{GrantTable, Tampering};
use xen_pv_boot::memory::shared::{self, SharedPages};
use xen_pv_boot::shutdown::{End, shutdown};
use xen_pv_boot::xenbus::XenbusState;
use xen_pv_boot::xenstore::Watcher;
use xen_pv_boot::{DomId, GrantRef, Machine, Mfn, boot, clock};

use crate::backend;
use crate::device::{Device, Failure};
use crate::domain::{Domain, Granted, Key, Pages, Twist};
use crate::lies::Liar;
use crate::load::Load;
use crate::order::{self, Order};

/// What the command line says to a mini that is to be a backend.
const BACKEND: &str = "backend";
const DIRECTORY: &str = "device/omx/0";
const ORDER: &str = "data/mini/order";
const REPORT: &str = "data/mini/report";
const SHUTDOWN: &str = "control/shutdown";
/// How long the driver domain may take for a step of the handshake on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a liar says how far it is.
const PROGRESS: Duration = Duration::from_secs(10);

/// The domain with its device.
struct XenDomain {
    watcher: Watcher,
    frontend: Frontend,
    channel: Channel,
    grants: GrantTable,
    pages: Vec<SharedPages>,
    connected: bool,
}

impl XenDomain {
    fn state_of_backend(&mut self, wanted: impl Fn(XenbusState) -> bool) -> XenbusState {
        let until = clock::now() + PATIENCE;
        let state = self.frontend.wait_for(&mut self.watcher, until, wanted);
        state.unwrap_or_else(|error| {
            log::error!("the state of the driver domain cannot be read: {error}");
            XenbusState::Unknown
        })
    }

    fn publish(&mut self, nodes: &[(&str, String)], state: XenbusState) -> bool {
        let published = self.frontend.publish(&mut self.watcher, nodes, state);
        if let Err(error) = &published {
            log::error!("the device cannot be published: {error}");
        }
        published.is_ok()
    }
}

impl Domain for XenDomain {
    fn now(&self) -> Duration {
        clock::now()
    }

    fn allocate(&mut self, pages: usize) -> Option<Pages> {
        let shared = shared::allocate(pages)?;
        let slice = shared.slice();
        self.pages.push(shared);
        Some(Pages {
            slice,
            number: self.pages.len() - 1,
        })
    }

    fn grant(&mut self, pages: Pages, page: usize, read_only: bool) -> Option<Granted> {
        let shared = self.pages.get(pages.number)?;
        let to = self.frontend.domain();
        let granted = self.grants.share(to, shared, page, read_only);
        let GrantRef(reference) = granted.ok()?;
        Some(Granted {
            reference,
            pages,
            page,
            read_only,
        })
    }

    fn twist(&mut self, granted: &Granted, twist: Twist) {
        let Some(pages) = self.pages.get(granted.pages.number) else {
            return;
        };
        let entry = |to, read_only| Tampering::Entry {
            to,
            pages,
            page: granted.page,
            read_only,
        };
        let to = self.frontend.domain();
        let how = match twist {
            Twist::Revoked => Tampering::Revoke,
            Twist::Foreign(frame) => Tampering::Frame(Mfn(frame.into())),
            Twist::OtherAccess => entry(to, !granted.read_only),
            Twist::OtherDomain => entry(DomId::DOM0, granted.read_only),
            Twist::Honest => entry(to, granted.read_only),
        };
        self.grants.tamper(GrantRef(granted.reference), how);
    }

    fn connect(&mut self, reference: u32) -> bool {
        let nodes = [
            ("backend-id", self.frontend.domain().number().to_string()),
            ("ring-ref", reference.to_string()),
            ("event-channel", self.channel.port().to_string()),
            ("protocol", PROTOCOL.to_string()),
            ("version", ABI_VERSION.to_string()),
        ];
        if !self.publish(&nodes, XenbusState::Initialised) {
            return false;
        }
        let state = self.state_of_backend(|state| {
            matches!(
                state,
                XenbusState::Connected | XenbusState::Closed | XenbusState::Unknown
            )
        });
        self.connected =
            state == XenbusState::Connected && self.publish(&[], XenbusState::Connected);
        self.connected
    }

    fn is_connected(&mut self) -> bool {
        if self.connected && self.frontend.has_news(&mut self.watcher) {
            let state = self.frontend.backend_state(&mut self.watcher);
            self.connected = state == Ok(XenbusState::Connected);
        }
        self.connected
    }

    fn disconnect(&mut self) -> bool {
        self.connected = false;
        self.publish(&[], XenbusState::Closed)
            && self.state_of_backend(|state| state == XenbusState::InitWait)
                == XenbusState::InitWait
    }

    fn notify(&mut self) {
        // A driver domain that has let go of its end is no error here.
        let _ = self.channel.send();
    }

    fn lose_channel(&mut self) -> bool {
        let next = Channel::listen(self.frontend.domain());
        next.map(|next| self.channel = next).is_ok()
    }

    fn wait(&mut self, until: Duration) {
        event::wait([&self.channel, self.watcher.channel()], Some(until));
        self.channel.take();
    }

    fn set_key(&mut self, key: Key<'_>) -> bool {
        let client = self.watcher.client();
        let path = |key: &str| format!("{DIRECTORY}/{key}");
        // What xenstore refuses was a lie all the same.
        let _ = match key {
            Key::Write(key, text) => self.watcher.wait(client.write(&path(key), text)),
            Key::Remove(key) => self.watcher.wait(client.remove(&path(key))),
        };
        true
    }
}

/// What a mini is, as its last order has made it.
enum Role {
    Idle(Device<XenDomain>),
    Honest(Device<XenDomain>, Load),
    Liar(Box<Liar<XenDomain>>),
}

/// Runs the mini.
pub fn run(machine: Machine) -> ! {
    if machine.command_line == BACKEND {
        backend::run(machine);
    }
    let (free, all) = boot::heap_space();
    log::info!("mini guest: {} KiB of {} are free", free >> 10, all >> 10);
    match start(machine) {
        Ok(device) => serve(device),
        Err(error) => {
            log::error!("{error}");
            shutdown(End::Poweroff)
        }
    }
}

fn start(machine: Machine) -> Result<Device<XenDomain>, String> {
    let mut watcher = Watcher::new(machine.xenstore);
    let told = |error| format!("xenstore: {error}");
    watcher.watch(ORDER, ORDER).map_err(told)?;
    watcher.watch(SHUTDOWN, SHUTDOWN).map_err(told)?;
    // An hour: whoever tests attaches when he likes.
    let patience = clock::now() + Duration::from_secs(3600);
    let frontend = Frontend::find(&mut watcher, DIRECTORY, patience).map_err(told)?;
    let frontend = frontend.ok_or("nobody attached a device")?;
    let channel =
        Channel::listen(frontend.domain()).map_err(|error| format!("no event channel: {error}"))?;
    let mut domain = XenDomain {
        watcher,
        frontend,
        channel,
        grants: machine.grants,
        pages: Vec::new(),
        connected: false,
    };
    domain.state_of_backend(|state| state == XenbusState::InitWait);
    Device::connect(domain).map_err(|failure| format!("the device is not connected: {failure:?}"))
}

fn serve(device: Device<XenDomain>) -> ! {
    let mut role = Role::Idle(device);
    let ready = format!("ready {}", clock::now().as_millis());
    report(role.domain(), &ready);
    let mut last = String::new();
    loop {
        let domain = role.domain();
        if domain.watcher.take(SHUTDOWN)
            && let Some(end) = read(domain, SHUTDOWN).and_then(|word| End::from_request(&word))
        {
            shutdown(end);
        }
        if !domain.watcher.take(ORDER) {
            domain.watcher.wait_for_any(&[SHUTDOWN, ORDER]);
            continue;
        }
        match read(domain, ORDER) {
            Some(line) if line != last => {
                role = carry_out(role, &line);
                last = line;
            }
            _ => {}
        }
    }
}

fn carry_out(role: Role, line: &str) -> Role {
    let (mut role, answer) = match Order::parse(line) {
        None => (role, String::from("no order")),
        Some(Order::Open { endpoints }) => match role.honest(endpoints) {
            Ok((device, load)) => {
                let answer = format!("endpoints={}", load.endpoints());
                (Role::Honest(device, load), answer)
            }
            Err(failure) => die(failure),
        },
        Some(Order::Load {
            size,
            target,
            window,
        }) => match role.honest(1) {
            Ok((mut device, mut load)) => {
                let tally = load.run(&mut device, size, target, window);
                let settled = tally.and_then(|mut tally| {
                    load.settle(&mut device, target, &mut tally)?;
                    Ok(tally)
                });
                let answer = match settled {
                    Ok(tally) => order::told(&tally),
                    Err(failure) => format!("failed {failure:?}"),
                };
                (Role::Honest(device, load), answer)
            }
            Err(failure) => die(failure),
        },
        Some(Order::Lie {
            seed,
            lies,
            partner,
        }) => {
            let liar = match role {
                Role::Liar(liar) => Ok(liar),
                Role::Idle(device) => Liar::new(device, seed, partner).map(Box::new),
                Role::Honest(mut device, _) => device
                    .reconnect()
                    .and_then(|()| Liar::new(device, seed, partner))
                    .map(Box::new),
            };
            match liar {
                Ok(mut liar) => {
                    let answer = lie(&mut liar, lies, line);
                    (Role::Liar(liar), answer)
                }
                Err(failure) => die(failure),
            }
        }
    };
    log::info!("{line} -> {answer}");
    report(role.domain(), &format!("{line} -> {answer}"));
    role
}

fn lie(liar: &mut Liar<XenDomain>, lies: u64, line: &str) -> String {
    let mut told = clock::now();
    let wanted = liar.counts().all() + lies;
    while liar.counts().all() < wanted {
        if let Err(failure) = liar.lie() {
            return format!("failed {failure:?} {}", liar.counts());
        }
        if clock::now() > told + PROGRESS {
            told = clock::now();
            let so_far = format!("{line}: so far {}", liar.counts());
            log::info!("{so_far}");
            report(liar.domain(), &so_far);
        }
    }
    format!("{} reconnects={}", liar.counts(), liar.reconnects())
}

/// Without a device there is nothing to go on with.
fn die(failure: Failure) -> ! {
    log::error!("the device is gone: {failure:?}");
    shutdown(End::Poweroff)
}

fn read(domain: &mut XenDomain, path: &str) -> Option<String> {
    let client = domain.watcher.client();
    domain.watcher.wait(client.read(path)).ok()
}

fn report(domain: &mut XenDomain, text: &str) {
    let client = domain.watcher.client();
    if let Err(error) = domain.watcher.wait(client.write(REPORT, text)) {
        log::error!("nothing can be reported: {error}");
    }
}

impl Role {
    fn domain(&mut self) -> &mut XenDomain {
        match self {
            Self::Idle(device) | Self::Honest(device, _) => &mut device.domain,
            Self::Liar(liar) => liar.domain(),
        }
    }

    /// With so many endpoints, unless there are some.
    fn honest(self, endpoints: u8) -> Result<(Device<XenDomain>, Load), Failure> {
        let mut device = match self {
            Self::Honest(device, load) => return Ok((device, load)),
            Self::Idle(device) => device,
            Self::Liar(liar) => {
                let mut device = liar.into_device();
                device.reconnect()?;
                device
            }
        };
        let load = Load::open(&mut device, endpoints)?;
        Ok((device, load))
    }
}
