//! The pages that describe a board to its processes (class R): one page for the board, eight for its first 256 peers.

use mx_wire::MacAddress;

use crate::layout::PAGE_SIZE;
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::seqlock;
use crate::sync::Ordering;
use crate::warning::{Notice, Notices, WARNINGS, Warning};

/// Pages of a board's description: the board, then the peers.
pub const PAGES: usize = 1 + PEERS * PEER_SIZE / PAGE_SIZE;
/// Peers of the table.
pub const PEERS: usize = 256;
const PEER_SIZE: usize = 128;
/// Counters of a board: [`Counter`](crate::Counter) names them.
pub const COUNTERS: usize = crate::Counter::ALL.len();
/// Bytes of a host name, its NUL included.
pub const HOSTNAME_MAX: usize = mx_wire::HOST_NAME_MAX;

const MAGIC: u32 = 0x6f6d_7862;

/// A board as its processes see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BoardDescription {
    /// Which driver domain wrote this: it changes with each takeover.
    pub generation: u32,
    /// Whether the wire speaks MX's layout.
    pub mx_wire: bool,
    /// The MTU constant in bytes.
    pub mtu: u16,
    /// M: payload bytes of a medium fragment.
    pub medium_fragment: u16,
    /// Whether the card has a link.
    pub link_up: bool,
    /// Whether peer discovery runs.
    pub peers_configured: bool,
    /// Whether a peer could not be added for want of room.
    pub peers_full: bool,
    /// Whether somebody has declared the peer table complete, besides discovery.
    pub peers_marked: bool,
    /// Endpoints that may be opened.
    pub endpoint_max: u16,
    /// Queue entries of an endpoint whose program does not ask for another number.
    pub queue_entries: u16,
    /// Entries of the peer table in use.
    pub peer_count: u16,
    /// The board's address.
    pub mac: MacAddress,
    /// Host name with its board number, NUL-padded.
    pub hostname: [u8; HOSTNAME_MAX],
    /// Name of the interface, NUL-padded.
    pub interface: [u8; 16],
    /// Name of the card's driver, NUL-padded.
    pub driver: [u8; 16],
    /// Payload bytes of a frame that the interface takes, where that is known to be too few; else 0.
    pub interface_mtu: u32,
    /// What its users are warned of.
    pub notices: Notices,
}

/// A peer as the processes of a board see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerDescription {
    /// The Ethernet address of the peer.
    pub mac: MacAddress,
    /// Whether it is a board of the same backend.
    pub local: bool,
    /// Its name, NUL-padded; empty when not yet known.
    pub hostname: [u8; HOSTNAME_MAX],
    /// Its own index for this board, once known: for a successor (interfaces §7).
    pub reverse: Option<u16>,
    /// Whether an administrator has named it: the same.
    pub fixed: bool,
}

/// Layout of the board's page.
mod at {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 4;
    pub const LOCK: usize = 8;
    pub const BODY: usize = 64;
    pub const BODY_SIZE: usize = 256;
    /// The first notice, from the start of the body.
    pub const NOTICES: usize = 140;
    pub const NOTICE_SIZE: usize = 12;
    pub const COUNTERS: usize = 1024;
}
/// Layout of a peer's 128 bytes: a lock word, then the body.
const PEER_BODY: usize = 8;
const PEER_BODY_SIZE: usize = 96;

/// Both sides of the board pages: the backend writes, processes read.
#[derive(Clone, Copy, Debug)]
pub struct BoardPages {
    slice: VolatileSlice,
}

impl BoardPages {
    /// Takes the mapped pages.
    pub fn new(slice: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            slice: slice.line_part(0, PAGES * PAGE_SIZE)?,
        })
    }

    /// Writes magic and version; done once, before any process maps the pages.
    pub fn format(&self) {
        self.slice
            .word(at::VERSION)
            .store(crate::ABI_VERSION, Ordering::Relaxed);
        self.slice.word(at::MAGIC).store(MAGIC, Ordering::Release);
    }

    /// The version that the backend wrote; `None` when it has written nothing yet.
    pub fn version(&self) -> Option<u32> {
        (self.slice.word(at::MAGIC).load(Ordering::Acquire) == MAGIC)
            .then(|| self.slice.word(at::VERSION).load(Ordering::Relaxed))
    }

    /// Writes the description.
    pub fn set_board(&self, d: &BoardDescription) {
        let mut body = [0; at::BODY_SIZE];
        let flags = u32::from(d.mx_wire)
            | u32::from(d.link_up) << 1
            | u32::from(d.peers_configured) << 2
            | u32::from(d.peers_full) << 3
            | u32::from(d.peers_marked) << 4;
        body[0..4].copy_from_slice(&d.generation.to_le_bytes());
        body[4..8].copy_from_slice(&flags.to_le_bytes());
        body[8..10].copy_from_slice(&d.mtu.to_le_bytes());
        body[10..12].copy_from_slice(&d.medium_fragment.to_le_bytes());
        body[12..14].copy_from_slice(&d.endpoint_max.to_le_bytes());
        body[14..16].copy_from_slice(&d.peer_count.to_le_bytes());
        body[16..22].copy_from_slice(&d.mac.0);
        body[22..24].copy_from_slice(&d.queue_entries.to_le_bytes());
        body[24..104].copy_from_slice(&d.hostname);
        body[104..120].copy_from_slice(&d.interface);
        body[120..136].copy_from_slice(&d.driver);
        body[136..140].copy_from_slice(&d.interface_mtu.to_le_bytes());
        for warning in Warning::ALL {
            let notice = d.notices.get(warning);
            let place = notice_offset(warning);
            body[place..place + 4].copy_from_slice(&notice.times.to_le_bytes());
            body[place + 4..place + 10].copy_from_slice(&notice.about.0);
        }
        seqlock::write(&self.slice, at::LOCK, at::BODY, &body);
    }

    /// Reads the description.
    pub fn board(&self) -> Option<BoardDescription> {
        let mut body = [0; at::BODY_SIZE];
        seqlock::read(&self.slice, at::LOCK, at::BODY, &mut body)?;
        let u16_at = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
        let u32_at =
            |at: usize| u32::from_le_bytes([body[at], body[at + 1], body[at + 2], body[at + 3]]);
        let flags = u32_at(4);
        let mut d = BoardDescription {
            generation: u32_at(0),
            mx_wire: flags & 1 != 0,
            link_up: flags & 2 != 0,
            peers_configured: flags & 4 != 0,
            peers_full: flags & 8 != 0,
            peers_marked: flags & 16 != 0,
            mtu: u16_at(8),
            medium_fragment: u16_at(10),
            endpoint_max: u16_at(12),
            peer_count: u16_at(14),
            queue_entries: u16_at(22),
            mac: MacAddress::default(),
            hostname: [0; HOSTNAME_MAX],
            interface: [0; 16],
            driver: [0; 16],
            interface_mtu: u32_at(136),
            notices: Notices::default(),
        };
        for warning in Warning::ALL {
            let place = notice_offset(warning);
            let mut notice = Notice {
                times: u32_at(place),
                ..Notice::default()
            };
            notice.about.0.copy_from_slice(&body[place + 4..place + 10]);
            d.notices.set(warning, notice);
        }
        d.mac.0.copy_from_slice(&body[16..22]);
        d.hostname.copy_from_slice(&body[24..104]);
        d.interface.copy_from_slice(&body[104..120]);
        d.driver.copy_from_slice(&body[120..136]);
        Some(d)
    }

    /// Which backend serves the board: another number than before, once another one does. Whoever sees it change finds all
    /// events of the one before in the queues. 0 before any backend.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.slice.word(at::BODY).load(Ordering::Acquire)
    }

    /// Writes a peer; indices beyond the table are ignored.
    pub fn set_peer(&self, index: u16, peer: &PeerDescription) {
        let Some(at) = peer_offset(index) else { return };
        let mut body = [0; PEER_BODY_SIZE];
        body[0..6].copy_from_slice(&peer.mac.0);
        body[6] = 1
            | u8::from(peer.local) << 1
            | u8::from(peer.reverse.is_some()) << 2
            | u8::from(peer.fixed) << 3;
        body[8..88].copy_from_slice(&peer.hostname);
        body[88..90].copy_from_slice(&peer.reverse.unwrap_or_default().to_le_bytes());
        seqlock::write(&self.slice, at, at + PEER_BODY, &body);
    }

    /// There is no peer of this index any more; indices beyond the table are ignored.
    pub fn clear_peer(&self, index: u16) {
        if let Some(at) = peer_offset(index) {
            seqlock::write(&self.slice, at, at + PEER_BODY, &[0; PEER_BODY_SIZE]);
        }
    }

    /// Reads a peer; `None` when there is none of that index.
    pub fn peer(&self, index: u16) -> Option<PeerDescription> {
        let at = peer_offset(index)?;
        let mut body = [0; PEER_BODY_SIZE];
        seqlock::read(&self.slice, at, at + PEER_BODY, &mut body)?;
        Self::described(&body)
    }

    /// Reads a peer that a backend which is gone has left, maybe half written.
    pub fn peer_left(&self, index: u16) -> Option<PeerDescription> {
        let mut body = [0; PEER_BODY_SIZE];
        let at = peer_offset(index)? + PEER_BODY;
        self.slice.read(at, &mut body).ok()?;
        Self::described(&body)
    }

    fn described(body: &[u8; PEER_BODY_SIZE]) -> Option<PeerDescription> {
        if body[6] & 1 == 0 {
            return None;
        }
        let mut peer = PeerDescription {
            mac: MacAddress::default(),
            local: body[6] & 2 != 0,
            hostname: [0; HOSTNAME_MAX],
            reverse: (body[6] & 4 != 0).then(|| u16::from_le_bytes([body[88], body[89]])),
            fixed: body[6] & 8 != 0,
        };
        peer.mac.0.copy_from_slice(&body[0..6]);
        peer.hostname.copy_from_slice(&body[8..88]);
        Some(peer)
    }

    /// Writes a counter.
    pub fn set_counter(&self, index: usize, value: u32) {
        if index < COUNTERS {
            self.slice
                .word(at::COUNTERS + index * 4)
                .store(value, Ordering::Relaxed);
        }
    }

    /// Reads a counter; 0 beyond the last.
    pub fn counter(&self, index: usize) -> u32 {
        if index < COUNTERS {
            self.slice
                .word(at::COUNTERS + index * 4)
                .load(Ordering::Relaxed)
        } else {
            0
        }
    }
}

const fn notice_offset(warning: Warning) -> usize {
    at::NOTICES + warning as usize * at::NOTICE_SIZE
}

const _: () = assert!(at::NOTICES + WARNINGS * at::NOTICE_SIZE <= at::BODY_SIZE);
const _: () = assert!(at::BODY + at::BODY_SIZE <= at::COUNTERS);

fn peer_offset(index: u16) -> Option<usize> {
    (usize::from(index) < PEERS).then_some(PAGE_SIZE + usize::from(index) * PEER_SIZE)
}
