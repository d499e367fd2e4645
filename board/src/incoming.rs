//! From a packet that reached a board to the event, the job or the nack that it causes. The checks are made in the
//! order of wire.md §5: peer, endpoint, session, room.

use mx_records::record;
use mx_ring::{Counter, Event, EventBody, Origin, Place};
use mx_wire::{
    Content, Ends, Format, HostReply, MacAddress, Message, NackCode, NackLib, NackMcp, Packet,
    ParseError, TINY_MAX,
};

use crate::board::Board;
use crate::counters;
use crate::departed::Late;
use crate::key::{EndpointKey, Source};
use crate::ports::Ports;
use crate::time::Instant;

/// A packet as it reaches a board, from the wire or from a board of the same backend.
pub(crate) struct Incoming<'a> {
    pub source: MacAddress,
    pub sender_index: Option<u16>,
    pub packet: &'a Packet,
    pub payload: Source<'a>,
    pub local: bool,
}

/// What the board sends back at once.
#[derive(Debug)]
pub(crate) struct Answer {
    pub peer: u16,
    pub packet: Packet,
}

/// Why a packet is dropped, and the nack that tells its sender.
pub(crate) struct Refusal {
    pub counter: Counter,
    pub answer: Option<Answer>,
}

impl From<Counter> for Refusal {
    fn from(counter: Counter) -> Self {
        Self {
            counter,
            answer: None,
        }
    }
}

/// What a frame that cannot be parsed raises.
pub(crate) const fn parse_error(error: &ParseError) -> Option<Counter> {
    Some(match error {
        ParseError::ForeignEtherType(_) => return None,
        ParseError::HeaderTruncated { .. } => Counter::DropBadDataLengthForHeaders,
        ParseError::PayloadTruncated { .. } => Counter::DropBadSkbuffLength,
        ParseError::DataLength { .. } | ParseError::Fragment { .. } | ParseError::Pipeline(_) => {
            Counter::DropBadDataLength
        }
        ParseError::RawTooLarge(_) => Counter::DropRawPacketTooLarge,
        ParseError::GroupSource(_) | ParseError::GroupDestination(_) => Counter::DropBadPeerAddr,
        ParseError::InvalidType(_) => Counter::DropInvalidPacketType,
        ParseError::UnknownType(_) => Counter::DropUnknownPacketType,
        ParseError::ConnectKind(_) | ParseError::TrucSubtype(_) => {
            Counter::DropNotImplementedPacketType
        }
        ParseError::TrucSessions { .. } => Counter::DropBadSession,
    })
}

/// Whether a packet makes its sender known, or asks who is there: what is seen of another machine with one's own address.
pub(crate) const fn makes_known(packet: &Packet) -> bool {
    matches!(
        packet,
        Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_) | Packet::Connect { .. }
    )
}

/// What refused packets are answered with.
#[derive(Clone, Copy)]
pub(crate) enum Nack {
    Lib { seq: u16 },
    Mcp { handle: u32, magic: u32 },
    None,
}

impl Board {
    /// Takes a packet.
    pub(crate) fn receive<P: Ports>(
        &mut self,
        now: Instant,
        format: &Format,
        endpoint_max: u16,
        incoming: &Incoming<'_>,
        ports: &mut P,
    ) -> Option<Answer> {
        match self.accept(now, format, endpoint_max, incoming, ports) {
            Ok(answer) => answer,
            Err(refusal) => {
                self.count(refusal.counter);
                record!(
                    debug,
                    "{}: {}: {} from {}",
                    self.name,
                    refusal.counter.label(),
                    incoming.packet,
                    incoming.source
                );
                if let Some(answer) = &refusal.answer {
                    record!(debug, "{}: answered by {}", self.name, answer.packet);
                }
                refusal.answer
            }
        }
    }

    fn accept<P: Ports>(
        &mut self,
        now: Instant,
        format: &Format,
        endpoint_max: u16,
        incoming: &Incoming<'_>,
        ports: &mut P,
    ) -> Result<Option<Answer>, Refusal> {
        let door = Door { now, endpoint_max };
        match *incoming.packet {
            Packet::Message {
                ends,
                session,
                message,
            } => {
                let nack = Nack::Lib { seq: message.seq };
                let (to, from) = self.admit(door, incoming, ends, Some(session), nack)?;
                let body = EventBody::Message(message, place(&message, incoming.payload));
                self.deliver(to, &Event { from, body }, incoming, ports)
            }
            Packet::LibAck { ends, session, ack } => {
                let admitted = self.admit(door, incoming, ends, Some(session), Nack::None);
                if admitted.is_err() {
                    let late = Late {
                        source: incoming.source,
                        ends,
                        session,
                    };
                    self.departed.acknowledged(&late, ack.ack);
                }
                let (to, from) = admitted?;
                let body = EventBody::Ack(ack);
                self.deliver(to, &Event { from, body }, incoming, ports)
            }
            Packet::NackLib { ends, nack } => {
                let (to, from) = self.admit(door, incoming, ends, None, Nack::None)?;
                let body = EventBody::Nack(nack);
                self.deliver(to, &Event { from, body }, incoming, ports)
            }
            Packet::Connect {
                ends,
                sender_index,
                session,
                connect,
            } => {
                let peer = self.by_address(incoming)?;
                record!(
                    debug,
                    "{}: {} from {}",
                    self.name,
                    incoming.packet,
                    incoming.source
                );
                self.learn_reverse(peer, sender_index, ports);
                let nack = Nack::Lib { seq: 0 };
                let (to, from) = self.admit_peer(door, incoming, peer, ends, None, nack)?;
                let body = EventBody::Connect { session, connect };
                self.deliver(to, &Event { from, body }, incoming, ports)
            }
            Packet::Pull(pull) => {
                self.count(Counter::RecvPullRequest);
                self.pull(door, format, incoming, &pull, ports)
            }
            Packet::PullReply(reply) => {
                self.count(Counter::RecvPullReply);
                self.pull_reply(now, incoming, &reply, ports)?;
                Ok(None)
            }
            Packet::NackMcp(nack) => {
                self.count(Counter::RecvNackMcp);
                self.nack_mcp(incoming, &nack)?;
                Ok(None)
            }
            Packet::HostQuery(query) => {
                self.stirred = true;
                let peer = self.by_address(incoming)?;
                self.learn_reverse(peer, query.sender_index, ports);
                self.heard(now, peer);
                self.count(Counter::RecvHostQuery);
                let packet = Packet::HostReply(HostReply {
                    sender_index: peer,
                    magic: query.magic,
                });
                let asker = self.peers.get_mut(peer);
                let may = asker.is_some_and(|asker| asker.queries.take(now));
                Ok(may.then_some(Answer { peer, packet }))
            }
            Packet::HostReply(reply) => {
                self.stirred = true;
                self.host_reply(now, incoming, &reply, ports)
            }
            Packet::Raw => {
                self.stirred = true;
                Ok(self.hear(now, incoming, ports))
            }
        }
    }

    /// Puts an event into the endpoint's queue, if there is room.
    fn deliver<P: Ports>(
        &mut self,
        to: EndpointKey,
        event: &Event,
        incoming: &Incoming<'_>,
        ports: &mut P,
    ) -> Result<Option<Answer>, Refusal> {
        if ports.deliver(to, event, incoming.payload).is_err() {
            return Err(Counter::UnexpectedEventQueueFull.into());
        }
        record!(
            trace,
            "{}: delivered: {} from {}",
            self.name,
            incoming.packet,
            incoming.source
        );
        // Open-MX counts local deliveries at the sender, as shared.
        if !incoming.local {
            self.count(counters::received(incoming.packet));
        }
        Ok(None)
    }

    /// Whose packet it is, by F+14, which must name the very board that the frame came from. Nacks may come from a board
    /// that does not know its index yet.
    pub(crate) fn by_index(&self, incoming: &Incoming<'_>) -> Result<u16, Refusal> {
        let is_nack = matches!(incoming.packet, Packet::NackLib { .. } | Packet::NackMcp(_));
        let index = match incoming.sender_index {
            Some(index) => index,
            None if is_nack => return self.by_address(incoming),
            None => return Err(Counter::DropBadPeerIndex.into()),
        };
        match self.peers.get(index) {
            Some(peer)
                if peer.mac() == incoming.source && peer.local.is_some() == incoming.local =>
            {
                Ok(index)
            }
            _ => Err(Counter::DropBadPeerIndex.into()),
        }
    }

    /// Whose packet it is, by its source address. An address of this backend does not speak from the wire.
    pub(crate) fn by_address(&self, incoming: &Incoming<'_>) -> Result<u16, Refusal> {
        self.peers
            .index_of(incoming.source)
            .filter(|index| {
                self.peers
                    .get(*index)
                    .is_some_and(|peer| peer.local.is_some() == incoming.local)
            })
            .ok_or(Counter::DropBadPeerAddr.into())
    }

    /// Lets a packet through to an open endpoint, or says why not.
    pub(crate) fn admit(
        &mut self,
        door: Door,
        incoming: &Incoming<'_>,
        ends: Ends,
        session: Option<u32>,
        nack: Nack,
    ) -> Result<(EndpointKey, Origin), Refusal> {
        let peer = self.by_index(incoming)?;
        self.admit_peer(door, incoming, peer, ends, session, nack)
    }

    fn admit_peer(
        &mut self,
        door: Door,
        incoming: &Incoming<'_>,
        peer: u16,
        ends: Ends,
        session: Option<u32>,
        nack: Nack,
    ) -> Result<(EndpointKey, Origin), Refusal> {
        // From the wire anybody may speak as that peer: it must not pay for what others send in its name.
        let tries = incoming.local && session.is_some();
        if tries && !self.peers.may_try(peer, door.now) {
            return Err(Counter::DropBadSession.into());
        }
        let (code, counter) = match self.endpoint(ends.destination) {
            Some(endpoint) if session.is_none_or(|session| session == endpoint.session) => {
                let from = Origin {
                    peer,
                    endpoint: ends.source,
                    local: incoming.local,
                };
                self.peers.alive(peer, door.now);
                return Ok((self.key(ends.destination), from));
            }
            Some(_) => (NackCode::BadSession, Counter::DropBadSession),
            None if u16::from(ends.destination) >= door.endpoint_max => {
                (NackCode::BadEndpoint, Counter::DropBadEndpoint)
            }
            None => (NackCode::EndpointClosed, Counter::DropBadEndpoint),
        };
        if tries {
            self.peers.has_tried(peer, door.now);
        }
        let late = session.map(|session| Late {
            source: incoming.source,
            ends,
            session,
        });
        // What is left to say to the sender may be due at once.
        self.stirred = true;
        let answer = match (late, nack) {
            (Some(late), Nack::Lib { seq }) => self.departed.answer(door.now, &late, seq),
            _ => None,
        };
        let answer = match answer {
            Some(packet) => self.allowed(door.now, peer, packet),
            None => self.nack(door.now, peer, ends, nack, code),
        };
        Err(Refusal { counter, answer })
    }

    /// A nack, as long as the peer's token bucket has one.
    pub(crate) fn nack(
        &mut self,
        now: Instant,
        peer: u16,
        ends: Ends,
        nack: Nack,
        code: NackCode,
    ) -> Option<Answer> {
        let packet = match nack {
            Nack::None => return None,
            Nack::Lib { seq } => Packet::NackLib {
                ends: Ends {
                    destination: ends.source,
                    source: ends.destination,
                },
                nack: NackLib { code, seq },
            },
            Nack::Mcp { handle, magic } => Packet::NackMcp(NackMcp {
                source: ends.source,
                code,
                handle,
                magic,
            }),
        };
        self.allowed(now, peer, packet)
    }

    /// An answer to what is refused, as long as the peer's token bucket has one.
    fn allowed(&mut self, now: Instant, peer: u16, packet: Packet) -> Option<Answer> {
        let may = self.peers.get_mut(peer)?.nacks.take(now) && self.allowance.may_nack(now);
        may.then_some(Answer { peer, packet })
    }

    pub(crate) fn learn_reverse<P: Ports>(&mut self, peer: u16, index: u16, ports: &mut P) {
        if let Some(known) = self.peers.get_mut(peer)
            && known.local.is_none()
            && known.reverse.replace(index) != Some(index)
        {
            ports.peer_changed(self.id, peer);
        }
    }
}

/// Where the payload of a message is when its event is told: a small or medium one gets its place in the receive ring as
/// it is delivered.
#[inline]
fn place(message: &Message, payload: Source<'_>) -> Place {
    match message.content {
        Content::Tiny(_) => {
            let mut data = [0; TINY_MAX];
            // The format's check has bounded the payload.
            if let Source::Bytes(bytes) = payload
                && let Some(place) = data.get_mut(..bytes.len())
            {
                place.copy_from_slice(bytes);
            }
            Place::Inline(data)
        }
        Content::Small(_) | Content::Medium(_) => Place::At(0),
        _ => Place::Apart,
    }
}

/// What every packet is held against.
#[derive(Clone, Copy)]
pub(crate) struct Door {
    pub now: Instant,
    pub endpoint_max: u16,
}
