//! The open endpoints of the process, by the numbers that C code holds.

use std::cell::RefCell;
use std::sync::{Mutex, MutexGuard, Once, PoisonError, RwLock};

use open_mx::board::text;
use open_mx::environment::Speaker;
use open_mx::{Endpoint, Error};

use super::places::{Inside, Place};
use super::types::{
    EndpointAddress, EndpointHandle, ErrorHandler, RequestHandle, Seat, request_handle, request_of,
};

/// Endpoints that a process may have open: their number is a byte of each address.
const MAX: usize = 256;

struct Open {
    endpoint: Endpoint,
    index: u32,
    handler: RwLock<ErrorHandler>,
}

static PLACES: [Place<Open>; MAX] = [const { Place::new() }; MAX];
/// Who fills one has it.
static FILLING: Mutex<()> = Mutex::new(());

/// An endpoint that stays open for as long as this value exists.
pub struct Handle {
    open: Inside<'static, Open>,
    slot: u8,
}

impl Handle {
    /// Registers an endpoint.
    pub fn add(endpoint: Endpoint, handler: ErrorHandler) -> Result<EndpointHandle, Error> {
        static FORK_WATCH: Once = Once::new();
        FORK_WATCH.call_once(watch_forks);
        let index = endpoint.address()?.endpoint;
        let open = Open {
            endpoint,
            index,
            handler: RwLock::new(handler),
        };
        let _filling = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
        let at = PLACES.iter().position(Place::is_empty);
        let at = at.ok_or(Error::TooManyEndpoints)?;
        // SAFETY: it is empty, and the lock is held.
        let generation = unsafe { PLACES[at].fill(open) };
        let number = (generation as usize) << 8 | at;
        Ok(core::ptr::without_provenance_mut(number))
    }

    /// The endpoint of a handle.
    #[inline(always)]
    pub fn find(handle: EndpointHandle) -> Option<Self> {
        let number = handle.addr();
        Self::in_slot(number as u8, |generation| {
            generation as usize == number >> 8
        })
    }

    /// The endpoint that is open in a slot, if it is the use of it that is wanted.
    #[inline(always)]
    fn in_slot(slot: u8, wanted: impl FnOnce(u32) -> bool) -> Option<Self> {
        let open = PLACES[usize::from(slot)].enter(wanted)?;
        Some(Self { open, slot })
    }

    /// The endpoint that an address belongs to.
    pub fn of_address(address: EndpointAddress) -> Option<Self> {
        let seat = address.seat();
        Self::in_slot(seat.slot, |generation| generation as u8 == seat.generation)
    }

    /// Forgets a handle: calls that wait on the endpoint end, and it closes when none uses it any more.
    pub fn remove(handle: EndpointHandle) -> Result<(), Error> {
        let found = Self::find(handle).ok_or(Error::NotOpen)?;
        if found.endpoint().in_handler() {
            return Err(Error::InHandler);
        }
        // Another thread may have been faster.
        if !found.open.close() {
            return Err(Error::NotOpen);
        }
        found.endpoint().shut();
        Ok(())
    }

    /// Its place in the process.
    #[inline]
    pub fn seat(&self) -> Seat {
        Seat {
            slot: self.slot,
            generation: self.open.generation() as u8,
        }
    }

    /// The endpoint of the Rust library, which does the work.
    #[inline(always)]
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
    #[inline(always)]
    pub fn request_handle(&self, request: open_mx::Request) -> RequestHandle {
        request_handle(request, self.slot)
    }

    /// The request of this endpoint that C code holds.
    #[inline(always)]
    pub fn request(&self, held: RequestHandle) -> Result<open_mx::Request, Error> {
        match request_of(held) {
            (request, slot) if slot == self.slot => Ok(request),
            _ => Err(Error::Request),
        }
    }

    /// The same at a place.
    ///
    /// # Safety
    /// `request` is null or valid for a read.
    #[inline(always)]
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
        let open = Self::in_slot(slot, |_| true);
        open.ok_or(Error::Request)?.endpoint().context(request)
    }

    /// An address as C code holds it.
    #[inline(always)]
    pub fn address(&self, address: &open_mx::Address) -> EndpointAddress {
        EndpointAddress::new(address, self.seat())
    }

    /// An address that C code holds, for a call of this endpoint.
    #[inline(always)]
    pub fn partner(&self, address: EndpointAddress) -> Result<open_mx::Address, Error> {
        if address.seat() == self.seat() {
            Ok(address.address())
        } else {
            Err(Error::StrangeAddress)
        }
    }
}

thread_local! {
    /// The lock, held while this thread forks.
    static FORKING: RefCell<Option<MutexGuard<'static, ()>>> = const { RefCell::new(None) };
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
/// child no endpoint is open, and none is closed, which would write into the parent's queues.
fn watch_forks() {
    unsafe extern "C" fn prepare() {
        let filling = FILLING.lock().unwrap_or_else(PoisonError::into_inner);
        FORKING.set(Some(filling));
    }
    unsafe extern "C" fn parent() {
        FORKING.set(None);
    }
    unsafe extern "C" fn child() {
        PLACES.iter().for_each(Place::lose);
        FORKING.set(None);
    }
    // SAFETY: the three are functions of this library, which stays loaded for as long as its endpoints are in use.
    let refused = unsafe { pthread_atfork(Some(prepare), Some(parent), Some(child)) };
    if refused != 0 {
        open_mx::environment::say(
            "a child of this process must not use its endpoints: out of memory",
        );
    }
}
