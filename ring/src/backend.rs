//! The backend's side of an endpoint: it reads commands and windows, writes events. Whatever it reads is an allegation.

use crate::sync::Ordering;

use zerocopy::IntoBytes;

use crate::descriptor::{Descriptor, DescriptorError};
use crate::layout::{EndpointLayout, GRANULE};
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::message::{Command, Event, Window};
use crate::process::{Positions, lap, r0, w0};

/// Why an event was not delivered, or an endpoint must be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliverError {
    /// The queue or the receive ring is full: the event is dropped, the protocol retransmits.
    #[error("the event queue or the receive ring is full")]
    NoRoom,
    /// The process published a consumer index that cannot be: close its endpoint.
    #[error("the process published an impossible consumer index")]
    ImpossibleIndex,
}

/// What is free of an endpoint's unexpected queue and receive ring, as its process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// The process has taken all events before this one.
    pub taken: u32,
    /// Places of the queue.
    pub places: u32,
    /// Those that are free.
    pub free: u32,
    /// Bytes of the ring.
    pub bytes: u32,
    /// Those that are free.
    pub free_bytes: u32,
}

/// How often a window that changes is read: an honest process changes its first word twice when it moves one.
const WINDOW_READS: u32 = 4;

/// The backend's side of one endpoint.
pub struct BackendSide {
    layout: EndpointLayout,
    pub(crate) w: VolatileSlice,
    pub(crate) r: VolatileSlice,
    command_cons: u32,
    sent: u32,
    unexpected_prod: u32,
    expected_prod: u32,
    receive_head: u32,
    pub(crate) armed_seen: u32,
}

impl BackendSide {
    /// Takes the two areas of a freshly opened endpoint (zeroed by whoever allocated them).
    pub fn new(
        layout: EndpointLayout,
        w: VolatileSlice,
        r: VolatileSlice,
    ) -> Result<Self, VolatileSliceError> {
        Ok(Self {
            layout,
            w: w.line_part(0, layout.w_size())?,
            r: r.line_part(0, layout.r_size())?,
            command_cons: 0,
            sent: 0,
            unexpected_prod: 0,
            expected_prod: 0,
            receive_head: 0,
            armed_seen: 0,
        })
    }

    /// Takes the areas of an endpoint whose queues are empty, but not at the start; see [`crate::ProcessSide::resume`].
    pub fn resume(
        layout: EndpointLayout,
        w: VolatileSlice,
        r: VolatileSlice,
        at: &Positions,
    ) -> Result<Self, VolatileSliceError> {
        let mut side = Self {
            command_cons: at.command,
            unexpected_prod: at.unexpected,
            expected_prod: at.expected,
            receive_head: at.receive,
            ..Self::new(layout, w, r)?
        };
        side.publish_commands(at.command);
        for (word, position) in [
            (r0::UNEXPECTED_PROD, at.unexpected),
            (r0::EXPECTED_PROD, at.expected),
            (r0::RECEIVE_HEAD, at.receive),
        ] {
            side.r.word(word).store(position, Ordering::Release);
        }
        Ok(side)
    }

    /// Takes the areas of an endpoint that another backend has served, and left at any moment (interfaces §7). Its process
    /// goes on with both queues meanwhile.
    ///
    /// The words in R0 say where that one stood when it last wrote them. Commands that it had taken beyond are taken again.
    /// An event counts from its lap word on, for its process may have taken it since: the index may be behind.
    pub fn adopt(
        layout: EndpointLayout,
        w: VolatileSlice,
        r: VolatileSlice,
    ) -> Result<Self, VolatileSliceError> {
        let mut side = Self::new(layout, w, r)?;
        let stated = |at| side.r.word(at).load(Ordering::Acquire);
        (side.command_cons, side.receive_head) =
            (stated(r0::COMMAND_CONS), stated(r0::RECEIVE_HEAD));
        (side.unexpected_prod, side.expected_prod) =
            (stated(r0::UNEXPECTED_PROD), stated(r0::EXPECTED_PROD));
        let geometry = layout.geometry();
        for _ in 0..geometry.unexpected {
            let base = EndpointLayout::UNEXPECTED;
            let Some(event) = side.published(base, side.unexpected_prod, geometry.unexpected)
            else {
                break;
            };
            side.unexpected_prod = side.unexpected_prod.wrapping_add(1);
            if let Some((position, length)) = event.event().ok().and_then(|e| e.received())
                && length > 0
            {
                side.receive_head = payload_end(position, length);
            }
        }
        for _ in 0..geometry.expected {
            let index = side.expected_prod;
            if side
                .published(layout.expected(), index, geometry.expected)
                .is_none()
            {
                break;
            }
            side.expected_prod = index.wrapping_add(1);
        }
        side.r
            .word(r0::RECEIVE_HEAD)
            .store(side.receive_head, Ordering::Relaxed);
        for (word, position) in [
            (r0::UNEXPECTED_PROD, side.unexpected_prod),
            (r0::EXPECTED_PROD, side.expected_prod),
        ] {
            side.r.word(word).store(position, Ordering::Release);
        }
        side.publish_commands(side.command_cons);
        side.polled_again();
        Ok(side)
    }

    /// The event at a free-running index, if one was written there.
    fn published(&self, base: usize, index: u32, entries: u32) -> Option<Descriptor> {
        let at = base + (index & (entries - 1)) as usize * Descriptor::SIZE;
        if self.r.word(at + Descriptor::LAP).load(Ordering::Acquire) != lap(index, entries) {
            return None;
        }
        let mut descriptor = Descriptor::zeroed();
        self.r
            .read(at, &mut descriptor.as_mut_bytes()[..Descriptor::LAP])
            .ok()?;
        Some(descriptor)
    }

    /// Where queues and areas of this endpoint lie.
    pub fn layout(&self) -> &EndpointLayout {
        &self.layout
    }

    /// The next command and its index, copied into private memory and checked for form. An error closes the endpoint.
    pub fn next_command(&mut self) -> Option<Result<(u32, Command), DescriptorError>> {
        let entries = self.layout.geometry().commands;
        let index = self.command_cons;
        let at = EndpointLayout::COMMANDS + (index & (entries - 1)) as usize * Descriptor::SIZE;
        if self.w.word(at + Descriptor::LAP).load(Ordering::Acquire) != lap(index, entries) {
            return None;
        }
        let mut descriptor = Descriptor::zeroed();
        self.w
            .read(at, &mut descriptor.as_mut_bytes()[..Descriptor::LAP])
            .ok()?;
        self.command_cons = index.wrapping_add(1);
        Some(descriptor.command().map(|command| (index, command)))
    }

    /// Whether a command waits, without taking it.
    pub fn command_waits(&self) -> bool {
        let entries = self.layout.geometry().commands;
        let at = EndpointLayout::COMMANDS
            + (self.command_cons & (entries - 1)) as usize * Descriptor::SIZE;
        self.w.word(at + Descriptor::LAP).load(Ordering::Acquire) == lap(self.command_cons, entries)
    }

    /// Takes back the last command, which could not be carried out for want of room: it will be next again.
    pub fn put_back(&mut self) {
        self.command_cons = self.command_cons.wrapping_sub(1);
    }

    /// Tells the process how far commands were taken, and below which index they are no longer read.
    pub fn publish_commands(&mut self, sent: u32) {
        self.sent = sent;
        self.r
            .word(r0::COMMAND_CONS)
            .store(self.command_cons, Ordering::Relaxed);
        self.r.word(r0::SENT).store(sent, Ordering::Release);
    }

    /// Index of the next command to take.
    pub fn command_index(&self) -> u32 {
        self.command_cons
    }

    /// The payload of a small message at `index`.
    pub fn command_data(
        &self,
        index: u32,
        length: usize,
    ) -> Result<VolatileSlice, VolatileSliceError> {
        let slot = (index & (self.layout.geometry().commands - 1)) as usize;
        self.w
            .part(
                self.layout.command_data() + slot * EndpointLayout::COMMAND_DATA_SIZE,
                EndpointLayout::COMMAND_DATA_SIZE,
            )?
            .part(0, length)
    }

    /// Bytes of the transmit area.
    pub fn transmit(
        &self,
        offset: u32,
        length: usize,
    ) -> Result<VolatileSlice, VolatileSliceError> {
        self.w
            .part(
                self.layout.transmit(),
                self.layout.geometry().transmit as usize,
            )?
            .part(offset as usize, length)
    }

    /// A copy of the window `id`, if it is bound. What it names is still to be checked. One that changes at each look is
    /// taken for unbound.
    pub fn window(&self, id: u8) -> Option<Window> {
        let at = EndpointLayout::WINDOWS + usize::from(id) * EndpointLayout::WINDOW_SIZE;
        let mut low = self.w.word64(at).load(Ordering::Acquire);
        for _ in 0..WINDOW_READS {
            let high = self.w.word64(at + 8).load(Ordering::Acquire);
            let again = self.w.word64(at).load(Ordering::Acquire);
            if again == low {
                return Window::unpack(low, high);
            }
            low = again;
        }
        None
    }

    /// What is free for unexpected events and their payloads.
    #[inline]
    pub fn room_for_events(&self) -> Result<Room, DeliverError> {
        let geometry = self.layout.geometry();
        let (places, bytes) = (geometry.unexpected, geometry.receive);
        let taken = self.w.word(w0::UNEXPECTED_CONS).load(Ordering::Acquire);
        let tail = self.w.word(w0::RECEIVE_TAIL).load(Ordering::Acquire);
        let free = places.checked_sub(self.unexpected_prod.wrapping_sub(taken));
        let free_bytes = bytes.checked_sub(self.receive_head.wrapping_sub(tail));
        match (free, free_bytes) {
            (Some(free), Some(free_bytes)) => Ok(Room {
                taken,
                places,
                free,
                bytes,
                free_bytes,
            }),
            _ => Err(DeliverError::ImpossibleIndex),
        }
    }

    /// Index of the next unexpected event.
    pub fn unexpected_index(&self) -> u32 {
        self.unexpected_prod
    }

    /// Puts an event without payload in the receive ring into the unexpected queue.
    pub fn deliver(&mut self, event: &Event) -> Result<(), DeliverError> {
        self.unexpected_room()?;
        self.write_unexpected(event);
        self.publish_unexpected();
        Ok(())
    }

    /// Reserves receive space, lets `fill` copy the payload there, and puts the event that `event` makes of the
    /// payload's position into the unexpected queue.
    pub fn deliver_payload(
        &mut self,
        length: u16,
        fill: impl FnOnce(&VolatileSlice),
        event: impl FnOnce(u32) -> Event,
    ) -> Result<(), DeliverError> {
        self.unexpected_room()?;
        let size = self.layout.geometry().receive;
        let need = u32::from(length).next_multiple_of(GRANULE);
        let used = self
            .receive_head
            .wrapping_sub(self.w.word(w0::RECEIVE_TAIL).load(Ordering::Acquire));
        if used > size {
            return Err(DeliverError::ImpossibleIndex);
        }
        let offset = self.receive_head & (size - 1);
        let skip = if offset + need > size {
            size - offset
        } else {
            0
        };
        if used + skip + need > size {
            return Err(DeliverError::NoRoom);
        }
        let position = self.receive_head.wrapping_add(skip);
        let at = self.layout.receive() + (position & (size - 1)) as usize;
        let Ok(place) = self.r.part(at, usize::from(length)) else {
            return Err(DeliverError::NoRoom);
        };
        fill(&place);
        self.write_unexpected(&event(position));
        // Behind the event: who adopts the endpoint finds by the event what this word does not say yet.
        self.receive_head = payload_end(position, length);
        self.r
            .word(r0::RECEIVE_HEAD)
            .store(self.receive_head, Ordering::Relaxed);
        self.publish_unexpected();
        Ok(())
    }

    /// Puts an event into the expected queue.
    pub fn deliver_expected(&mut self, event: &Event) -> Result<(), DeliverError> {
        let entries = self.layout.geometry().expected;
        self.room(self.expected_prod, w0::EXPECTED_CONS, entries)?;
        self.put(self.layout.expected(), self.expected_prod, entries, event);
        self.expected_prod = self.expected_prod.wrapping_add(1);
        self.r
            .word(r0::EXPECTED_PROD)
            .store(self.expected_prod, Ordering::Release);
        Ok(())
    }

    fn unexpected_room(&self) -> Result<(), DeliverError> {
        self.room(
            self.unexpected_prod,
            w0::UNEXPECTED_CONS,
            self.layout.geometry().unexpected,
        )
    }

    fn room(&self, prod: u32, cons_word: usize, entries: u32) -> Result<(), DeliverError> {
        let used = prod.wrapping_sub(self.w.word(cons_word).load(Ordering::Acquire));
        match used {
            used if used < entries => Ok(()),
            used if used == entries => Err(DeliverError::NoRoom),
            _ => Err(DeliverError::ImpossibleIndex),
        }
    }

    fn write_unexpected(&self, event: &Event) {
        let entries = self.layout.geometry().unexpected;
        self.put(
            EndpointLayout::UNEXPECTED,
            self.unexpected_prod,
            entries,
            event,
        );
    }

    fn publish_unexpected(&mut self) {
        self.unexpected_prod = self.unexpected_prod.wrapping_add(1);
        self.r
            .word(r0::UNEXPECTED_PROD)
            .store(self.unexpected_prod, Ordering::Release);
    }

    fn put(&self, base: usize, index: u32, entries: u32, event: &Event) {
        let at = base + (index & (entries - 1)) as usize * Descriptor::SIZE;
        let descriptor = Descriptor::from_event(event);
        let written = self.r.write(at, &descriptor.as_bytes()[..Descriptor::LAP]);
        debug_assert!(written.is_ok(), "offsets follow from the checked layout");
        self.r
            .word(at + Descriptor::LAP)
            .store(lap(index, entries), Ordering::Release);
    }

    /// Tells the process that its endpoint is closed, and why (a [`crate::control::Status`] as a number).
    pub fn set_status(&self, status: u32) {
        self.r.word(r0::STATUS).store(status, Ordering::Release);
    }
}

/// Where the receive ring goes on behind a payload.
fn payload_end(position: u32, length: u16) -> u32 {
    position.wrapping_add(u32::from(length).next_multiple_of(GRANULE))
}
