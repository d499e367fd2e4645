//! The open endpoints of the process, by the numbers that C code holds.

use std::cell::RefCell;
use std::sync::{Arc, Once, PoisonError, RwLock, RwLockWriteGuard};

use open_mx::board::text;
use open_mx::environment::Speaker;
use open_mx::{Endpoint, Error};

use super::types::{
    EndpointAddress, EndpointHandle, ErrorHandler, RequestHandle, Seat, request_handle, request_of,
};

/// Endpoints that a process may have open: their number is a byte of each address.
const MAX: usize = 256;

#[derive(Default)]
struct Slot {
    /// Counts the uses of the slot.
    generation: usize,
    endpoint: Option<Arc<Open>>,
}

struct Open {
    endpoint: Endpoint,
    index: u32,
    handler: RwLock<ErrorHandler>,
}

type Slots = Vec<Slot>;

static SLOTS: RwLock<Slots> = RwLock::new(Vec::new());

/// An endpoint that stays open for as long as this value exists.
pub struct Handle {
    open: Arc<Open>,
    seat: Seat,
}

impl Handle {
    /// Registers an endpoint.
    pub fn add(endpoint: Endpoint, handler: ErrorHandler) -> Result<EndpointHandle, Error> {
        static FORK_WATCH: Once = Once::new();
        FORK_WATCH.call_once(watch_forks);
        let index = endpoint.address()?.endpoint;
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        let free = slots.iter().position(|slot| slot.endpoint.is_none());
        let at = match free {
            Some(at) => at,
            None if slots.len() < MAX => {
                slots.push(Slot::default());
                slots.len() - 1
            }
            None => return Err(Error::TooManyEndpoints),
        };
        let slot = &mut slots[at];
        slot.generation += 1;
        slot.endpoint = Some(Arc::new(Open {
            endpoint,
            index,
            handler: RwLock::new(handler),
        }));
        Ok(core::ptr::without_provenance_mut(slot.generation << 8 | at))
    }

    /// The endpoint of a handle.
    pub fn find(handle: EndpointHandle) -> Option<Self> {
        let number = handle.addr();
        let slots = SLOTS.read().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.get(number & 0xff)?;
        if slot.generation != number >> 8 {
            return None;
        }
        Self::of(number & 0xff, slot)
    }

    /// The endpoint that is open in a slot.
    fn of(at: usize, slot: &Slot) -> Option<Self> {
        Some(Self {
            open: slot.endpoint.clone()?,
            seat: Seat {
                slot: at as u8,
                generation: slot.generation as u8,
            },
        })
    }

    /// The endpoint that an address belongs to.
    pub fn of_address(address: EndpointAddress) -> Option<Self> {
        let seat = address.seat();
        Self::all().into_iter().find(|handle| handle.seat == seat)
    }

    /// All open endpoints.
    pub fn all() -> Vec<Self> {
        let slots = SLOTS.read().unwrap_or_else(PoisonError::into_inner);
        let open = slots.iter().enumerate();
        open.filter_map(|(at, slot)| Self::of(at, slot)).collect()
    }

    /// Forgets a handle: calls that wait on the endpoint end, and it closes when none uses it any more.
    pub fn remove(handle: EndpointHandle) -> Result<(), Error> {
        let found = Self::find(handle).ok_or(Error::NotOpen)?;
        if found.endpoint().in_handler() {
            return Err(Error::InHandler);
        }
        let mut slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        let closed = slots[usize::from(found.seat.slot)].endpoint.take();
        drop(slots);
        // Another thread may have been faster.
        let closed = closed.ok_or(Error::NotOpen)?;
        closed.endpoint.shut();
        Ok(())
    }

    /// Its place in the process.
    pub fn seat(&self) -> Seat {
        self.seat
    }

    /// The endpoint of the Rust library, which does the work.
    pub fn endpoint(&self) -> &Endpoint {
        &self.open.endpoint
    }

    /// The endpoint as messages name it.
    pub fn speaker(&self) -> Speaker {
        let board = self
            .endpoint()
            .with_board(|board| board.description())
            .ok()
            .map(|board| text(&board.hostname));
        Speaker {
            endpoint: Some(self.open.index),
            board: Some(self.endpoint().board_number()),
            board_name: board,
        }
    }

    /// Its own error handler.
    pub fn error_handler(&self) -> ErrorHandler {
        *self
            .open
            .handler
            .read()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes it; returns the one before.
    pub fn set_error_handler(&self, handler: ErrorHandler) -> ErrorHandler {
        let mut own = self
            .open
            .handler
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *own, handler)
    }

    /// A request of this endpoint as C code holds it.
    pub fn request_handle(&self, request: open_mx::Request) -> RequestHandle {
        request_handle(request, self.seat.slot)
    }

    /// The request of this endpoint that C code holds.
    pub fn request(&self, held: RequestHandle) -> Result<open_mx::Request, Error> {
        match request_of(held) {
            (request, slot) if slot == self.seat.slot => Ok(request),
            _ => Err(Error::Request),
        }
    }

    /// The same at a place.
    ///
    /// # Safety
    /// `request` is null or valid for a read.
    pub unsafe fn named(&self, request: *const RequestHandle) -> Result<open_mx::Request, Error> {
        if request.is_null() {
            return Err(Error::Request);
        }
        // SAFETY: not null, hence valid by the caller's promise.
        self.request(unsafe { request.read() })
    }

    /// The application's word of a request of any endpoint.
    pub fn context_of(held: RequestHandle) -> Result<u64, Error> {
        let (request, slot) = request_of(held);
        let open = Self::all()
            .into_iter()
            .find(|handle| handle.seat.slot == slot);
        open.ok_or(Error::Request)?.endpoint().context(request)
    }

    /// An address as C code holds it.
    pub fn address(&self, address: &open_mx::Address) -> EndpointAddress {
        EndpointAddress::new(address, self.seat)
    }

    /// An address that C code holds, for a call of this endpoint.
    pub fn partner(&self, address: EndpointAddress) -> Result<open_mx::Address, Error> {
        if address.seat() == self.seat {
            Ok(address.address())
        } else {
            Err(Error::StrangeAddress)
        }
    }
}

thread_local! {
    /// The table, held while this thread forks.
    static FORKING: RefCell<Option<RwLockWriteGuard<'static, Slots>>> = const { RefCell::new(None) };
}

unsafe extern "C" {
    /// POSIX.
    fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> core::ffi::c_int;
}

/// A child that has the parent's queues in its memory, or a copy of the protocol's state, must use neither: in the
/// child the table is empty.
fn watch_forks() {
    unsafe extern "C" fn prepare() {
        let slots = SLOTS.write().unwrap_or_else(PoisonError::into_inner);
        FORKING.set(Some(slots));
    }
    unsafe extern "C" fn parent() {
        FORKING.set(None);
    }
    unsafe extern "C" fn child() {
        if let Some(mut slots) = FORKING.take() {
            for slot in slots.iter_mut() {
                // Closing it would write into the parent's queues.
                std::mem::forget(slot.endpoint.take());
            }
        }
    }
    // SAFETY: the three are functions of this library, which stays loaded for as long as its endpoints are in use.
    let refused = unsafe { pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    if refused != 0 {
        open_mx::environment::say(
            "a child of this process must not use its endpoints: out of memory",
        );
    }
}
