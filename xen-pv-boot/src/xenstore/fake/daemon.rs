//! The daemon's end of the ring, for tests.

use core::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use alloc::boxed::Box;
use alloc::vec::Vec;

use xen_sys::xs_wire::{DomainInterface, XENSTORE_RING_SIZE};

use crate::xenstore::ring::Ring;
use crate::xenstore::wire::{Assembler, Header, Message};

/// A xenstore daemon that answers as the test has it.
pub(crate) struct Daemon {
    page: &'static DomainInterface,
    assembler: Assembler,
}

impl Daemon {
    /// A daemon, and the other end of its ring.
    pub(crate) fn start() -> (Self, Ring) {
        let page: &'static DomainInterface = Box::leak(Box::new(DomainInterface {
            req: [const { AtomicU8::new(0) }; XENSTORE_RING_SIZE],
            rsp: [const { AtomicU8::new(0) }; XENSTORE_RING_SIZE],
            req_cons: AtomicU32::new(0),
            req_prod: AtomicU32::new(0),
            rsp_cons: AtomicU32::new(0),
            rsp_prod: AtomicU32::new(0),
        }));
        let daemon = Self {
            page,
            assembler: Assembler::default(),
        };
        (daemon, Ring::new(page))
    }

    /// Takes the requests that are there.
    pub(crate) fn take(&mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        let end = self.page.req_prod.load(Ordering::Acquire);
        let mut at = self.page.req_cons.load(Ordering::Relaxed);
        while at != end {
            let byte = self.page.req[at as usize % XENSTORE_RING_SIZE].load(Ordering::Relaxed);
            self.assembler.push(&[byte]);
            messages.extend(self.assembler.take());
            at = at.wrapping_add(1);
        }
        self.page.req_cons.store(at, Ordering::Release);
        messages
    }

    /// Answers a request, or tells of a watch.
    pub(crate) fn say(&mut self, kind: u32, request: u32, payload: &[u8]) {
        let header = Header {
            kind,
            request,
            transaction: 0,
            length: payload.len() as u32,
        };
        self.say_raw(&header.to_bytes());
        self.say_raw(payload);
    }

    /// Puts bytes into the ring.
    pub(crate) fn say_raw(&mut self, bytes: &[u8]) {
        let mut at = self.page.rsp_prod.load(Ordering::Relaxed);
        for byte in bytes {
            self.page.rsp[at as usize % XENSTORE_RING_SIZE].store(*byte, Ordering::Relaxed);
            at = at.wrapping_add(1);
        }
        self.page.rsp_prod.store(at, Ordering::Release);
    }

    /// Moves the producer to where it may not be.
    #[cfg(test)]
    pub(crate) fn move_index(&mut self, to: u32) {
        self.page.rsp_prod.store(to, Ordering::Release);
    }
}
