//! What an endpoint knows, under one lock.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use open_mx::{Claim, Error, Request, Status};
use slotmap::SlotMap;

use super::codes::Beside;
use super::operation::{Operation, OperationKey};
use super::peers::Peers;
use crate::abi::objects::{EndpointObject, Fid};
use crate::address::Name;
use crate::counter::Counter;
use crate::error;
use crate::handle::Handle;
use crate::match_info::{self, Layout};
use crate::queue::CompletionQueue;
use crate::region::Regions;
use crate::vector::AddressVector;

/// What endpoints of this provider present to each other.
pub const KEY: u32 = 0x6d70_6900 + match_info::VERSION;

/// How long a close waits for what was sent: it is lost with the endpoint.
const SETTLE: Duration = Duration::from_secs(5);

/// Below how many bytes of room a receive of several messages ends, unless the application says otherwise.
pub const MIN_MULTI_RECEIVE: usize = 4096;

/// An endpoint as libfabric holds it.
pub type Object = Handle<EndpointObject, Endpoint>;

/// An endpoint with what it is bound to. Its lock is taken before the library's and before a queue's.
#[derive(Debug)]
pub struct Endpoint {
    pub mx: Mx,
    pub own: Name,
    pub layout: Layout,
    /// Whether receives name a peer: who has not asked for it may name anything.
    pub directed: bool,
    /// Whether it reads and writes memory of others, and they its own.
    pub remote: bool,
    /// Whether it changes memory of others atomically, and they its own.
    pub atomic: bool,
    pub regions: Arc<Regions>,
    /// Somebody may sleep on its descriptors.
    pub sleeps: AtomicBool,
    pub state: Mutex<State>,
}

/// The library's endpoint, which has nothing to show.
pub struct Mx(pub open_mx::Endpoint);

impl std::fmt::Debug for Mx {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an endpoint")
    }
}

#[derive(Debug)]
pub struct State {
    pub vector: Option<Arc<AddressVector>>,
    pub sends: Side,
    pub receives: Side,
    pub reads: Side,
    pub writes: Side,
    pub peers: Peers,
    pub operations: SlotMap<OperationKey, Operation>,
    /// Messages that were claimed, and what they are, by the context of whoever claimed them.
    pub claims: HashMap<usize, (Claim, Status)>,
    pub beside: Beside,
    pub min_multi_receive: usize,
    /// Of the last read or write.
    pub numbers: u32,
    /// Requests of others are awaited.
    pub serves: bool,
}

/// Where operations of one kind complete.
#[derive(Debug, Default)]
pub struct Side {
    pub queue: Option<Arc<CompletionQueue>>,
    /// Only those complete visibly that ask for it.
    pub selective: bool,
    pub counter: Option<Arc<Counter>>,
    /// Flags of those whose call has none.
    pub flags: u64,
}

impl Endpoint {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ours of an endpoint.
///
/// # Safety
/// `fid` is of an open endpoint of this provider for as long as `'a`.
pub unsafe fn of<'a>(fid: *mut Fid) -> &'a Arc<Endpoint> {
    // SAFETY: promised by the caller.
    unsafe { Object::of(fid) }
}

impl State {
    /// The library has taken an operation over, or refuses it: then there is none.
    pub fn begun(
        &mut self,
        operation: OperationKey,
        request: Result<Request, Error>,
    ) -> Result<(), i32> {
        match request {
            Ok(request) => {
                if let Some(operation) = self.operations.get_mut(operation) {
                    operation.request = Some(request);
                }
                Ok(())
            }
            Err(error) => {
                self.operations.remove(operation);
                Err(error::of_call(&error))
            }
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        // Eager sends are complete before they arrive.
        let _ = self.mx.0.settle(SETTLE);
    }
}
