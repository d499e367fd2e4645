//! Both ends of a link in virtual time: the management, and a client with a network stack of its own.

use std::collections::VecDeque;
use std::time::Duration;

use driver_domain::management::snapshot::Snapshot;
use driver_domain::management::{Address, Management};
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::domain::Domain;

/// Address of the management's card.
pub const OWN: [u8; 6] = [2, 0, 0, 0, 0, 5];
/// Address of the client's.
pub const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// The client's card.
#[derive(Default)]
struct ClientNic {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

struct Rx(Vec<u8>);
struct Tx<'a>(&'a mut VecDeque<Vec<u8>>);

impl RxToken for Rx {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl TxToken for Tx<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut frame = vec![0; length.max(60)];
        let result = f(&mut frame[..length]);
        self.0.push_back(frame);
        result
    }
}

impl Device for ClientNic {
    type RxToken<'a> = Rx;
    type TxToken<'a> = Tx<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Rx, Tx<'_>)> {
        Some((Rx(self.incoming.pop_front()?), Tx(&mut self.outgoing)))
    }

    fn transmit(&mut self, _: Instant) -> Option<Tx<'_>> {
        Some(Tx(&mut self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = 1514;
        capabilities
    }
}

/// Both ends of the link.
pub struct Link<F = Domain> {
    pub management: Management,
    pub domain: F,
    nic: ClientNic,
    interface: Interface,
    pub sockets: SocketSet<'static>,
    pub now: Duration,
}

impl<F: Snapshot> Link<F> {
    pub fn new(domain: F) -> Self {
        let now = Duration::from_secs(100);
        let address = Address::parse("10.0.0.5/24").unwrap();
        let management = Management::new(OWN, address, 7, now);
        let mut nic = ClientNic::default();
        let config = Config::new(EthernetAddress(CLIENT).into());
        let mut interface = Interface::new(config, &mut nic, Instant::from_secs(100));
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(IpAddress::v4(10, 0, 0, 9), 24);
            addresses.push(own).unwrap();
        });
        Self {
            management,
            domain,
            nic,
            interface,
            sockets: SocketSet::new(vec![]),
            now,
        }
    }

    /// A millisecond of both ends.
    pub fn step(&mut self) {
        self.now += Duration::from_millis(1);
        let time = Instant::from_micros(self.now.as_micros() as i64);
        self.interface.poll(time, &mut self.nic, &mut self.sockets);
        while let Some(frame) = self.nic.outgoing.pop_front() {
            self.management.receive(&frame);
        }
        for _ in 0..4 {
            if !self.management.is_due(self.now, false) {
                break;
            }
            self.management.turn(self.now, &self.domain);
            while let Some(frame) = self.management.next_frame() {
                assert!(frame.len() >= 60);
                assert_eq!(frame[6..12], OWN);
                self.nic.incoming.push_back(frame);
            }
        }
    }

    /// A connection from that port.
    pub fn connect(&mut self, from: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let to = (IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 5)), 80);
        socket.connect(self.interface.context(), to, from).unwrap();
        self.sockets.add(socket)
    }

    /// What comes back after these bytes were sent, until the other side closes.
    pub fn ask(&mut self, handle: SocketHandle, request: &[u8]) -> Vec<u8> {
        let mut sent = 0;
        let mut answer = Vec::new();
        for _ in 0..20_000 {
            self.step();
            let socket = self.sockets.get_mut::<tcp::Socket>(handle);
            if sent < request.len() && socket.can_send() {
                sent += socket.send_slice(&request[sent..]).unwrap();
            }
            while let Ok(count) = socket.recv(|data| {
                answer.extend_from_slice(data);
                (data.len(), data.len())
            }) && count > 0
            {}
            if !socket.may_recv() && socket.state() != tcp::State::SynSent {
                // The other side has closed, or refused.
                break;
            }
        }
        self.sockets.get_mut::<tcp::Socket>(handle).close();
        answer
    }

    /// The answer to a GET of that path; nothing if the connection is refused.
    pub fn get(&mut self, from: u16, path: &str) -> String {
        let handle = self.connect(from);
        let request = format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.5\r\n\r\n");
        String::from_utf8(self.ask(handle, request.as_bytes())).unwrap()
    }
}
