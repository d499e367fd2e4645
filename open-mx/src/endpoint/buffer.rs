//! Memory for messages that the board can reach without a copy in between.

use std::sync::Arc;

use mx_engine::Memory;
use mx_ring::mapping::Memfd;

use crate::error::Error;

/// Bytes for messages, zero at first and page-aligned. Copies of this value are the same bytes. While a request uses
/// them the board may read or write them at any time: a receive's bytes mean something once it is done.
#[derive(Clone, Debug)]
pub struct Buffer {
    memory: Arc<Memfd>,
    start: usize,
    length: usize,
}

impl Buffer {
    /// At least 1 byte is allocated.
    pub fn new(length: usize) -> Result<Self, Error> {
        Self::aligned(length, 1)
    }

    /// The first byte's address is a multiple of `alignment`, a power of two.
    pub fn aligned(length: usize, alignment: usize) -> Result<Self, Error> {
        let slack = alignment.saturating_sub(mx_ring::PAGE_SIZE);
        let size = length
            .checked_add(slack)
            .filter(|size| u32::try_from(*size).is_ok())
            .ok_or(Error::Memory)?;
        let memory = Memfd::create("open-mx buffer", size.max(1)).map_err(|_| Error::Memory)?;
        let address = memory.slice().address();
        let start = address.next_multiple_of(alignment.max(1)) - address;
        Ok(Self {
            memory: Arc::new(memory),
            start,
            length,
        })
    }

    /// Bytes of it.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Copies bytes into it. An error beyond its end.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Error> {
        let slice = self.slice(offset, bytes.len())?;
        slice.write(0, bytes).map_err(|_| Error::Memory)
    }

    /// Copies bytes out of it. An error beyond its end.
    pub fn read(&self, offset: usize, bytes: &mut [u8]) -> Result<(), Error> {
        let slice = self.slice(offset, bytes.len())?;
        slice.read(0, bytes).map_err(|_| Error::Memory)
    }

    /// A part as the memory of a message.
    pub fn part(&self, offset: usize, length: usize) -> Result<Memory, Error> {
        let slice = self.slice(offset, length)?;
        Memory::owned(slice, self.memory.clone()).map_err(|_| Error::Memory)
    }

    fn slice(&self, offset: usize, length: usize) -> Result<mx_ring::VolatileSlice, Error> {
        let end = offset.checked_add(length).ok_or(Error::Memory)?;
        if end > self.length {
            return Err(Error::Memory);
        }
        self.memory
            .slice()
            .part(self.start + offset, length)
            .map_err(|_| Error::Memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_ends_where_it_ends_although_its_pages_go_on() {
        let buffer = Buffer::aligned(100, 65536).unwrap();
        assert!(buffer.write(99, &[1]).is_ok());
        assert!(buffer.write(99, &[1, 2]).is_err());
        assert!(buffer.read(usize::MAX, &mut [0]).is_err());
        assert!(buffer.part(0, 101).is_err());
        assert_eq!(buffer.part(1, 99).unwrap().length(), 99);
    }

    #[test]
    fn alignments_beyond_a_page_are_kept() {
        let memory = Buffer::aligned(1, 65536).unwrap().part(0, 1).unwrap();
        let address = memory.contiguous().unwrap().address();
        assert_eq!(address % 65536, 0);
    }
}
