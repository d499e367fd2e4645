//! Lies in the pages of a process: its commands, indices and windows.

use mx_ring::{
    Command, CommandBody, Descriptor, Destination, EndpointLayout, Farewell, PAGE_SIZE, Place,
    Positions, ProcessSide, PullOrder, Reach, RegionKey, Window,
};
use mx_wire::{
    Connect, ConnectReply, ConnectRequest, ConnectStatus, Content, Eager, LibAck, Medium, Message,
    Notify, Pulled, Rendezvous,
};

use super::values::{change, value};
use super::{ENDPOINTS, Liar, REGION_PAGES};
use crate::device::Failure;
use crate::domain::Domain;
use crate::endpoint::session_of;

/// How often a window in use is changed.
const FLICKERS: u32 = 16;
/// How often a command is changed at most, and how often until one looks whether it was taken.
const COMMAND_FLICKERS: u32 = 128;
const LOOK: u32 = 16;
/// Connects at a time.
const CONNECTS: u32 = 8;

impl<D: Domain> Liar<D> {
    /// Somebody: mostly one who is there.
    pub(super) fn anybody(&mut self) -> Destination {
        let peer = match (self.peer, self.rng.u8(..4)) {
            (Some(peer), 0) => peer,
            (_, 3) => self.rng.u16(..),
            _ => self.rng.u16(..12),
        };
        let known = self.device.board.peer(peer).map(|peer| peer.mac);
        let session = match (known, self.rng.bool()) {
            (Some(mac), true) => session_of(mac),
            _ => self.rng.u32(..),
        };
        Destination {
            peer,
            endpoint: self.rng.u8(..3),
            session,
        }
    }

    /// A command of some kind that could be meant.
    pub(super) fn any_command(&mut self) -> Command {
        let to = self.anybody();
        let rng = &mut self.rng;
        let (match_info, total) = (rng.u64(..), rng.u32(..200_000));
        let (window, window_seqnum) = (rng.u8(..4), 23);
        let message = |rng: &mut fastrand::Rng, content, place| {
            let (seq, ack) = (rng.u16(..1 << 14), rng.u16(..1 << 14));
            CommandBody::Message(Message { seq, ack, content }, place)
        };
        let notice = Notify {
            transferred: total,
            window,
            window_seqnum,
        };
        let ack = LibAck {
            ack: rng.u16(..),
            ack_number: rng.u32(..),
        };
        let body = match rng.u8(..11) {
            0 => {
                let length = rng.u16(..33);
                let eager = Eager { match_info, length };
                message(rng, Content::Tiny(eager), Place::Inline([7; 32]))
            }
            1 => {
                let length = rng.u16(..129);
                let eager = Eager { match_info, length };
                message(rng, Content::Small(eager), Place::Apart)
            }
            2 => {
                let length = rng.u16(1..4096);
                let medium = Medium {
                    match_info,
                    total: length.into(),
                    length,
                    fragment: 0,
                };
                let at = rng.u32(..70_000);
                message(rng, Content::Medium(medium), Place::At(at))
            }
            3 => {
                let offer = Rendezvous {
                    match_info,
                    total,
                    window,
                    window_seqnum,
                    window_offset: 0,
                };
                message(rng, Content::Rendezvous(offer), Place::Apart)
            }
            4 => message(rng, Content::Notify(notice), Place::Apart),
            5 => CommandBody::Connect(Connect::Request(ConnectRequest {
                key: rng.u32(..),
                next_expected: rng.u16(..),
                connect_seqnum: rng.u8(..),
            })),
            6 => CommandBody::Connect(Connect::Reply(ConnectReply {
                requester_session: rng.u32(..),
                next_expected: rng.u16(..),
                connect_seqnum: rng.u8(..),
                status: ConnectStatus::from_byte(rng.u8(..)),
            })),
            7 => CommandBody::Ack(ack),
            8 => CommandBody::Pull(PullOrder {
                region: RegionKey {
                    slot: rng.u16(..4),
                    generation: 1,
                },
                offset: rng.u32(..70_000),
                length: total,
                window,
                window_seqnum,
                window_offset: rng.u32(..70_000),
                cookie: rng.u32(..64),
                backend: rng.u32(..),
            }),
            9 => CommandBody::AbortPull {
                cookie: rng.u32(..64),
            },
            _ => {
                let told = Message {
                    seq: rng.u16(..1 << 14),
                    ack: 0,
                    content: Content::Notify(notice),
                };
                let notice = Pulled::of(&told).filter(|_| rng.bool());
                CommandBody::Leave(Farewell { ack, notice })
            }
        };
        Command { to, body }
    }

    /// Takes and forgets what has come, so that others' events find room; an honest process would read it.
    fn forget_events(&mut self, index: usize) {
        let process = &mut self.endpoints[index].process;
        while let Some(event) = process.next_unexpected() {
            if let Ok(Some((position, length))) = event.map(|event| event.received()) {
                process.release_receive(position, length.into());
            }
        }
        while process.next_expected().is_some() {}
        process.publish_consumed();
    }

    /// Puts a command into the queue, its descriptor changed on the way; where it lies and what it was.
    pub(super) fn put(
        &mut self,
        index: usize,
        command: &Command,
        changed: impl FnOnce(&mut fastrand::Rng, &mut [u8]),
    ) -> Option<(usize, [u8; Descriptor::SIZE])> {
        self.forget_events(index);
        let endpoint = &mut self.endpoints[index];
        let Some((at, honest)) = endpoint.draft(command, &[5; 128]) else {
            self.full[index] += 1;
            endpoint.copy(0, 192);
            endpoint.kick(&mut self.device);
            self.pause();
            return None;
        };
        self.full[index] = 0;
        let mut bytes = honest;
        // The lap stays: without it nobody would look.
        changed(&mut self.rng, &mut bytes[..Descriptor::SIZE - 4]);
        let _ = endpoint.shown().write(at, &bytes);
        endpoint.copy(0, 192);
        endpoint.kick(&mut self.device);
        Some((at, honest))
    }

    pub(super) fn command(&mut self) -> Result<bool, Failure> {
        let (index, command) = (self.any_endpoint(), self.any_command());
        Ok(self.put(index, &command, change).is_some())
    }

    pub(super) fn command_in_use(&mut self) -> Result<bool, Failure> {
        let (index, command) = (self.any_endpoint(), self.any_command());
        let Some((at, honest)) = self.put(index, &command, |_, _| {}) else {
            return Ok(false);
        };
        let shown = self.endpoints[index].shown();
        for flicker in 0..COMMAND_FLICKERS {
            let mut bytes = honest;
            if flicker % 2 == 0 {
                change(&mut self.rng, &mut bytes);
            }
            let _ = shown.write(at, &bytes);
            let process = &self.endpoints[index].process;
            if flicker % LOOK == 0 && process.sent() == process.next_command_index() {
                break;
            }
        }
        Ok(true)
    }

    /// Half of them any word of the first page, half of them the indices that an endpoint starts from.
    pub(super) fn index(&mut self) -> Result<bool, Failure> {
        let index = self.any_endpoint();
        let endpoint = &self.endpoints[index];
        let shown = endpoint.shown();
        if self.rng.bool() {
            let at = self.rng.usize(..64) * 4;
            let mut word = [0; 4];
            let _ = shown.read(at, &mut word);
            let lie = value(&mut self.rng, u32::from_le_bytes(word).into()) as u32;
            let _ = shown.write(at, &lie.to_le_bytes());
        } else {
            let mut far = || value(&mut self.rng, 64) as u32;
            let positions = Positions {
                command: far(),
                unexpected: far(),
                expected: far(),
                receive: far(),
            };
            // Its side is not used: making it writes the indices.
            let _ = ProcessSide::resume(endpoint.layout, shown, shown, &positions);
        }
        self.device.bells.ring(index as u8);
        self.device.domain.notify();
        if self.rng.bool() {
            self.pause();
            self.endpoints[index].copy(0, 192);
        }
        Ok(true)
    }

    pub(super) fn window(&mut self) -> Result<bool, Failure> {
        let index = self.any_endpoint();
        let id = self.rng.u8(..4);
        let window = Window {
            region: RegionKey {
                slot: self.rng.u16(..4),
                generation: 1,
            },
            seqnum: 23,
            reach: match self.rng.u8(..3) {
                0 => Reach::Whole,
                1 => Reach::Piece,
                _ => Reach::Nothing,
            },
            offset: self.rng.u32(..PAGE_SIZE as u32),
            length: (REGION_PAGES * PAGE_SIZE) as u32,
        };
        let endpoint = &self.endpoints[index];
        endpoint.process.bind_window(id, &window);
        let at = EndpointLayout::WINDOWS + usize::from(id) * EndpointLayout::WINDOW_SIZE;
        endpoint.copy(at, EndpointLayout::WINDOW_SIZE);
        for _ in 0..FLICKERS {
            let mut bytes = [0; EndpointLayout::WINDOW_SIZE];
            let _ = endpoint.shown().read(at, &mut bytes);
            change(&mut self.rng, &mut bytes);
            let _ = endpoint.shown().write(at, &bytes);
        }
        // Half of them are pulled from, by whoever knows.
        if self.rng.bool() {
            let to = Destination {
                peer: self.device.peer(self.device.mac()).unwrap_or(0),
                endpoint: self.rng.u8(..ENDPOINTS),
                session: session_of(self.device.mac()),
            };
            let body = CommandBody::Pull(PullOrder {
                region: window.region,
                offset: 0,
                length: self.rng.u32(1..70_000),
                window: id,
                window_seqnum: 23,
                window_offset: 0,
                cookie: self.rng.u32(..64),
                backend: self.device.board.generation(),
            });
            self.put(index, &Command { to, body }, |_, _| {});
        }
        Ok(true)
    }

    pub(super) fn half_open(&mut self) -> Result<bool, Failure> {
        let index = self.any_endpoint();
        let mut any = false;
        for _ in 0..CONNECTS {
            let to = Destination {
                session: 0,
                ..self.anybody()
            };
            let body = CommandBody::Connect(Connect::Request(ConnectRequest {
                key: self.rng.u32(..),
                next_expected: self.rng.u16(..),
                connect_seqnum: self.rng.u8(..),
            }));
            any |= self.put(index, &Command { to, body }, |_, _| {}).is_some();
        }
        Ok(any)
    }
}
