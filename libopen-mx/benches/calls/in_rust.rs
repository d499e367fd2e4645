//! A program that calls the library for Rust programs.

use open_mx::fake::Kick;
use open_mx::{Address, Buffer, Code, Endpoint, Request};

use crate::{KEY, Kind, Program};

pub struct InRust {
    endpoint: Endpoint,
    buffer: Buffer,
    kick: Kick,
    partner: Option<Address>,
    /// The one that sends, or connects, and the one that receives.
    requests: [Option<Request>; 2],
}

impl InRust {
    pub fn new(endpoint: Endpoint, buffer: Buffer, kick: Kick) -> Self {
        Self {
            endpoint,
            buffer,
            kick,
            partner: None,
            requests: [None; 2],
        }
    }
}

impl Program for InRust {
    fn connect(&mut self, nic_id: u64) {
        self.requests[0] = self.endpoint.iconnect(nic_id, 0, KEY, 0, 0).ok();
    }

    fn send(&mut self, size: usize) {
        let memory = self.buffer.part(0, size).expect("so long");
        let to = self.partner.expect("it is connected");
        self.requests[0] = self.endpoint.isend(memory, to, 0, 0, false).ok();
    }

    fn receive(&mut self, size: usize) {
        let memory = self.buffer.part(0, size).expect("so long");
        self.requests[1] = self.endpoint.irecv(memory, 0, 0, 0).ok();
    }

    fn progress(&mut self) {
        self.endpoint.progress().expect("an open endpoint");
    }

    fn has_kicked(&mut self) -> bool {
        self.kick.take()
    }

    fn is_done(&mut self, kind: Kind) -> bool {
        let request = self.requests[usize::from(kind == Kind::Receive)];
        let tested = self.endpoint.test(request.expect("it was begun"));
        let Some(status) = tested.expect("a request") else {
            return false;
        };
        assert_eq!(status.code, Code::Success);
        if kind == Kind::Connect {
            self.partner = status.address;
        }
        true
    }

    fn wait_for_send(&mut self) {
        let request = self.requests[0].expect("it was begun");
        let waited = self.endpoint.wait(request, None).expect("a request");
        assert!(waited.is_some());
    }
}
