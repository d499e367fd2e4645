//! An address by DHCP, from servers that are honest, slow, gone, or lie.

use std::time::Duration;

use driver_domain::management::{Address, Management};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    ArpOperation, ArpPacket, ArpRepr, DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress,
    EthernetFrame, EthernetProtocol, EthernetRepr, IpProtocol, Ipv4Address, Ipv4Packet, Ipv4Repr,
    UdpPacket, UdpRepr,
};

use crate::domain::Domain;
use crate::link::OWN;

const SERVER: Ipv4Address = Ipv4Address::new(10, 1, 2, 1);
const SERVER_MAC: EthernetAddress = EthernetAddress([2, 0, 0, 0, 0, 0x67]);

/// What a server gives.
#[derive(Clone, Copy)]
struct Given {
    address: Ipv4Address,
    mask: Ipv4Address,
    router: Ipv4Address,
    /// In seconds.
    lease: u32,
    /// It offers, and then refuses.
    refuses: bool,
}

const HONEST: Given = Given {
    address: Ipv4Address::new(10, 1, 2, 7),
    mask: Ipv4Address::new(255, 255, 255, 0),
    router: SERVER,
    lease: 3600,
    refuses: false,
};

/// A message of the client: its kind, and the address that it has.
type Asked = (DhcpMessageType, Ipv4Address);

/// A network with the management and a server on it.
struct Network {
    management: Management,
    domain: Domain,
    now: Duration,
    given: Option<Given>,
    /// What came, and when.
    asked: Vec<(Duration, Asked)>,
}

impl Network {
    fn new(given: Option<Given>) -> Self {
        let now = Duration::from_secs(5);
        Self {
            management: Management::new(OWN, Address::Dhcp, 7, now),
            domain: Domain {
                boards: 0,
                peers: 0,
            },
            now,
            given,
            asked: Vec::new(),
        }
    }

    /// Lets so much time pass; the management sleeps until it has something to do.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            while self.management.is_due(self.now, false) {
                self.management.turn(self.now, &self.domain);
                while let Some(frame) = self.management.next_frame() {
                    if let Some(answer) = self.serve(&frame) {
                        assert!(self.management.receive(&answer));
                    }
                }
                self.now += Duration::from_micros(50);
            }
            let due = self.management.deadline().unwrap_or(end);
            self.now = due.clamp(self.now + Duration::from_micros(1), end);
        }
    }

    fn address(&self) -> String {
        self.management
            .own()
            .map_or_else(|| "none".into(), |own| own.to_string())
    }

    fn serve(&mut self, frame: &[u8]) -> Option<Vec<u8>> {
        let frame = EthernetFrame::new_checked(frame).unwrap();
        if frame.ethertype() == EthernetProtocol::Arp {
            return found(&ArpPacket::new_checked(frame.payload()).unwrap());
        }
        let ip = Ipv4Packet::new_checked(frame.payload()).unwrap();
        let udp = UdpPacket::new_checked(ip.payload()).ok()?;
        if udp.dst_port() != 67 {
            return None;
        }
        let packet = DhcpPacket::new_checked(udp.payload()).unwrap();
        let asked = DhcpRepr::parse(&packet).unwrap();
        self.asked
            .push((self.now, (asked.message_type, asked.client_ip)));
        let given = self.given?;
        let kind = match asked.message_type {
            DhcpMessageType::Discover => DhcpMessageType::Offer,
            DhcpMessageType::Request if given.refuses => DhcpMessageType::Nak,
            DhcpMessageType::Request => DhcpMessageType::Ack,
            other => panic!("an unexpected {other:?}"),
        };
        Some(answer(&asked, given, kind))
    }
}

/// Says where the server is, to who asks for it.
fn found(asked: &ArpPacket<&[u8]>) -> Option<Vec<u8>> {
    if asked.operation() != ArpOperation::Request || asked.target_protocol_addr() != SERVER.octets()
    {
        return None;
    }
    let arp = ArpRepr::EthernetIpv4 {
        operation: ArpOperation::Reply,
        source_hardware_addr: SERVER_MAC,
        source_protocol_addr: SERVER,
        target_hardware_addr: EthernetAddress(OWN),
        target_protocol_addr: Ipv4Address::from_octets(
            asked.source_protocol_addr().try_into().unwrap(),
        ),
    };
    let ethernet = EthernetRepr {
        src_addr: SERVER_MAC,
        dst_addr: EthernetAddress(OWN),
        ethertype: EthernetProtocol::Arp,
    };
    let mut bytes = vec![0; ethernet.buffer_len() + arp.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    arp.emit(&mut ArpPacket::new_unchecked(frame.payload_mut()));
    Some(bytes)
}

fn answer(asked: &DhcpRepr<'_>, given: Given, kind: DhcpMessageType) -> Vec<u8> {
    let dhcp = DhcpRepr {
        message_type: kind,
        transaction_id: asked.transaction_id,
        secs: 0,
        client_hardware_address: asked.client_hardware_address,
        client_ip: Ipv4Address::UNSPECIFIED,
        your_ip: given.address,
        server_ip: SERVER,
        router: Some(given.router),
        subnet_mask: Some(given.mask),
        relay_agent_ip: Ipv4Address::UNSPECIFIED,
        broadcast: false,
        requested_ip: None,
        client_identifier: None,
        server_identifier: Some(SERVER),
        parameter_request_list: None,
        dns_servers: None,
        max_size: None,
        lease_duration: Some(given.lease),
        renew_duration: None,
        rebind_duration: None,
        additional_options: &[],
    };
    let udp = UdpRepr {
        src_port: 67,
        dst_port: 68,
    };
    let ip = Ipv4Repr {
        src_addr: SERVER,
        dst_addr: Ipv4Address::BROADCAST,
        next_header: IpProtocol::Udp,
        payload_len: udp.header_len() + dhcp.buffer_len(),
        hop_limit: 64,
    };
    let ethernet = EthernetRepr {
        src_addr: SERVER_MAC,
        dst_addr: EthernetAddress::BROADCAST,
        ethertype: EthernetProtocol::Ipv4,
    };
    let sums = ChecksumCapabilities::default();
    let mut bytes = vec![0; ethernet.buffer_len() + ip.buffer_len() + ip.payload_len];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes);
    ethernet.emit(&mut frame);
    let mut packet = Ipv4Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet, &sums);
    let mut datagram = UdpPacket::new_unchecked(packet.payload_mut());
    let fill = |payload: &mut [u8]| dhcp.emit(&mut DhcpPacket::new_unchecked(payload)).unwrap();
    let (from, to) = (ip.src_addr.into(), ip.dst_addr.into());
    udp.emit(&mut datagram, &from, &to, dhcp.buffer_len(), fill, &sums);
    bytes
}

#[test]
fn an_address_is_taken_and_renewed_for_as_long_as_its_server_is_there() {
    let mut network = Network::new(Some(HONEST));
    network.pass(Duration::from_secs(10));
    assert_eq!(network.address(), "10.1.2.7/24 dhcp router 10.1.2.1");
    for _ in 0..48 {
        network.pass(Duration::from_secs(1800));
        assert_eq!(network.address(), "10.1.2.7/24 dhcp router 10.1.2.1");
    }
    // Every half lease, with the address that it has.
    let renewed = network
        .asked
        .iter()
        .filter(|(_, asked)| *asked == (DhcpMessageType::Request, HONEST.address));
    let count = renewed.count();
    assert!((40..=50).contains(&count), "{count}");
}

#[test]
fn another_address_at_renewal_is_taken() {
    let mut network = Network::new(Some(HONEST));
    network.pass(Duration::from_secs(10));
    let address = Ipv4Address::new(10, 1, 2, 99);
    network.given = Some(Given { address, ..HONEST });
    network.pass(Duration::from_secs(1800));
    assert_eq!(network.address(), "10.1.2.99/24 dhcp router 10.1.2.1");
}

#[test]
fn an_address_is_given_up_when_its_lease_ends_and_another_is_asked_for() {
    let mut network = Network::new(Some(HONEST));
    network.pass(Duration::from_secs(10));
    network.given = None;
    network.pass(Duration::from_secs(3500));
    assert_eq!(network.address(), "10.1.2.7/24 dhcp router 10.1.2.1");
    network.pass(Duration::from_secs(200));
    assert_eq!(network.address(), "none");
    network.given = Some(HONEST);
    network.pass(Duration::from_secs(100));
    assert_eq!(network.address(), "10.1.2.7/24 dhcp router 10.1.2.1");
}

#[test]
fn where_nobody_answers_it_asks_from_time_to_time() {
    let mut network = Network::new(None);
    network.pass(Duration::from_secs(3600));
    assert_eq!(network.address(), "none");
    let count = network.asked.len();
    assert!((60..=720).contains(&count), "{count}");
    network.given = Some(HONEST);
    network.pass(Duration::from_secs(60));
    assert_eq!(network.address(), "10.1.2.7/24 dhcp router 10.1.2.1");
}

#[test]
fn a_server_that_lies_gives_no_address_and_is_not_asked_without_end() {
    let bad_address = |address| Given { address, ..HONEST };
    let bad_mask = |mask| Given { mask, ..HONEST };
    for (what, given) in [
        ("broadcast", bad_address(Ipv4Address::new(10, 1, 2, 255))),
        ("network", bad_address(Ipv4Address::new(10, 1, 2, 0))),
        ("loopback", bad_address(Ipv4Address::new(127, 0, 0, 1))),
        ("multicast", bad_address(Ipv4Address::new(224, 0, 0, 1))),
        ("nothing", bad_address(Ipv4Address::UNSPECIFIED)),
        ("holes", bad_mask(Ipv4Address::new(255, 0, 255, 0))),
        ("short", Given { lease: 0, ..HONEST }),
        (
            "refuses",
            Given {
                refuses: true,
                ..HONEST
            },
        ),
    ] {
        let mut network = Network::new(Some(given));
        network.pass(Duration::from_secs(600));
        assert_eq!(network.address(), "none", "{what}");
        let count = network.asked.len();
        assert!(count <= 20 * 14, "{what}: {count}");
        // The next server is an honest one.
        network.given = Some(HONEST);
        network.pass(Duration::from_secs(120));
        assert_eq!(
            network.address(),
            "10.1.2.7/24 dhcp router 10.1.2.1",
            "{what}"
        );
    }
}

#[test]
fn a_router_that_is_no_neighbour_is_none() {
    let router = Ipv4Address::new(10, 9, 9, 9);
    let mut network = Network::new(Some(Given { router, ..HONEST }));
    network.pass(Duration::from_secs(10));
    assert_eq!(network.address(), "10.1.2.7/24 dhcp");
}
