//! The driver domain's management address: frames of a neighbour who speaks TCP, of one who gives addresses, and of one who
//! sends anything.

use std::collections::BTreeMap;
use std::time::Duration;

use driver_domain::capture::Capture;
use driver_domain::management::snapshot::{
    BoardSnapshot, Counts, DomainSnapshot, NIC_COUNTERS, PeerSnapshot, Snapshot,
};
use driver_domain::management::{Address, Management};
use mx_backend::{HostName, Payload, Tap};
use mx_ring::Counter;
use mx_ring::warning::Notices;
use mx_wire::MacAddress;

use crate::input::Input;

const OWN: [u8; 6] = [2, 0, 0, 0, 0, 5];
const CLIENT: [u8; 6] = [2, 0, 0, 0, 0, 9];
const OWN_IP: [u8; 4] = [10, 0, 0, 5];
const CLIENT_IP: [u8; 4] = [10, 0, 0, 9];
const SYN: u8 = 2;
/// Frames that one turn may send.
const FRAMES_PER_TURN: usize = 16;
/// Turns at one moment until nothing is left to do.
const TURNS_MAX: u32 = 5000;
/// Places of fields in a frame: of IPv4 without options, and of what follows.
const IP: usize = 14;
const BODY: usize = 34;

/// Ends of lines and beginnings of requests, which no search would find soon.
const WORDS: [&[u8]; 9] = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /metrics HTTP/1.0\r\n\r\n",
    b"GET /capture.pcap HTTP/1.1\r\n\r\n",
    b"\r\n",
    b"GET ",
    b" HTTP/1.1",
    b"Content-Length: 4294967296\r\n",
    b"POST / HTTP/1.1\r\n\r\n",
];

/// Bytes of the domain's last frames that are kept: more than goes out at once.
const KEPT: usize = 16 << 10;

/// A domain with a board, a peer and last frames.
struct Domain {
    capture: Capture,
}

impl Domain {
    fn new() -> Self {
        let mut capture = Capture::new(KEPT, Duration::default).expect("memory");
        for number in 0..=u8::MAX {
            capture.frame(&[number; 60], Payload::Bytes(&[]), 60);
        }
        Self { capture }
    }

    /// Whether a frame that passes is kept: not while somebody reads the last ones.
    fn keeps_frames(&mut self) -> bool {
        let frame = b"the last frame that passes";
        self.capture.frame(frame, Payload::Bytes(&[]), frame.len());
        let file: Vec<u8> = self.capture.reader().flatten().collect();
        file.ends_with(frame)
    }
}

impl Snapshot for Domain {
    fn domain(&self) -> DomainSnapshot {
        DomainSnapshot {
            domain: 3,
            now: Duration::from_secs(100),
            asleep: Duration::from_secs(1),
            started: Duration::from_secs(10),
            wire: "native",
            mtu: 9000,
            driver: "virtio",
            mac: MacAddress(OWN),
            address: None,
            link_up: true,
            hypercalls: u64::MAX,
            in_flight: 4,
            transmit_slots: 256,
            nic: [("received_frames", 11); NIC_COUNTERS],
        }
    }

    fn board(&self, number: usize) -> Option<BoardSnapshot> {
        (number < 2).then(|| BoardSnapshot {
            name: HostName::new(b"<guest>\"\\\n:0"),
            mac: MacAddress(CLIENT),
            endpoints: 2,
            polled: 1,
            pages: 419,
            peers: 1,
            notices: Notices::default(),
            usage: Default::default(),
        })
    }

    fn counts(&self, number: usize) -> Option<Counts> {
        (number < 2).then_some([u64::MAX; Counter::ALL.len()])
    }

    fn capture(&self) -> Option<&Capture> {
        Some(&self.capture)
    }

    fn peer(&self, _: usize, index: u16) -> Option<PeerSnapshot> {
        (index < 1).then(|| PeerSnapshot {
            name: HostName::new(b"peer"),
            mac: MacAddress(CLIENT),
            local: true,
        })
    }
}

/// The sum of RFC 1071 over these bytes.
fn sum(bytes: &[u8]) -> u32 {
    let pairs = bytes.chunks(2);
    pairs
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum()
}

fn checksum(mut sum: u32) -> [u8; 2] {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}

/// A frame of the client's with right checksums.
fn ip_frame(source: [u8; 4], destination: [u8; 4], protocol: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = [&OWN[..], &CLIENT, &[8, 0, 0x45, 0]].concat();
    frame.extend_from_slice(&(20 + body.len() as u16).to_be_bytes());
    frame.extend_from_slice(&[0, 0, 0, 0, 64, protocol, 0, 0]);
    frame.extend_from_slice(&source);
    frame.extend_from_slice(&destination);
    let head = checksum(sum(&frame[IP..]));
    frame[IP + 10..IP + 12].copy_from_slice(&head);
    frame.extend_from_slice(body);
    let pseudo = sum(&source) + sum(&destination) + u32::from(protocol) + body.len() as u32;
    let place = match protocol {
        6 => BODY + 16,
        17 => BODY + 6,
        _ => BODY + 2,
    };
    if let Some(field) = frame.get_mut(place..place + 2) {
        field.fill(0);
        let pseudo = if protocol == 1 { 0 } else { pseudo };
        let value = checksum(pseudo + sum(&frame[BODY..]));
        frame[place..place + 2].copy_from_slice(&value);
    }
    frame
}

struct Bench {
    management: Management,
    domain: Domain,
    now: Duration,
    /// Of each port of the client: the next sequence number, and what it has to acknowledge.
    connections: BTreeMap<u16, (u32, u32)>,
    /// The last question for an address, as UDP carries it.
    question: Option<Vec<u8>>,
    /// Kinds of behaviour.
    seen: Vec<(u8, u8)>,
}

impl Bench {
    fn new(dhcp: bool) -> Self {
        let text = if dhcp { "dhcp" } else { "10.0.0.5/24,10.0.0.1" };
        let address = Address::parse(text).expect("an address");
        let now = Duration::from_secs(100);
        let mut bench = Self {
            management: Management::new(OWN, address, 7, now),
            domain: Domain::new(),
            now,
            connections: BTreeMap::new(),
            question: None,
            seen: Vec::new(),
        };
        // The client's address, so that it gets answers.
        let arp = [0, 1, 8, 0, 6, 4, 0, 1];
        let who = [&arp[..], &CLIENT, &CLIENT_IP, &[0; 6], &OWN_IP].concat();
        bench.hear(&[&[0xff; 6][..], &CLIENT, &[8, 6], &who].concat());
        bench
    }

    fn hear(&mut self, frame: &[u8]) {
        self.management.receive(frame);
        self.turn();
    }

    /// Turns until nothing is left to do at this moment.
    fn turn(&mut self) {
        let mut turns = 0;
        while self.management.turn(self.now, &self.domain) {
            self.out();
            turns += 1;
            assert!(turns < TURNS_MAX, "the management does not come to rest");
        }
        self.out();
        let _due = self.management.deadline();
    }

    fn out(&mut self) {
        let mut frames = 0;
        while let Some(frame) = self.management.next_frame() {
            frames += 1;
            assert!(frames <= FRAMES_PER_TURN, "a turn without bounds");
            assert!((60..=1514).contains(&frame.len()), "{} bytes", frame.len());
            assert_eq!(frame[6..12], OWN, "nobody speaks as another");
            if frame[12..14] != [8, 0] {
                continue;
            }
            let number = |at: usize| u32::from_be_bytes(std::array::from_fn(|i| frame[at + i]));
            let length = usize::from(u16::from_be_bytes([frame[IP + 2], frame[IP + 3]]));
            match frame[IP + 9] {
                6 => {
                    let port = u16::from_be_bytes([frame[BODY + 2], frame[BODY + 3]]);
                    let flags = frame[BODY + 13];
                    let data = length - 20 - usize::from(frame[BODY + 12] >> 4) * 4;
                    let counted = data as u32 + u32::from(flags & SYN != 0) + u32::from(flags & 1);
                    let next = number(BODY + 4).wrapping_add(counted);
                    self.connections.insert(port, (number(BODY + 8), next));
                    self.seen
                        .push((flags, data.checked_ilog2().unwrap_or(0) as u8));
                }
                17 => self.question = Some(frame[BODY..IP + length].to_vec()),
                protocol => self.seen.push((0xff, protocol)),
            }
        }
    }

    fn segment(&mut self, input: &mut Input<'_>) {
        let odd = input.byte();
        let port = 4000 + u16::from(odd % 16);
        let (mut seq, mut ack) = self.connections.get(&port).copied().unwrap_or((1000, 0));
        let flags = match input.byte() {
            0..64 => SYN,
            64..192 => 0x18,
            192..224 => 0x11,
            flags => flags,
        };
        if odd >= 240 {
            seq = seq.wrapping_add(input.size());
            ack = ack.wrapping_sub(input.size());
        }
        let data = match input.byte() {
            choice @ 0..32 => WORDS[usize::from(choice) % WORDS.len()],
            32..64 => &[b'a'; 1400],
            _ => input.piece(255),
        };
        let data = if flags & SYN != 0 { &[][..] } else { data };
        let window: u16 = if odd & 0x20 != 0 { 0 } else { 8000 };
        let mut body = [port.to_be_bytes(), 80u16.to_be_bytes()].concat();
        body.extend_from_slice(&seq.to_be_bytes());
        body.extend_from_slice(&ack.to_be_bytes());
        body.extend_from_slice(&[0x50, flags]);
        body.extend_from_slice(&window.to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(data);
        self.hear(&ip_frame(CLIENT_IP, OWN_IP, 6, &body));
    }

    /// The question comes back as an answer, with another address and options.
    fn address(&mut self, input: &mut Input<'_>) {
        let Some(mut body) = self.question.clone() else {
            return;
        };
        // Options begin behind ports, the fixed part and the cookie (RFC 2131 §2).
        body.truncate(8 + 240);
        if body.len() < 8 + 240 {
            return;
        }
        body[..4].copy_from_slice(&[0, 67, 0, 68]);
        body[8] = 2;
        let given = input.double().to_be_bytes();
        let own = if input.byte() < 128 { OWN_IP } else { given };
        body[8 + 16..8 + 20].copy_from_slice(&own);
        let kind = [2, 5, 6, input.byte()][usize::from(input.byte() % 4)];
        body.extend_from_slice(&[53, 1, kind, 54, 4, 10, 0, 0, 9, 1, 4, 255, 255, 255, 0]);
        body.extend_from_slice(&[51, 4, 0, 0, input.byte(), input.byte()]);
        body.extend_from_slice(input.piece(80));
        body.push(255);
        let length = (body.len() as u16).to_be_bytes();
        body[4..6].copy_from_slice(&length);
        self.seen.push((0xfe, kind));
        self.hear(&ip_frame(CLIENT_IP, own, 17, &body));
    }

    fn step(&mut self, input: &mut Input<'_>) {
        let choice = input.byte();
        match choice % 8 {
            0..=3 => self.segment(input),
            4 => self.address(input),
            5 => {
                self.now += Duration::from_micros(input.size().into());
                self.turn();
            }
            6 => {
                let protocol = [1, 6, 17, choice][usize::from(choice / 8) % 4];
                let body = input.piece(255);
                self.hear(&ip_frame(CLIENT_IP, OWN_IP, protocol, body));
            }
            _ => {
                let kind = if choice < 128 { [8, 0] } else { [8, 6] };
                let frame = [&OWN[..], &CLIENT, &kind, input.piece(255)].concat();
                self.hear(&frame);
            }
        }
    }
}

/// Frames and time in any order; the first byte says whether an address is asked for.
pub fn run(bytes: &[u8]) -> u64 {
    let mut input = Input::new(bytes);
    let mut bench = Bench::new(input.byte() % 4 == 3);
    bench.turn();
    while !input.is_empty() {
        bench.step(&mut input);
    }
    // Whoever held a connection, it is free again.
    bench.now += Duration::from_secs(100);
    bench.turn();
    assert!(bench.domain.keeps_frames(), "somebody reads for ever");
    bench.seen.dedup();
    bench.seen.truncate(12);
    super::kind(bench.seen)
}

/// A page that is read, and an address that is given.
pub fn seeds() -> Vec<Vec<u8>> {
    let connect = [0, 1, 0, 0];
    let ask = [0, 1, 64, 1];
    let acknowledge = [0, 1, 64, 64, 0];
    vec![
        [&[0][..], &connect, &ask, &acknowledge, &acknowledge].concat(),
        [&[0][..], &connect, &[0, 1, 64, 32], &[0, 1, 64, 32]].concat(),
        [&[0][..], &connect, &[0, 1, 64, 3], &acknowledge].concat(),
        vec![
            3, 4, 0, 0, 0, 0, 0, 2, 0, 0, 9, 0, 4, 0, 0, 0, 0, 0, 5, 1, 0, 9, 0,
        ],
    ]
}
