//! The management address: the domain answers pings, and shows what it does to a browser and to Prometheus.
//!
//! Off unless the option `manage` gives an address. It lives on the card's own address, beside those of the guests, and
//! can only be read. What it may take from the guests' traffic is bounded:
//!
//! | what | bound |
//! |---|---|
//! | time, while guests have work | one part in [`CPU_PART`]; in chunks, of which each is a frame in, or a few lines out |
//! | frames that come in | [`FRAMES`] in a second, 32 that wait |
//! | bytes that go out | [`BYTES`] in a second, 8 frames that wait |
//! | requests | [`REQUESTS`] in a second, 2 KiB each |
//! | connections | [`CONNECTIONS`]; 5 s for a request, 20 s for all of it, 1 s and 5 s while others find no room |
//!
//! | file | what |
//! |---|---|
//! | `mod` | the network stack (smoltcp), and its turn |
//! | `address`, `dhcp` | which address; by DHCP |
//! | `port` | frames in and out |
//! | `cpu_budget` | how much of the time |
//! | `server` | connections |
//! | `http` | requests and heads of responses |
//! | `snapshot` | what is shown |
//! | `rates` | how fast it grows |
//! | `chunks`, `metrics`, `page` | as text |

mod address;
mod chunks;
mod cpu_budget;
mod dhcp;
mod http;
mod metrics;
mod page;
mod port;
mod rates;
mod server;
pub mod snapshot;

use core::time::Duration;

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, SocketSet};
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr};

pub use address::{Address, Own};
pub use cpu_budget::CPU_PART;
use cpu_budget::CpuBudget;
use dhcp::{Change, DhcpClient};
use port::Port;
pub use rates::Rates;
use server::Server;
pub use server::{BYTES, CONNECTIONS, REQUESTS};
use snapshot::Snapshot;

/// Frames that are taken in a second; others are dropped.
pub const FRAMES: u32 = 2000;

/// The domain's own host on the network: a network stack, and what it serves.
pub struct Management {
    mac: [u8; 6],
    port: Port,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: Option<DhcpClient>,
    own: Option<Own>,
    server: Server,
    rates: Rates,
    cpu_budget: CpuBudget,
    /// Frames that may still be taken, and when that was counted.
    credit: u32,
    credited_at: Duration,
    /// The last turn had work: there may be more.
    awake: bool,
    /// Something is to be done at this time.
    due: Option<Duration>,
}

fn instant(now: Duration) -> Instant {
    Instant::from_micros(i64::try_from(now.as_micros()).unwrap_or(i64::MAX))
}

impl Management {
    /// Begins on the card with that address; `seed` is random.
    pub fn new(mac: [u8; 6], address: Address, seed: u64, now: Duration) -> Self {
        let mut port = Port::default();
        let mut config = Config::new(EthernetAddress(mac).into());
        config.random_seed = seed;
        let interface = Interface::new(config, &mut port, instant(now));
        let mut sockets = SocketSet::new(vec![]);
        let server = Server::new(&mut sockets);
        let mut management = Self {
            mac,
            port,
            interface,
            dhcp: None,
            own: None,
            server,
            sockets,
            rates: Rates::default(),
            cpu_budget: CpuBudget::default(),
            credit: FRAMES,
            credited_at: now,
            awake: true,
            due: None,
        };
        match address {
            Address::Dhcp => management.dhcp = Some(DhcpClient::new(&mut management.sockets)),
            Address::Static(address, router) => management.take_address(Own {
                address,
                router,
                leased: false,
            }),
        }
        management
    }

    /// Keeps a frame, if it is for the management and there is room; whether it is for the management alone.
    pub fn receive(&mut self, frame: &[u8]) -> bool {
        if !port::is_management(frame, self.mac) {
            return false;
        }
        if self.credit > 0 && self.port.push(frame) {
            self.credit -= 1;
        }
        true
    }

    /// Whether a turn is due; `others` says that guests have work, which leaves the management its [`CPU_PART`].
    pub fn is_due(&self, now: Duration, others: bool) -> bool {
        let work = self.awake || self.port.has_incoming() || self.due.is_some_and(|due| now >= due);
        work && self.cpu_budget.allows(now, others)
    }

    /// A little work; whether there was any.
    pub fn turn(&mut self, now: Duration, snapshot: &impl Snapshot) -> bool {
        if now.saturating_sub(self.credited_at) >= Duration::from_secs(1) {
            self.credit = FRAMES;
            self.credited_at = now;
        }
        if self.rates.is_due(now) {
            self.rates.sample(snapshot);
        }
        let time = instant(now);
        let mut worked = false;
        if self.port.has_incoming() {
            self.interface
                .poll_ingress_single(time, &mut self.port, &mut self.sockets);
            worked = true;
        }
        if let Some(dhcp) = &mut self.dhcp {
            match dhcp.turn(now, &mut self.sockets, self.port.asked()) {
                Some(Change::Taken(own)) => self.take_address(own),
                Some(Change::Lost) => self.lose_address(),
                None => {}
            }
        }
        worked |= self
            .server
            .turn(now, &mut self.sockets, snapshot, &self.rates);
        self.interface.poll_maintenance(time);
        self.interface
            .poll_egress(time, &mut self.port, &mut self.sockets);
        let stack = self.interface.poll_delay(time, &self.sockets);
        let stack = stack.map(|delay| now + Duration::from_micros(delay.total_micros()));
        let dhcp = self.dhcp.as_ref().and_then(DhcpClient::deadline);
        self.due = [stack, dhcp, self.server.deadline()]
            .into_iter()
            .flatten()
            .min();
        self.awake = worked;
        worked
    }

    /// A turn has lasted from `begun` to `ended`, with everything that belongs to it.
    pub fn worked(&mut self, begun: Duration, ended: Duration) {
        self.cpu_budget.worked(begun, ended);
    }

    /// When a turn is due at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        self.due
    }

    /// The address, while there is one.
    pub fn own(&self) -> Option<Own> {
        self.own
    }

    /// A frame to be sent.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.port.pop()
    }

    fn lose_address(&mut self) {
        self.interface
            .update_ip_addrs(|addresses| addresses.clear());
        self.interface.routes_mut().remove_default_ipv4_route();
        self.own = None;
    }

    fn take_address(&mut self, own: Own) {
        if self.own == Some(own) {
            return;
        }
        self.lose_address();
        self.interface.update_ip_addrs(|addresses| {
            // The list has room for one.
            let _ = addresses.push(IpCidr::Ipv4(own.address));
        });
        if let Some(router) = own.router {
            // The table of routes has room for one.
            let _ = self.interface.routes_mut().add_default_ipv4_route(router);
        }
        self.own = Some(own);
        log::info!(
            "management: {own}: http://{}/ and /metrics",
            own.address.address()
        );
    }
}
