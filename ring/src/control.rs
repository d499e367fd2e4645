//! The pages between a guest's kernel and its home (class K), and what travels through them.
//!
//! A device has 17 pages, all granted once. D0's grant reference is the one that goes through xenstore; its header
//! lists the others.
//!
//! | page | written by | content |
//! |---|---|---|
//! | D0 | module | header, indices, 16 requests of 128 bytes |
//! | D1 | home | indices, 64 responses of 32 bytes |
//! | D2 | module | an `armed` counter of 16 bytes per endpoint |
//! | D3 | both, by or and swap only | doorbell bits, wake bits |
//! | D4 to D12 | home | [`crate::board_page`] (class R) |
//! | D13 to D16 | module | staging: lists of grant references, 4096 in all |

use crate::sync::{Ordering, fence};

use crate::layout::{Geometry, PAGE_SIZE};
use crate::memory::{Area, AreaError};
use crate::message::RegionKey;

/// Pages of a device.
pub const DEVICE_PAGES: usize = 17;
/// First of the pages D4 to D12.
pub const BOARD_PAGE: usize = 4;
/// First staging page.
pub const STAGING_PAGE: usize = 13;
/// Grant references that the staging pages hold.
pub const STAGING_REFS: usize = 4 * PAGE_SIZE / 4;
/// Endpoints of a board.
pub const ENDPOINTS: usize = 256;
/// `protocol` in the frontend's xenstore directory.
pub const PROTOCOL: &str = "open-mx";

const REQUESTS: u32 = 16;
const RESPONSES: u32 = 64;
const REQUEST_SIZE: usize = 128;
const RESPONSE_SIZE: usize = 32;
const MAGIC: u32 = 0x6f6d_7864;

/// D0 and D1: where their parts lie.
mod at {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 4;
    pub const FEATURES: usize = 8;
    /// In D0 the producer of requests, in D1 their consumer.
    pub const REQUEST_INDEX: usize = 64;
    /// In D0 the consumer of responses, in D1 their producer.
    pub const RESPONSE_INDEX: usize = 68;
    /// In D0: the grant references of D0 to D16.
    pub const REFS: usize = 128;
    pub const RING: usize = 1024;
}

/// From the module to the home. Everything in it is an allegation of that guest's kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Take an endpoint. Its pages' grant references (W first, then R) lie in the staging pages from entry 0.
    OpenEndpoint {
        /// Endpoint index.
        endpoint: u8,
        /// Session, chosen by the module.
        session: u32,
        /// Queue sizes.
        geometry: Geometry,
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
        /// Whether the home may write it (a receive buffer).
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
    Adopted,
}

/// The home's answer, or a notice (`id` 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response {
    /// Number of the request, from 1; 0 for a notice.
    pub id: u32,
    /// How it went; for a notice, why.
    pub status: Status,
    /// For a notice: the endpoint that the home has closed.
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
    /// Only as an endpoint's status, and from the kernel: the home is gone. No home says so of itself.
    HomeGone = 7,
}

impl Status {
    fn from_u32(value: u32) -> Option<Self> {
        Some(match value {
            0 => Self::Ok,
            1 => Self::Invalid,
            2 => Self::Busy,
            3 => Self::NotFound,
            4 => Self::NoSpace,
            5 => Self::BadGrant,
            6 => Self::Misbehaved,
            _ => return None,
        })
    }
}

/// Why a control page cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ControlError {
    /// The page does not start with the magic number.
    BadMagic(u32),
    /// The other side speaks another version of this ABI.
    Version(u32),
    /// A request or response of unknown kind.
    UnknownKind(u32),
    /// A producer or consumer index that cannot be.
    ImpossibleIndex,
    /// Fewer bytes than the pages need.
    Area(AreaError),
}

impl From<AreaError> for ControlError {
    fn from(error: AreaError) -> Self {
        Self::Area(error)
    }
}

impl core::fmt::Display for ControlError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::BadMagic(value) => write!(f, "not a control page: it starts with {value:#010x}"),
            Self::Version(theirs) => write!(
                f,
                "the other side speaks version {theirs} of the shared memory, this one {}: install matching versions",
                crate::ABI_VERSION
            ),
            Self::UnknownKind(kind) => write!(f, "a control message of unknown kind {kind}"),
            Self::ImpossibleIndex => f.write_str("an impossible index in a control page"),
            Self::Area(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ControlError {}

fn put(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn get(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

impl Request {
    fn encode(&self, id: u32) -> [u8; REQUEST_SIZE] {
        let mut b = [0; REQUEST_SIZE];
        put(&mut b, 4, id);
        let region_bits =
            |region: RegionKey| u32::from(region.slot) | u32::from(region.generation) << 16;
        match *self {
            Self::OpenEndpoint {
                endpoint,
                session,
                geometry,
            } => {
                put(&mut b, 0, 1);
                put(&mut b, 8, endpoint.into());
                put(&mut b, 12, session);
                put(&mut b, 16, geometry.commands);
                put(&mut b, 20, geometry.unexpected);
                put(&mut b, 24, geometry.expected);
                put(&mut b, 28, geometry.transmit);
                put(&mut b, 32, geometry.receive);
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
            Self::Adopted => put(&mut b, 0, 5),
        }
        b
    }

    fn decode(b: &[u8; REQUEST_SIZE]) -> Result<(u32, Self), ControlError> {
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
            5 => Self::Adopted,
            kind => return Err(ControlError::UnknownKind(kind)),
        };
        Ok((id, request))
    }
}

/// The 17 pages, as the module sees them.
pub struct ModuleControl {
    d0: Area,
    d1: Area,
    request_prod: u32,
    response_cons: u32,
}

impl ModuleControl {
    /// Formats D0 (zeroed) with the grant references of all pages; `d1` is the home's page.
    pub fn format(d0: Area, d1: Area, refs: &[u32; DEVICE_PAGES]) -> Result<Self, ControlError> {
        let (d0, d1) = (d0.line_part(0, PAGE_SIZE)?, d1.line_part(0, PAGE_SIZE)?);
        for (i, reference) in refs.iter().enumerate() {
            d0.word(at::REFS + i * 4)
                .store(*reference, Ordering::Relaxed);
        }
        d0.word(at::VERSION)
            .store(crate::ABI_VERSION, Ordering::Relaxed);
        d0.word(at::FEATURES).store(0, Ordering::Relaxed);
        d0.word(at::MAGIC).store(MAGIC, Ordering::Release);
        Ok(Self {
            d0,
            d1,
            request_prod: 0,
            response_cons: 0,
        })
    }

    /// Whether a request would find room.
    pub fn has_room(&self) -> bool {
        let consumed = self.d1.word(at::REQUEST_INDEX).load(Ordering::Acquire);
        self.request_prod.wrapping_sub(consumed) < REQUESTS
    }

    /// What an interrupt handler needs to know whether responses wait.
    pub fn watch(&self) -> ResponseWatch {
        ResponseWatch {
            d0: self.d0,
            d1: self.d1,
        }
    }

    /// Posts a request; false when the ring is full.
    pub fn post(&mut self, id: u32, request: &Request) -> bool {
        if !self.has_room() {
            return false;
        }
        let slot = at::RING + (self.request_prod % REQUESTS) as usize * REQUEST_SIZE;
        let written = self.d0.write(slot, &request.encode(id));
        debug_assert!(written.is_ok(), "offsets are constants");
        self.request_prod = self.request_prod.wrapping_add(1);
        self.d0
            .word(at::REQUEST_INDEX)
            .store(self.request_prod, Ordering::Release);
        true
    }

    /// The next response or notice.
    pub fn next_response(&mut self) -> Option<Result<Response, ControlError>> {
        let produced = self.d1.word(at::RESPONSE_INDEX).load(Ordering::Acquire);
        match produced.wrapping_sub(self.response_cons) {
            0 => return None,
            waiting if waiting > RESPONSES => return Some(Err(ControlError::ImpossibleIndex)),
            _ => {}
        }
        let slot = at::RING + (self.response_cons % RESPONSES) as usize * RESPONSE_SIZE;
        let mut b = [0; RESPONSE_SIZE];
        if let Err(error) = self.d1.read(slot, &mut b) {
            return Some(Err(error.into()));
        }
        self.response_cons = self.response_cons.wrapping_add(1);
        self.d0
            .word(at::RESPONSE_INDEX)
            .store(self.response_cons, Ordering::Release);
        Some(match Status::from_u32(get(&b, 4)) {
            Some(status) => Ok(Response {
                id: get(&b, 0),
                status,
                endpoint: b[8],
            }),
            None => Err(ControlError::UnknownKind(get(&b, 4))),
        })
    }
}

/// Tells whether responses wait, without the [`ModuleControl`] that takes them.
#[derive(Clone, Copy, Debug)]
pub struct ResponseWatch {
    d0: Area,
    d1: Area,
}

impl ResponseWatch {
    /// Whether [`ModuleControl::next_response`] would have something.
    pub fn waiting(&self) -> bool {
        let produced = self.d1.word(at::RESPONSE_INDEX).load(Ordering::Acquire);
        produced != self.d0.word(at::RESPONSE_INDEX).load(Ordering::Relaxed)
    }
}

/// The control pages, as the home sees them.
pub struct HomeControl {
    d0: Area,
    d1: Area,
    request_cons: u32,
    response_prod: u32,
}

impl HomeControl {
    /// Reads the grant references of all pages from D0, once magic and version fit.
    pub fn references(d0: &Area) -> Result<[u32; DEVICE_PAGES], ControlError> {
        let d0 = d0.line_part(0, PAGE_SIZE)?;
        match d0.word(at::MAGIC).load(Ordering::Acquire) {
            MAGIC => {}
            other => return Err(ControlError::BadMagic(other)),
        }
        match d0.word(at::VERSION).load(Ordering::Relaxed) {
            crate::ABI_VERSION => {}
            other => return Err(ControlError::Version(other)),
        }
        let mut refs = [0; DEVICE_PAGES];
        for (i, reference) in refs.iter_mut().enumerate() {
            *reference = d0.word(at::REFS + i * 4).load(Ordering::Relaxed);
        }
        Ok(refs)
    }

    /// Takes both control pages.
    pub fn new(d0: Area, d1: Area) -> Result<Self, ControlError> {
        Ok(Self {
            d0: d0.line_part(0, PAGE_SIZE)?,
            d1: d1.line_part(0, PAGE_SIZE)?,
            request_cons: 0,
            response_prod: 0,
        })
    }

    /// The next request and its id. It stays in the ring until [`Self::respond`] has room, so the caller asks
    /// [`Self::can_respond`] first. An error closes the device.
    pub fn next_request(&mut self) -> Option<Result<(u32, Request), ControlError>> {
        let produced = self.d0.word(at::REQUEST_INDEX).load(Ordering::Acquire);
        match produced.wrapping_sub(self.request_cons) {
            0 => return None,
            waiting if waiting > REQUESTS => return Some(Err(ControlError::ImpossibleIndex)),
            _ => {}
        }
        let slot = at::RING + (self.request_cons % REQUESTS) as usize * REQUEST_SIZE;
        let mut b = [0; REQUEST_SIZE];
        if let Err(error) = self.d0.read(slot, &mut b) {
            return Some(Err(error.into()));
        }
        self.request_cons = self.request_cons.wrapping_add(1);
        self.d1
            .word(at::REQUEST_INDEX)
            .store(self.request_cons, Ordering::Release);
        Some(Request::decode(&b))
    }

    /// Whether a response would find room.
    pub fn can_respond(&self) -> bool {
        let consumed = self.d0.word(at::RESPONSE_INDEX).load(Ordering::Acquire);
        self.response_prod.wrapping_sub(consumed) < RESPONSES
    }

    /// Writes a response or notice; false when the module does not empty its ring.
    pub fn respond(&mut self, response: &Response) -> bool {
        if !self.can_respond() {
            return false;
        }
        let mut b = [0; RESPONSE_SIZE];
        put(&mut b, 0, response.id);
        put(&mut b, 4, response.status as u32);
        b[8] = response.endpoint;
        let slot = at::RING + (self.response_prod % RESPONSES) as usize * RESPONSE_SIZE;
        let written = self.d1.write(slot, &b);
        debug_assert!(written.is_ok(), "offsets are constants");
        self.response_prod = self.response_prod.wrapping_add(1);
        self.d1
            .word(at::RESPONSE_INDEX)
            .store(self.response_prod, Ordering::Release);
        true
    }
}

/// D2: how often a kernel armed an endpoint for sleep. Only the module writes it.
#[derive(Clone, Copy, Debug)]
pub struct ArmedCounters {
    page: Area,
}

impl ArmedCounters {
    /// Takes the page.
    pub fn new(page: Area) -> Result<Self, AreaError> {
        Ok(Self {
            page: page.line_part(0, PAGE_SIZE)?,
        })
    }

    /// The module: one more sleeper; several threads may arm at the same time. Fences, so that a following look at the
    /// producer indices sees what the home published before it looked here.
    pub fn arm(&self, endpoint: u8) {
        self.page
            .word(usize::from(endpoint) * 16)
            .fetch_add(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The home: the counter. The caller has fenced after it published.
    pub fn get(&self, endpoint: u8) -> u32 {
        self.page
            .word(usize::from(endpoint) * 16)
            .load(Ordering::Relaxed)
    }
}

/// D3: a bit per endpoint in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Doorbells {
    page: Area,
}

const WAKE: usize = 64;

impl Doorbells {
    /// Takes the page.
    pub fn new(page: Area) -> Result<Self, AreaError> {
        Ok(Self {
            page: page.line_part(0, PAGE_SIZE)?,
        })
    }

    /// The module: endpoint has commands. An event must follow.
    pub fn ring(&self, endpoint: u8) {
        self.set(0, endpoint);
    }

    /// The home: takes 64 doorbell bits (`group` 0 to 3) and clears them.
    pub fn take_rung(&self, group: usize) -> u64 {
        self.take(0, group)
    }

    /// The home: endpoint has events for a sleeper. An event must follow.
    pub fn wake(&self, endpoint: u8) {
        self.set(WAKE, endpoint);
    }

    /// The module: takes 64 wake bits and clears them.
    pub fn take_woken(&self, group: usize) -> u64 {
        self.take(WAKE, group)
    }

    fn set(&self, base: usize, endpoint: u8) {
        let word = self.page.word64(base + usize::from(endpoint) / 64 * 8);
        word.fetch_or(1 << (endpoint % 64), Ordering::SeqCst);
    }

    fn take(&self, base: usize, group: usize) -> u64 {
        self.page
            .word64(base + group % 4 * 8)
            .swap(0, Ordering::SeqCst)
    }
}

/// D13 to D16, mapped in one piece: lists of grant references.
#[derive(Clone, Copy, Debug)]
pub struct Staging {
    area: Area,
}

impl Staging {
    /// Takes the pages.
    pub fn new(area: Area) -> Result<Self, AreaError> {
        Ok(Self {
            area: area.line_part(0, STAGING_REFS * 4)?,
        })
    }

    /// Writes a reference; false beyond the end.
    pub fn set(&self, entry: usize, reference: u32) -> bool {
        entry < STAGING_REFS && {
            self.area
                .word(entry * 4)
                .store(reference, Ordering::Relaxed);
            true
        }
    }

    /// Reads a reference; `None` beyond the end.
    pub fn get(&self, entry: usize) -> Option<u32> {
        (entry < STAGING_REFS).then(|| self.area.word(entry * 4).load(Ordering::Relaxed))
    }
}
