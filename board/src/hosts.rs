//! How boards get to know each other: names, and beacons (protocol.md §11, §12).

use mx_ring::Counter;
use mx_ring::warning::Warning;
use mx_wire::{Beacon, HostQuery, HostReply, Packet};

use crate::board::Board;
use crate::claim::Claim;
use crate::discovery::Discovery;
use crate::incoming::{Answer, Incoming, Refusal};
use crate::key::Source;
use crate::name::HostName;
use crate::ports::Ports;
use crate::time::Instant;

impl Board {
    /// A peer says its name.
    pub(crate) fn host_reply<P: Ports>(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        reply: &HostReply,
        ports: &mut P,
    ) -> Result<Option<Answer>, Refusal> {
        if reply.magic != Discovery::MAGIC {
            return Err(Counter::DropHostReplyWithBadMagic.into());
        }
        let peer = self.by_address(incoming)?;
        self.learn_reverse(peer, reply.sender_index, ports);
        self.peers.alive(peer, now);
        self.count(Counter::RecvHostReply);
        let Source::Bytes(name) = incoming.payload else {
            return Ok(None);
        };
        let mut answer = None;
        match self.peers.claim(now, peer, HostName::new(name)) {
            Claim::Known => return Ok(None),
            Claim::New => self.not_namesake(incoming.source),
            Claim::Local(board) if board == self.id => {
                self.warn(now, Warning::OwnName, incoming.source);
            }
            Claim::Local(_) | Claim::Given => {}
            Claim::Challenges(holder) => {
                answer = Some(Answer {
                    peer: holder,
                    packet: Self::host_query(holder),
                });
            }
            Claim::Takes(from) => {
                self.not_namesake(incoming.source);
                self.discovery.ask_for_names(now);
                ports.peer_changed(self.id, from);
            }
        }
        ports.peer_changed(self.id, peer);
        Ok(answer)
    }

    /// Peers and warnings of which nothing was heard for long go.
    pub(crate) fn tidy<P: Ports>(&mut self, now: Instant, ports: &mut P) {
        while let Some(index) = self.peers.forget_silent(now) {
            if let Some(mac) = self.peers.address(index) {
                self.not_namesake(mac);
            }
            ports.peer_changed(self.id, index);
        }
        self.end_old_warnings(now);
    }

    /// A peer has been heard: if its name is not known, this is the time to ask.
    pub(crate) fn heard(&mut self, now: Instant, peer: u16) {
        if let Some(at) = self.peers.heard(peer, now) {
            self.discovery.ask_for_names(at);
        }
    }

    /// A RAW frame: maybe a beacon, which names its sender. Anything else of that type is not ours to read.
    pub(crate) fn hear<P: Ports>(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        ports: &mut P,
    ) -> Option<Answer> {
        self.count(Counter::RecvRaw);
        let Source::Bytes(payload) = incoming.payload else {
            return None;
        };
        let beacon = Beacon::parse(payload).filter(|beacon| beacon.board == incoming.source)?;
        let known = self.peers.index_of(beacon.board);
        if let Some(peer) = known.and_then(|index| self.peers.get_mut(index)) {
            if peer.local.is_some() == incoming.local && peer.serial != Some(beacon.serial) {
                peer.serial = Some(beacon.serial);
                self.discovery.news(now);
            }
            if let Some(peer) = known {
                self.heard(now, peer);
            }
            return None;
        }
        if incoming.local {
            return None;
        }
        let peer = self.peers.add(now, beacon.board)?;
        if let Some(new) = self.peers.get_mut(peer) {
            new.serial = Some(beacon.serial);
        }
        self.discovery.news(now);
        self.peers.asked(peer, now);
        if let Some(at) = self.peers.ask_next_at() {
            self.discovery.ask_for_names(at);
        }
        ports.peer_changed(self.id, peer);
        Some(Answer {
            peer,
            packet: Self::host_query(peer),
        })
    }

    /// Asks a peer for its name.
    pub(crate) const fn host_query(peer: u16) -> Packet {
        Packet::HostQuery(HostQuery {
            sender_index: peer,
            magic: Discovery::MAGIC,
        })
    }
}
