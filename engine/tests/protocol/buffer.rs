//! Memory for messages.

use std::sync::Arc;

use mx_engine::Memory;
use mx_ring::mapping::Memfd;

/// A buffer of the test.
pub struct Buffer(Arc<Memfd>);

impl Buffer {
    /// `length` zero bytes, and at least one.
    pub fn new(length: usize) -> Self {
        Self(Arc::new(Memfd::create("test", length.max(1)).unwrap()))
    }

    /// A part of it as the memory of a message.
    pub fn part(&self, offset: usize, length: usize) -> Memory {
        let part = self.0.slice().part(offset, length).unwrap();
        Memory::owned(part, self.0.clone()).unwrap()
    }

    /// Its bytes from `offset` on.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) {
        self.0.slice().read(offset, bytes).unwrap();
    }
}

/// Memory of so many bytes.
pub fn memory(length: usize) -> Memory {
    Buffer::new(length).part(0, length)
}
