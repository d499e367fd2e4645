//! Strangers on the network: they hear all frames and send what they like, as often as their line lets them.
//!
//! What they do not do is to speak as a partner where nothing in the protocol tells such a frame from a true one
//! (threat-model.md §1): connects, refusals, questions for a name and messages of a wrong session under a partner's address;
//! and frames of a partner repeated later than a network repeats them.

use std::collections::VecDeque;
use std::time::Duration;

use fastrand::Rng;
use mx_wire::{
    Beacon, Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, Ends, Format,
    Frame, HostQuery, HostReply, LibAck, MacAddress, Medium, Message, NackCode, NackLib, NackMcp,
    Notify, Packet, Pull, PullReply, Rendezvous,
};

/// The last frames of others that they remember, and for how long: as long as a network may hold a frame back. Repeated much
/// later, a message would be a new one, since sequence numbers are short, and a request would keep a sender whose memory is
/// scarce with a piece that was fetched long ago.
const HEARD: usize = 32;
const LATE: Duration = Duration::from_millis(1);
/// Addresses under which they go on speaking; they have many more for a single frame.
const NAMES: u32 = 8;
/// Longer than any frame of the network.
const LENGTH_MAX: usize = 9600;

/// The strangers.
pub struct Strangers {
    format: Format,
    random: Rng,
    /// When the next frame is due, and the time between two.
    next: Duration,
    pause: Duration,
    /// Of the nodes that they disturb.
    nodes: Vec<MacAddress>,
    heard: VecDeque<(Duration, Vec<u8>)>,
    /// Frames that nodes have sent to them.
    answers: u64,
    /// Frames that they have sent.
    sent: u64,
}

impl Strangers {
    /// They know the addresses of the nodes and the network's format, and send from a time on so many frames in each
    /// millisecond.
    pub fn new(
        format: Format,
        nodes: Vec<MacAddress>,
        (from, rate): (Duration, u32),
        seed: u64,
    ) -> Self {
        Self {
            format,
            random: Rng::with_seed(seed),
            next: from,
            pause: Duration::from_millis(1) / rate.max(1),
            nodes,
            heard: VecDeque::new(),
            answers: 0,
            sent: 0,
        }
    }

    /// Frames that they have sent, and frames that were sent to them.
    pub fn tally(&self) -> (u64, u64) {
        (self.sent, self.answers)
    }

    /// A frame of somebody's.
    pub fn hear(&mut self, now: Duration, frame: Vec<u8>) {
        let to = frame.first_chunk().copied().map(MacAddress);
        self.answers += u64::from(to.is_some_and(|to| !to.is_group() && !self.nodes.contains(&to)));
        if self.heard.len() == HEARD {
            self.heard.pop_front();
        }
        self.heard.push_back((now, frame));
    }

    /// The next frame of theirs that is due at this time.
    pub fn speak(&mut self, now: Duration) -> Option<Vec<u8>> {
        if self.next > now {
            return None;
        }
        self.next += self.pause;
        self.heard.retain(|(at, _)| *at + LATE >= now);
        self.sent += 1;
        Some(self.any_frame())
    }

    fn any_frame(&mut self) -> Vec<u8> {
        match self.random.u32(..12) {
            0 => self.noise(),
            1 => self.heard().unwrap_or_default(),
            2 => self.cut(),
            3 => self.long(),
            4 => self.tagged(),
            5 => self.beacon(),
            6 => self.name(),
            _ => self.forged(),
        }
    }

    fn node(&mut self) -> MacAddress {
        let which = self.random.usize(..self.nodes.len());
        self.nodes[which]
    }

    /// One of the addresses that stay, or one that was never seen.
    fn stranger(&mut self) -> MacAddress {
        let number = match self.random.bool() {
            true => self.random.u32(..NAMES),
            false => self.random.u32(..),
        };
        let [a, b, c, d] = number.to_be_bytes();
        MacAddress([2, 0xbd, a, b, c, d])
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        self.random.fill(&mut bytes);
        bytes
    }

    /// Any bytes of any length, most of them after the beginning of a frame of Open-MX.
    fn noise(&mut self) -> Vec<u8> {
        let length = self.random.usize(..LENGTH_MAX);
        let mut frame = self.bytes(length);
        let (to, from) = (self.node(), self.stranger());
        if self.random.u8(..4) > 0 {
            let kind = self.random.u8(..64);
            let begin = [&to.0[..], &from.0, &[0x86, 0xdf, 0, 0, kind]].concat();
            let place = begin.len().min(length);
            frame[..place].copy_from_slice(&begin[..place]);
        }
        frame
    }

    fn heard(&mut self) -> Option<Vec<u8>> {
        let which = self.random.usize(..self.heard.len().max(1));
        Some(self.heard.get(which)?.1.clone())
    }

    fn cut(&mut self) -> Vec<u8> {
        let mut frame = self.heard().unwrap_or_default();
        frame.truncate(self.random.usize(..=frame.len()));
        frame
    }

    fn long(&mut self) -> Vec<u8> {
        let mut frame = self.heard().unwrap_or_default();
        let more = self.random.usize(..LENGTH_MAX);
        frame.extend(self.bytes(more));
        frame
    }

    /// With the tag of a VLAN (IEEE 802.1Q), as a card hands it over that does not take it off.
    fn tagged(&mut self) -> Vec<u8> {
        let mut frame = self.heard().unwrap_or_default();
        if frame.len() >= 12 {
            let [a, b] = self.random.u16(..).to_be_bytes();
            frame.splice(12..12, [0x81, 0, a, b]);
        }
        frame
    }

    /// Of a stranger, or one in the name of a node.
    fn beacon(&mut self) -> Vec<u8> {
        let (board, source) = match self.random.u8(..4) {
            0 => (self.node(), self.stranger()),
            1 => (self.stranger(), self.node()),
            _ => {
                let stranger = self.stranger();
                (stranger, stranger)
            }
        };
        let payload = Beacon {
            board,
            serial: self.random.u32(..),
        }
        .payload();
        let frame = Beacon::frame(board, &payload);
        self.emit(&Frame { source, ..frame })
    }

    /// A stranger says a name: its own, or that of a node.
    fn name(&mut self) -> Vec<u8> {
        let names = ["n0b0:0", "n1b0:0", "", "stranger:0"];
        let name = names[self.random.usize(..names.len())].as_bytes();
        let packet = Packet::HostReply(HostReply {
            sender_index: self.random.u16(..4),
            magic: match self.random.bool() {
                true => HostQuery::FIRST_MAGIC,
                false => self.random.u32(..),
            },
        });
        let source = self.stranger();
        self.packet(source, packet, name)
    }

    /// A packet that is well formed.
    fn forged(&mut self) -> Vec<u8> {
        let ends = Ends {
            destination: self.random.u8(..2),
            source: self.random.u8(..2),
        };
        let payload = self.bytes(32);
        let (packet, length) = self.any_packet(ends);
        // What ends no relation may also come in the name of a node.
        let harmless = matches!(
            packet,
            Packet::Pull(_) | Packet::PullReply(_) | Packet::NackMcp(_)
        );
        let source = match harmless && self.random.bool() {
            true => self.node(),
            false => self.stranger(),
        };
        self.packet(source, packet, &payload[..length])
    }

    /// With the length of its payload.
    fn any_packet(&mut self, ends: Ends) -> (Packet, usize) {
        let random = &mut self.random;
        let session = random.u32(..4);
        let content = match random.u8(..14) {
            0 => Content::Tiny(Eager {
                match_info: random.u64(..),
                length: 32,
            }),
            1 => Content::Medium(Medium {
                match_info: random.u64(..),
                total: 32,
                length: 32,
                fragment: random.u8(..2),
            }),
            2 => Content::Rendezvous(Rendezvous {
                match_info: random.u64(..),
                total: random.u32(..),
                window: random.u8(..),
                window_seqnum: random.u8(..),
                window_offset: random.u16(..),
            }),
            3 => Content::Notify(Notify {
                transferred: random.u32(..),
                window: random.u8(..),
                window_seqnum: random.u8(..),
            }),
            4 => {
                let ack = LibAck {
                    ack: random.u16(..),
                    ack_number: random.u32(..),
                };
                return (Packet::LibAck { ends, session, ack }, 0);
            }
            5 => {
                let code = NackCode::ALL[random.usize(..3)];
                let seq = random.u16(..);
                let nack = NackLib { code, seq };
                return (Packet::NackLib { ends, nack }, 0);
            }
            6 => {
                let nack = NackMcp {
                    source: ends.source,
                    code: NackCode::ALL[random.usize(..4)],
                    handle: random.u32(..),
                    magic: Pull::MAGIC ^ random.u32(..2),
                };
                return (Packet::NackMcp(nack), 0);
            }
            7 => {
                let reply = PullReply {
                    frame_seqnum: random.u8(..),
                    length: 32,
                    message_offset: random.u32(..),
                    handle: random.u32(..),
                    magic: Pull::MAGIC ^ random.u32(..2),
                };
                return (Packet::PullReply(reply), 32);
            }
            8 => {
                let query = HostQuery {
                    sender_index: random.u16(..4),
                    magic: random.u32(..),
                };
                return (Packet::HostQuery(query), 0);
            }
            9 => {
                let connect = Connect::Reply(ConnectReply {
                    requester_session: random.u32(..4),
                    next_expected: random.u16(..),
                    connect_seqnum: random.u8(..),
                    status: ConnectStatus::from_byte(random.u8(..12)),
                });
                return (self.connect(ends, connect), 0);
            }
            10 | 11 => {
                let connect = Connect::Request(ConnectRequest {
                    key: random.u32(..),
                    next_expected: random.u16(..),
                    connect_seqnum: random.u8(..),
                });
                return (self.connect(ends, connect), 0);
            }
            _ => {
                let pull = Pull {
                    ends,
                    session: random.u32(4..),
                    total: random.u32(..),
                    window: random.u32(..256),
                    window_seqnum: random.u8(..),
                    window_offset: random.u32(..1 << 16),
                    handle: random.u32(..),
                    magic: random.u32(..),
                    first_frame_offset: random.u32(..1 << 13),
                    block_length: random.u32(..1 << 16),
                    frame_index: random.u32(..1 << 20),
                };
                return (Packet::Pull(pull), 0);
            }
        };
        let length = match content {
            Content::Tiny(_) | Content::Medium(_) => 32,
            _ => 0,
        };
        let message = Message {
            seq: random.u16(..),
            ack: random.u16(..),
            content,
        };
        let packet = Packet::Message {
            ends,
            session,
            message,
        };
        (packet, length)
    }

    fn connect(&mut self, ends: Ends, connect: Connect) -> Packet {
        Packet::Connect {
            ends,
            sender_index: self.random.u16(..4),
            session: self.random.u32(..),
            connect,
        }
    }

    fn packet(&mut self, source: MacAddress, packet: Packet, payload: &[u8]) -> Vec<u8> {
        let frame = Frame {
            destination: self.node(),
            source,
            sender_index: Some(self.random.u16(..4)),
            packet,
            payload,
        };
        self.emit(&frame)
    }

    /// What cannot be built is noise instead.
    fn emit(&mut self, frame: &Frame<'_>) -> Vec<u8> {
        let mut bytes = [0; 256];
        match frame.emit(&self.format, &mut bytes) {
            Ok(length) => bytes[..length].to_vec(),
            Err(_) => self.noise(),
        }
    }
}
