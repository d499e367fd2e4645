//! The switch's ports: where the names that it uses become memory, queues and frames.

use alloc::boxed::Box;
use alloc::vec::Vec;

use mx_board::{
    BadMemory, Blame, BoardId, BoardSet, EndpointKey, Extent, Full, Instant, NoRoom, Ports,
    RegionInfo, Source, Taken,
};
use mx_ring::{
    Command, CommandBody, DeliverError, Event, EventBody, Place, RegionKey, VolatileSlice, Window,
};
use mx_wire::{BuildError, Header};

use crate::endpoint::{ServedEndpoint, Slots, Unresolved};
use crate::error::Misbehaviour;
use crate::frame_sink::{FrameSink, Handed, Payload, Token};
use crate::in_flight::Pinned;
use crate::region::Parts;
use crate::tap::Tap;

/// Payloads up to this length are copied behind their header: a card takes one short piece faster than two.
const INLINE: usize = 256;
const INLINE_FRAME: usize = INLINE + 64;

/// Commands in a row that may be left alone in a turn, since they ask an earlier backend.
const LEFT_ALONE: u32 = 64;

/// RAW frames that wait for a raw endpoint at most (wire.md §6.1).
const RAW_QUEUE: usize = 32;

/// What came out of a call of the switch, besides frames and events.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Endpoints that got events.
    pub published: Vec<EndpointKey>,
    /// Endpoints whose process is to blame.
    pub blamed: Vec<EndpointKey>,
    /// Peers whose description is to be written anew.
    pub peers: Vec<(BoardId, u16)>,
    /// Boards that got RAW frames.
    pub raw: BoardSet,
}

/// The ports, for one call.
pub(crate) struct BackendPorts<'a, L> {
    pub now: Instant,
    pub sink: &'a mut L,
    pub slots: &'a mut Slots,
    pub outcome: &'a mut Outcome,
    /// Who looks on.
    pub tap: &'a mut Option<Box<dyn Tap>>,
    /// How long an endpoint without commands is still polled.
    pub idle_nanos: u64,
}

impl<L> BackendPorts<'_, L> {
    fn misbehaved(&mut self, key: EndpointKey, misbehaviour: Misbehaviour) {
        if let Some(endpoint) = self.slots.endpoint_mut(key)
            && endpoint.blamed.is_none()
            && !endpoint.closing
        {
            endpoint.blamed = Some(misbehaviour);
            self.outcome.blamed.push(key);
        }
    }

    fn unresolved(&mut self, why: Unresolved) {
        if let Unresolved::OutOfArea(owner) = why {
            self.misbehaved(owner, Misbehaviour::OutOfArea);
        }
    }
}

impl<L: FrameSink> BackendPorts<'_, L> {
    /// Lets an endpoint's process use anew what the commands have used that were carried out and are not in flight.
    #[inline]
    fn publish_done(&mut self, owner: EndpointKey) {
        if let Some(endpoint) = self.slots.endpoint_mut(owner) {
            endpoint.active_at = self.now;
            let sent = endpoint.commands.sent(endpoint.side.command_index());
            endpoint.side.publish_commands(sent);
        }
    }

    /// A frame whose payload is short: one piece, padded.
    fn transmit_inline(
        &mut self,
        header: &Header,
        payload: &Source<'_>,
        parts: &[VolatileSlice],
    ) -> Result<Taken, Full> {
        let mut frame = [0; INLINE_FRAME];
        let head = header.as_bytes();
        let (place, rest) = frame.split_at_mut(head.len());
        place.copy_from_slice(head);
        match payload {
            Source::Bytes(bytes) => rest[..bytes.len()].copy_from_slice(bytes),
            _ => {
                let mut at = 0;
                for part in parts {
                    // Sum of the parts: the payload's length, which the caller has compared with INLINE.
                    if part.read(0, &mut rest[at..at + part.len()]).is_err() {
                        return Ok(Taken::Sent);
                    }
                    at += part.len();
                }
            }
        }
        let length = header.frame_length().min(INLINE_FRAME);
        let frame = &frame[..length];
        let token = Token::new(Pinned::Nothing);
        let handed = self.sink.transmit(frame, Payload::NONE, token)?;
        self.went_out(handed, frame, Payload::NONE, length);
        Ok(taken(handed))
    }

    /// Shows a frame that went out, if it did.
    #[inline]
    fn went_out(&mut self, handed: Handed, head: &[u8], payload: Payload<'_>, length: usize) {
        if let Some(tap) = self.tap
            && handed != Handed::Lost
        {
            tap.frame(head, payload, length);
        }
    }

    /// Shows a packet that one board hands to another.
    #[cold]
    fn handed_over(
        &mut self,
        header: impl FnOnce() -> Result<Header, BuildError>,
        payload: &Source<'_>,
    ) {
        let (Some(tap), Ok(header)) = (self.tap.as_mut(), header()) else {
            return;
        };
        let Ok((parts, _)) = self.slots.resolve(payload) else {
            return;
        };
        let payload = match payload {
            Source::Bytes(bytes) => Payload::Bytes(bytes),
            _ => Payload::Shared(&parts),
        };
        tap.frame(header.as_bytes(), payload, header.frame_length());
    }

    /// Books a frame in flight on the memory that it pins.
    fn in_flight(&mut self, pinned: Pinned) {
        let (Pinned::Command(key, _) | Pinned::Region(key, _)) = pinned else {
            return;
        };
        let Some(endpoint) = self.slots.endpoint_mut(key) else {
            return;
        };
        endpoint.in_flight += 1;
        match pinned {
            Pinned::Command(_, index) => endpoint.commands.start(index),
            Pinned::Region(_, region) => {
                if let Some(region) = endpoint.regions.any_mut(region) {
                    region.in_flight += 1;
                }
            }
            Pinned::Nothing => {}
        }
    }
}

const fn taken(handed: Handed) -> Taken {
    match handed {
        Handed::Copied | Handed::InFlight => Taken::Sent,
        Handed::Lost => Taken::Lost,
    }
}

/// Whether a command asks an earlier backend for a pull.
fn asks_another(command: &Command, generation: u32) -> bool {
    matches!(command.body, CommandBody::Pull(order) if order.backend != generation)
}

impl<L: FrameSink> Ports for BackendPorts<'_, L> {
    #[inline]
    fn next_command(&mut self, owner: EndpointKey) -> Option<(u32, Command)> {
        let generation = self.slots.board(owner.board)?.generation;
        for _ in 0..LEFT_ALONE {
            let endpoint = self.slots.endpoint_mut(owner)?;
            if endpoint.blamed.is_some() {
                return None;
            }
            match endpoint.side.next_command()? {
                // Its library asks again.
                Ok((_, command)) if asks_another(&command, generation) => self.publish_done(owner),
                Ok(next) => return Some(next),
                Err(error) => {
                    self.misbehaved(owner, Misbehaviour::Descriptor(error));
                    return None;
                }
            }
        }
        None
    }

    fn put_back(&mut self, owner: EndpointKey) {
        if let Some(endpoint) = self.slots.endpoint_mut(owner) {
            endpoint.side.put_back();
        }
    }

    #[inline]
    fn commands_done(&mut self, owner: EndpointKey) -> bool {
        self.publish_done(owner);
        self.idle_nanos == 0 && self.may_rest(owner)
    }

    #[inline]
    fn may_rest(&mut self, owner: EndpointKey) -> bool {
        let (now, idle_nanos) = (self.now, self.idle_nanos);
        let endpoint = self.slots.endpoint_mut(owner);
        endpoint.is_none_or(|endpoint| endpoint.falls_idle(now, idle_nanos))
    }

    fn blame(&mut self, owner: EndpointKey, blame: Blame) {
        self.misbehaved(owner, Misbehaviour::Command(blame));
    }

    #[inline]
    fn transmit(&mut self, header: &Header, payload: Source<'_>) -> Result<Taken, Full> {
        if let Some(frame) = header.whole_frame() {
            let token = Token::new(Pinned::Nothing);
            let handed = self.sink.transmit(frame, Payload::NONE, token)?;
            self.went_out(handed, frame, Payload::NONE, frame.len());
            return Ok(taken(handed));
        }
        let (parts, pinned) = match self.slots.resolve(&payload) {
            Ok(resolved) => resolved,
            Err(why) => {
                self.unresolved(why);
                return Ok(Taken::Sent);
            }
        };
        if payload.length() <= INLINE {
            return self.transmit_inline(header, &payload, &parts);
        }
        let payload = match payload {
            Source::Bytes(bytes) => Payload::Bytes(bytes),
            _ => Payload::Shared(&parts),
        };
        let handed = self
            .sink
            .transmit(header.as_bytes(), payload, Token::new(pinned))?;
        if handed == Handed::InFlight {
            self.in_flight(pinned);
        }
        self.went_out(handed, header.as_bytes(), payload, header.frame_length());
        Ok(taken(handed))
    }

    #[inline]
    fn look(&mut self, header: impl FnOnce() -> Result<Header, BuildError>, payload: Source<'_>) {
        if self.tap.is_some() {
            self.handed_over(header, &payload);
        }
    }

    fn deliver(
        &mut self,
        to: EndpointKey,
        event: &Event,
        payload: Source<'_>,
    ) -> Result<(), NoRoom> {
        let parts = match payload {
            // In private memory, or nothing at all.
            Source::Bytes(_) => Parts::new(),
            _ => match self.slots.resolve(&payload) {
                Ok((parts, _)) => parts,
                Err(why) => {
                    self.unresolved(why);
                    return Ok(());
                }
            },
        };
        let now = self.now;
        let Some(endpoint) = self.slots.endpoint_mut(to).filter(|e| !e.closing) else {
            return Err(NoRoom);
        };
        let delivered = match event.body {
            EventBody::PullDone(_) => endpoint.side.deliver_expected(event),
            _ => endpoint.deliver_unexpected(event, &payload, &parts),
        };
        match delivered {
            Ok(()) => {
                endpoint.active_at = now;
                if !endpoint.published {
                    endpoint.published = true;
                    self.outcome.published.push(to);
                }
                Ok(())
            }
            Err(DeliverError::NoRoom) => Err(NoRoom),
            Err(DeliverError::ImpossibleIndex) => {
                self.misbehaved(to, Misbehaviour::ImpossibleIndex);
                Err(NoRoom)
            }
        }
    }

    fn copy(&mut self, from: Source<'_>, to: Extent) -> Result<(), BadMemory> {
        let target = self
            .slots
            .usable(to.owner)
            .and_then(|endpoint| endpoint.regions.usable(to.region))
            .filter(|region| region.info().writable)
            .ok_or(BadMemory)?;
        match from {
            Source::Bytes(bytes) => target.write(to.offset, bytes),
            Source::Region(extent) => {
                let source = self
                    .slots
                    .usable(extent.owner)
                    .and_then(|endpoint| endpoint.regions.usable(extent.region))
                    .ok_or(BadMemory)?;
                target.write_region(to.offset, source, extent.offset, extent.length)
            }
            Source::CommandData { .. } | Source::Transmit { .. } => Err(BadMemory),
        }
    }

    fn window(&mut self, owner: EndpointKey, id: u8) -> Option<Window> {
        self.slots.usable(owner)?.side.window(id)
    }

    fn region(&mut self, owner: EndpointKey, region: RegionKey) -> Option<RegionInfo> {
        Some(self.slots.usable(owner)?.regions.usable(region)?.info())
    }

    fn peer_changed(&mut self, board: BoardId, index: u16) {
        if self.outcome.peers.last() != Some(&(board, index)) {
            self.outcome.peers.push((board, index));
        }
    }

    fn raw(&mut self, to: BoardId, frame: &[u8]) -> Result<(), NoRoom> {
        let Some(waiting) = self.slots.board_mut(to).and_then(|slot| slot.raw.as_mut()) else {
            return Ok(());
        };
        if waiting.len() >= RAW_QUEUE {
            return Err(NoRoom);
        }
        waiting.push_back(frame.to_vec());
        self.outcome.raw.insert(to.0);
        Ok(())
    }
}

impl ServedEndpoint {
    /// Puts an event into the unexpected queue, and its payload into the receive ring, as far as its sender has a share of
    /// them.
    #[inline]
    fn deliver_unexpected(
        &mut self,
        event: &Event,
        payload: &Source<'_>,
        parts: &[VolatileSlice],
    ) -> Result<(), DeliverError> {
        let sender = event.from.peer;
        let bytes = match event.body {
            // The switch has bounded it by the largest fragment.
            EventBody::Message(_, Place::At(_)) => payload.length() as u16,
            _ => 0,
        };
        let room = self.side.room_for_events()?;
        if !self.senders.admit(sender, bytes, &room) {
            return Err(DeliverError::NoRoom);
        }
        if let EventBody::Message(_, Place::At(_)) = event.body {
            self.side.deliver_payload(
                bytes,
                |place| fill(place, payload, parts),
                |position| placed(event, position),
            )?;
        } else {
            self.side.deliver(event)?;
        }
        self.senders.put(sender, bytes);
        Ok(())
    }
}

/// Copies a payload into the receive ring. What cannot be read leaves the place as it is: the length was checked.
fn fill(place: &VolatileSlice, payload: &Source<'_>, parts: &[VolatileSlice]) {
    if let Source::Bytes(bytes) = payload {
        let _short = place.write(0, bytes);
        return;
    }
    let mut at = 0;
    for part in parts {
        let _short = place.write_slice(at, part);
        at += part.len();
    }
}

/// The event with the place of its payload in the receive ring.
fn placed(event: &Event, at: u32) -> Event {
    let mut event = *event;
    if let EventBody::Message(_, place) = &mut event.body {
        *place = Place::At(at);
    }
    event
}
