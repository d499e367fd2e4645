//! Whose a name is, when a machine on the network says that it is its own.

use core::time::Duration;

use crate::discovery::Asking;
use crate::key::BoardId;
use crate::name::HostName;
use crate::peers::{Peer, PeerTable};
use crate::time::Instant;

/// How long a peer has to show that it is there, when another says that it has its name.
const CHALLENGE: Duration = Duration::from_secs(1);
/// A question of that kind that nobody came back to is a question of the past. Whoever says a name is asked again within
/// 5 s.
const STALE: Duration = Duration::from_secs(15);

/// What follows from a peer's saying its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// It has that name, as before.
    Known,
    /// It has a new name.
    New,
    /// It does not get the name, which is that of a board of this backend: that one.
    Local(BoardId),
    /// It does not get the name, which an administrator has given to another.
    Given,
    /// It gets the name when the peer of this index, which has it, does not answer.
    Challenges(u16),
    /// It gets the name from the peer of this index, which does not answer.
    Takes(u16),
}

impl PeerTable {
    /// The board of this backend with that name.
    pub(crate) fn local_of_name(&self, name: &HostName) -> Option<BoardId> {
        let mut peers = self.all();
        peers.find_map(|(_, peer)| peer.local.filter(|_| peer.name == *name))
    }

    /// A peer of the network says its name. The name of a board of this backend, or one that an administrator has
    /// given, is nobody else's. If another peer has it, that one is asked first: whoever has gone leaves its name to
    /// the next, and of two that are there both have it, so that nobody who looks for it finds the wrong one (the
    /// library refuses it).
    pub(crate) fn claim(&mut self, now: Instant, index: u16, name: HostName) -> Claim {
        let Some(peer) = self.get(index).filter(|peer| peer.local.is_none()) else {
            return Claim::Given;
        };
        if peer.name == name {
            return Claim::Known;
        }
        if peer.fixed && !peer.name.is_unknown() {
            return Claim::Given;
        }
        let asking = peer.asking;
        if name.is_unknown() {
            return Claim::Known;
        }
        if let Some(board) = self.local_of_name(&name) {
            self.refuse_name(index, asking);
            return Claim::Local(board);
        }
        let has_it = |(other, peer): &(u16, &Peer)| *other != index && peer.name == name;
        let holder = self.all().find(has_it).map(|(other, _)| other);
        let claim = holder.map_or(Claim::New, |holder| self.challenge(now, holder));
        match claim {
            Claim::New => {
                self.set_name(index, name);
            }
            Claim::Takes(from) => {
                self.set_name(from, HostName::UNKNOWN);
                self.set_name(index, name);
            }
            _ => self.refuse_name(index, asking),
        }
        claim
    }

    /// Somebody else says the name of the peer of this index: what follows for the one who says it.
    fn challenge(&mut self, now: Instant, index: u16) -> Claim {
        let Some(holder) = self.get_mut(index) else {
            return Claim::New;
        };
        if holder.fixed {
            return Claim::Given;
        }
        let since = holder.challenged.filter(|since| now - *since < STALE);
        match since {
            None => {
                holder.challenged = Some(now);
                Claim::Challenges(index)
            }
            Some(since) if holder.heard > since => {
                holder.challenged = None;
                Claim::New
            }
            Some(since) if now - since < CHALLENGE => Claim::Challenges(index),
            Some(_) => Claim::Takes(index),
        }
    }

    /// A peer does not get the name that it says: it is asked again when it would have been.
    fn refuse_name(&mut self, index: u16, asking: Asking) {
        self.set_name(index, HostName::UNKNOWN);
        if let Some(peer) = self.get_mut(index) {
            peer.asking = asking;
        }
    }
}
