//! The boards of one backend, and the ways between them: to the wire as frames, to each other as values.

use alloc::vec::Vec;

use mx_records::record;
use mx_ring::{
    Command, CommandBody, Counter, Destination, Farewell, PullOrder, PullStatus, RegionKey,
};
use mx_wire::{Beacon, Format, Frame, MacAddress, Packet};

use crate::board::Board;
use crate::counters;
use crate::counters::Counters;
use crate::deadlines::Deadlines;
use crate::departed::{WORDS_MAX, Word};
use crate::endpoint::EndpointRecord;
use crate::error::EndpointError;
use crate::incoming::{self, Answer, Incoming};
use crate::key::{BoardId, EndpointKey, Source};
use crate::outgoing;
use crate::peers::Peer;
use crate::ports::{Blame, CommandError, Full, Ports, Taken};
use crate::pull::PullTable;
use crate::random::Random;
use crate::set::BoardSet;
use crate::share::Order;
use crate::time::Instant;
use crate::warnings::Warnings;

/// What all boards of a backend have in common.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Wire mode and MTU.
    pub format: Format,
    /// Endpoints that a board may have open: indices from this one on are answered "bad endpoint". 256 at most.
    pub endpoint_max: u16,
    /// Entries of a board's peer table, 1024 at most.
    pub peer_max: u16,
    /// Random. Beacon serials and pull handles follow from it.
    pub seed: u64,
}

const PEERS: u16 = 1024;
/// Sets the seed of handles apart from that of everything else.
const HANDLES: u64 = 0x5851_f42d_4c95_7f2d;

/// All boards of a backend.
#[derive(Debug)]
pub struct Switch {
    pub(crate) settings: Settings,
    pub(crate) boards: Vec<Option<Board>>,
    /// Sorted by NIC id, which compares faster than an address.
    pub(crate) by_mac: Vec<(u64, BoardId)>,
    /// Which board is served next.
    pub(crate) order: Order,
    /// Boards that have something to do, or endpoints that are polled.
    pub(crate) ready: BoardSet,
    /// Boards with endpoints that are polled.
    pub(crate) polled: BoardSet,
    /// Boards whose counters or warnings may have changed.
    pub(crate) counted: BoardSet,
    /// When the timers of the others run out.
    pub(crate) deadlines: Deadlines,
    pub(crate) random: Random,
    /// What decides of the handles of pulls, and of nothing that anybody sees.
    handles: Random,
    /// Slots for pulls that boards may still get.
    pub(crate) free_pulls: u32,
}

impl Switch {
    /// No boards yet. Limits above what the protocol allows are cut.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Settings {
                endpoint_max: settings.endpoint_max.min(256),
                peer_max: settings.peer_max.clamp(2, PEERS),
                ..settings
            },
            boards: Vec::new(),
            by_mac: Vec::new(),
            order: Order::default(),
            ready: BoardSet::default(),
            polled: BoardSet::default(),
            counted: BoardSet::default(),
            deadlines: Deadlines::default(),
            random: Random::new(settings.seed),
            handles: Random::new(HANDLES ^ settings.seed.rotate_left(32)),
            free_pulls: u32::MAX,
        }
    }

    /// The board of that id; `None` when it was removed.
    pub fn board(&self, id: BoardId) -> Option<&Board> {
        self.boards.get(usize::from(id.0))?.as_ref()
    }

    /// The warnings of a board, for publishing those that have changed and for saying those that are new.
    pub fn warnings_mut(&mut self, id: BoardId) -> Option<&mut Warnings> {
        Some(&mut self.board_mut(id)?.warnings)
    }

    /// The counters of a board, for publishing those that have changed.
    pub fn counters_mut(&mut self, id: BoardId) -> Option<&mut Counters> {
        Some(&mut self.board_mut(id)?.counters)
    }

    pub(crate) fn board_mut(&mut self, id: BoardId) -> Option<&mut Board> {
        self.boards.get_mut(usize::from(id.0))?.as_mut()
    }

    /// The board with that address.
    pub fn by_mac(&self, mac: MacAddress) -> Option<BoardId> {
        let id = mac.nic_id();
        let place = self.by_mac.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.by_mac.get(place).map(|(_, id)| *id)
    }

    /// Opens an endpoint. `expected_entries` bounds the pulls that it may have running, so that the end of each can be
    /// told.
    pub fn open_endpoint(
        &mut self,
        key: EndpointKey,
        session: u32,
        expected_entries: u32,
    ) -> Result<(), EndpointError> {
        let max = self.settings.endpoint_max;
        let board = self.board_mut(key.board).ok_or(EndpointError::NoBoard)?;
        if u16::from(key.endpoint) >= max {
            return Err(EndpointError::BadIndex);
        }
        if board.endpoint(key.endpoint).is_some() {
            return Err(EndpointError::Busy);
        }
        board.departed.replaced(key.endpoint);
        let seed = self.handles.next();
        let board = self.board_mut(key.board).ok_or(EndpointError::NoBoard)?;
        board.set_endpoint(
            key.endpoint,
            Some(EndpointRecord::new(
                session,
                PullTable::new(expected_entries, seed),
            )),
        );
        self.note(key.board);
        Ok(())
    }

    /// Closes an endpoint: its pulls and replies are forgotten, nothing names its memory any more. What it has left for its
    /// partners is said in its place for a while.
    pub fn close_endpoint(&mut self, now: Instant, key: EndpointKey) -> Result<(), EndpointError> {
        let board = self.board_mut(key.board).ok_or(EndpointError::NoBoard)?;
        let endpoint = board
            .endpoint_mut(key.endpoint)
            .ok_or(EndpointError::NotOpen)?;
        let (session, words) = (endpoint.session, core::mem::take(&mut endpoint.words));
        let pulls = endpoint.pulls.allotted();
        board.departed.add(now, key.endpoint, session, words);
        board.set_endpoint(key.endpoint, None);
        self.give_pulls(key.board, pulls);
        self.note(key.board);
        Ok(())
    }

    /// A region goes away: pulls into it end as aborted. Replies out of it find it gone when their turn comes.
    pub fn deregister(&mut self, key: EndpointKey, region: RegionKey) {
        let Some(board) = self.board_mut(key.board) else {
            return;
        };
        if let Some(endpoint) = board.endpoint_mut(key.endpoint) {
            endpoint.pulls.abort_region(region);
        }
        board.touched(key.endpoint);
        self.note(key.board);
    }

    /// Carries out a process's command, the one at `index` of its queue.
    #[inline]
    pub fn command<P: Ports>(
        &mut self,
        now: Instant,
        key: EndpointKey,
        index: u32,
        command: &Command,
        ports: &mut P,
    ) -> Result<(), CommandError> {
        let endpoint = self
            .board(key.board)
            .and_then(|board| board.endpoint(key.endpoint))
            .ok_or(Blame::NotOpen)?;
        let session = endpoint.session;
        let to = command.to;
        match command.body {
            CommandBody::Pull(order) => {
                if order.length == 0 || order.offset.checked_add(order.length).is_none() {
                    return Err(Blame::BadPullLength.into());
                }
                self.start_pull(now, key, to, order)
            }
            CommandBody::AbortPull { cookie } => {
                self.abort_pull(key, cookie);
                Ok(())
            }
            CommandBody::Leave(farewell) => {
                self.leave(key, to, farewell);
                Ok(())
            }
            _ => {
                let format = self.settings.format;
                let send = |peer, packet: &Packet, payload: Source<'_>| {
                    self.send(now, key.board, peer, packet, payload, ports)
                };
                outgoing::packet(&format, key, session, index, command, send)
            }
        }
    }

    /// Keeps a word of an endpoint until it is closed. Without room for it, it is as if it had not been left.
    fn leave(&mut self, key: EndpointKey, to: Destination, farewell: Farewell) {
        let Some(board) = self.board_mut(key.board) else {
            return;
        };
        let Some(mac) = board.peers.get(to.peer).map(Peer::mac) else {
            return;
        };
        if let Some(endpoint) = board.endpoint_mut(key.endpoint)
            && endpoint.words.len() < WORDS_MAX
        {
            endpoint.words.push(Word { to, mac, farewell });
        }
    }

    fn abort_pull(&mut self, key: EndpointKey, cookie: u32) {
        let Some(board) = self.board_mut(key.board) else {
            return;
        };
        if let Some(endpoint) = board.endpoint_mut(key.endpoint) {
            endpoint.pulls.abort_cookie(cookie);
        }
        board.touched(key.endpoint);
        self.note(key.board);
    }

    /// The board of this backend that is a peer of one, and listens.
    pub(crate) fn local_board(&self, of: BoardId, peer: u16) -> Option<BoardId> {
        let id = self.board(of)?.peers.get(peer)?.local?;
        self.board(id).filter(|board| !board.muted).map(|_| id)
    }

    /// Starts a pull, from memory to memory if the peer is a board of this backend that listens. A peer that does not
    /// exist will never answer: the pull ends as after its time.
    fn start_pull(
        &mut self,
        now: Instant,
        key: EndpointKey,
        to: Destination,
        order: PullOrder,
    ) -> Result<(), CommandError> {
        let format = self.settings.format;
        if !self.allot_pull(key) {
            return Err(CommandError::PullsFull);
        }
        let Some(board) = self.board(key.board) else {
            return Ok(());
        };
        let wait = board.peers.get(to.peer).map(|peer| peer.round_trip.wait());
        let local = self.local_board(key.board, to.peer);
        let Some(board) = self.board_mut(key.board) else {
            return Ok(());
        };
        let Some(endpoint) = board.endpoint_mut(key.endpoint) else {
            return Ok(());
        };
        let cookie = order.cookie;
        let started = match (local, wait) {
            (Some(owner), _) => endpoint.pulls.start_local(
                to,
                order,
                EndpointKey {
                    board: owner,
                    endpoint: to.endpoint,
                },
            ),
            (None, Some(wait)) => endpoint.pulls.start_wire(now, wait, &format, to, order),
            (None, None) => endpoint.pulls.start_ended(cookie, PullStatus::TimedOut),
        };
        started.ok_or(CommandError::PullsFull)?;
        if local.is_some() {
            board.count(Counter::SharedPull);
        }
        board.touched(key.endpoint);
        self.note(key.board);
        Ok(())
    }

    /// Brings a packet to a peer, and whatever the peer's board answers at once back again if it is one of this
    /// backend.
    #[inline]
    pub(crate) fn send<P: Ports>(
        &mut self,
        now: Instant,
        from: BoardId,
        peer: u16,
        packet: &Packet,
        payload: Source<'_>,
        ports: &mut P,
    ) -> Result<(), Full> {
        let format = self.settings.format;
        let Some(board) = self.board_mut(from) else {
            return Ok(());
        };
        let Some(known) = board.peers.get_mut(peer) else {
            board.count(Counter::DropBadPeerIndex);
            record!(
                debug,
                "{}: not sent, there is no peer {peer}: {packet}",
                board.name
            );
            return Ok(());
        };
        if outgoing::is_unasked(packet) {
            known.used(now);
        }
        let (mac, reverse, local) = (known.mac(), known.reverse, known.local);
        if let Some(to) = local {
            if let Some(answer) = self.hand_over(now, from, to, reverse, packet, payload, ports) {
                self.answer_here(now, to, &answer, ports);
            }
            return Ok(());
        }
        // What every receiver would drop is not sent; the checks of the command have left nothing of that kind.
        let built = packet.header(&format, mac, board.mac, reverse, payload.length());
        let Ok(header) = &built else {
            return Ok(());
        };
        let taken = ports.transmit(header, payload);
        board.count(match taken {
            Ok(Taken::Sent) => counters::sent(packet),
            Ok(Taken::Lost) | Err(Full) => Counter::SendSkbuffAllocFailed,
        });
        match taken {
            Ok(Taken::Sent) => record!(trace, "{}: sent: {packet} to {mac}", board.name),
            Ok(Taken::Lost) => record!(
                debug,
                "{}: lost on the way out: {packet} to {mac}",
                board.name
            ),
            Err(Full) => record!(debug, "{}: no room to send: {packet} to {mac}", board.name),
        }
        taken.map(|_| ())
    }

    /// Delivers a packet to a board of this backend.
    #[expect(
        clippy::too_many_arguments,
        reason = "both ends of a delivery, and what is delivered"
    )]
    fn hand_over<P: Ports>(
        &mut self,
        now: Instant,
        from: BoardId,
        to: BoardId,
        sender_index: Option<u16>,
        packet: &Packet,
        payload: Source<'_>,
        ports: &mut P,
    ) -> Option<Answer> {
        let Settings {
            format,
            endpoint_max,
            ..
        } = self.settings;
        let board = self.board_mut(from)?;
        let source = board.mac;
        if let Some(counter) = counters::shared(packet) {
            board.count(counter);
        }
        let incoming = Incoming {
            source,
            sender_index,
            packet,
            payload,
            local: true,
        };
        let target = self.board_mut(to).filter(|board| !board.muted)?;
        let (mac, length) = (target.mac, payload.length());
        ports.look(
            || packet.header(&format, mac, source, sender_index, length),
            payload,
        );
        let answer = target.receive(now, &format, endpoint_max, &incoming, ports);
        if target.stirred {
            self.note(to);
        }
        self.counted.insert(to.0);
        answer
    }

    /// Brings an answer of board `from` to a peer of this backend. Answers are not answered.
    fn answer_here<P: Ports>(
        &mut self,
        now: Instant,
        from: BoardId,
        answer: &Answer,
        ports: &mut P,
    ) {
        let peer = self
            .board(from)
            .and_then(|board| board.peers.get(answer.peer));
        if let Some((Some(to), reverse)) = peer.map(|peer| (peer.local, peer.reverse)) {
            self.hand_over(now, from, to, reverse, &answer.packet, Source::NONE, ports);
        }
    }

    /// Takes a frame from the wire. Beacons are for all boards, everything else is for the board of its destination.
    pub fn frame<P: Ports>(&mut self, now: Instant, bytes: &[u8], ports: &mut P) {
        let parsed = Frame::parse(&self.settings.format, bytes);
        let frame = match &parsed {
            Ok(frame) => frame,
            Err(error) => return self.unreadable(now, bytes, error),
        };
        if bytes.len() > usize::from(self.settings.format.mtu()) {
            self.warn_of_format(now, bytes);
        }
        if incoming::makes_known(&frame.packet)
            && let Some(owner) = self.by_mac(frame.source)
        {
            self.own_address(now, owner, frame);
            if frame.packet == Packet::Raw {
                return;
            }
        }
        let incoming = Incoming {
            source: frame.source,
            sender_index: frame.sender_index,
            packet: &frame.packet,
            payload: Source::Bytes(frame.payload),
            local: false,
        };
        if frame.packet == Packet::Raw {
            self.pass_raw(frame.destination, None, bytes, ports);
        }
        if let Some(to) = self.by_mac(frame.destination) {
            self.receive(now, to, &incoming, ports);
        } else if frame.destination.is_group() {
            for place in 0..self.boards.len() {
                self.receive(now, BoardId(place as u16), &incoming, ports);
            }
        }
    }

    pub(crate) fn receive<P: Ports>(
        &mut self,
        now: Instant,
        to: BoardId,
        incoming: &Incoming<'_>,
        ports: &mut P,
    ) {
        let Settings {
            format,
            endpoint_max,
            ..
        } = self.settings;
        let Some(board) = self.board_mut(to).filter(|board| !board.muted) else {
            return;
        };
        let answer = board.receive(now, &format, endpoint_max, incoming, ports);
        let name = board.name;
        if board.stirred {
            self.note(to);
        }
        self.counted.insert(to.0);
        let Some(answer) = answer else {
            return;
        };
        let payload = match answer.packet {
            Packet::HostReply(_) => Source::Bytes(name.as_bytes()),
            _ => Source::NONE,
        };
        // Whoever waits for an answer that does not get out asks again.
        let _lost = self.send(now, to, answer.peer, &answer.packet, payload, ports);
    }

    /// Sends a board's beacon to the wire and to the other boards here.
    pub(crate) fn beacon<P: Ports>(
        &mut self,
        now: Instant,
        id: BoardId,
        ports: &mut P,
    ) -> Result<(), Full> {
        let format = self.settings.format;
        let Some(board) = self.board_mut(id) else {
            return Ok(());
        };
        let source = board.mac;
        let bytes = Beacon {
            board: source,
            serial: board.discovery.serial(),
        }
        .payload();
        let payload = Source::Bytes(&bytes);
        let header = Packet::Raw.header(
            &format,
            MacAddress::BROADCAST,
            source,
            Some(0),
            payload.length(),
        );
        let mut whole = Vec::new();
        if let Ok(header) = &header {
            board.count(match ports.transmit(header, payload)? {
                Taken::Sent => Counter::SendRaw,
                Taken::Lost => Counter::SendSkbuffAllocFailed,
            });
            whole.extend_from_slice(header.as_bytes());
            whole.extend_from_slice(&bytes);
        }
        board.discovery.beacon_sent(now);
        self.pass_raw(MacAddress::BROADCAST, Some(id), &whole, ports);
        let incoming = Incoming {
            source,
            sender_index: Some(0),
            packet: &Packet::Raw,
            payload,
            local: true,
        };
        for place in 0..self.boards.len() {
            let other = BoardId(place as u16);
            if other != id {
                self.receive(now, other, &incoming, ports);
            }
        }
        Ok(())
    }

    pub(crate) fn boards_mut(&mut self) -> impl Iterator<Item = &mut Board> {
        self.boards.iter_mut().flatten()
    }

    /// The work or the timers of a board may have changed.
    pub(crate) fn note(&mut self, id: BoardId) {
        let place = usize::from(id.0);
        let board = self.boards.get_mut(place).and_then(Option::as_mut);
        let (mut ready, mut polled, mut deadline) = (false, false, None);
        if let Some(board) = board {
            board.stirred = false;
            ready = board.is_ready();
            polled = !board.polled.is_empty();
            // One that is due is ready: it needs no timer.
            deadline = board.deadline().filter(|_| !board.due);
        }
        self.ready.set(id.0, ready);
        self.polled.set(id.0, polled);
        self.deadlines.set(place, deadline);
    }

    /// Whether [`Self::next_counted`] names any.
    #[inline]
    pub const fn has_counted(&self) -> bool {
        !self.counted.is_empty()
    }

    /// One of the boards whose counters or warnings may have changed since it was named here.
    pub fn next_counted(&mut self) -> Option<BoardId> {
        self.counted.pop().map(BoardId)
    }

    /// When [`Self::work`] is to be called again, at the latest, if nothing else happens.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadlines.earliest()
    }
}
