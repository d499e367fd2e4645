#![allow(dead_code, reason = "each test uses its part")]
//! Private memory that plays the shared pages of an endpoint.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ptr::NonNull;

use mx_ring::{
    BackendSide, EndpointLayout, Geometry, Place, Positions, ProcessSide, VolatileSlice,
};
use mx_wire::Content;

/// What a process says of a message: a small one lies in the data of its own descriptor, and the backend knows where a
/// window begins.
pub fn posted(mut content: Content, place: Place) -> (Content, Place) {
    let place = match &mut content {
        Content::Small(_) => Place::Apart,
        Content::Rendezvous(offer) => {
            offer.window_offset = 0;
            place
        }
        _ => place,
    };
    (content, place)
}

/// Zeroed pages, in place as long as this lives.
pub struct Pages {
    base: NonNull<u8>,
    layout: Layout,
}

impl Pages {
    pub fn new(bytes: usize) -> Self {
        let layout = Layout::from_size_align(bytes.next_multiple_of(4096).max(4096), 4096).unwrap();
        // SAFETY: the size is not zero.
        let base = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap();
        Self { base, layout }
    }

    pub fn slice(&mut self) -> VolatileSlice {
        // SAFETY: the tests drop every area before the pages, and make no reference into them.
        unsafe { VolatileSlice::new(self.base, self.layout.size()) }
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: allocated in `new` with this layout.
        unsafe { dealloc(self.base.as_ptr(), self.layout) };
    }
}

/// The smallest endpoint: 64 entries in each queue, a receive ring of 64 KiB.
pub fn layout() -> EndpointLayout {
    EndpointLayout::new(Geometry {
        commands: 64,
        unexpected: 64,
        expected: 64,
        transmit: 64 << 10,
        receive: 64 << 10,
    })
    .unwrap()
}

/// Both sides of an endpoint, and its raw memory for a liar to write.
pub struct Endpoint {
    pub process: ProcessSide,
    pub backend: BackendSide,
    pub w: VolatileSlice,
    pub r: VolatileSlice,
    _memory: [Pages; 2],
}

impl Endpoint {
    pub fn at(positions: Positions) -> Self {
        let layout = layout();
        let mut memory = [Pages::new(layout.w_size()), Pages::new(layout.r_size())];
        let [w, r] = [memory[0].slice(), memory[1].slice()];
        Self {
            process: ProcessSide::resume(layout, w, r, &positions).unwrap(),
            backend: BackendSide::resume(layout, w, r, &positions).unwrap(),
            w,
            r,
            _memory: memory,
        }
    }
}

/// Bytes without order.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}
