//! Boards come and go, and the others learn of it.

use mx_wire::MacAddress;

use crate::board::Board;
use crate::discovery::Discovery;
use crate::error::AddBoardError;
use crate::key::{BOARDS, BoardId};
use crate::name::HostName;
use crate::peers::{Peer, PeerLeft};
use crate::ports::Ports;
use crate::switch::Switch;
use crate::time::Instant;

impl Switch {
    /// Adds a board. It and the boards that are there become each other's peers, by name, without asking.
    pub fn add_board<P: Ports>(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        ports: &mut P,
    ) -> Result<BoardId, AddBoardError> {
        self.add(now, mac, name, None, ports)
    }

    /// The same for a board that another backend has had. `left` are the peers that it knew, by their indices, which keep
    /// their meaning. The board is muted: it drops all that it receives and does not beacon, until [`Self::set_muted`].
    pub fn adopt_board<P: Ports>(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        left: &[Option<PeerLeft>],
        ports: &mut P,
    ) -> Result<BoardId, AddBoardError> {
        self.add(now, mac, name, Some(left), ports)
    }

    fn add<P: Ports>(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        left: Option<&[Option<PeerLeft>]>,
        ports: &mut P,
    ) -> Result<BoardId, AddBoardError> {
        if !mac.is_station() {
            return Err(AddBoardError::BadAddress(mac));
        }
        let nic_id = mac.nic_id();
        let Err(sorted) = self.by_mac.binary_search_by_key(&nic_id, |(id, _)| *id) else {
            return Err(AddBoardError::AddressInUse(mac));
        };
        let place = match self.boards.iter().position(Option::is_none) {
            Some(place) => place,
            None if self.boards.len() < BOARDS => {
                self.boards.push(None);
                self.boards.len() - 1
            }
            None => return Err(AddBoardError::TooMany),
        };
        let id = BoardId(place as u16);
        let serial = self.random.next() as u32;
        let mut board = Board::new(now, id, mac, name, self.settings.peer_max, serial);
        introduce(now, &mut board, (mac, id, name), 0, ports);
        if let Some(left) = left {
            board.muted = true;
            board.peers.take_over(now, left);
            for index in 1..board.peers.count() {
                ports.peer_changed(id, index);
            }
        }
        for other in self.boards.iter_mut().flatten() {
            let (Some(here), Some(there)) = (
                board.peers.add_known(now, other.mac, Some(other.id)),
                other.peers.add_known(now, mac, Some(id)),
            ) else {
                continue;
            };
            introduce(
                now,
                &mut board,
                (other.mac, other.id, other.name),
                there,
                ports,
            );
            introduce(now, other, (mac, id, name), here, ports);
        }
        if let Some(slot) = self.boards.get_mut(place) {
            *slot = Some(board);
        }
        self.by_mac.insert(sorted, (nic_id, id));
        self.deadlines.reserve(self.boards.len());
        self.counted.insert(id.0);
        self.note(id);
        Ok(id)
    }

    /// Mutes a board, or lifts that. A board that is no longer muted makes itself known.
    pub fn set_muted(&mut self, now: Instant, id: BoardId, muted: bool) {
        if let Some(board) = self.board_mut(id)
            && board.muted != muted
        {
            board.muted = muted;
            let serial = board.discovery.serial();
            board.discovery = Discovery::new(now, serial);
        }
        self.note(id);
    }

    /// Removes a board with all that its endpoints were doing. To the others it is a peer somewhere on the wire now.
    pub fn remove_board<P: Ports>(&mut self, id: BoardId, ports: &mut P) {
        self.give_pulls(id, u32::MAX);
        let Some(slot) = self.boards.get_mut(usize::from(id.0)) else {
            return;
        };
        *slot = None;
        self.note(id);
        self.by_mac.retain(|(_, other)| *other != id);
        for board in self.boards.iter_mut().flatten() {
            for index in 0..board.peers.count() {
                if let Some(peer) = board.peers.get_mut(index)
                    && peer.local == Some(id)
                {
                    peer.local = None;
                    peer.reverse = None;
                    ports.peer_changed(board.id, index);
                }
            }
        }
    }
}

/// Makes a board of this backend, maybe the board itself, a peer of a board. `reverse` is the index at that peer.
fn introduce<P: Ports>(
    now: Instant,
    board: &mut Board,
    (mac, id, name): (MacAddress, BoardId, HostName),
    reverse: u16,
    ports: &mut P,
) {
    let Some(index) = board.peers.add_known(now, mac, Some(id)) else {
        return;
    };
    board.peers.set_name(index, name);
    if let Some(peer) = board.peers.get_mut(index) {
        peer.local = Some(id);
        peer.reverse = Some(reverse);
    }
    ports.peer_changed(board.id, index);
    forget_namesakes(board, name, index, ports);
}

/// A name leads to the peer that has it from now on, a board of this backend or one that an administrator named: a
/// guest that was attached anew may have another address. Whoever has that name elsewhere, too, is a peer again as soon
/// as it is heard.
pub(crate) fn forget_namesakes<P: Ports>(
    board: &mut Board,
    name: HostName,
    of: u16,
    ports: &mut P,
) {
    for index in 0..board.peers.count() {
        let is_namesake = |peer: &Peer| peer.local().is_none() && *peer.name() == name;
        if index != of && !name.is_unknown() && board.peers.get(index).is_some_and(is_namesake) {
            board.peers.forget(index);
            ports.peer_changed(board.id, index);
        }
    }
}
