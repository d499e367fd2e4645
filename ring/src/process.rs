//! The process's side of an endpoint: it writes commands and windows, reads events.

use crate::sync::{Ordering, fence};

use zerocopy::IntoBytes;

use crate::descriptor::{Descriptor, DescriptorError};
use crate::layout::{EndpointLayout, GRANULE};
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::message::{Command, Event, Reach, Window};

/// Words of the first W page. The process writes them.
pub(crate) mod w0 {
    pub const COMMAND_PROD: usize = 0;
    pub const UNEXPECTED_CONS: usize = 64;
    pub const EXPECTED_CONS: usize = 68;
    pub const RECEIVE_TAIL: usize = 72;
    pub const ARMED: usize = 128;
    /// A bit for each region slot (`registration`).
    pub const REGIONS_IN_USE: usize = 1024;
}

/// Words of the first R page. The backend writes them.
pub(crate) mod r0 {
    pub const KICK: usize = 0;
    pub const COMMAND_CONS: usize = 64;
    pub const SENT: usize = 68;
    pub const UNEXPECTED_PROD: usize = 128;
    pub const EXPECTED_PROD: usize = 132;
    pub const RECEIVE_HEAD: usize = 136;
    pub const STATUS: usize = 192;
}

/// The lap word of the descriptor at a free-running index: its turn of the ring, from 1.
pub(crate) fn lap(index: u32, entries: u32) -> u32 {
    (index >> entries.trailing_zeros()).wrapping_add(1)
}

/// Where the queues of an endpoint stand; indices run freely and wrap at 2³².
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Positions {
    /// Next command.
    pub command: u32,
    /// Next event of the unexpected queue.
    pub unexpected: u32,
    /// Next event of the expected queue.
    pub expected: u32,
    /// Next byte of the receive ring, a multiple of [`GRANULE`].
    pub receive: u32,
}

/// The process's side of one endpoint. Not shared between threads: its owner locks.
pub struct ProcessSide {
    layout: EndpointLayout,
    pub(crate) w: VolatileSlice,
    pub(crate) r: VolatileSlice,
    command_prod: u32,
    unexpected: Next,
    expected: Next,
}

/// The next event of a queue. Where its lap word is, and what will stand there, is computed when the one before is taken, and
/// not at each look.
#[derive(Clone, Copy)]
struct Next {
    /// Where the queue is.
    base: usize,
    entries: u32,
    /// Free-running index.
    index: u32,
    descriptor: usize,
    lap: u32,
}

impl Next {
    fn new(base: usize, entries: u32, index: u32) -> Self {
        Self {
            base,
            entries,
            index,
            descriptor: base + (index & (entries - 1)) as usize * Descriptor::SIZE,
            lap: lap(index, entries),
        }
    }

    /// The one after it.
    #[inline]
    fn next(self) -> Self {
        Self::new(self.base, self.entries, self.index.wrapping_add(1))
    }

    /// Whether the backend has written it.
    #[inline]
    fn waits(&self, r: &VolatileSlice) -> bool {
        let written = r.word(self.descriptor + Descriptor::LAP);
        written.load(Ordering::Acquire) == self.lap
    }

    /// Its copy, once the backend has written it. Then this is the one after it.
    #[inline]
    fn take(&mut self, r: &VolatileSlice) -> Option<Descriptor> {
        if !self.waits(r) {
            return None;
        }
        let mut descriptor = Descriptor::zeroed();
        r.read(
            self.descriptor,
            &mut descriptor.as_mut_bytes()[..Descriptor::LAP],
        )
        .ok()?;
        *self = self.next();
        Some(descriptor)
    }
}

impl ProcessSide {
    /// Takes the two areas of a freshly opened endpoint. They must be at least as large as the layout says and start
    /// on a cache line.
    pub fn new(
        layout: EndpointLayout,
        w: VolatileSlice,
        r: VolatileSlice,
    ) -> Result<Self, VolatileSliceError> {
        let geometry = layout.geometry();
        Ok(Self {
            layout,
            w: w.line_part(0, layout.w_size())?,
            r: r.line_part(0, layout.r_size())?,
            command_prod: 0,
            unexpected: Next::new(EndpointLayout::UNEXPECTED, geometry.unexpected, 0),
            expected: Next::new(layout.expected(), geometry.expected, 0),
        })
    }

    /// Takes the areas of an endpoint whose queues are empty, but not at the start: both sides begin at the same
    /// positions.
    pub fn resume(
        layout: EndpointLayout,
        w: VolatileSlice,
        r: VolatileSlice,
        at: &Positions,
    ) -> Result<Self, VolatileSliceError> {
        let mut side = Self::new(layout, w, r)?;
        side.command_prod = at.command;
        for (next, index) in [
            (&mut side.unexpected, at.unexpected),
            (&mut side.expected, at.expected),
        ] {
            *next = Next::new(next.base, next.entries, index);
        }
        side.w
            .word(w0::COMMAND_PROD)
            .store(at.command, Ordering::Relaxed);
        side.w
            .word(w0::RECEIVE_TAIL)
            .store(at.receive, Ordering::Relaxed);
        side.publish_consumed();
        Ok(side)
    }

    /// Where queues and areas of this endpoint lie.
    #[inline]
    pub fn layout(&self) -> &EndpointLayout {
        &self.layout
    }

    /// Free entries of the command queue.
    #[inline]
    pub fn command_room(&self) -> u32 {
        let used = self.command_prod.wrapping_sub(self.sent());
        self.layout.geometry().commands.saturating_sub(used)
    }

    /// Index of the next command: it is no longer read by the backend once [`Self::sent`] has passed it.
    #[inline]
    pub fn next_command_index(&self) -> u32 {
        self.command_prod
    }

    /// Commands below this index, and their transmit bytes, are no longer read by the backend.
    #[inline]
    pub fn sent(&self) -> u32 {
        self.r.word(r0::SENT).load(Ordering::Acquire)
    }

    /// Puts a command into the queue; `data` is the payload of a small message, else empty. The backend may see it
    /// at once; [`Self::kick_needed`] tells whether it sleeps. Returns false, and does nothing, when the queue is full.
    #[inline]
    pub fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        if self.command_room() == 0 || data.len() > EndpointLayout::COMMAND_DATA_SIZE {
            return false;
        }
        let entries = self.layout.geometry().commands;
        let slot = (self.command_prod & (entries - 1)) as usize;
        let mut written = self.w.write(
            self.layout.command_data() + slot * EndpointLayout::COMMAND_DATA_SIZE,
            data,
        );
        let descriptor = Descriptor::from_command(command);
        let at = EndpointLayout::COMMANDS + slot * Descriptor::SIZE;
        written = written.and(self.w.write(at, &descriptor.as_bytes()[..Descriptor::LAP]));
        debug_assert!(written.is_ok(), "offsets follow from the checked layout");
        self.w
            .word(at + Descriptor::LAP)
            .store(lap(self.command_prod, entries), Ordering::Release);
        self.command_prod = self.command_prod.wrapping_add(1);
        self.w
            .word(w0::COMMAND_PROD)
            .store(self.command_prod, Ordering::Release);
        true
    }

    /// Copies bytes into the transmit area.
    pub fn write_transmit(&self, offset: u32, bytes: &[u8]) -> Result<(), VolatileSliceError> {
        self.transmit_area()?.write(offset as usize, bytes)
    }

    /// A part of the transmit area, for a copy from memory that is no slice.
    pub fn transmit_part(
        &self,
        offset: u32,
        length: usize,
    ) -> Result<VolatileSlice, VolatileSliceError> {
        self.transmit_area()?.part(offset as usize, length)
    }

    fn transmit_area(&self) -> Result<VolatileSlice, VolatileSliceError> {
        self.w.part(
            self.layout.transmit(),
            self.layout.geometry().transmit as usize,
        )
    }

    /// Makes a region visible to the network under a window id, or shows another piece of the same message there.
    pub fn bind_window(&self, id: u8, window: &Window) {
        let at = EndpointLayout::WINDOWS + usize::from(id) * EndpointLayout::WINDOW_SIZE;
        let (low, high) = window.pack();
        // Whoever reads the new second word sees that nothing is reached, or a newer first one. The window stays bound:
        // a pull that comes while it moves is not refused.
        let nothing = Window {
            region: crate::RegionKey::default(),
            reach: Reach::Nothing,
            ..*window
        };
        self.w.word64(at).store(nothing.pack().0, Ordering::Relaxed);
        fence(Ordering::Release);
        self.w.word64(at + 8).store(high, Ordering::Relaxed);
        self.w.word64(at).store(low, Ordering::Release);
    }

    /// Ends a window.
    pub fn unbind_window(&self, id: u8) {
        let at = EndpointLayout::WINDOWS + usize::from(id) * EndpointLayout::WINDOW_SIZE;
        self.w.word64(at).store(0, Ordering::Release);
    }

    /// The next event of the unexpected queue. After its payload was read, [`Self::release_receive`] gives space back.
    #[inline]
    pub fn next_unexpected(&mut self) -> Option<Result<Event, DescriptorError>> {
        Some(self.unexpected.take(&self.r)?.event())
    }

    /// The next event of the expected queue.
    #[inline]
    pub fn next_expected(&mut self) -> Option<Result<Event, DescriptorError>> {
        Some(self.expected.take(&self.r)?.event())
    }

    /// Whether an event waits in either queue: two loads, for a process that looks again and again.
    #[inline]
    pub fn event_waits(&self) -> bool {
        self.unexpected.waits(&self.r) || self.expected.waits(&self.r)
    }

    /// Tells the backend how far events have been consumed. Called once per round, not per event.
    #[inline]
    pub fn publish_consumed(&self) {
        self.w
            .word(w0::UNEXPECTED_CONS)
            .store(self.unexpected.index, Ordering::Release);
        self.w
            .word(w0::EXPECTED_CONS)
            .store(self.expected.index, Ordering::Release);
    }

    /// Copies a payload out of the receive ring. The backend keeps a payload contiguous.
    pub fn read_receive(&self, position: u32, into: &mut [u8]) -> Result<(), VolatileSliceError> {
        let size = self.layout.geometry().receive;
        let offset = (position & (size - 1)) as usize;
        self.r
            .part(self.layout.receive(), size as usize)?
            .read(offset, into)
    }

    /// A payload in the receive ring. The backend may change it at any time: copy it out once, then check the copy.
    pub fn receive_part(
        &self,
        position: u32,
        length: usize,
    ) -> Result<VolatileSlice, VolatileSliceError> {
        let size = self.layout.geometry().receive;
        let offset = (position & (size - 1)) as usize;
        self.r
            .part(self.layout.receive(), size as usize)?
            .part(offset, length)
    }

    /// Gives back receive space up to the end of the payload at `position`.
    pub fn release_receive(&self, position: u32, length: u32) {
        let tail = position.wrapping_add(length.next_multiple_of(GRANULE));
        self.w.word(w0::RECEIVE_TAIL).store(tail, Ordering::Release);
    }

    /// What the backend says of the endpoint: 0 open, else the reason for which it was closed.
    #[inline]
    pub fn status(&self) -> u32 {
        self.r.word(r0::STATUS).load(Ordering::Acquire)
    }

    /// The consumer positions that a sleeper passes to its kernel, which compares them with the producers'.
    #[inline]
    pub fn consumed(&self) -> (u32, u32) {
        (self.unexpected.index, self.expected.index)
    }
}

impl Window {
    const VALID: u64 = 1 << 63;
    const NOTHING: u64 = 1 << 62;
    const PIECE: u64 = 1 << 61;

    fn pack(&self) -> (u64, u64) {
        let low = u64::from(self.region.slot)
            | u64::from(self.region.generation) << 16
            | u64::from(self.seqnum) << 32
            | match self.reach {
                Reach::Whole => 0,
                Reach::Piece => Self::PIECE,
                Reach::Nothing => Self::NOTHING,
            }
            | Self::VALID;
        (low, u64::from(self.offset) | u64::from(self.length) << 32)
    }

    pub(crate) fn unpack(low: u64, high: u64) -> Option<Self> {
        (low & Self::VALID != 0).then_some(Self {
            region: crate::RegionKey {
                slot: low as u16,
                generation: (low >> 16) as u16,
            },
            seqnum: (low >> 32) as u8,
            reach: match (low & Self::NOTHING != 0, low & Self::PIECE != 0) {
                (true, _) => Reach::Nothing,
                (false, true) => Reach::Piece,
                (false, false) => Reach::Whole,
            },
            offset: high as u32,
            length: (high >> 32) as u32,
        })
    }
}
