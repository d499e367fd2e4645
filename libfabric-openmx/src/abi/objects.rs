//! Objects: each begins with a [`Fid`], and its tables lead to its functions.

use core::ffi::{c_char, c_int, c_void};

use super::atomic::{AtomicAttributes, AtomicOperations};
use super::completion::{CounterAttributes, Entry, ErrorEntry, QueueAttributes};
pub use super::fid::{Fid, FidOperations, Unsupported, bind_nothing, unsupported};
use super::info::Info;
use super::memory::{MemoryOperations, RemoteOperations};
use super::operations::{IoVector, Message, TaggedMessage};

/// `struct fid_fabric`.
#[repr(C)]
#[derive(Debug)]
pub struct FabricObject {
    pub fid: Fid,
    pub operations: *const FabricOperations,
    pub api_version: u32,
}

/// `struct fi_ops_fabric`.
#[repr(C)]
#[derive(Debug)]
pub struct FabricOperations {
    pub size: usize,
    pub domain: unsafe extern "C" fn(*mut Fid, *mut Info, *mut *mut Fid, *mut c_void) -> c_int,
    pub passive_endpoint: Unsupported,
    pub event_queue:
        unsafe extern "C" fn(*mut Fid, *mut c_void, *mut *mut Fid, *mut c_void) -> c_int,
    pub wait_open: Unsupported,
    pub try_wait: unsafe extern "C" fn(*mut Fid, *mut *mut Fid, c_int) -> c_int,
    pub domain2: Unsupported,
}

/// `struct fid_eq`.
#[repr(C)]
#[derive(Debug)]
pub struct EventQueueObject {
    pub fid: Fid,
    pub operations: *const EventQueueOperations,
}

/// `struct fi_ops_eq`.
#[repr(C)]
#[derive(Debug)]
pub struct EventQueueOperations {
    pub size: usize,
    pub read: Unsupported,
    pub read_error: Unsupported,
    pub write: Unsupported,
    pub read_waiting:
        unsafe extern "C" fn(*mut Fid, *mut u32, *mut c_void, usize, c_int, u64) -> isize,
    pub error_text: Unsupported,
}

/// `struct fid_domain`.
#[repr(C)]
#[derive(Debug)]
pub struct DomainObject {
    pub fid: Fid,
    pub operations: *const DomainOperations,
    pub memory: *const MemoryOperations,
}

/// `struct fi_ops_domain`.
#[repr(C)]
#[derive(Debug)]
pub struct DomainOperations {
    pub size: usize,
    pub address_vector: unsafe extern "C" fn(
        *mut Fid,
        *mut AddressVectorAttributes,
        *mut *mut Fid,
        *mut c_void,
    ) -> c_int,
    pub completion_queue:
        unsafe extern "C" fn(*mut Fid, *mut QueueAttributes, *mut *mut Fid, *mut c_void) -> c_int,
    pub endpoint: unsafe extern "C" fn(*mut Fid, *mut Info, *mut *mut Fid, *mut c_void) -> c_int,
    pub scalable_endpoint: Unsupported,
    pub counter:
        unsafe extern "C" fn(*mut Fid, *mut CounterAttributes, *mut *mut Fid, *mut c_void) -> c_int,
    pub poll_open: Unsupported,
    pub shared_transmit_context: Unsupported,
    pub shared_receive_context: Unsupported,
    pub query_atomic: unsafe extern "C" fn(*mut Fid, u32, u32, *mut AtomicAttributes, u64) -> c_int,
    pub query_collective: Unsupported,
    pub endpoint2: Unsupported,
}

/// `struct fi_av_attr`.
#[repr(C)]
#[derive(Debug)]
pub struct AddressVectorAttributes {
    pub kind: u32,
    pub receive_context_bits: c_int,
    pub count: usize,
    pub endpoints_per_node: usize,
    pub name: *const c_char,
    pub map_address: *mut c_void,
    pub flags: u64,
}

/// `struct fid_av`.
#[repr(C)]
#[derive(Debug)]
pub struct AddressVectorObject {
    pub fid: Fid,
    pub operations: *const AddressVectorOperations,
}

/// `struct fi_ops_av`.
#[repr(C)]
#[derive(Debug)]
pub struct AddressVectorOperations {
    pub size: usize,
    pub insert:
        unsafe extern "C" fn(*mut Fid, *const c_void, usize, *mut u64, u64, *mut c_void) -> c_int,
    pub insert_service: unsafe extern "C" fn(
        *mut Fid,
        *const c_char,
        *const c_char,
        *mut u64,
        u64,
        *mut c_void,
    ) -> c_int,
    pub insert_symmetric: Unsupported,
    pub remove: unsafe extern "C" fn(*mut Fid, *mut u64, usize, u64) -> c_int,
    pub look_up: unsafe extern "C" fn(*mut Fid, u64, *mut c_void, *mut usize) -> c_int,
    pub text:
        unsafe extern "C" fn(*mut Fid, *const c_void, *mut c_char, *mut usize) -> *const c_char,
    pub set: Unsupported,
}

/// `struct fid_cq`.
#[repr(C)]
#[derive(Debug)]
pub struct CompletionQueueObject {
    pub fid: Fid,
    pub operations: *const CompletionQueueOperations,
}

/// `struct fi_ops_cq`.
#[repr(C)]
#[derive(Debug)]
pub struct CompletionQueueOperations {
    pub size: usize,
    pub read: unsafe extern "C" fn(*mut Fid, *mut Entry, usize) -> isize,
    pub read_from: unsafe extern "C" fn(*mut Fid, *mut Entry, usize, *mut u64) -> isize,
    pub read_error: unsafe extern "C" fn(*mut Fid, *mut ErrorEntry, u64) -> isize,
    pub read_waiting:
        unsafe extern "C" fn(*mut Fid, *mut Entry, usize, *const c_void, c_int) -> isize,
    pub read_from_waiting:
        unsafe extern "C" fn(*mut Fid, *mut Entry, usize, *mut u64, *const c_void, c_int) -> isize,
    pub signal: unsafe extern "C" fn(*mut Fid) -> c_int,
    pub error_text:
        unsafe extern "C" fn(*mut Fid, c_int, *const c_void, *mut c_char, usize) -> *const c_char,
}

/// `struct fid_cntr`.
#[repr(C)]
#[derive(Debug)]
pub struct CounterObject {
    pub fid: Fid,
    pub operations: *const CounterOperations,
}

/// `struct fi_ops_cntr`.
#[repr(C)]
#[derive(Debug)]
pub struct CounterOperations {
    pub size: usize,
    pub read: unsafe extern "C" fn(*mut Fid) -> u64,
    pub read_errors: unsafe extern "C" fn(*mut Fid) -> u64,
    pub add: unsafe extern "C" fn(*mut Fid, u64) -> c_int,
    pub set: unsafe extern "C" fn(*mut Fid, u64) -> c_int,
    pub wait: unsafe extern "C" fn(*mut Fid, u64, c_int) -> c_int,
    pub add_errors: unsafe extern "C" fn(*mut Fid, u64) -> c_int,
    pub set_errors: unsafe extern "C" fn(*mut Fid, u64) -> c_int,
}

/// `struct fid_ep`.
#[repr(C)]
#[derive(Debug)]
pub struct EndpointObject {
    pub fid: Fid,
    pub operations: *const EndpointOperations,
    pub connection: *const ConnectionOperations,
    pub message: *const MessageOperations,
    pub rma: *const RemoteOperations,
    pub tagged: *const TaggedOperations,
    pub atomic: *const AtomicOperations,
    pub collective: *const c_void,
}

/// `struct fi_ops_ep`.
#[repr(C)]
#[derive(Debug)]
pub struct EndpointOperations {
    pub size: usize,
    pub cancel: unsafe extern "C" fn(*mut Fid, *mut c_void) -> isize,
    pub get_option: unsafe extern "C" fn(*mut Fid, c_int, c_int, *mut c_void, *mut usize) -> c_int,
    pub set_option: unsafe extern "C" fn(*mut Fid, c_int, c_int, *const c_void, usize) -> c_int,
    pub transmit_context: Unsupported,
    pub receive_context: Unsupported,
    pub receive_size_left: Unsupported,
    pub transmit_size_left: Unsupported,
}

/// `struct fi_ops_cm`.
#[repr(C)]
#[derive(Debug)]
pub struct ConnectionOperations {
    pub size: usize,
    pub set_name: Unsupported,
    pub get_name: unsafe extern "C" fn(*mut Fid, *mut c_void, *mut usize) -> c_int,
    pub get_peer: Unsupported,
    pub connect: Unsupported,
    pub listen: Unsupported,
    pub accept: Unsupported,
    pub reject: Unsupported,
    pub shutdown: Unsupported,
    pub join: Unsupported,
}

/// `struct fi_ops_msg`.
#[repr(C)]
#[derive(Debug)]
pub struct MessageOperations {
    pub size: usize,
    pub recv:
        unsafe extern "C" fn(*mut Fid, *mut c_void, usize, *mut c_void, u64, *mut c_void) -> isize,
    pub recvv: unsafe extern "C" fn(
        *mut Fid,
        *const IoVector,
        *mut *mut c_void,
        usize,
        u64,
        *mut c_void,
    ) -> isize,
    pub recvmsg: unsafe extern "C" fn(*mut Fid, *const Message, u64) -> isize,
    pub send: unsafe extern "C" fn(
        *mut Fid,
        *const c_void,
        usize,
        *mut c_void,
        u64,
        *mut c_void,
    ) -> isize,
    pub sendv: unsafe extern "C" fn(
        *mut Fid,
        *const IoVector,
        *mut *mut c_void,
        usize,
        u64,
        *mut c_void,
    ) -> isize,
    pub sendmsg: unsafe extern "C" fn(*mut Fid, *const Message, u64) -> isize,
    pub inject: unsafe extern "C" fn(*mut Fid, *const c_void, usize, u64) -> isize,
    pub senddata: unsafe extern "C" fn(
        *mut Fid,
        *const c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub injectdata: unsafe extern "C" fn(*mut Fid, *const c_void, usize, u64, u64) -> isize,
}

/// `struct fi_ops_tagged`.
#[repr(C)]
#[derive(Debug)]
pub struct TaggedOperations {
    pub size: usize,
    pub recv: unsafe extern "C" fn(
        *mut Fid,
        *mut c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub recvv: unsafe extern "C" fn(
        *mut Fid,
        *const IoVector,
        *mut *mut c_void,
        usize,
        u64,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub recvmsg: unsafe extern "C" fn(*mut Fid, *const TaggedMessage, u64) -> isize,
    pub send: unsafe extern "C" fn(
        *mut Fid,
        *const c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub sendv: unsafe extern "C" fn(
        *mut Fid,
        *const IoVector,
        *mut *mut c_void,
        usize,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub sendmsg: unsafe extern "C" fn(*mut Fid, *const TaggedMessage, u64) -> isize,
    pub inject: unsafe extern "C" fn(*mut Fid, *const c_void, usize, u64, u64) -> isize,
    pub senddata: unsafe extern "C" fn(
        *mut Fid,
        *const c_void,
        usize,
        *mut c_void,
        u64,
        u64,
        u64,
        *mut c_void,
    ) -> isize,
    pub injectdata: unsafe extern "C" fn(*mut Fid, *const c_void, usize, u64, u64, u64) -> isize,
}
