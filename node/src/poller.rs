//! Descriptors that can wake the node.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use mx_board::BoardId;
use mx_board::EndpointKey;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;

use crate::error::is_lack;

/// Number of a client, counted from the start of the node; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub u32);

/// Whose descriptor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The wire's.
    Wire,
    /// Interfaces of this machine come, go or change.
    Links,
    /// SIGTERM or SIGINT.
    Signal,
    /// A process wants to connect.
    Listener,
    /// A client has said something, or has gone.
    Client(ClientId),
    /// The process of a client has ended.
    End(ClientId),
    /// An endpoint's bell.
    Kick(EndpointKey),
}

impl Source {
    fn to_data(self) -> EventData {
        let word = |kind: u64, value: u32| kind << 32 | u64::from(value);
        EventData::new_u64(match self {
            Self::Wire => word(0, 0),
            Self::Signal => word(1, 0),
            Self::Listener => word(2, 0),
            Self::Client(ClientId(id)) => word(3, id),
            Self::Links => word(5, 0),
            Self::End(ClientId(id)) => word(6, id),
            Self::Kick(key) => word(4, u32::from(key.board.0) << 8 | u32::from(key.endpoint)),
        })
    }

    fn from_data(data: EventData) -> Self {
        let value = data.u64() as u32;
        match data.u64() >> 32 {
            0 => Self::Wire,
            1 => Self::Signal,
            2 => Self::Listener,
            3 => Self::Client(ClientId(value)),
            5 => Self::Links,
            6 => Self::End(ClientId(value)),
            _ => Self::Kick(EndpointKey {
                board: BoardId((value >> 8) as u16),
                endpoint: value as u8,
            }),
        }
    }
}

/// Tells which of many descriptors has something to be done.
pub struct Poller {
    epoll: OwnedFd,
}

/// Descriptors that one look reports at most; the rest is reported by the next.
const EVENTS: usize = 32;
/// How long it does not look when there is no memory for it.
const BLIND: Duration = Duration::from_millis(1);

impl Poller {
    /// Watches nothing yet.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
        })
    }

    /// Watches a descriptor for something to read. It leaves the set when nobody has it open any more.
    pub fn watch(&self, descriptor: impl AsFd, source: Source) -> Result<(), Errno> {
        epoll::add(&self.epoll, descriptor, source.to_data(), EventFlags::IN)
    }

    /// Ends the watch of a descriptor: of one that goes on telling its end, or that somebody else closes.
    pub fn forget(&self, descriptor: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, descriptor)?)
    }

    /// Stops or goes on watching for something to read; an end of the other side is reported all the same.
    pub fn mute(&self, descriptor: impl AsFd, source: Source, mute: bool) -> Result<(), Errno> {
        let flags = if mute {
            EventFlags::empty()
        } else {
            EventFlags::IN
        };
        epoll::modify(&self.epoll, descriptor, source.to_data(), flags)
    }

    /// Watches a descriptor for room to send, too, or no longer.
    pub fn watch_room(
        &self,
        descriptor: impl AsFd,
        source: Source,
        room: bool,
    ) -> Result<(), Errno> {
        let flags = if room {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        };
        epoll::modify(&self.epoll, descriptor, source.to_data(), flags)
    }

    /// Waits at most `nanoseconds` (for ever: `None`) and appends who has something to say.
    pub fn wait(&self, nanoseconds: Option<u64>, found: &mut Vec<Source>) -> io::Result<()> {
        let timeout = nanoseconds.map(|nanoseconds| Timespec {
            tv_sec: (nanoseconds / 1_000_000_000) as i64,
            tv_nsec: (nanoseconds % 1_000_000_000) as i64,
        });
        let mut events = [MaybeUninit::<Event>::uninit(); EVENTS];
        match epoll::wait(&self.epoll, &mut events, timeout.as_ref()) {
            Ok((events, _)) => {
                found.extend(events.iter().map(|event| Source::from_data(event.data)));
                Ok(())
            }
            Err(Errno::INTR) => Ok(()),
            // It looks at everything now and then until there is.
            Err(error) if is_lack(error) => {
                std::thread::sleep(BLIND);
                Ok(())
            }
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_comes_back_as_it_was_given() {
        let key = EndpointKey {
            board: BoardId(0x1234),
            endpoint: 0xfe,
        };
        for source in [
            Source::Wire,
            Source::Links,
            Source::Signal,
            Source::Listener,
            Source::Client(ClientId(u32::MAX)),
            Source::End(ClientId(7)),
            Source::Kick(key),
        ] {
            assert_eq!(Source::from_data(source.to_data()), source);
        }
    }
}
