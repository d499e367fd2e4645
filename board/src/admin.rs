//! What the administrator of a machine changes at a board (api.md §6: `omx_counters -c`, `omx_hostname`,
//! `omx_init_peers`).

use mx_ring::admin::Change;
use mx_wire::MacAddress;

use crate::board::Board;
use crate::counters::Counters;
use crate::error::ChangeError;
use crate::key::BoardId;
use crate::members::forget_namesakes;
use crate::name::HostName;
use crate::ports::Ports;
use crate::switch::Switch;
use crate::time::Instant;

impl Switch {
    /// Changes a board. Only who may administer the machine may ask for it: that is the backend's affair to check.
    pub fn change<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        change: &Change,
        ports: &mut P,
    ) -> Result<(), ChangeError> {
        let board = self.board_mut(id).ok_or(ChangeError::NoBoard)?;
        match change {
            Change::ClearCounters => board.counters = Counters::new(),
            Change::SetHostname(name) => return self.rename(id, HostName::new(name), ports),
            Change::ClearPeerNames => {
                board.each_remote_peer(ports, |board, index| {
                    board.peers.set_name(index, HostName::UNKNOWN);
                });
                board.discovery.ask_for_names(now);
            }
            Change::ClearPeers => board.each_remote_peer(ports, |board, index| {
                board.peers.forget(index);
            }),
            Change::AddPeer { mac, name } => {
                board.add_peer(now, *mac, HostName::new(name), ports)?;
                board.discovery.ask_for_names(now);
            }
            Change::MarkPeersConfigured => board.peers_marked = true,
        }
        self.note(id);
        self.counted.insert(id.0);
        Ok(())
    }

    /// The boards here learn a new name at once.
    fn rename<P: Ports>(
        &mut self,
        id: BoardId,
        name: HostName,
        ports: &mut P,
    ) -> Result<(), ChangeError> {
        if name.is_unknown() {
            return Err(ChangeError::NoName);
        }
        if self.boards_mut().any(|it| it.id != id && it.name == name) {
            return Err(ChangeError::NameTaken(name));
        }
        let board = self.board_mut(id).ok_or(ChangeError::NoBoard)?;
        board.name = name;
        board.no_namesake();
        let mac = board.mac;
        for other in self.boards_mut() {
            if let Some(index) = other.peers.index_of(mac) {
                forget_namesakes(other, name, index, ports);
                if other.peers.set_name(index, name) {
                    ports.peer_changed(other.id, index);
                }
            }
        }
        Ok(())
    }
}

impl Board {
    fn each_remote_peer<P: Ports>(
        &mut self,
        ports: &mut P,
        mut change: impl FnMut(&mut Self, u16),
    ) {
        for index in 0..self.peers.count() {
            let remote = |peer: &crate::peers::Peer| peer.local().is_none();
            if self.peers.get(index).is_some_and(remote) {
                change(self, index);
                ports.peer_changed(self.id, index);
            }
        }
    }

    /// The name of a board of this backend is that board's own affair.
    fn add_peer<P: Ports>(
        &mut self,
        now: Instant,
        mac: MacAddress,
        name: HostName,
        ports: &mut P,
    ) -> Result<(), ChangeError> {
        if !mac.is_station() {
            return Err(ChangeError::BadAddress(mac));
        }
        let local = self
            .peers
            .index_of(mac)
            .and_then(|index| self.peers.get(index)?.local);
        let holder = self.peers.local_of_name(&name);
        if !name.is_unknown() && holder.is_some() && holder != local {
            return Err(ChangeError::NameTaken(name));
        }
        let index = self.peers.add_known(now, mac, None);
        let index = index.ok_or(ChangeError::PeersFull)?;
        if let Some(peer) = self.peers.get_mut(index)
            && peer.local().is_none()
        {
            peer.fixed = true;
            forget_namesakes(self, name, index, ports);
            self.peers.set_name(index, name);
        }
        ports.peer_changed(self.id, index);
        Ok(())
    }
}
