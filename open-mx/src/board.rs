//! A board as its backend describes it: name, address, peers, counters.

use mx_ring::admin::Change;
use mx_ring::board_page::{BoardDescription, BoardPages, PeerDescription};
use mx_ring::mapping::Mapping;
use mx_ring::uapi::{CallReply, CallRequest, RAW_ENDPOINT};
use mx_ring::warning::Warning;
use mx_wire::MacAddress;
use rustix::io::Errno;

use crate::backend::{Backend, Channel};
use crate::error::Error;

/// A view of a board. Every call reads the present state.
pub struct Board {
    pages: BoardPages,
    _mapping: Mapping,
}

impl Board {
    pub(crate) fn new(mapping: Mapping) -> Result<Self, Error> {
        let pages = BoardPages::new(mapping.slice()).map_err(|_| Error::Confused)?;
        match pages.version() {
            Some(mx_ring::ABI_VERSION) => Ok(Self {
                pages,
                _mapping: mapping,
            }),
            Some(backend) => Err(Error::Version { backend }),
            None => Err(Error::Confused),
        }
    }

    /// Looks at a board without opening an endpoint.
    pub fn attach(backend: &Backend, board: u32) -> Result<Self, Error> {
        let greeted = backend.channel()?;
        if board >= greeted.boards {
            return Err(Error::NoBoard(board));
        }
        match greeted.channel.attach(board) {
            Ok(mapping) => Self::new(mapping),
            Err(error) => Err(no_board(error.into(), board)),
        }
    }

    /// The boards of a backend with their numbers.
    pub fn all(backend: &Backend) -> Result<Vec<(u32, Self)>, Error> {
        let count = backend.channel()?.boards;
        let mut boards = Vec::new();
        for number in 0..count {
            match Self::attach(backend, number) {
                Ok(board) => boards.push((number, board)),
                Err(Error::NoBoard(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(boards)
    }

    /// The board of this number, or all of them.
    pub fn chosen(backend: &Backend, number: Option<u32>) -> Result<Vec<(u32, Self)>, Error> {
        match number {
            Some(number) => Ok(vec![(number, Self::attach(backend, number)?)]),
            None => Self::all(backend),
        }
    }

    /// Number of the board with this address.
    pub fn number_of(backend: &Backend, nic_id: u64) -> Result<u32, Error> {
        let mac = MacAddress::from_nic_id(nic_id);
        for (number, board) in Self::all(backend)? {
            if board.description()?.mac == mac {
                return Ok(number);
            }
        }
        Err(Error::NoBoardAt(mac))
    }

    /// Who has opened each endpoint of a board, by their indices.
    pub fn openers(backend: &Backend, board: u32) -> Result<Vec<Option<Opener>>, Error> {
        let count = Self::attach(backend, board)?.description()?.endpoint_max;
        let channel = backend.channel()?.channel;
        (0..u32::from(count))
            .map(|endpoint| opener(&*channel, board, endpoint))
            .collect()
    }

    /// Who has opened the raw endpoint of a board.
    pub fn raw_opener(backend: &Backend, board: u32) -> Result<Option<Opener>, Error> {
        opener(&*backend.channel()?.channel, board, RAW_ENDPOINT)
    }

    /// Changes a board; only an administrator may.
    pub fn change(backend: &Backend, board: u32, change: &Change) -> Result<(), Error> {
        let change = CallRequest::Change {
            board,
            change: *change,
        };
        match backend.channel()?.channel.call(&change, None) {
            Ok(_) => Ok(()),
            Err(error) => Err(match no_board(error.into(), board) {
                Error::Refused(Errno::PERM | Errno::ACCESS) => Error::NotAdministrator,
                Error::Refused(Errno::OPNOTSUPP) => Error::NotChangedHere,
                Error::Refused(Errno::INVAL) => Error::BadChange,
                Error::Refused(Errno::NOSPC) => Error::PeersFull,
                other => other,
            }),
        }
    }

    /// What the backend says of it: address, name, frame sizes, link.
    pub fn description(&self) -> Result<BoardDescription, Error> {
        self.pages.board().ok_or(Error::Confused)
    }

    /// Which backend serves it: another number than before, once another one does.
    #[inline]
    pub fn generation(&self) -> u32 {
        self.pages.generation()
    }

    /// The peer of an index.
    pub fn peer(&self, index: u16) -> Option<PeerDescription> {
        self.pages.peer(index)
    }

    /// The peers with their indices.
    pub fn peers(&self) -> impl Iterator<Item = (u16, PeerDescription)> + '_ {
        let count = self.pages.board().map_or(0, |board| board.peer_count);
        (0..count).filter_map(|index| Some((index, self.pages.peer(index)?)))
    }

    /// Index of the peer with this address.
    pub fn peer_by_nic_id(&self, nic_id: u64) -> Result<u16, Error> {
        self.peers()
            .find(|(_, peer)| peer.mac.nic_id() == nic_id)
            .map(|(index, _)| index)
            .ok_or(Error::NoPeer(nic_id))
    }

    /// Address of the peer with this name. A name that two machines have leads to neither: not to the wrong one, and not
    /// to this board itself when another has its name.
    pub fn nic_id_by_hostname(&self, name: &str) -> Result<u64, Error> {
        let named = self.peers().map(|(_, peer)| peer);
        let mut named = named.filter(|peer| text(&peer.hostname) == name);
        let first = named
            .next()
            .ok_or_else(|| Error::NoPeerName(name.to_owned()))?;
        let description = self.description()?;
        let namesake = description.notices.get(Warning::OwnName);
        let other = if first.mac == description.mac {
            (namesake.times > 0).then_some(namesake.about)
        } else {
            named.find(|peer| !peer.local).map(|peer| peer.mac)
        };
        match other {
            Some(other) if !first.local || first.mac == description.mac => {
                let both = [first.mac, other].map(MacAddress::nic_id);
                Err(Error::NameTwice(name.to_owned(), both))
            }
            _ => Ok(first.mac.nic_id()),
        }
    }

    /// How often something has happened on it since it was made; it wraps.
    pub fn counter(&self, index: usize) -> u32 {
        self.pages.counter(index)
    }
}

/// The process that has opened an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opener {
    /// Process id of who opened it.
    pub pid: u32,
    /// Its command's name, the first 15 bytes.
    pub command: String,
    /// Queue entries of its endpoint; a raw one has none.
    pub queue_entries: u32,
}

/// Asks for it by an open channel.
pub(crate) fn opener(
    channel: &dyn Channel,
    board: u32,
    endpoint: u32,
) -> Result<Option<Opener>, Error> {
    match channel.call(&CallRequest::EndpointInfo { board, endpoint }, None) {
        Ok(CallReply::EndpointInfo {
            open,
            pid,
            command,
            queue_entries,
        }) => Ok(open.then(|| Opener {
            pid,
            command: text(&command),
            queue_entries,
        })),
        Ok(_) => Err(Error::Confused),
        Err(error) => Err(no_board(error.into(), board)),
    }
}

/// A call that failed because there is no such board says so by ENODEV or ENXIO.
pub(crate) fn no_board(error: Error, board: u32) -> Error {
    match error {
        Error::Refused(Errno::NODEV | Errno::NXIO) => Error::NoBoard(board),
        other => other,
    }
}

/// Text of a NUL-padded name, as it may be shown: of an interface or a process, which anybody on this machine may have
/// named, what could steer a terminal becomes `?`. (Names of boards are clean since they entered their backend.)
pub fn text(padded: &[u8]) -> String {
    let end = padded.iter().position(|byte| *byte == 0);
    let text = String::from_utf8_lossy(&padded[..end.unwrap_or(padded.len())]);
    let is_shown = |it: char| it == ' ' || it.is_ascii_graphic() || it.is_alphanumeric();
    text.chars()
        .map(|it| if is_shown(it) { it } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_steers_a_terminal() {
        let named = "a b\u{1b}[2J\u{9b}\u{7f}\u{202e}é\r\n";
        assert_eq!(text(named.as_bytes()), "a b?[2J???é??");
        assert_eq!(text(b"wire0\0garbage"), "wire0");
        let any: Vec<u8> = (1..=255).collect();
        assert!(!text(&any).chars().any(char::is_control));
    }
}
