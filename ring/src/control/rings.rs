//! The ring of requests and the ring of responses, from both sides.

use super::DEVICE_PAGES;
use super::message::{
    ControlError, ControlRequest, ControlResponse, REQUEST_SIZE, Status, get, put,
};
use crate::layout::PAGE_SIZE;
use crate::memory::VolatileSlice;
use crate::sync::Ordering;
use crate::uapi::RAW_FRAME_MAX;

const REQUESTS: u32 = 16;
const RESPONSES: u32 = 64;
const RESPONSE_SIZE: usize = 32;
const MAGIC: u32 = 0x6f6d_7864;

/// D0 and D1: where their parts lie.
mod at {
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 4;
    pub const FEATURES: usize = 8;
    /// In D0: 1 when the module has open endpoints, or a peer table, of an earlier backend.
    pub const ADOPTING: usize = 12;
    /// In D0 the producer of requests, in D1 their consumer.
    pub const REQUEST_INDEX: usize = 64;
    /// In D0 the consumer of responses, in D1 their producer.
    pub const RESPONSE_INDEX: usize = 68;
    /// In D1: the length of the RAW frame.
    pub const FRAME_LENGTH: usize = 72;
    /// In D0: the grant references of D0 to D16.
    pub const REFS: usize = 128;
    pub const RING: usize = 1024;
    /// In D1, behind the responses: a RAW frame.
    pub const FRAME: usize = 3072;
}
const _: () = assert!(at::RING + RESPONSES as usize * RESPONSE_SIZE <= at::FRAME);
const _: () = assert!(at::FRAME + RAW_FRAME_MAX <= PAGE_SIZE);

/// The 17 pages, as the module sees them.
pub struct ModuleControl {
    d0: VolatileSlice,
    d1: VolatileSlice,
    request_prod: u32,
    response_cons: u32,
}

impl ModuleControl {
    /// Formats D0 (zeroed) with the grant references of all pages; `d1` (zeroed) is the backend's page. `adopting` says
    /// that the board pages are those of an earlier backend, whose peers and endpoints the next one is to take over
    /// (interfaces §7).
    pub fn format(
        d0: VolatileSlice,
        d1: VolatileSlice,
        refs: &[u32; DEVICE_PAGES],
        adopting: bool,
    ) -> Result<Self, ControlError> {
        let (d0, d1) = (d0.line_part(0, PAGE_SIZE)?, d1.line_part(0, PAGE_SIZE)?);
        for (i, reference) in refs.iter().enumerate() {
            d0.word(at::REFS + i * 4)
                .store(*reference, Ordering::Relaxed);
        }
        d0.word(at::VERSION)
            .store(crate::ABI_VERSION, Ordering::Relaxed);
        d0.word(at::FEATURES).store(0, Ordering::Relaxed);
        d0.word(at::ADOPTING)
            .store(adopting.into(), Ordering::Relaxed);
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
    pub fn post(&mut self, id: u32, request: &ControlRequest) -> bool {
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
    pub fn next_response(&mut self) -> Option<Result<ControlResponse, ControlError>> {
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
            Some(status) => Ok(ControlResponse {
                id: get(&b, 0),
                status,
                endpoint: b[8],
            }),
            None => Err(ControlError::UnknownKind(get(&b, 4))),
        })
    }

    /// Copies the frame that the backend has put into D1, after its answer to [`ControlRequest::TakeRaw`]; `None` for a
    /// length that none has.
    pub fn frame(&self, frame: &mut [u8; RAW_FRAME_MAX]) -> Option<usize> {
        let length = self.d1.word(at::FRAME_LENGTH).load(Ordering::Relaxed) as usize;
        self.d1.read(at::FRAME, frame.get_mut(..length)?).ok()?;
        Some(length)
    }
}

/// Tells whether responses wait, without the [`ModuleControl`] that takes them.
#[derive(Clone, Copy, Debug)]
pub struct ResponseWatch {
    d0: VolatileSlice,
    d1: VolatileSlice,
}

impl ResponseWatch {
    /// Whether [`ModuleControl::next_response`] would have something.
    pub fn waiting(&self) -> bool {
        let produced = self.d1.word(at::RESPONSE_INDEX).load(Ordering::Acquire);
        produced != self.d0.word(at::RESPONSE_INDEX).load(Ordering::Relaxed)
    }
}

/// The control pages, as the backend sees them.
pub struct BackendControl {
    d0: VolatileSlice,
    d1: VolatileSlice,
    request_cons: u32,
    response_prod: u32,
}

impl BackendControl {
    /// Reads the grant references of all pages from D0, once magic and version fit.
    pub fn references(d0: &VolatileSlice) -> Result<[u32; DEVICE_PAGES], ControlError> {
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

    /// Whether the guest's kernel wants its board and endpoints taken over from an earlier backend. Read once, after
    /// [`Self::references`].
    pub fn adopting(d0: &VolatileSlice) -> Result<bool, ControlError> {
        let d0 = d0.line_part(0, PAGE_SIZE)?;
        Ok(d0.word(at::ADOPTING).load(Ordering::Relaxed) & 1 != 0)
    }

    /// Takes both control pages.
    pub fn new(d0: VolatileSlice, d1: VolatileSlice) -> Result<Self, ControlError> {
        Ok(Self {
            d0: d0.line_part(0, PAGE_SIZE)?,
            d1: d1.line_part(0, PAGE_SIZE)?,
            request_cons: 0,
            response_prod: 0,
        })
    }

    /// The next request and its id. It stays in the ring until [`Self::respond`] has room, so the caller asks
    /// [`Self::can_respond`] first. An error closes the device.
    pub fn next_request(&mut self) -> Option<Result<(u32, ControlRequest), ControlError>> {
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
        Some(ControlRequest::decode(&b))
    }

    /// Whether there is a request, or what the module says of requests cannot be.
    pub fn request_waits(&self) -> bool {
        let produced = self.d0.word(at::REQUEST_INDEX).load(Ordering::Acquire);
        produced != self.request_cons
    }

    /// Puts a frame into D1, before [`ControlRequest::TakeRaw`] is answered; false when it is too long.
    pub fn put_frame(&self, frame: &[u8]) -> bool {
        if frame.len() > RAW_FRAME_MAX || self.d1.write(at::FRAME, frame).is_err() {
            return false;
        }
        let length = frame.len() as u32;
        self.d1
            .word(at::FRAME_LENGTH)
            .store(length, Ordering::Relaxed);
        true
    }

    /// Whether a response would find room.
    pub fn can_respond(&self) -> bool {
        let consumed = self.d0.word(at::RESPONSE_INDEX).load(Ordering::Acquire);
        self.response_prod.wrapping_sub(consumed) < RESPONSES
    }

    /// Writes a response or notice; false when the module does not empty its ring.
    pub fn respond(&mut self, response: &ControlResponse) -> bool {
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
