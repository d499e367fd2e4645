//! What the engine needs from its endpoint's backend: queues, windows, registered memory. No call blocks.

use mx_ring::{Command, RegionKey, VolatileSlice, Window};

use crate::memory::Memory;

/// Who uses registered memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// The network reads it.
    Send,
    /// The network writes it.
    Receive,
}

/// Bytes of a message that the backend is to reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Where it begins in the memory, in bytes.
    pub start: u32,
    /// How many, at least 1.
    pub length: u32,
    /// Whether fewer of them, from the same start, are of use.
    pub divisible: bool,
}

/// Memory that the backend can reach, for one part of a message.
#[derive(Debug)]
pub struct Registered {
    /// The region that holds the part.
    pub region: RegionKey,
    /// Where the part starts in the region.
    pub offset: u32,
    /// Bytes of it: all, or fewer if it is divisible.
    pub length: u32,
    /// What the port needs to find it again.
    pub token: u64,
}

/// Why memory was not registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A quota or a table is full: try again when something was given back, or later.
    Later,
    /// This memory can never be registered.
    Never,
}

/// The way from the engine to its board: the queues, and the memory behind them.
pub trait QueuePort {
    /// Puts a command into the queue, `data` being the payload of a small message. False when the queue is full.
    fn post(&mut self, command: &Command, data: &[u8]) -> bool;
    /// Free entries of the command queue.
    fn command_room(&self) -> u32;
    /// Index of the next command, counted on from 0 and wrapping.
    fn command_index(&self) -> u32;
    /// Commands below this index, and their transmit bytes, are no longer read.
    fn sent(&self) -> u32;
    /// A part of the transmit area; `None` outside of it.
    fn transmit(&self, offset: u32, length: usize) -> Option<VolatileSlice>;
    /// Exports a window to the network. One that is bound may reach another piece of the same message from now on.
    fn bind_window(&mut self, id: u8, window: &Window);
    /// Ends the export of a window.
    fn unbind_window(&mut self, id: u8);
    /// Makes a part of a message reachable for the backend. To send, its present content counts, and a divisible part
    /// starts at the start of its region, which is read by nobody any more when the part was released.
    fn register(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Registered, Refused>;
    /// Takes received bytes over into the message: those of the part that starts at `start`.
    fn collect(&mut self, registered: &Registered, memory: &Memory, start: u32);
    /// Gives registered memory back.
    fn release(&mut self, registered: Registered);
}
