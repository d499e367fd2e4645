//! What a backend leaves behind that dies between two of its stores, for tests.

use crate::descriptor::Descriptor;
use crate::layout::EndpointLayout;
use crate::memory::{VolatileSlice, VolatileSliceError};
use crate::message::{CommandBody, Event};
use crate::process::{Positions, r0};
use crate::sync::Ordering;

use zerocopy::IntoBytes;

/// The words of an R area in which its backend states how far it is.
#[derive(Clone, Copy, Debug)]
pub struct StatedPositions {
    layout: EndpointLayout,
    r: VolatileSlice,
}

/// How far commands are stated to be taken, and to be read no longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedCommands(u32, u32);

impl StatedPositions {
    /// Takes the R area.
    pub fn new(layout: EndpointLayout, r: VolatileSlice) -> Result<Self, VolatileSliceError> {
        let r = r.line_part(0, layout.r_size())?;
        Ok(Self { layout, r })
    }

    /// The positions, without a look at the queues themselves.
    pub fn positions(&self) -> Positions {
        Positions {
            command: self.get(r0::COMMAND_CONS),
            unexpected: self.get(r0::UNEXPECTED_PROD),
            expected: self.get(r0::EXPECTED_PROD),
            receive: self.get(r0::RECEIVE_HEAD),
        }
    }

    /// How far commands are.
    pub fn commands(&self) -> StatedCommands {
        StatedCommands(self.get(r0::COMMAND_CONS), self.get(r0::SENT))
    }

    /// Takes commands back to where they were: the backend has died before it said more.
    pub fn take_back_commands(&self, to: StatedCommands) {
        self.set(r0::COMMAND_CONS, to.0);
        self.set(r0::SENT, to.1);
    }

    /// Takes back the producer indices behind the last event of either queue, and with `head` how much of the receive ring
    /// that of the unexpected queue has taken: the backend has died before it said so.
    pub fn take_back_events(&self, head: bool) {
        let at = self.positions();
        if at.expected != 0 {
            self.set(r0::EXPECTED_PROD, at.expected.wrapping_sub(1));
        }
        if at.unexpected == 0 {
            return;
        }
        let last = at.unexpected.wrapping_sub(1);
        self.set(r0::UNEXPECTED_PROD, last);
        if head && let Some((position, 1..)) = self.event(last).and_then(|event| event.received()) {
            self.set(r0::RECEIVE_HEAD, position);
        }
    }

    fn event(&self, index: u32) -> Option<Event> {
        let slot = (index & (self.layout.geometry().unexpected - 1)) as usize;
        let mut descriptor = Descriptor::zeroed();
        let at = EndpointLayout::UNEXPECTED + slot * Descriptor::SIZE;
        let bytes = &mut descriptor.as_mut_bytes()[..Descriptor::LAP];
        self.r.read(at, bytes).ok()?;
        descriptor.event().ok()
    }

    fn get(&self, word: usize) -> u32 {
        self.r.word(word).load(Ordering::Acquire)
    }

    fn set(&self, word: usize, value: u32) {
        self.r.word(word).store(value, Ordering::Release);
    }
}

/// Has every pull in a command queue ask the backend of that generation, whichever it asked.
pub fn readdress_pulls(
    layout: &EndpointLayout,
    w: &VolatileSlice,
    generation: u32,
) -> Result<(), VolatileSliceError> {
    for slot in 0..layout.geometry().commands as usize {
        let at = EndpointLayout::COMMANDS + slot * Descriptor::SIZE;
        let mut descriptor = Descriptor::zeroed();
        w.read(at, &mut descriptor.as_mut_bytes()[..Descriptor::LAP])?;
        if let Ok(mut command) = descriptor.command()
            && let CommandBody::Pull(order) = &mut command.body
        {
            order.backend = generation;
            let descriptor = Descriptor::from_command(&command);
            w.write(at, &descriptor.as_bytes()[..Descriptor::LAP])?;
        }
    }
    Ok(())
}
