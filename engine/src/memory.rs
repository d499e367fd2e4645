//! The application's memory: where a message comes from or goes to.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use mx_ring::{VolatileSlice, VolatileSliceError};

/// Spans of memory that together hold one message. It is only ever copied from and to, or registered; no reference to
/// its bytes is made.
#[derive(Clone, Debug)]
pub struct Memory {
    spans: Spans,
    length: u32,
    owner: Option<Arc<dyn Any + Send + Sync>>,
}

#[derive(Clone, Debug)]
enum Spans {
    One(VolatileSlice),
    Several(Box<[VolatileSlice]>),
}

/// Where a copy in comes from.
#[derive(Clone, Copy, Debug)]
pub enum Payload<'a> {
    /// Private memory.
    Bytes(&'a [u8]),
    /// The receive ring: the backend may change it until it is given back.
    Shared(VolatileSlice),
}

impl Payload<'_> {
    /// Bytes of it.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Shared(slice) => slice.len(),
        }
    }

    /// A private copy, or nothing when memory lacks.
    #[inline]
    pub fn to_vec(self) -> Option<Vec<u8>> {
        let mut copy = zeroed(self.len())?;
        self.copy_to(&mut copy);
        Some(copy)
    }

    /// Copies the whole payload to the start of `to`, as far as it is long enough.
    #[inline]
    pub fn copy_to(self, to: &mut [u8]) {
        let length = self.len().min(to.len());
        match self {
            Self::Bytes(bytes) => to[..length].copy_from_slice(&bytes[..length]),
            Self::Shared(slice) => {
                let read = slice.read(0, &mut to[..length]);
                debug_assert!(read.is_ok(), "the length was bounded by the slice's");
            }
        }
    }
}

/// `length` zero bytes, or nothing when memory lacks: a peer chooses the length.
#[inline]
pub fn zeroed(length: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(length).ok()?;
    bytes.resize(length, 0);
    Some(bytes)
}

impl Memory {
    /// One span.
    #[inline]
    pub fn new(span: VolatileSlice) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            length: u32::try_from(span.len()).map_err(|_| VolatileSliceError)?,
            spans: Spans::One(span),
            owner: None,
        })
    }

    /// One span of memory that its owner keeps alive, as this value does the owner. What an owner is, the port knows.
    #[inline]
    pub fn owned(
        span: VolatileSlice,
        owner: Arc<impl Any + Send + Sync>,
    ) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            owner: Some(owner),
            ..Self::new(span)?
        })
    }

    /// Several spans in order. An error when they hold more than 4 GiB together.
    pub fn several(spans: Box<[VolatileSlice]>) -> Result<Self, VolatileSliceError> {
        let length = spans.iter().map(|span| span.len() as u64).sum::<u64>();
        Ok(Self {
            length: u32::try_from(length).map_err(|_| VolatileSliceError)?,
            spans: Spans::Several(spans),
            owner: None,
        })
    }

    /// Bytes of the message.
    #[inline]
    pub fn length(&self) -> u32 {
        self.length
    }

    /// The owner of all of it, if it has one of that type.
    pub fn owner<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        self.owner.clone()?.downcast().ok()
    }

    /// The span, when there is only one.
    #[inline]
    pub fn contiguous(&self) -> Option<VolatileSlice> {
        match &self.spans {
            Spans::One(span) => Some(*span),
            Spans::Several(_) => None,
        }
    }

    #[inline]
    fn spans(&self) -> &[VolatileSlice] {
        match &self.spans {
            Spans::One(span) => core::slice::from_ref(span),
            Spans::Several(spans) => spans,
        }
    }

    /// Calls `copy` with each piece of the message between `offset` and `offset + length`, and the piece's position
    /// from `offset`. What lies beyond the message is left out.
    #[inline(always)]
    fn pieces(&self, offset: u32, length: usize, mut copy: impl FnMut(usize, VolatileSlice)) {
        let (mut skip, mut done) = (offset as usize, 0);
        for span in self.spans() {
            if done == length {
                return;
            }
            if skip >= span.len() {
                skip -= span.len();
                continue;
            }
            let take = (span.len() - skip).min(length - done);
            if let Ok(piece) = span.part(skip, take) {
                copy(done, piece);
            }
            done += take;
            skip = 0;
        }
    }

    /// Copies a payload into the message at `offset`; what does not fit is cut off.
    #[inline]
    pub fn copy_in(&self, offset: u32, payload: Payload<'_>) {
        self.pieces(offset, payload.len(), |at, piece| {
            let copied = match payload {
                Payload::Bytes(bytes) => piece.write(0, &bytes[at..at + piece.len()]),
                Payload::Shared(slice) => slice
                    .part(at, piece.len())
                    .and_then(|part| piece.write_slice(0, &part)),
            };
            debug_assert!(copied.is_ok(), "pieces lie within the payload");
        });
    }

    /// Copies shared memory into the message at `offset`.
    #[inline]
    pub fn copy_in_slice(&self, offset: u32, slice: &VolatileSlice) {
        self.copy_in(offset, Payload::Shared(*slice));
    }

    /// Copies from the message at `offset` into private memory.
    #[inline]
    pub fn copy_out(&self, offset: u32, to: &mut [u8]) {
        self.pieces(offset, to.len(), |at, piece| {
            let copied = piece.read(0, &mut to[at..at + piece.len()]);
            debug_assert!(copied.is_ok(), "pieces lie within the destination");
        });
    }

    /// Copies from the message at `offset` into shared memory, as much as that holds.
    #[inline]
    pub fn copy_to_slice(&self, offset: u32, to: &VolatileSlice) {
        self.pieces(offset, to.len(), |at, piece| {
            let copied = to.write_slice(at, &piece);
            debug_assert!(copied.is_ok(), "pieces lie within the destination");
        });
    }
}

#[cfg(test)]
mod tests {
    use mx_ring::mapping::Memfd;

    use super::*;

    fn memory(lengths: &[usize]) -> (Vec<Memfd>, Memory) {
        let parts: Vec<Memfd> = lengths
            .iter()
            .map(|length| Memfd::create("test", (*length).max(1)).unwrap())
            .collect();
        let spans = parts
            .iter()
            .zip(lengths)
            .map(|(part, length)| part.slice().part(0, *length).unwrap())
            .collect();
        let memory = Memory::several(spans).unwrap();
        (parts, memory)
    }

    #[test]
    fn several_spans_read_and_write_as_one_message() {
        let (_parts, memory) = memory(&[3, 0, 5, 8]);
        assert_eq!(memory.length(), 16);
        let bytes: Vec<u8> = (1..=16).collect();
        memory.copy_in(0, Payload::Bytes(&bytes[..4]));
        memory.copy_in(4, Payload::Bytes(&bytes[4..]));
        let mut out = [0; 14];
        memory.copy_out(2, &mut out);
        assert_eq!(out, bytes[2..]);
    }

    #[test]
    fn what_lies_beyond_the_message_is_cut_off() {
        let (_parts, memory) = memory(&[2, 2]);
        memory.copy_in(1, Payload::Bytes(&[7; 100]));
        memory.copy_in(u32::MAX, Payload::Bytes(&[9; 100]));
        let mut out = [0; 4];
        memory.copy_out(0, &mut out);
        assert_eq!(out, [0, 7, 7, 7]);
    }

    #[test]
    fn memory_keeps_its_owner_alive_and_tells_it_to_whoever_knows_its_type() {
        let owner = Arc::new(Memfd::create("test", 1).unwrap());
        let memory = Memory::owned(owner.slice(), owner.clone()).unwrap();
        assert_eq!(Arc::strong_count(&owner), 2);
        let told = memory.owner::<Memfd>().expect("its owner");
        assert!(Arc::ptr_eq(&told, &owner));
        assert!(memory.owner::<u8>().is_none());
    }
}
