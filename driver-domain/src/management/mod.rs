//! The management address: the domain answers pings, and shows what it does to a browser and to Prometheus.
//!
//! Off unless the option `manage` gives an address. It lives on the card's own address, beside those of the guests, and
//! can only be read. What it may take from the guests' traffic is bounded: one frame in and one connection's next piece
//! a turn, at most [`FRAMES`] frames in a second, a fixed number of connections, a few requests in a second.
//!
//! | file | what |
//! |---|---|
//! | `mod` | the network stack (smoltcp), and its turn |
//! | `address` | which address |
//! | `port` | frames in and out |
//! | `server` | connections |
//! | `http` | requests and heads of responses |
//! | `facts` | what is shown |
//! | `rates` | how fast it grows |
//! | `pieces`, `metrics`, `page` | as text |

mod address;
pub mod facts;
mod http;
mod metrics;
mod page;
mod pieces;
mod port;
mod rates;
mod server;

use core::time::Duration;

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::socket::dhcpv4;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpCidr, Ipv4Address, Ipv4Cidr};

pub use address::Address;
use facts::Facts;
use port::Port;
use rates::Rates;
use server::Server;

/// Frames that are taken in a second; others are dropped.
pub const FRAMES: u32 = 2000;

/// The management.
pub struct Management {
    mac: [u8; 6],
    port: Port,
    interface: Interface,
    sockets: SocketSet<'static>,
    dhcp: Option<SocketHandle>,
    server: Server,
    rates: Rates,
    /// Frames that may still be taken, and when that was counted.
    credit: u32,
    credited_at: Duration,
    /// The stack asked to be called at this time.
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
            server,
            sockets,
            rates: Rates::default(),
            credit: FRAMES,
            credited_at: now,
            due: Some(now),
        };
        match address {
            Address::Dhcp => {
                management.dhcp = Some(management.sockets.add(dhcpv4::Socket::new()));
                log::info!("management: asking for an address by DHCP");
            }
            Address::Static(own, router) => management.take_address(own, router),
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

    /// A little work; whether there was any.
    pub fn turn(&mut self, now: Duration, facts: &impl Facts) -> bool {
        if now.saturating_sub(self.credited_at) >= Duration::from_secs(1) {
            self.credit = FRAMES;
            self.credited_at = now;
        }
        if self.rates.is_due(now) {
            self.rates.look(facts.domain());
        }
        let time = instant(now);
        let mut worked = false;
        if self.port.has_incoming() {
            self.interface
                .poll_ingress_single(time, &mut self.port, &mut self.sockets);
            worked = true;
        }
        self.dhcp();
        worked |= self.server.turn(now, &mut self.sockets, facts, &self.rates);
        if worked || self.due.is_some_and(|due| now >= due) {
            self.interface.poll_maintenance(time);
            self.interface
                .poll_egress(time, &mut self.port, &mut self.sockets);
            let delay = self.interface.poll_delay(time, &self.sockets);
            self.due = delay.map(|delay| now + Duration::from_micros(delay.total_micros()));
        }
        worked
    }

    /// When the next turn is due at the latest.
    pub fn deadline(&self) -> Option<Duration> {
        [self.due, self.server.deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// A frame to be sent.
    pub fn next_frame(&mut self) -> Option<Vec<u8>> {
        self.port.pop()
    }

    fn dhcp(&mut self) {
        let Some(handle) = self.dhcp else { return };
        let event = self.sockets.get_mut::<dhcpv4::Socket>(handle).poll();
        match event {
            None => {}
            Some(dhcpv4::Event::Configured(config)) => {
                let (own, router) = (config.address, config.router);
                if address::is_hosts(own) {
                    self.take_address(own, router);
                } else {
                    log::warn!("management: the DHCP server gave {own}, which no host can have");
                }
            }
            Some(dhcpv4::Event::Deconfigured) => {
                log::warn!("management: no address any more, asking for one by DHCP");
                self.interface
                    .update_ip_addrs(|addresses| addresses.clear());
                self.interface.routes_mut().remove_default_ipv4_route();
            }
        }
    }

    fn take_address(&mut self, own: Ipv4Cidr, router: Option<Ipv4Address>) {
        self.interface.update_ip_addrs(|addresses| {
            addresses.clear();
            // The list has room for one.
            let _ = addresses.push(IpCidr::Ipv4(own));
        });
        self.interface.routes_mut().remove_default_ipv4_route();
        if let Some(router) = router {
            // The table of routes has room for one.
            let _ = self.interface.routes_mut().add_default_ipv4_route(router);
        }
        log::info!("management: http://{}/ and /metrics", own.address());
    }
}
