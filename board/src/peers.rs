//! The peer table: who is known, under which index (protocol.md §11).

use alloc::vec::Vec;
use core::time::Duration;

use mx_wire::MacAddress;

use crate::discovery::Asking;
use crate::key::BoardId;
use crate::name::HostName;
use crate::pull::{GIVEN_UP, RoundTrip};
use crate::time::Instant;
use crate::token_bucket::{NackBucket, QueryBucket, StrangerBucket, TryBucket};

/// Entries that only boards of this backend may take, so that a flood of forged beacons cannot keep a guest from
/// reaching its neighbours.
const KEPT_FOR_LOCAL: u16 = 64;
/// A peer that is silent for so long goes: three of the beacons that each node sends every three minutes are lost.
const AGE: Duration = Duration::from_secs(600);
// A transfer that waits names its peer by its index, which is the peer's as long as it was heard within this time.
const _: () = assert!(GIVEN_UP.as_secs() < AGE.as_secs());
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
    pub(crate) nacks: NackBucket,
    /// Its questions for a name that are answered.
    pub(crate) queries: QueryBucket,
    /// Sessions that it may name in vain, if it is a board of this backend.
    pub(crate) tries: TryBucket,
    /// How long it takes to answer a PULL.
    pub(crate) round_trip: RoundTrip,
    pub(crate) asking: Asking,
    /// An administrator has made it a peer: it stays.
    pub(crate) fixed: bool,
    /// When it was last heard.
    pub(crate) heard: Instant,
    /// When something of this board's own accord was last sent to it.
    used: Option<Instant>,
    /// Since when it is asked whether it still has its name, which another says is its own.
    pub(crate) challenged: Option<Instant>,
    /// It keeps its index and is none of the peers, until it is added again.
    forgotten: bool,
    next_in_bucket: u16,
}

/// A peer as another backend of the board has left it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerLeft {
    /// The address by which it is known.
    pub mac: MacAddress,
    /// Its name, or [`HostName::UNKNOWN`].
    pub name: HostName,
    /// Its own index for the board, if that is known.
    pub reverse: Option<u16>,
    /// Whether an administrator has named it.
    pub fixed: bool,
}

impl Peer {
    /// The Ethernet address by which the peer is known.
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Its name; [`HostName::UNKNOWN`] until it has answered a host query.
    pub const fn name(&self) -> &HostName {
        &self.name
    }

    /// Its own index for the board, once that is known.
    pub const fn reverse(&self) -> Option<u16> {
        self.reverse
    }

    /// Whether an administrator has named it.
    pub const fn is_fixed(&self) -> bool {
        self.fixed
    }

    /// The board that it is, if it is one of this backend.
    pub const fn local(&self) -> Option<BoardId> {
        self.local
    }

    fn new(mac: MacAddress, local: Option<BoardId>, now: Instant) -> Self {
        Self {
            mac,
            name: HostName::UNKNOWN,
            local,
            reverse: None,
            serial: None,
            nacks: NackBucket::default(),
            queries: QueryBucket::default(),
            tries: TryBucket::default(),
            round_trip: RoundTrip::default(),
            asking: Asking::default(),
            fixed: false,
            heard: now,
            used: None,
            challenged: None,
            forgotten: false,
            next_in_bucket: NONE,
        }
    }

    /// Something is sent to it that it has not asked for.
    #[inline]
    pub(crate) const fn used(&mut self, now: Instant) {
        self.used = Some(now);
    }

    fn is_silent(&self, now: Instant) -> bool {
        now - self.heard >= AGE
    }

    fn is_in_use(&self, now: Instant) -> bool {
        self.used.is_some_and(|used| now - used < AGE)
    }

    /// How soon its place is given to a stranger, if it may be: those first that are none any more, then those that
    /// have never said who they are, which is all that forged beacons make.
    fn rank(&self, now: Instant) -> Option<(u8, Instant)> {
        if self.local.is_some() || self.is_in_use(now) {
            return None;
        }
        let rank = match (self.forgotten, self.fixed, self.name.is_unknown()) {
            (true, _, _) => 0,
            (false, true, _) => return None,
            (false, false, true) => 1,
            (false, false, false) if self.is_silent(now) => 2,
            (false, false, false) => return None,
        };
        Some((rank, self.heard))
    }
}

/// The peers of one board. An index keeps its meaning while something is sent to it, and beyond that until a stranger
/// needs the place.
#[derive(Debug)]
pub struct PeerTable {
    peers: Vec<Peer>,
    buckets: [u16; BUCKETS],
    max: u16,
    nameless: u16,
    full: bool,
    strangers: StrangerBucket,
}

impl PeerTable {
    /// Whether a board of this backend has not named too many sessions in vain.
    pub(crate) fn may_try(&self, index: u16, now: Instant) -> bool {
        self.get(index).is_some_and(|peer| peer.tries.has(now))
    }

    /// It has named one in vain.
    pub(crate) fn has_tried(&mut self, index: u16, now: Instant) {
        if let Some(peer) = self.get_mut(index) {
            peer.tries.take(now);
        }
    }

    pub(crate) fn new(max: u16) -> Self {
        Self {
            peers: Vec::new(),
            buckets: [NONE; BUCKETS],
            max,
            nameless: 0,
            full: false,
            strangers: StrangerBucket::default(),
        }
    }

    /// Entries in use: every index below this one names a peer, or has named one that was forgotten.
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
        self.entry(index).filter(|peer| !peer.forgotten)
    }

    /// The address that an index stands for, of a peer or of one that was forgotten.
    pub(crate) fn address(&self, index: u16) -> Option<MacAddress> {
        self.entry(index).map(|peer| peer.mac)
    }

    fn entry(&self, index: u16) -> Option<&Peer> {
        self.peers.get(usize::from(index))
    }

    pub(crate) fn get_mut(&mut self, index: u16) -> Option<&mut Peer> {
        self.peers
            .get_mut(usize::from(index))
            .filter(|peer| !peer.forgotten)
    }

    /// The index of the peer with that address.
    pub fn index_of(&self, mac: MacAddress) -> Option<u16> {
        self.entry_of(mac)
            .filter(|index| self.get(*index).is_some())
    }

    fn entry_of(&self, mac: MacAddress) -> Option<u16> {
        let mut index = self.buckets[bucket(mac)];
        while let Some(peer) = self.entry(index) {
            if peer.mac == mac {
                return Some(index);
            }
            index = peer.next_in_bucket;
        }
        None
    }

    /// Takes over the peers that an earlier table of the same board had, at their indices. Whoever is told of them may be
    /// lying: who has no address of a station, or one that is in the table, is none.
    pub(crate) fn take_over(&mut self, now: Instant, left: &[Option<PeerLeft>]) {
        let end = left
            .iter()
            .rposition(Option::is_some)
            .map_or(0, |last| last + 1);
        for place in left
            .iter()
            .take(end.min(self.max.into()))
            .skip(self.peers.len())
        {
            let peer =
                place.filter(|peer| peer.mac.is_station() && self.entry_of(peer.mac).is_none());
            let Some(peer) = peer else {
                self.peers.push(Peer {
                    forgotten: true,
                    ..Peer::new(MacAddress::default(), None, now)
                });
                continue;
            };
            let index = self.count();
            self.place(
                index,
                Peer {
                    reverse: peer.reverse,
                    fixed: peer.fixed,
                    ..Peer::new(peer.mac, None, now)
                },
            );
            // Who is asked for its name tells its index with it.
            if peer.reverse.is_some() {
                self.set_name(index, peer.name);
            }
        }
    }

    /// Finds a peer that was heard of on the network, or makes it one; `None` when the table is full of such that are
    /// there. One that was forgotten gets its index back.
    pub(crate) fn add(&mut self, now: Instant, mac: MacAddress) -> Option<u16> {
        self.add_within(now, mac, None, self.max - KEPT_FOR_LOCAL.min(self.max / 2))
    }

    /// The same for a board of this backend, or a peer that an administrator names: for them there are places where no
    /// stranger comes.
    pub(crate) fn add_known(
        &mut self,
        now: Instant,
        mac: MacAddress,
        local: Option<BoardId>,
    ) -> Option<u16> {
        self.add_within(now, mac, local, self.max)
    }

    fn add_within(
        &mut self,
        now: Instant,
        mac: MacAddress,
        local: Option<BoardId>,
        places: u16,
    ) -> Option<u16> {
        if let Some(index) = self.entry_of(mac) {
            if let Some(peer) = self.peers.get_mut(usize::from(index))
                && peer.forgotten
            {
                peer.forgotten = false;
                peer.local = local;
                peer.heard = now;
                self.nameless += 1;
            }
            return Some(index);
        }
        let index = self.count();
        let is_stranger = places < self.max;
        let index = if index < places {
            index
        } else if (!is_stranger || self.strangers.take(now))
            && let Some(place) = self.place_for_stranger(now)
        {
            self.forget(place);
            self.unlink(place);
            place
        } else {
            self.full = true;
            return None;
        };
        self.place(index, Peer::new(mac, local, now));
        Some(index)
    }

    /// Puts a new peer, whose name is not known, into a free place or behind the last one.
    fn place(&mut self, index: u16, mut peer: Peer) {
        let head = &mut self.buckets[bucket(peer.mac)];
        peer.next_in_bucket = *head;
        *head = index;
        match self.peers.get_mut(usize::from(index)) {
            Some(place) => *place = peer,
            None => self.peers.push(peer),
        }
        self.nameless += 1;
    }

    /// The place of the peer that is missed least.
    fn place_for_stranger(&self, now: Instant) -> Option<u16> {
        let places = (0..).zip(&self.peers);
        let ranked = places.filter_map(|(index, peer)| Some((peer.rank(now)?, index)));
        ranked.min().map(|(_, index)| index)
    }

    /// Takes an entry out of its bucket.
    fn unlink(&mut self, index: u16) {
        let Some(entry) = self.entry(index) else {
            return;
        };
        let (bucket, next) = (bucket(entry.mac), entry.next_in_bucket);
        let mut at = self.buckets[bucket];
        if at == index {
            self.buckets[bucket] = next;
            return;
        }
        while let Some(entry) = self.peers.get_mut(usize::from(at)) {
            if entry.next_in_bucket == index {
                entry.next_in_bucket = next;
                return;
            }
            at = entry.next_in_bucket;
        }
    }

    /// A peer is none any more.
    pub(crate) fn forget(&mut self, index: u16) {
        self.set_name(index, HostName::UNKNOWN);
        if let Some(peer) = self.get_mut(index) {
            peer.asking = Asking::default();
            peer.forgotten = true;
            peer.fixed = false;
            peer.challenged = None;
            peer.reverse = None;
            peer.serial = None;
            self.nameless -= 1;
            self.full = false;
        }
    }

    /// Forgets a peer that was silent for long and to which nothing is sent; which one. To be asked until there is none.
    pub(crate) fn forget_silent(&mut self, now: Instant) -> Option<u16> {
        let goes = |peer: &Peer| {
            let stays = peer.forgotten || peer.fixed || peer.local.is_some();
            !stays && peer.is_silent(now) && !peer.is_in_use(now)
        };
        let index = self.peers.iter().position(goes)? as u16;
        self.forget(index);
        Some(index)
    }

    /// A peer shows that it is there.
    #[inline]
    pub(crate) fn alive(&mut self, index: u16, now: Instant) {
        if let Some(peer) = self.peers.get_mut(usize::from(index)) {
            peer.heard = now;
        }
    }

    /// Gives a peer its name; true when it is a new one.
    pub(crate) fn set_name(&mut self, index: u16, name: HostName) -> bool {
        let Some(peer) = self.get_mut(index) else {
            return false;
        };
        if peer.name == name {
            return false;
        }
        let before = core::mem::replace(&mut peer.name, name);
        peer.asking = Asking::default();
        peer.challenged = None;
        match (before.is_unknown(), name.is_unknown()) {
            (true, false) => self.nameless -= 1,
            (false, true) => self.nameless += 1,
            _ => {}
        }
        true
    }

    /// The peers with their indices.
    pub(crate) fn all(&self) -> impl Iterator<Item = (u16, &Peer)> {
        let entries = (0..).zip(&self.peers);
        entries.filter(|(_, peer)| !peer.forgotten)
    }

    fn nameless(&self) -> impl Iterator<Item = (u16, &Peer)> {
        self.all().filter(|(_, peer)| peer.name.is_unknown())
    }

    /// A peer that is to be asked for its name now.
    pub(crate) fn next_to_ask(&self, now: Instant) -> Option<u16> {
        let mut due = self.nameless().filter(|(_, peer)| peer.asking.at() <= now);
        due.next().map(|(index, _)| index)
    }

    /// When the next one is to be asked, if any.
    pub(crate) fn ask_next_at(&self) -> Option<Instant> {
        self.nameless().map(|(_, peer)| peer.asking.at()).min()
    }

    /// That peer was heard: if its name is not known it is asked soon. When some peer is to be asked, if that one is.
    pub(crate) fn heard(&mut self, index: u16, now: Instant) -> Option<Instant> {
        let peer = self.get_mut(index)?;
        peer.heard = now;
        peer.asking.heard(now);
        peer.name.is_unknown().then_some(peer.asking.at())
    }

    /// That peer was asked.
    pub(crate) fn asked(&mut self, index: u16, now: Instant) {
        if let Some(peer) = self.get_mut(index) {
            peer.asking.asked(now);
        }
    }
}

fn bucket(mac: MacAddress) -> usize {
    // The last octets tell machines apart best; the others count so that no pattern fills one bucket alone.
    let [a, b, c, d, e, f] = mac.0;
    usize::from(a ^ b.rotate_left(1) ^ c.rotate_left(2) ^ d.rotate_left(3) ^ e.rotate_left(5) ^ f)
}

#[cfg(test)]
mod tests;
