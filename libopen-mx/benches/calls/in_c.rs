//! A program that calls the C interface.

use std::ffi::c_void;
use std::ptr::null_mut;

use open_mx::fake::Kick;
use open_mx::{Buffer, Endpoint};

use crate::{KEY, Kind, Program};

pub struct InC {
    endpoint: *mut c_void,
    buffer: *mut c_void,
    _memory: Buffer,
    kick: Kick,
    partner: AddressInC,
    status: StatusInC,
    /// The one that sends, or connects, and the one that receives.
    requests: [*mut c_void; 2],
}

impl InC {
    pub fn new(endpoint: Endpoint, buffer: Buffer, kick: Kick) -> Self {
        let memory = buffer.part(0, buffer.len()).expect("all of it");
        let span = memory.contiguous().expect("one piece");
        Self {
            endpoint: open_mx_c::fake::handle(endpoint).expect("a free handle"),
            buffer: std::ptr::with_exposed_provenance_mut(span.address()),
            _memory: buffer,
            kick,
            partner: AddressInC::default(),
            status: StatusInC::default(),
            requests: [null_mut(); 2],
        }
    }
}

impl Program for InC {
    fn connect(&mut self, nic_id: u64) {
        let place = &raw mut self.requests[0];
        // SAFETY: the request's place is this value's.
        let begun = unsafe { omx_iconnect(self.endpoint, nic_id, 0, KEY, 0, null_mut(), place) };
        assert_eq!(begun, 0);
    }

    fn send(&mut self, size: usize) {
        let (endpoint, to) = (self.endpoint, self.partner);
        let place = &raw mut self.requests[0];
        // SAFETY: the buffer is so long, and stays until the end.
        let sent = unsafe { omx_isend(endpoint, self.buffer, size, to, 0, null_mut(), place) };
        assert_eq!(sent, 0);
    }

    fn receive(&mut self, size: usize) {
        let place = &raw mut self.requests[1];
        // SAFETY: the buffer is so long, and stays until the end.
        let begun = unsafe { omx_irecv(self.endpoint, self.buffer, size, 0, 0, null_mut(), place) };
        assert_eq!(begun, 0);
    }

    fn progress(&mut self) {
        // SAFETY: any handle is allowed.
        assert_eq!(unsafe { omx_progress(self.endpoint) }, 0);
    }

    fn has_kicked(&mut self) -> bool {
        self.kick.take()
    }

    fn is_done(&mut self, kind: Kind) -> bool {
        let mut done = 0;
        let place = &raw mut self.requests[usize::from(kind == Kind::Receive)];
        let status = &raw mut self.status;
        // SAFETY: all places are this call's, or this value's.
        let tested = unsafe { omx_test(self.endpoint, place, status, &raw mut done) };
        assert_eq!((tested, self.status.code), (0, 0));
        if done != 0 && kind == Kind::Connect {
            self.partner = self.status.address;
        }
        done != 0
    }

    fn wait_for_send(&mut self) {
        let mut done = 0;
        let (place, status) = (&raw mut self.requests[0], &raw mut self.status);
        // SAFETY: all places are this call's, or this value's.
        let waited = unsafe { omx_wait(self.endpoint, place, status, &raw mut done, u32::MAX) };
        assert_eq!((waited, done), (0, 1));
    }
}

/// `omx_endpoint_addr_t`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct AddressInC([u64; 2]);

/// `omx_status_t`.
#[derive(Default)]
#[repr(C)]
struct StatusInC {
    code: u32,
    address: AddressInC,
    _rest: [u64; 3],
}

// `open-mx.h`.
unsafe extern "C" {
    fn omx_iconnect(
        endpoint: *mut c_void,
        nic_id: u64,
        remote: u32,
        key: u32,
        match_info: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_isend(
        endpoint: *mut c_void,
        buffer: *mut c_void,
        length: usize,
        to: AddressInC,
        match_info: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_irecv(
        endpoint: *mut c_void,
        buffer: *mut c_void,
        length: usize,
        match_info: u64,
        mask: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_progress(endpoint: *mut c_void) -> u32;
    fn omx_test(
        endpoint: *mut c_void,
        request: *mut *mut c_void,
        status: *mut StatusInC,
        result: *mut u32,
    ) -> u32;
    fn omx_wait(
        endpoint: *mut c_void,
        request: *mut *mut c_void,
        status: *mut StatusInC,
        result: *mut u32,
        milliseconds: u32,
    ) -> u32;
}
