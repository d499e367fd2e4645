#![allow(dead_code, reason = "each test uses its part")]
//! Private memory that plays the shared pages of an endpoint.

use std::ptr::NonNull;

use mx_ring::{Area, EndpointLayout, Geometry, HomeSide, Positions, ProcessSide};

#[repr(align(4096))]
#[derive(Clone)]
struct Page([u8; 4096]);

/// Zeroed pages, in place as long as this lives.
pub struct Pages(Box<[Page]>);

impl Pages {
    pub fn new(bytes: usize) -> Self {
        Self(vec![Page([0; 4096]); bytes.div_ceil(4096)].into())
    }

    pub fn area(&mut self) -> Area {
        let base = NonNull::new(self.0.as_mut_ptr().cast()).unwrap();
        // SAFETY: the tests drop every area before the pages, and make no reference into them.
        unsafe { Area::new(base, self.0.len() * 4096) }
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
    pub home: HomeSide,
    pub w: Area,
    pub r: Area,
    _memory: [Pages; 2],
}

impl Endpoint {
    pub fn at(positions: Positions) -> Self {
        let layout = layout();
        let mut memory = [Pages::new(layout.w_size()), Pages::new(layout.r_size())];
        let [w, r] = [memory[0].area(), memory[1].area()];
        Self {
            process: ProcessSide::resume(layout, w, r, &positions).unwrap(),
            home: HomeSide::resume(layout, w, r, &positions).unwrap(),
            w,
            r,
            _memory: memory,
        }
    }
}

/// Bytes without order.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}
