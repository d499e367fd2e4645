//! What travels through an endpoint's queues, as private values: [`Command`] from the library to the board, [`Event`]
//! back. [`crate::Entry`] is how they lie in memory.

/// A registered region of an endpoint. The generation tells apart the successive uses of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct RegionKey {
    /// Slot in the endpoint's region table.
    pub slot: u16,
    /// Use of the slot.
    pub generation: u16,
}

/// How much of a message a window reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reach {
    /// All of it, from the window's offset in its region on.
    #[default]
    Whole,
    /// A piece: the region starts with the byte of the message that the window's offset names, and holds what follows,
    /// as far as it is long enough. The region may go at any time.
    Piece,
    /// Nothing now. Whoever wants a byte asks the process for it ([`Event::Wanted`]), as beyond a piece.
    Nothing,
}

/// What makes a region visible to the network: an entry of the window page, valid from RNDV until NOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The region that holds the message, or a piece of it.
    pub region: RegionKey,
    /// The use of this window, as the RNDV named it.
    pub seqnum: u8,
    /// How much of the message is there.
    pub reach: Reach,
    /// Where the message starts in the region; of a piece, where the region starts in the message. In bytes.
    pub offset: u32,
    /// Length of the message in bytes.
    pub length: u32,
}

/// Where a command goes. The board stamps what says who sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Index of the peer in the board's peer table.
    pub peer: u16,
    /// Endpoint of that peer.
    pub endpoint: u8,
    /// Session of that endpoint.
    pub session: u32,
}

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Index of the peer in the board's peer table.
    pub peer: u16,
    /// Endpoint of that peer.
    pub endpoint: u8,
    /// Whether that peer is a board of the same home.
    pub local: bool,
}

/// From the library to its board.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Up to 32 bytes, carried in the command.
    Tiny {
        /// Where to.
        to: Destination,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of `data` that count.
        length: u8,
        /// The payload.
        data: [u8; 32],
    },
    /// Up to 128 bytes, in the command-data slot of the same index.
    Small {
        /// Where to.
        to: Destination,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Payload bytes.
        length: u8,
    },
    /// One fragment of a medium message, in the transmit area.
    Medium {
        /// Where to.
        to: Destination,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of the whole message.
        total: u32,
        /// Fragment number.
        fragment: u8,
        /// Payload bytes of this fragment.
        length: u16,
        /// Where they start in the transmit area.
        offset: u32,
    },
    /// A large message is ready in a window.
    Rendezvous {
        /// Where to.
        to: Destination,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of the message.
        total: u32,
        /// Window id.
        window: u8,
        /// Use of the window.
        window_seqnum: u8,
    },
    /// A large message was pulled.
    Notify {
        /// Where to.
        to: Destination,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Bytes transferred.
        transferred: u32,
        /// Window of the RNDV.
        window: u8,
        /// Window seqnum of the RNDV.
        window_seqnum: u8,
    },
    /// Connect to an endpoint. The board stamps the own session.
    ConnectRequest {
        /// Peer index.
        peer: u16,
        /// Endpoint of the peer.
        endpoint: u8,
        /// Application key.
        key: u32,
        /// Sequence number expected next.
        next_expected: u16,
        /// Counts the connects.
        connect_seqnum: u8,
    },
    /// Answer a connect. The board stamps the own session.
    ConnectReply {
        /// Peer index.
        peer: u16,
        /// Endpoint of the peer.
        endpoint: u8,
        /// The requester's session, echoed.
        requester_session: u32,
        /// Sequence number expected next.
        next_expected: u16,
        /// The request's, echoed.
        connect_seqnum: u8,
        /// 0, or 11 for a wrong key.
        status: u8,
    },
    /// An explicit acknowledgement.
    Ack {
        /// Where to.
        to: Destination,
        /// Next sequence number expected.
        ack: u16,
        /// Counts the explicit acks.
        ack_number: u32,
    },
    /// Pull a peer's window into a region of this endpoint.
    Pull {
        /// The window's owner.
        to: Destination,
        /// Own region that receives.
        region: RegionKey,
        /// Where in that region, in bytes.
        offset: u32,
        /// Bytes to pull, at least 1.
        length: u32,
        /// The peer's window.
        window: u8,
        /// Its use.
        window_seqnum: u8,
        /// Where the message starts in the peer's window.
        window_offset: u32,
        /// Returned by [`Event::PullDone`].
        cookie: u32,
    },
    /// End a running pull: it is answered by a `PullDone` with status aborted.
    AbortPull {
        /// As given to [`Command::Pull`].
        cookie: u32,
    },
    /// The last words before the endpoint is closed, which the board repeats for a while to a partner that did not hear
    /// them. One for each notice of a partner, or one without.
    Leave {
        /// The partner.
        to: Destination,
        /// What it is to be told.
        farewell: Farewell,
    },
}

/// What a partner is told that repeats what an endpoint had received before it was closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Farewell {
    /// Everything before this number was received.
    pub ack: u16,
    /// Number of the last explicit acknowledgement.
    pub ack_number: u32,
    /// A large message of the partner that was pulled, if it has not acknowledged to know that.
    pub notice: Option<Pulled>,
}

/// That a large message was pulled, as in [`Command::Notify`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Sequence number of the notify.
    pub seq: u16,
    /// Bytes transferred.
    pub transferred: u32,
    /// Window of the RNDV.
    pub window: u8,
    /// Its use.
    pub window_seqnum: u8,
}

/// From the board to the library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Up to 32 bytes, carried in the event.
    Tiny {
        /// Where from.
        from: Origin,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of `data` that count.
        length: u8,
        /// The payload.
        data: [u8; 32],
    },
    /// Up to 128 bytes, in the receive ring.
    Small {
        /// Where from.
        from: Origin,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Payload bytes.
        length: u8,
        /// Where they start in the receive ring (free-running byte position).
        position: u32,
    },
    /// One fragment of a medium message, in the receive ring.
    Medium {
        /// Where from.
        from: Origin,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of the whole message.
        total: u32,
        /// Fragment number.
        fragment: u8,
        /// Payload bytes.
        length: u16,
        /// Where they start in the receive ring (free-running byte position).
        position: u32,
    },
    /// A peer has a large message.
    Rendezvous {
        /// Where from.
        from: Origin,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Match info.
        match_info: u64,
        /// Bytes of the message.
        total: u32,
        /// The peer's window.
        window: u8,
        /// Its use.
        window_seqnum: u8,
        /// Where the message starts in it.
        window_offset: u16,
    },
    /// A peer pulled a large message of ours.
    Notify {
        /// Where from.
        from: Origin,
        /// Sequence number.
        seq: u16,
        /// Piggybacked acknowledgement.
        ack: u16,
        /// Bytes transferred.
        transferred: u32,
        /// Window of the RNDV.
        window: u8,
        /// Window seqnum of the RNDV.
        window_seqnum: u8,
    },
    /// A peer connects.
    ConnectRequest {
        /// Where from.
        from: Origin,
        /// The requester's session.
        session: u32,
        /// Application key.
        key: u32,
        /// Sequence number the peer expects next.
        next_expected: u16,
        /// Counts the connects.
        connect_seqnum: u8,
    },
    /// A peer answers a connect.
    ConnectReply {
        /// Where from.
        from: Origin,
        /// The requester's session, echoed: to be compared with the own.
        requester_session: u32,
        /// The responder's session.
        session: u32,
        /// Sequence number the peer expects next.
        next_expected: u16,
        /// The request's, echoed.
        connect_seqnum: u8,
        /// 0, or 11 for a wrong key.
        status: u8,
    },
    /// An explicit acknowledgement.
    Ack {
        /// Where from.
        from: Origin,
        /// Next sequence number expected.
        ack: u16,
        /// Counts the explicit acks.
        ack_number: u32,
    },
    /// A packet of ours was refused.
    Nack {
        /// Where from.
        from: Origin,
        /// Sequence number of that packet; 0 for a connect.
        seq: u16,
        /// 1 bad endpoint, 2 closed, 3 bad session.
        code: u8,
    },
    /// Somebody pulls bytes of a large message that its window does not reach ([`Reach`]). Told once for each place of
    /// the window; the pull goes on when the window reaches them.
    Wanted {
        /// Window id.
        window: u8,
        /// Its use.
        window_seqnum: u8,
        /// The first byte that is wanted, within the message as the window alleges it.
        offset: u32,
    },
    /// A pull has ended. The only event of the expected queue.
    PullDone {
        /// As given to [`Command::Pull`].
        cookie: u32,
        /// 0 ok, 1 bad endpoint, 2 closed, 3 bad session, 4 bad window, 5 aborted, 6 timeout.
        status: u8,
        /// Bytes that arrived.
        transferred: u32,
    },
}
