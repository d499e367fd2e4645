//! The peer table: who is known, under which index (protocol.md §11).

use alloc::vec::Vec;

use mx_wire::MacAddress;

use crate::key::BoardId;
use crate::nack::NackAllowance;
use crate::name::HostName;

/// Entries that only boards of this home may take, so that a flood of forged beacons cannot keep a guest from
/// reaching its neighbours.
const KEPT_FOR_LOCAL: u16 = 64;
const BUCKETS: usize = 256;
const NONE: u16 = u16::MAX;

/// A board that can be reached, maybe this one.
#[derive(Clone, Debug)]
pub struct Peer {
    mac: MacAddress,
    pub(crate) name: HostName,
    pub(crate) local: Option<BoardId>,
    /// What to put into F+14 towards this peer: its own index for this board, once known.
    pub(crate) reverse: Option<u16>,
    /// The serial of its last beacon.
    pub(crate) serial: Option<u32>,
    pub(crate) nacks: NackAllowance,
    next_in_bucket: u16,
}

impl Peer {
    /// Its address.
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Its name; [`HostName::UNKNOWN`] until it has answered a host query.
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// The board that it is, if it is one of this home.
    pub const fn local(&self) -> Option<BoardId> {
        self.local
    }
}

/// The peers of one board. An index keeps its meaning as long as the board lives.
#[derive(Debug)]
pub struct PeerTable {
    peers: Vec<Peer>,
    buckets: [u16; BUCKETS],
    max: u16,
    nameless: u16,
    full: bool,
}

impl PeerTable {
    pub(crate) const fn new(max: u16) -> Self {
        Self {
            peers: Vec::new(),
            buckets: [NONE; BUCKETS],
            max,
            nameless: 0,
            full: false,
        }
    }

    /// Entries in use: every index below this one names a peer.
    pub fn count(&self) -> u16 {
        self.peers.len() as u16
    }

    /// Whether a peer could not be added for want of room.
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// Whether there are peers whose name is not known.
    pub(crate) const fn has_nameless(&self) -> bool {
        self.nameless > 0
    }

    /// The peer of that index.
    pub fn get(&self, index: u16) -> Option<&Peer> {
        self.peers.get(usize::from(index))
    }

    pub(crate) fn get_mut(&mut self, index: u16) -> Option<&mut Peer> {
        self.peers.get_mut(usize::from(index))
    }

    /// The index of the peer with that address.
    pub fn index_of(&self, mac: MacAddress) -> Option<u16> {
        let mut index = self.buckets[bucket(mac)];
        while let Some(peer) = self.get(index) {
            if peer.mac == mac {
                return Some(index);
            }
            index = peer.next_in_bucket;
        }
        None
    }

    /// Finds or appends a peer; `None` when the table is full.
    pub(crate) fn add(&mut self, mac: MacAddress, local: Option<BoardId>) -> Option<u16> {
        if let Some(index) = self.index_of(mac) {
            return Some(index);
        }
        let kept = if local.is_some() {
            0
        } else {
            KEPT_FOR_LOCAL.min(self.max / 2)
        };
        let index = self.count();
        if index >= self.max - kept {
            self.full = true;
            return None;
        }
        let head = &mut self.buckets[bucket(mac)];
        self.peers.push(Peer {
            mac,
            name: HostName::UNKNOWN,
            local,
            reverse: None,
            serial: None,
            nacks: NackAllowance::default(),
            next_in_bucket: *head,
        });
        *head = index;
        self.nameless += 1;
        Some(index)
    }

    /// Gives a peer its name; true when it is a new one.
    pub(crate) fn set_name(&mut self, index: u16, name: HostName) -> bool {
        let Some(peer) = self.peers.get_mut(usize::from(index)) else {
            return false;
        };
        if peer.name == name {
            return false;
        }
        match (peer.name.is_unknown(), name.is_unknown()) {
            (true, false) => self.nameless -= 1,
            (false, true) => self.nameless += 1,
            _ => {}
        }
        peer.name = name;
        true
    }

    /// The first peer at `from` or later whose name is not known.
    pub(crate) fn next_nameless(&self, from: u16) -> Option<u16> {
        let rest = self.peers.get(usize::from(from)..)?;
        let place = rest.iter().position(|peer| peer.name.is_unknown())?;
        Some(from + place as u16)
    }
}

fn bucket(mac: MacAddress) -> usize {
    // The last octets tell machines apart best; the others count so that no pattern fills one bucket alone.
    let [a, b, c, d, e, f] = mac.0;
    usize::from(a ^ b.rotate_left(1) ^ c.rotate_left(2) ^ d.rotate_left(3) ^ e.rotate_left(5) ^ f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mac(n: u16) -> MacAddress {
        let [a, b] = n.to_be_bytes();
        MacAddress([2, 0, 0, 0, a, b])
    }

    #[test]
    fn an_index_is_the_order_of_insertion_and_is_found_again_by_address() {
        let mut table = PeerTable::new(1024);
        for n in 0..900 {
            assert_eq!(table.add(mac(n), None), Some(n));
        }
        for n in 0..900 {
            assert_eq!(table.index_of(mac(n)), Some(n));
            assert_eq!(table.add(mac(n), None), Some(n));
        }
        assert_eq!(table.index_of(mac(900)), None);
        assert_eq!(table.count(), 900);
    }

    #[test]
    fn a_flood_of_strangers_leaves_room_for_local_boards() {
        let mut table = PeerTable::new(256);
        for n in 0..2000 {
            table.add(mac(n), None);
        }
        assert!(table.is_full());
        assert_eq!(table.count(), 256 - KEPT_FOR_LOCAL);
        assert!(table.add(mac(5000), Some(BoardId(3))).is_some());
    }

    #[test]
    fn nameless_peers_are_found_in_order_until_they_have_a_name() {
        let mut table = PeerTable::new(256);
        for n in 0..3 {
            table.add(mac(n), None);
        }
        assert!(table.set_name(1, HostName::new(b"one:0")));
        assert!(!table.set_name(1, HostName::new(b"one:0")));
        assert_eq!(table.next_nameless(0), Some(0));
        assert_eq!(table.next_nameless(1), Some(2));
        assert_eq!(table.next_nameless(3), None);
        table.set_name(0, HostName::new(b"zero:0"));
        table.set_name(2, HostName::new(b"two:0"));
        assert!(!table.has_nameless());
        table.set_name(2, HostName::UNKNOWN);
        assert!(table.has_nameless());
    }
}
