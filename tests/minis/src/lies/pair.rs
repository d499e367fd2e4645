//! Lies that take two: a large message whose ends take away what the other one uses.

use mx_ring::control::ControlRequest;
use mx_ring::{
    Command, CommandBody, Destination, EndpointLayout, PAGE_SIZE, PullOrder, Reach, RegionKey,
    Window,
};
use mx_wire::{Content, Message, Rendezvous};

use super::{Liar, REGION_PAGES};
use crate::device::Failure;
use crate::domain::Domain;
use crate::endpoint::session_of;

/// The window that both know.
const WINDOW: u8 = 3;
/// Its use.
const USE: u8 = 23;
/// The slot of the memory behind it.
const SLOT: u16 = 3;

impl<D: Domain> Liar<D> {
    /// Registers memory, shows it, offers it, pulls the partner's, and takes something away without waiting for the end.
    pub(super) fn pair(&mut self) -> Result<bool, Failure> {
        self.peer = self.peer.or_else(|| self.device.peer(self.partner));
        let Some(peer) = self.peer else {
            return Ok(false);
        };
        // It may still be registered from the last time.
        self.register(SLOT)?;
        let region = RegionKey {
            slot: SLOT,
            generation: 1,
        };
        let length = (REGION_PAGES * PAGE_SIZE) as u32;
        let window = Window {
            region,
            seqnum: USE,
            reach: Reach::Whole,
            offset: 0,
            length,
        };
        let endpoint = &self.endpoints[0];
        endpoint.process.bind_window(WINDOW, &window);
        let at = EndpointLayout::WINDOWS + usize::from(WINDOW) * EndpointLayout::WINDOW_SIZE;
        endpoint.copy(at, EndpointLayout::WINDOW_SIZE);
        let to = Destination {
            peer,
            endpoint: 0,
            session: session_of(self.partner),
        };
        let content = Content::Rendezvous(Rendezvous {
            match_info: 1,
            total: length,
            window: WINDOW,
            window_seqnum: USE,
            window_offset: 0,
        });
        let message = Message {
            seq: self.rng.u16(..1 << 14),
            ack: 0,
            content,
        };
        let offer = CommandBody::Message(message, mx_ring::Place::Apart);
        let backend = self.device.board.generation();
        let pull = |cookie| {
            CommandBody::Pull(PullOrder {
                region,
                offset: 0,
                length,
                window: WINDOW,
                window_seqnum: USE,
                window_offset: 0,
                cookie,
                backend,
            })
        };
        let first = self.rng.u32(..64);
        let mut any = false;
        for body in [offer, pull(first), pull(first), pull(first + 1)] {
            any |= self.put(0, &Command { to, body }, |_, _| {}).is_some();
        }
        match self.rng.u8(..5) {
            0 => {
                self.endpoints[0].process.unbind_window(WINDOW);
                self.endpoints[0].copy(at, EndpointLayout::WINDOW_SIZE);
            }
            1 => self.deregister(SLOT)?,
            2 => self.reopen(0)?,
            3 => {
                let body = CommandBody::AbortPull { cookie: first };
                self.put(0, &Command { to, body }, |_, _| {});
            }
            _ => {
                let posted = self.post(&ControlRequest::Deregister {
                    endpoint: 0,
                    region,
                });
                self.device.flush();
                self.device.domain.notify();
                any |= posted;
            }
        }
        Ok(any)
    }
}
