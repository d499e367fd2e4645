//! The cache against backends that register memory, and do nothing else.

mod cache;
mod daemon;
mod module;
mod quota;

use std::ops::Deref;
use std::time::Duration;

use mx_engine::{Memory, Part, Registered, Use};
use mx_ring::mapping::{Mapping, Memfd};
use mx_ring::uapi::{CallReply, CallRequest};
use mx_ring::{EndpointLayout, PAGE_SIZE};
use rustix::io::Errno;

use super::Regions;
use crate::backend::{CallError, Channel, Opened};

/// What a backend of these tests does.
trait Registers: Send + Sync {
    /// A call about a region.
    fn call(&self, request: &CallRequest, memory: Option<&Memfd>) -> Result<CallReply, CallError>;
}

/// A channel to it.
struct To<T>(T);

impl<T> Deref for To<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Registers> Channel for To<T> {
    fn call(&self, request: &CallRequest, memory: Option<&Memfd>) -> Result<CallReply, CallError> {
        self.0.call(request, memory)
    }

    fn attach(&self, _: u32) -> Result<Mapping, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }

    fn open(&self, _: u32, _: u32, _: &EndpointLayout) -> Result<Opened, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }

    fn open_raw(&self, _: u32) -> Result<std::os::fd::OwnedFd, CallError> {
        Err(CallError(Errno::OPNOTSUPP))
    }

    fn process_arms(&self) -> bool {
        true
    }

    fn sleep(&self, _: (u32, u32), _: Option<Duration>, _: bool) -> Result<bool, CallError> {
        Ok(true)
    }

    fn kick(&self) {}

    fn wakeup(&self) {}

    fn close(&self) {}

    fn alive(&self) -> bool {
        true
    }
}

const PAGE: usize = PAGE_SIZE;

/// Memory of the application: page-aligned, not known to the library.
struct Application(Memfd);

impl Application {
    fn new(pages: usize) -> Self {
        Self(Memfd::create("application", pages * PAGE).unwrap())
    }

    fn message(&self, offset: usize, length: usize) -> Memory {
        Memory::new(self.0.slice().part(offset, length).unwrap()).unwrap()
    }

    fn address(&self) -> u64 {
        self.0.slice().address() as u64
    }
}

/// All of a message, in one piece.
fn whole(memory: &Memory) -> Part {
    Part {
        start: 0,
        length: memory.length(),
        divisible: false,
    }
}

/// The same, which may come in pieces.
fn divisible(memory: &Memory) -> Part {
    Part {
        divisible: true,
        ..whole(memory)
    }
}

/// One message: registered, and done.
fn message(regions: &mut Regions, memory: &Memory, used: Use) -> Registered {
    let registered = regions.register_part(memory, whole(memory), used).unwrap();
    regions.release(&registered);
    registered
}
