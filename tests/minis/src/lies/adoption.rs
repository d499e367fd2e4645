//! Lies to a backend that believes to take over from another one: it has to believe positions, events and peers as they stand
//! in the guest's pages.

use mx_ring::control::ControlRequest;
use mx_ring::{Positions, ProcessSide, VolatileSlice};

use super::Liar;
use super::values::value;
use crate::device::Failure;
use crate::domain::Domain;
use crate::endpoint::session_of;

/// Words that are written into pages.
const WORDS: usize = 64;
/// Commands for an endpoint that was adopted.
const COMMANDS: u32 = 4;

/// Writes anything into some words of some pages, half of them among the first.
fn scribble(rng: &mut fastrand::Rng, pages: &VolatileSlice) {
    let words = pages.len() / 4;
    for _ in 0..WORDS {
        let most = if rng.bool() { words.min(64) } else { words };
        let at = rng.usize(..most) * 4;
        let _ = pages.write(at, &(value(rng, 64) as u32).to_le_bytes());
    }
}

impl<D: Domain> Liar<D> {
    /// One of ten times it is the whole board.
    pub(super) fn adoption(&mut self) -> Result<bool, Failure> {
        if self.rng.u8(..10) == 0 {
            // Whatever comes of it, the next lie finds a board that is its own.
            self.stale = true;
            let Self { device, rng, .. } = self;
            device.be_adopted(|left| scribble(rng, left))?;
            self.peer = None;
            for index in 0..self.endpoints.len() {
                self.adopt(index)?;
            }
            self.device.ask(&ControlRequest::Ready)?;
            self.pause();
            return Ok(true);
        }
        let index = self.any_endpoint();
        let Self {
            device, endpoints, ..
        } = self;
        endpoints[index].close(device)?;
        self.adopt(index)?;
        for _ in 0..COMMANDS {
            let command = self.any_command();
            self.put(index, &command, |_, _| {});
        }
        self.pause();
        self.reopen(index)?;
        Ok(true)
    }

    /// Asks that an endpoint be adopted whose pages say anything; it may be refused.
    fn adopt(&mut self, index: usize) -> Result<(), Failure> {
        let session = session_of(self.device.mac());
        let Self {
            device,
            endpoints,
            rng,
            ..
        } = self;
        let endpoint = &mut endpoints[index];
        endpoint.prepare(device)?;
        let (shown, events) = (endpoint.shown(), endpoint.events());
        let near = value(rng, 64) as u32;
        let mut far = || match rng.bool() {
            true => near,
            false => value(rng, 64) as u32,
        };
        let positions = Positions {
            command: far(),
            unexpected: far(),
            expected: far(),
            receive: far(),
        };
        // Its side is not used: making it writes the indices.
        let _ = ProcessSide::resume(endpoint.layout, shown, events, &positions);
        scribble(rng, &shown);
        scribble(rng, &events);
        let mut opening = endpoint.opening(session);
        if let ControlRequest::OpenEndpoint { adopt, .. } = &mut opening {
            *adopt = true;
        }
        device.ask(&opening).map(drop)
    }
}
