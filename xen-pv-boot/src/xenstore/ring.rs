//! The page shared with the xenstore daemon: bytes in, bytes out, nothing believed.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use xen_sys::xs_wire::{DomainInterface, XENSTORE_RING_SIZE};

/// The daemon moved an index where it cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadIndex;

pub(crate) struct Ring {
    page: &'static DomainInterface,
}

impl Ring {
    pub(crate) fn new(page: &'static DomainInterface) -> Self {
        Self { page }
    }

    /// Puts as many bytes as fit into the ring; how many.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<usize, BadIndex> {
        let produced = self.page.req_prod.load(Ordering::Relaxed);
        let used = distance(&self.page.req_cons, produced)?;
        let count = bytes.len().min(XENSTORE_RING_SIZE - used);
        for (offset, &byte) in bytes[..count].iter().enumerate() {
            slot(&self.page.req, produced, offset).store(byte, Ordering::Relaxed);
        }
        self.page
            .req_prod
            .store(produced.wrapping_add(count as u32), Ordering::Release);
        Ok(count)
    }

    /// Takes at most `bytes.len()` bytes from the ring; how many.
    pub(crate) fn receive(&self, bytes: &mut [u8]) -> Result<usize, BadIndex> {
        let produced = self.page.rsp_prod.load(Ordering::Acquire);
        let consumed = self.page.rsp_cons.load(Ordering::Relaxed);
        let waiting = produced.wrapping_sub(consumed) as usize;
        if waiting > XENSTORE_RING_SIZE {
            return Err(BadIndex);
        }
        let count = bytes.len().min(waiting);
        for (offset, byte) in bytes[..count].iter_mut().enumerate() {
            *byte = slot(&self.page.rsp, consumed, offset).load(Ordering::Relaxed);
        }
        self.page
            .rsp_cons
            .store(consumed.wrapping_add(count as u32), Ordering::Release);
        Ok(count)
    }
}

fn distance(consumer: &AtomicU32, produced: u32) -> Result<usize, BadIndex> {
    let used = produced.wrapping_sub(consumer.load(Ordering::Acquire)) as usize;
    if used > XENSTORE_RING_SIZE {
        return Err(BadIndex);
    }
    Ok(used)
}

fn slot(ring: &[AtomicU8; XENSTORE_RING_SIZE], index: u32, offset: usize) -> &AtomicU8 {
    &ring[(index as usize).wrapping_add(offset) % XENSTORE_RING_SIZE]
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::boxed::Box;
    use alloc::vec;
    use alloc::vec::Vec;

    fn page() -> &'static DomainInterface {
        Box::leak(Box::new(DomainInterface {
            req: [const { AtomicU8::new(0) }; XENSTORE_RING_SIZE],
            rsp: [const { AtomicU8::new(0) }; XENSTORE_RING_SIZE],
            req_cons: AtomicU32::new(u32::MAX - 100),
            req_prod: AtomicU32::new(u32::MAX - 100),
            rsp_cons: AtomicU32::new(u32::MAX - 100),
            rsp_prod: AtomicU32::new(u32::MAX - 100),
        }))
    }

    #[test]
    fn bytes_survive_the_wrap_of_ring_and_index() {
        let page = page();
        let ring = Ring::new(page);
        for round in 0..10u8 {
            let sent: Vec<u8> = (0..700u16).map(|at| at as u8 ^ round).collect();
            assert_eq!(ring.send(&sent), Ok(700));
            // The daemon echoes.
            let from = page.req_cons.load(Ordering::Relaxed);
            for offset in 0..700 {
                let byte = slot(&page.req, from, offset).load(Ordering::Relaxed);
                slot(&page.rsp, page.rsp_prod.load(Ordering::Relaxed), offset)
                    .store(byte, Ordering::Relaxed);
            }
            page.req_cons.fetch_add(700, Ordering::Relaxed);
            page.rsp_prod.fetch_add(700, Ordering::Relaxed);
            let mut received = vec![0; 1000];
            assert_eq!(ring.receive(&mut received), Ok(700));
            assert_eq!(&received[..700], sent);
        }
    }

    #[test]
    fn a_full_ring_takes_no_more() {
        let ring = Ring::new(page());
        assert_eq!(ring.send(&[1; 2000]), Ok(XENSTORE_RING_SIZE));
        assert_eq!(ring.send(&[1; 10]), Ok(0));
    }

    #[test]
    fn impossible_indices_are_noticed() {
        let page = page();
        let ring = Ring::new(page);
        page.rsp_prod.fetch_add(1025, Ordering::Relaxed);
        assert_eq!(ring.receive(&mut [0; 8]), Err(BadIndex));
        page.req_cons.fetch_add(1, Ordering::Relaxed);
        assert_eq!(ring.send(&[0]), Err(BadIndex));
    }
}
