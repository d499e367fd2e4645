//! Requests, responses and notices, and how they lie in their slots.

use crate::admin::{self, Change};
use crate::layout::Geometry;
use crate::memory::VolatileSliceError;
use crate::message::RegionKey;

/// Bytes of a request's slot.
pub(super) const REQUEST_SIZE: usize = 128;
/// Where a change lies in its request.
const CHANGE: usize = 8;
const _: () = assert!(CHANGE + admin::SIZE <= REQUEST_SIZE);

/// From the module to the backend. Everything in it is an allegation of that guest's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlRequest {
    /// Take an endpoint. Its pages' grant references (W first, then R) lie in the staging pages from entry 0.
    OpenEndpoint {
        /// Endpoint index.
        endpoint: u8,
        /// Session, chosen by the module.
        session: u32,
        /// Queue sizes.
        geometry: Geometry,
        /// Whether the pages are those of an endpoint that is open, left by another backend at any moment (takeover,
        /// interfaces §7). Otherwise they are zeroed.
        adopt: bool,
    },
    /// Give an endpoint back, its regions too. Answered when nothing of it is mapped any more.
    CloseEndpoint {
        /// Endpoint index.
        endpoint: u8,
    },
    /// Map memory of a process. Its grant references lie in the staging pages from entry `staging`; a region of more
    /// pages than fit comes in several requests with rising `first_page`.
    Register {
        /// Endpoint index.
        endpoint: u8,
        /// Slot and generation.
        region: RegionKey,
        /// Whether the backend may write it (a receive buffer).
        writable: bool,
        /// Byte offset of the region's first byte in its first page.
        offset: u16,
        /// Bytes of the whole region.
        length: u32,
        /// Pages before the ones of this request.
        first_page: u32,
        /// Pages of this request.
        pages: u32,
        /// Staging entry of the first of them.
        staging: u32,
    },
    /// Unmap a region. Answered when no frame in flight and no pull uses it any more.
    Deregister {
        /// Endpoint index.
        endpoint: u8,
        /// Slot and generation.
        region: RegionKey,
    },
    /// All endpoints and regions of this guest are registered: the board may answer the network (takeover, interfaces §7).
    Ready,
    /// Open or close the board's raw endpoint. Frames that come in from now on are kept for it.
    Raw {
        /// Whether it is to be open.
        open: bool,
    },
    /// Send a RAW frame, which lies in the staging pages from their first byte on. Answered when it was read.
    SendRaw {
        /// Bytes of the frame, at most those of the longest RAW frame.
        length: u16,
    },
    /// The next RAW frame: [`Status::Ok`] when it lies in D1, [`Status::NotFound`] when none waits. A frame stays there
    /// until the next such request.
    TakeRaw,
    /// Change the board, for an administrator of the guest. [`Status::Denied`] for what is not his to change.
    Change(Change),
}

/// The backend's answer, or a notice (`id` 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlResponse {
    /// Number of the request, from 1; 0 for a notice.
    pub id: u32,
    /// How it went; for a notice, why.
    pub status: Status,
    /// For a notice: the endpoint that the backend has closed.
    pub endpoint: u8,
}

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// A field of the request cannot be.
    Invalid = 1,
    /// The endpoint or region exists already, or is still being given back.
    Busy = 2,
    /// No such endpoint or region.
    NotFound = 3,
    /// A quota or the driver domain's room for mappings is used up: try again after giving something back.
    NoSpace = 4,
    /// A grant reference could not be mapped.
    BadGrant = 5,
    /// Notice: the process wrote something impossible into its queue pages.
    Misbehaved = 6,
    /// Only as an endpoint's status, and from the kernel: the backend is gone. No backend says so of itself.
    BackendGone = 7,
    /// Notice: RAW frames wait. Said once, until a [`ControlRequest::TakeRaw`] found none.
    RawWaits = 8,
    /// The guest may not do this.
    Denied = 9,
}

impl Status {
    pub(super) fn from_u32(value: u32) -> Option<Self> {
        Some(match value {
            0 => Self::Ok,
            1 => Self::Invalid,
            2 => Self::Busy,
            3 => Self::NotFound,
            4 => Self::NoSpace,
            5 => Self::BadGrant,
            6 => Self::Misbehaved,
            8 => Self::RawWaits,
            9 => Self::Denied,
            _ => return None,
        })
    }
}

/// Why a control page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// The page does not start with the magic number.
    #[error("not a control page: it starts with {0:#010x}")]
    BadMagic(u32),
    /// The other side speaks another version of this ABI.
    #[error(
        "the other side speaks version {0} of the shared memory, this one {own}: install matching versions",
        own = crate::ABI_VERSION
    )]
    Version(u32),
    /// A request or response of unknown kind.
    #[error("a control message of unknown kind {0}")]
    UnknownKind(u32),
    /// A producer or consumer index that cannot be.
    #[error("an impossible index in a control page")]
    ImpossibleIndex,
    /// Fewer bytes than the pages need.
    #[error(transparent)]
    Slice(VolatileSliceError),
}

impl From<VolatileSliceError> for ControlError {
    fn from(error: VolatileSliceError) -> Self {
        Self::Slice(error)
    }
}

pub(super) fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

pub(super) fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl ControlRequest {
    pub(super) fn encode(&self, id: u32) -> [u8; REQUEST_SIZE] {
        let mut b = [0; REQUEST_SIZE];
        put(&mut b, 4, id);
        let region_bits =
            |region: RegionKey| u32::from(region.slot) | u32::from(region.generation) << 16;
        match *self {
            Self::OpenEndpoint {
                endpoint,
                session,
                geometry,
                adopt,
            } => {
                put(&mut b, 0, 1);
                put(&mut b, 8, endpoint.into());
                put(&mut b, 12, session);
                put(&mut b, 16, geometry.commands);
                put(&mut b, 20, geometry.unexpected);
                put(&mut b, 24, geometry.expected);
                put(&mut b, 28, geometry.transmit);
                put(&mut b, 32, geometry.receive);
                put(&mut b, 36, adopt.into());
            }
            Self::CloseEndpoint { endpoint } => {
                put(&mut b, 0, 2);
                put(&mut b, 8, endpoint.into());
            }
            Self::Register {
                endpoint,
                region,
                writable,
                offset,
                length,
                first_page,
                pages,
                staging,
            } => {
                put(&mut b, 0, 3);
                put(&mut b, 8, endpoint.into());
                put(&mut b, 12, region_bits(region));
                put(&mut b, 16, writable.into());
                put(&mut b, 20, offset.into());
                put(&mut b, 24, length);
                put(&mut b, 28, first_page);
                put(&mut b, 32, pages);
                put(&mut b, 36, staging);
            }
            Self::Deregister { endpoint, region } => {
                put(&mut b, 0, 4);
                put(&mut b, 8, endpoint.into());
                put(&mut b, 12, region_bits(region));
            }
            Self::Ready => put(&mut b, 0, 5),
            Self::Raw { open } => {
                put(&mut b, 0, 6);
                put(&mut b, 8, open.into());
            }
            Self::SendRaw { length } => {
                put(&mut b, 0, 7);
                put(&mut b, 8, length.into());
            }
            Self::TakeRaw => put(&mut b, 0, 8),
            Self::Change(change) => {
                put(&mut b, 0, 9);
                b[CHANGE..CHANGE + admin::SIZE].copy_from_slice(&change.to_bytes());
            }
        }
        b
    }

    pub(super) fn decode(b: &[u8; REQUEST_SIZE]) -> Result<(u32, Self), ControlError> {
        let id = get(b, 4);
        // Endpoint indices are bytes and offsets 16 bits on purpose: higher bits cannot be alleged.
        let endpoint = b[8];
        let region = RegionKey {
            slot: get(b, 12) as u16,
            generation: (get(b, 12) >> 16) as u16,
        };
        let request = match get(b, 0) {
            1 => Self::OpenEndpoint {
                endpoint,
                session: get(b, 12),
                geometry: Geometry {
                    commands: get(b, 16),
                    unexpected: get(b, 20),
                    expected: get(b, 24),
                    transmit: get(b, 28),
                    receive: get(b, 32),
                },
                adopt: get(b, 36) & 1 != 0,
            },
            2 => Self::CloseEndpoint { endpoint },
            3 => Self::Register {
                endpoint,
                region,
                writable: get(b, 16) & 1 != 0,
                offset: get(b, 20) as u16,
                length: get(b, 24),
                first_page: get(b, 28),
                pages: get(b, 32),
                staging: get(b, 36),
            },
            4 => Self::Deregister { endpoint, region },
            5 => Self::Ready,
            6 => Self::Raw {
                open: get(b, 8) & 1 != 0,
            },
            7 => Self::SendRaw {
                length: get(b, 8) as u16,
            },
            8 => Self::TakeRaw,
            9 => {
                let mut bytes = [0; admin::SIZE];
                bytes.copy_from_slice(&b[CHANGE..CHANGE + admin::SIZE]);
                Self::Change(Change::from_bytes(&bytes).map_err(|_| ControlError::UnknownKind(9))?)
            }
            kind => return Err(ControlError::UnknownKind(kind)),
        };
        Ok((id, request))
    }
}
