//! What a process asks of whoever opened its endpoint: the frontend module (one `ioctl` on `/dev/open-mx`) or `omxd`
//! (one datagram each way on its `SOCK_SEQPACKET` socket). The same 128 bytes serve both.
//!
//! An open file, or connection, becomes either a board's (after [`CallRequest::AttachBoard`]) or an endpoint's (after
//! [`CallRequest::OpenEndpoint`]). A module's file is then mapped at [`MAP_W`], [`MAP_R`], [`MAP_BOARD`] and [`MAP_NOTES`]; `omxd` sends
//! descriptors along with its answer: the board pages (read-only), and for an endpoint W, R (read-only), and one end of the
//! pair of stream sockets by which the process kicks the backend and the backend wakes the process, a byte each time.

use crate::admin::{self, Change};
use crate::layout::Geometry;
use crate::message::RegionKey;

/// The device of the frontend module.
pub const DEVICE_PATH: &str = "/dev/open-mx";
/// The socket of `omxd`, unless `OMX_SOCKET` names another.
pub const SOCKET_PATH: &str = "/run/open-mx/omxd.sock";
/// The `ioctl` request: `_IOWR('O', 0xc0, 128 bytes)`.
pub const IOCTL: u32 = 0xc080_4fc0;
/// `mmap` offset of the W area, writable.
pub const MAP_W: u64 = 0;
/// `mmap` offset of the R area, read-only.
pub const MAP_R: u64 = 1 << 32;
/// `mmap` offset of the board pages, read-only.
pub const MAP_BOARD: u64 = 2 << 32;
/// `mmap` offset of the module's notes about an endpoint's regions ([`crate::registration`]), a page, read-only.
pub const MAP_NOTES: u64 = 3 << 32;
/// Bytes of the longest RAW frame (wire.md §4).
pub const RAW_FRAME_MAX: usize = mx_wire::RAW_FRAME_MAX;
/// Endpoint number that means "the first free one".
pub const ANY_ENDPOINT: u32 = u32::MAX;
/// Endpoint number of a board's raw endpoint, where endpoints are asked about.
pub const RAW_ENDPOINT: u32 = u32::MAX - 1;

/// What `omxd` sends along with the answer to [`CallRequest::OpenEndpoint`]. With that to [`CallRequest::AttachBoard`] come
/// the board pages alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointDescriptors<T> {
    /// Board pages, read-only.
    pub board: T,
    /// The W area.
    pub w: T,
    /// The R area, read-only.
    pub r: T,
    /// One end of the pair of stream sockets.
    pub bell: T,
}

impl<T> EndpointDescriptors<T> {
    /// In the order in which they travel.
    pub fn into_array(self) -> [T; 4] {
        [self.board, self.w, self.r, self.bell]
    }
}

impl<T> From<[T; 4]> for EndpointDescriptors<T> {
    fn from([board, w, r, bell]: [T; 4]) -> Self {
        Self { board, w, r, bell }
    }
}

/// 128 bytes, the same in memory for `ioctl` and on the socket. Little-endian words of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Call {
    /// Which request; the answer repeats it.
    pub kind: u32,
    /// In the answer: 0, or an `errno` as a positive number.
    pub error: u32,
    /// Arguments, then results; their meaning is given by [`CallRequest`] and [`CallReply`].
    pub words: [u64; 14],
    /// Of the question, chosen by who asks; the answer repeats it. What an `ioctl` answers is in the place of its
    /// question, and needs none.
    pub number: u64,
}

const _: () = assert!(size_of::<Call>() == 128);

impl Call {
    /// The bytes of a datagram.
    pub fn to_bytes(&self) -> [u8; size_of::<Self>()] {
        let mut bytes = [0; size_of::<Self>()];
        bytes[..4].copy_from_slice(&self.kind.to_ne_bytes());
        bytes[4..8].copy_from_slice(&self.error.to_ne_bytes());
        let words = self.words.into_iter().chain([self.number]);
        for (place, word) in bytes[8..].chunks_exact_mut(8).zip(words) {
            place.copy_from_slice(&word.to_ne_bytes());
        }
        bytes
    }

    /// A call out of a datagram's bytes.
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            word
        };
        let [a, b, c, d, e, f, g, h] = word(0);
        Self {
            kind: u32::from_ne_bytes([a, b, c, d]),
            error: u32::from_ne_bytes([e, f, g, h]),
            words: core::array::from_fn(|i| u64::from_ne_bytes(word(8 + i * 8))),
            number: u64::from_ne_bytes(word(120)),
        }
    }

    /// The answer to a question that failed; `errno` is positive.
    pub fn refusal(question: &Self, errno: u32) -> Self {
        Self {
            error: errno,
            ..Self::answer(question)
        }
    }

    /// An answer without results.
    fn answer(question: &Self) -> Self {
        Self {
            kind: question.kind,
            number: question.number,
            ..Self::default()
        }
    }
}

/// What a process may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallRequest {
    /// Compare versions, count boards.
    Hello {
        /// [`crate::ABI_VERSION`] of the library.
        version: u32,
    },
    /// Make this file a view of a board.
    AttachBoard {
        /// Which board.
        board: u32,
    },
    /// Open an endpoint on this file.
    OpenEndpoint {
        /// Which board.
        board: u32,
        /// Which endpoint, or [`ANY_ENDPOINT`].
        endpoint: u32,
        /// Queue sizes.
        geometry: Geometry,
    },
    /// Register memory of the process. To the module: an address in the caller. To `omxd`: a memfd sent along, whose
    /// first byte is the region's (the address is 0 then).
    Register {
        /// Address of the first byte.
        address: u64,
        /// Bytes, at least 1.
        length: u32,
        /// Whether the network may write it.
        writable: bool,
        /// A buffer of last resort: each endpoint may have [`RESERVES`](crate::registration::RESERVES) of at most
        /// [`RESERVE_MAX`](crate::registration::RESERVE_MAX) bytes, whatever limit is used up.
        reserve: bool,
    },
    /// Give a region back. Answered when nobody uses it any more.
    Deregister {
        /// Which.
        region: RegionKey,
    },
    /// Kick the backend if it sleeps, then sleep until there are events beyond the consumer indices, a wakeup, or the
    /// deadline. Only for the module: towards `omxd` the process uses the pair of sockets. Who sleeps on several endpoints
    /// polls their files instead: each is readable while there are events beyond the indices in its shared memory.
    Wait {
        /// Consumer index of the unexpected queue.
        unexpected: u32,
        /// Consumer index of the expected queue.
        expected: u32,
        /// CLOCK_MONOTONIC in ns, or `u64::MAX` for none.
        deadline: u64,
        /// Kick first.
        kick: bool,
    },
    /// Kick the backend (module only).
    Kick,
    /// Make all sleepers of this endpoint return (module only).
    Wakeup,
    /// The module's own call counters since it was loaded: [`CallReply::Statistics`].
    Statistics,
    /// Who has opened an endpoint of a board.
    EndpointInfo {
        /// Which board.
        board: u32,
        /// Which endpoint; [`RAW_ENDPOINT`] is the raw one.
        endpoint: u32,
    },
    /// Make this file or connection a board's raw endpoint, of which there is one; for administrators. From the answer on
    /// each datagram, either way, is a RAW frame, whole and at most [`RAW_FRAME_MAX`] bytes long; on a module's file,
    /// each `write` and each `read`, which does not wait.
    OpenRaw {
        /// Which board.
        board: u32,
    },
    /// Change a board; for administrators.
    Change {
        /// Which board.
        board: u32,
        /// How.
        change: Change,
    },
    /// Close what was opened on this file, whoever else has the file open (a child). Only for the module: a connection to
    /// `omxd` is shut down instead.
    Close,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallReply {
    /// To [`CallRequest::Hello`].
    Hello {
        /// [`crate::ABI_VERSION`] of the other side.
        version: u32,
        /// Boards that can be opened; indices 0 to this, gaps possible.
        boards: u32,
        /// Whether regions are memory of the process (module), or memfds (`omxd`).
        user_memory: bool,
        /// Queue entries of an endpoint whose program does not ask for another number; 0: the board's description tells.
        queue_entries: u32,
    },
    /// To [`CallRequest::OpenEndpoint`].
    Opened {
        /// The index that the endpoint got on its board.
        endpoint: u32,
        /// The session by which partners know this use of the index.
        session: u32,
    },
    /// To [`CallRequest::Register`].
    Registered {
        /// The region by which commands name the memory.
        region: RegionKey,
    },
    /// To [`CallRequest::Statistics`]: counts since the module was loaded.
    Statistics {
        /// Calls by processes of any kind.
        calls: u64,
        /// Of them, waits that slept.
        sleeps: u64,
        /// Event-channel notifications sent.
        events_sent: u64,
        /// Event-channel interrupts taken.
        events_received: u64,
        /// Grants made.
        grants: u64,
        /// Grants ended.
        grants_ended: u64,
    },
    /// To [`CallRequest::EndpointInfo`].
    EndpointInfo {
        /// Whether it is open.
        open: bool,
        /// Process that opened it.
        pid: u32,
        /// Its command name, NUL-padded.
        command: [u8; 16],
        /// Its queue entries; the raw endpoint has none.
        queue_entries: u32,
    },
    /// Anything else that went well.
    Done,
}

/// A call of unknown kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a call of unknown kind {0}: library and backend are of different versions")]
pub struct UnknownCall(pub u32);

fn region_word(region: RegionKey) -> u64 {
    u64::from(region.slot) | u64::from(region.generation) << 16
}

fn word_region(word: u64) -> RegionKey {
    RegionKey {
        slot: word as u16,
        generation: (word >> 16) as u16,
    }
}

impl CallRequest {
    /// As it is sent.
    pub fn encode(&self) -> Call {
        let mut call = Call::default();
        let w = &mut call.words;
        call.kind = match *self {
            Self::Hello { version } => {
                w[0] = version.into();
                1
            }
            Self::AttachBoard { board } => {
                w[0] = board.into();
                2
            }
            Self::OpenEndpoint {
                board,
                endpoint,
                geometry,
            } => {
                w[0] = board.into();
                w[1] = endpoint.into();
                w[2] = geometry.commands.into();
                w[3] = geometry.unexpected.into();
                w[4] = geometry.expected.into();
                w[5] = geometry.transmit.into();
                w[6] = geometry.receive.into();
                3
            }
            Self::Register {
                address,
                length,
                writable,
                reserve,
            } => {
                w[0] = address;
                w[1] = length.into();
                w[2] = writable.into();
                w[3] = reserve.into();
                4
            }
            Self::Deregister { region } => {
                w[0] = region_word(region);
                5
            }
            Self::Wait {
                unexpected,
                expected,
                deadline,
                kick,
            } => {
                w[0] = unexpected.into();
                w[1] = expected.into();
                w[2] = deadline;
                w[3] = kick.into();
                6
            }
            Self::Kick => 7,
            Self::Wakeup => 8,
            Self::Statistics => 9,
            Self::EndpointInfo { board, endpoint } => {
                w[0] = board.into();
                w[1] = endpoint.into();
                10
            }
            Self::Change { board, change } => {
                w[0] = board.into();
                let bytes = change.to_bytes();
                for (word, bytes) in w[1..].iter_mut().zip(bytes.chunks_exact(8)) {
                    *word = bytes
                        .iter()
                        .rev()
                        .fold(0, |word, b| word << 8 | u64::from(*b));
                }
                11
            }
            Self::OpenRaw { board } => {
                w[0] = board.into();
                12
            }
            Self::Close => 13,
        };
        call
    }

    /// What a process alleges to ask. Words that are wider than their field are cut.
    pub fn decode(call: &Call) -> Result<Self, UnknownCall> {
        let w = &call.words;
        Ok(match call.kind {
            1 => Self::Hello {
                version: w[0] as u32,
            },
            2 => Self::AttachBoard { board: w[0] as u32 },
            3 => Self::OpenEndpoint {
                board: w[0] as u32,
                endpoint: w[1] as u32,
                geometry: Geometry {
                    commands: w[2] as u32,
                    unexpected: w[3] as u32,
                    expected: w[4] as u32,
                    transmit: w[5] as u32,
                    receive: w[6] as u32,
                },
            },
            4 => Self::Register {
                address: w[0],
                length: w[1] as u32,
                writable: w[2] != 0,
                reserve: w[3] != 0,
            },
            5 => Self::Deregister {
                region: word_region(w[0]),
            },
            6 => Self::Wait {
                unexpected: w[0] as u32,
                expected: w[1] as u32,
                deadline: w[2],
                kick: w[3] != 0,
            },
            7 => Self::Kick,
            8 => Self::Wakeup,
            9 => Self::Statistics,
            10 => Self::EndpointInfo {
                board: w[0] as u32,
                endpoint: w[1] as u32,
            },
            11 => {
                let mut bytes = [0; admin::SIZE];
                for (place, word) in bytes.chunks_exact_mut(8).zip(&w[1..]) {
                    place.copy_from_slice(&word.to_le_bytes());
                }
                Self::Change {
                    board: w[0] as u32,
                    change: Change::from_bytes(&bytes).map_err(|_| UnknownCall(call.kind))?,
                }
            }
            12 => Self::OpenRaw { board: w[0] as u32 },
            13 => Self::Close,
            kind => return Err(UnknownCall(kind)),
        })
    }
}

impl CallReply {
    /// As it is sent, in answer to that question.
    pub fn encode(&self, question: &Call) -> Call {
        let mut call = Call::answer(question);
        let w = &mut call.words;
        match *self {
            Self::Hello {
                version,
                boards,
                user_memory,
                queue_entries,
            } => {
                w[0] = version.into();
                w[1] = boards.into();
                w[2] = user_memory.into();
                w[3] = queue_entries.into();
            }
            Self::Opened { endpoint, session } => {
                w[0] = endpoint.into();
                w[1] = session.into();
            }
            Self::Registered { region } => w[0] = region_word(region),
            Self::Statistics {
                calls,
                sleeps,
                events_sent,
                events_received,
                grants,
                grants_ended,
            } => {
                w[..6].copy_from_slice(&[
                    calls,
                    sleeps,
                    events_sent,
                    events_received,
                    grants,
                    grants_ended,
                ]);
            }
            Self::EndpointInfo {
                open,
                pid,
                command,
                queue_entries,
            } => {
                let (low, high) = command.split_at(8);
                let word = |b: &[u8]| b.iter().rev().fold(0, |word, b| word << 8 | u64::from(*b));
                w[0] = open.into();
                w[1] = pid.into();
                w[2] = word(low);
                w[3] = word(high);
                w[4] = queue_entries.into();
            }
            Self::Done => {}
        }
        call
    }

    /// The answer to a call without error.
    pub fn decode(call: &Call) -> Self {
        let w = &call.words;
        match call.kind {
            1 => Self::Hello {
                version: w[0] as u32,
                boards: w[1] as u32,
                user_memory: w[2] != 0,
                queue_entries: w[3] as u32,
            },
            3 => Self::Opened {
                endpoint: w[0] as u32,
                session: w[1] as u32,
            },
            4 => Self::Registered {
                region: word_region(w[0]),
            },
            9 => Self::Statistics {
                calls: w[0],
                sleeps: w[1],
                events_sent: w[2],
                events_received: w[3],
                grants: w[4],
                grants_ended: w[5],
            },
            10 => {
                let mut command = [0; 16];
                command[..8].copy_from_slice(&w[2].to_le_bytes());
                command[8..].copy_from_slice(&w[3].to_le_bytes());
                Self::EndpointInfo {
                    open: w[0] != 0,
                    pid: w[1] as u32,
                    command,
                    queue_entries: w[4] as u32,
                }
            }
            _ => Self::Done,
        }
    }
}
