//! The management over a fake link, with a client that has a network stack of its own, and with a hostile neighbour.

use std::collections::VecDeque;
use std::time::Duration;

use driver_domain::management::facts::{BoardFacts, DomainFacts, Facts, PeerFacts};
use driver_domain::management::{Address, FRAMES, Management};
use mx_home::HostName;
use mx_ring::Counter;
use mx_wire::MacAddress;
use proptest::prelude::*;
use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 5];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// A domain with some boards.
struct Domain {
    boards: usize,
    peers: u16,
}

impl Facts for Domain {
    fn domain(&self) -> DomainFacts {
        DomainFacts {
            domain: 3,
            now: Duration::from_secs(100),
            asleep: Duration::from_millis(1500),
            started: Duration::from_secs(10),
            wire: "native",
            mtu: 9000,
            driver: "virtio",
            link_up: true,
            hypercalls: 77,
            in_flight: 4,
            card: [
                ("received_frames", 11),
                ("received_bytes", 12),
                ("transmitted_frames", 13),
                ("transmitted_bytes", 14),
                ("received_short", 0),
                ("transmit_full", 0),
                ("doorbells", 15),
                ("doorbells_saved", 16),
                ("received_long", 0),
                ("received_bad", 0),
            ],
        }
    }

    fn board(&self, number: usize) -> Option<BoardFacts> {
        (number < self.boards).then(|| BoardFacts {
            name: HostName::new(format!("guest{number}<b>\":0").as_bytes()),
            mac: MacAddress([0, 0x16, 0x3e, 0, 0, number as u8]),
            endpoints: 2,
            polled: 1,
            pages: 419,
            peers: self.peers,
        })
    }

    fn counter(&self, _: usize, counter: Counter) -> u64 {
        match counter {
            Counter::SendTiny => 42,
            Counter::DropBadPeerAddr => 5,
            _ => 0,
        }
    }

    fn peer(&self, _: usize, index: u16) -> Option<PeerFacts> {
        (index < self.peers).then(|| PeerFacts {
            name: HostName::new(format!("<script>peer{index}</script>").as_bytes()),
            mac: MacAddress([2, 0, 0, 1, (index >> 8) as u8, index as u8]),
            local: index == 0,
        })
    }
}

/// The client's card.
#[derive(Default)]
struct Card {
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

impl Device for Card {
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
struct Link {
    management: Management,
    domain: Domain,
    card: Card,
    interface: Interface,
    sockets: SocketSet<'static>,
    now: Duration,
}

impl Link {
    fn new(domain: Domain) -> Self {
        let now = Duration::from_secs(100);
        let address = Address::parse("10.0.0.5/24").unwrap();
        let management = Management::new(OWN, address, 7, now);
        let mut card = Card::default();
        let config = Config::new(EthernetAddress(CLIENT).into());
        let mut interface = Interface::new(config, &mut card, Instant::from_secs(100));
        interface.update_ip_addrs(|addresses| {
            let own = IpCidr::new(IpAddress::v4(10, 0, 0, 9), 24);
            addresses.push(own).unwrap();
        });
        Self {
            management,
            domain,
            card,
            interface,
            sockets: SocketSet::new(vec![]),
            now,
        }
    }

    /// A millisecond of both ends.
    fn step(&mut self) {
        self.now += Duration::from_millis(1);
        let time = Instant::from_micros(self.now.as_micros() as i64);
        self.interface.poll(time, &mut self.card, &mut self.sockets);
        while let Some(frame) = self.card.outgoing.pop_front() {
            self.management.receive(&frame);
        }
        for _ in 0..4 {
            self.management.turn(self.now, &self.domain);
            while let Some(frame) = self.management.next_frame() {
                assert!(frame.len() >= 60);
                assert_eq!(frame[6..12], OWN);
                self.card.incoming.push_back(frame);
            }
        }
    }

    fn connect(&mut self, from: u16) -> SocketHandle {
        let buffer = || tcp::SocketBuffer::new(vec![0; 4096]);
        let mut socket = tcp::Socket::new(buffer(), buffer());
        let to = (IpAddress::Ipv4(Ipv4Address::new(10, 0, 0, 5)), 80);
        socket.connect(self.interface.context(), to, from).unwrap();
        self.sockets.add(socket)
    }

    /// What comes back after these bytes were sent, until the other side closes.
    fn ask(&mut self, handle: SocketHandle, request: &[u8]) -> Vec<u8> {
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
                break;
            }
        }
        self.sockets.get_mut::<tcp::Socket>(handle).close();
        answer
    }

    fn get(&mut self, from: u16, path: &str) -> String {
        let handle = self.connect(from);
        let request = format!("GET {path} HTTP/1.1\r\nHost: 10.0.0.5\r\n\r\n");
        String::from_utf8(self.ask(handle, request.as_bytes())).unwrap()
    }
}

#[test]
fn prometheus_reads_numbers_by_name() {
    let mut link = Link::new(Domain {
        boards: 3,
        peers: 7,
    });
    let answer = link.get(4001, "/metrics");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    for line in [
        "xen2mx_running_seconds_total 90.000000",
        "xen2mx_asleep_seconds_total 1.500000",
        "xen2mx_link_up 1",
        "xen2mx_card_total{what=\"received_frames\"} 11",
        "xen2mx_board_peers{board=\"guest2<b>\\\\\\\":0\",mac=\"00:16:3e:00:00:02\"} 7",
        "xen2mx_board_counter_total{board=\"guest0<b>\\\\\\\":0\",counter=\"Send Tiny\"} 42",
    ] {
        assert!(body.lines().any(|other| other == line), "{line}\n{body}");
    }
    // Each line is a comment or a name with labels and a number.
    for line in body.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(name.starts_with("xen2mx_"), "{line}");
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

#[test]
fn a_page_of_many_boards_and_peers_arrives_whole_and_names_are_no_markup() {
    let mut link = Link::new(Domain {
        boards: 20,
        peers: 300,
    });
    let answer = link.get(4001, "/");
    assert!(answer.len() > 200_000, "{}", answer.len());
    assert!(answer.trim_end().ends_with("</html>"));
    assert_eq!(answer.matches("<h2>").count(), 20);
    assert_eq!(answer.matches("&lt;script&gt;peer299").count(), 20);
    assert!(!answer.contains("<script") && !answer.contains("<b>"));
    assert!(answer.contains("class=\"drop\"><th>Drop Bad Peer Addr<td>5"));
}

#[test]
fn more_requests_than_are_allowed_are_told_to_come_again() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    let mut refused = 0;
    for port in 0..40 {
        let answer = link.get(5000 + port, "/metrics");
        refused += usize::from(answer.starts_with("HTTP/1.1 429 "));
    }
    assert!(refused > 0, "all were answered");
    for _ in 0..1100 {
        link.step();
    }
    assert!(link.get(6000, "/metrics").starts_with("HTTP/1.1 200 "));
}

#[test]
fn connections_that_say_nothing_make_room_again() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    for port in 0..20 {
        link.connect(5000 + port);
    }
    for _ in 0..45_000 {
        link.step();
    }
    assert!(link.get(6000, "/").starts_with("HTTP/1.1 200 "));
}

#[test]
fn requests_that_change_something_are_refused() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    for (port, request, answer) in [
        (1, "POST / HTTP/1.1\r\n\r\n", "HTTP/1.1 405 "),
        (2, "GET /secret HTTP/1.1\r\n\r\n", "HTTP/1.1 404 "),
        (3, "hello\r\n\r\n", "HTTP/1.1 400 "),
    ] {
        let handle = link.connect(7000 + port);
        let said = link.ask(handle, request.as_bytes());
        assert!(said.starts_with(answer.as_bytes()), "{request}");
    }
    let handle = link.connect(7010);
    let said = link.ask(handle, &[b'x'; 4000]);
    assert!(said.starts_with(b"HTTP/1.1 431 "));
}

#[test]
fn a_flood_of_frames_costs_a_bounded_share() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    let mut frame = vec![0; 60];
    frame[..6].fill(0xff);
    frame[12..14].copy_from_slice(&[8, 0]);
    let mut worked = 0;
    for _ in 0..u64::from(FRAMES) * 5 {
        link.management.receive(&frame);
        worked += u32::from(link.management.turn(link.now, &link.domain));
    }
    assert!(worked <= FRAMES + 20, "{worked}");
}

#[test]
fn frames_of_the_fabric_are_left_alone() {
    let mut link = Link::new(Domain {
        boards: 0,
        peers: 0,
    });
    let mut frame = vec![0; 60];
    frame[..6].copy_from_slice(&OWN);
    frame[12..14].copy_from_slice(&[0x86, 0xdf]);
    assert!(!link.management.receive(&frame));
    frame[12..14].copy_from_slice(&[8, 6]);
    assert!(link.management.receive(&frame));
    frame[0] = 4;
    assert!(!link.management.receive(&frame));
}

/// A frame that gets past the first checks, with noise behind them.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..200);
    (0u8..4, any::<u16>(), body).prop_map(|(kind, port, body)| {
        let mut frame = vec![0; 14];
        frame[..6].copy_from_slice(&OWN);
        frame[6..12].copy_from_slice(&CLIENT);
        frame[12] = 8;
        let destination = [10, 0, 0, 5];
        match kind {
            // ARP for Ethernet and IPv4.
            0 => {
                frame[13] = 6;
                frame.extend_from_slice(&[0, 1, 8, 0, 6, 4, 0, 1]);
            }
            // IPv4 with TCP, UDP or ICMP.
            1..=3 => {
                let protocol = [6, 17, 1][usize::from(kind) - 1];
                let length = (20 + body.len() as u16).to_be_bytes();
                let mut head = [
                    0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 9, 0,
                    0, 0, 0,
                ];
                head[16..].copy_from_slice(&destination);
                let sum: u32 = head
                    .chunks(2)
                    .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]))
                    .sum();
                let sum = !((sum & 0xffff) + (sum >> 16)) as u16;
                head[10..12].copy_from_slice(&sum.to_be_bytes());
                frame.extend_from_slice(&head);
                frame.extend_from_slice(&port.to_be_bytes());
                frame.extend_from_slice(&[0, 80]);
            }
            _ => {}
        }
        frame.extend_from_slice(&body);
        frame
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_frames_stop_it(frames in proptest::collection::vec(any_frame(), 0..60)) {
        let mut link = Link::new(Domain { boards: 1, peers: 1 });
        for frame in frames {
            link.management.receive(&frame);
            link.step();
        }
        prop_assert!(link.get(4001, "/metrics").starts_with("HTTP/1.1 200 "));
    }
}
