//! Lies in the grant table.

use mx_ring::{Command, CommandBody, Destination, PullOrder, RegionKey};

use super::{Liar, REGION_PAGES};
use crate::device::Failure;
use crate::domain::{Domain, Twist};
use crate::endpoint::session_of;

/// The slot under which the memory is registered.
const SLOT: u16 = 9;

impl<D: Domain> Liar<D> {
    /// Revokes pages before they are mapped, or while they are; uses them then, and takes them away in any order.
    pub(super) fn grant_revoked(&mut self) -> Result<bool, Failure> {
        let page = self.any_page();
        let granted = self.memory_granted[page];
        let in_use = self.rng.bool();
        if !in_use {
            self.device.domain.twist(&granted, Twist::Revoked);
        }
        let registered = self.register(SLOT)?;
        self.device.domain.twist(&granted, Twist::Revoked);
        if registered {
            self.pull_into_memory();
            self.deregister(SLOT)?;
        }
        self.device.domain.twist(&granted, Twist::Honest);
        // The queues, too: what is mapped stays mapped.
        if in_use {
            let index = self.any_endpoint();
            let which = self.rng.usize(..self.endpoints[index].granted.len());
            let granted = self.endpoints[index].granted[which];
            self.device.domain.twist(&granted, Twist::Revoked);
            let command = self.any_command();
            self.put(index, &command, |_, _| {});
            self.pause();
            self.device.domain.twist(&granted, Twist::Honest);
        }
        Ok(true)
    }

    /// Stages references that grant nothing.
    pub(super) fn grant_missing(&mut self) -> Result<bool, Failure> {
        self.device.stage(0, &self.memory_granted);
        let entry = self.any_page();
        let reference = match self.rng.u8(..4) {
            0 => 0,
            1 => u32::MAX,
            2 => self.rng.u32(..8),
            _ => self.rng.u32(..),
        };
        self.device.staging.set(entry, reference);
        let request = self.registration(SLOT, true);
        if self.device.ask(&request)? == mx_ring::control::Status::Ok {
            self.deregister(SLOT)?;
        }
        Ok(true)
    }

    pub(super) fn grant_access(&mut self) -> Result<bool, Failure> {
        let twist = match self.rng.bool() {
            true => Twist::OtherAccess,
            false => Twist::OtherDomain,
        };
        self.twisted(twist)
    }

    pub(super) fn grant_foreign(&mut self) -> Result<bool, Failure> {
        let frame = match self.rng.bool() {
            true => self.rng.u32(..1 << 19),
            false => self.rng.u32(..),
        };
        self.twisted(Twist::Foreign(frame))
    }

    /// Registers the memory, or opens an endpoint, while a page of it is granted in another way.
    fn twisted(&mut self, twist: Twist) -> Result<bool, Failure> {
        if self.rng.bool() {
            let page = self.any_page();
            let granted = self.memory_granted[page];
            self.device.domain.twist(&granted, twist);
            let registered = self.register(SLOT);
            self.device.domain.twist(&granted, Twist::Honest);
            if registered? {
                self.deregister(SLOT)?;
            }
            return Ok(true);
        }
        let index = self.any_endpoint();
        let session = session_of(self.device.mac());
        let which = self.rng.usize(..self.endpoints[index].granted.len());
        let granted = self.endpoints[index].granted[which];
        let Self {
            device, endpoints, ..
        } = self;
        let endpoint = &mut endpoints[index];
        endpoint.close(device)?;
        endpoint.prepare(device)?;
        device.domain.twist(&granted, twist);
        let answer = device.ask(&endpoint.opening(session));
        device.domain.twist(&granted, Twist::Honest);
        if answer? != mx_ring::control::Status::Ok {
            endpoint.open(device, session)?;
        }
        Ok(true)
    }

    /// Pulls something of the own into the memory.
    fn pull_into_memory(&mut self) {
        let own = self.device.mac();
        let to = Destination {
            peer: self.device.peer(own).unwrap_or(0),
            endpoint: 0,
            session: session_of(own),
        };
        let body = CommandBody::Pull(PullOrder {
            region: RegionKey {
                slot: SLOT,
                generation: 1,
            },
            offset: 0,
            length: (REGION_PAGES * mx_ring::PAGE_SIZE) as u32,
            window: self.rng.u8(..4),
            window_seqnum: 23,
            window_offset: 0,
            cookie: 1,
            backend: self.device.board.generation(),
        });
        self.put(0, &Command { to, body }, |_, _| {});
    }
}
