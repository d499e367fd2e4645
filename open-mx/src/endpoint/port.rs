//! The engine's queue port over real queues and registered memory.

use mx_engine::{Memory, Part, QueuePort, Refused, Registered, Use};
use mx_ring::{Command, ProcessSide, VolatileSlice, Window};

use super::neighbours::Neighbours;
use crate::backend::Regions;

/// Queues and regions of one endpoint.
pub struct Port {
    /// The process's side of the queues that it shares with the backend.
    pub process: ProcessSide,
    /// What is registered.
    pub regions: Regions,
    /// Other endpoints of the board that are reached without the backend, where that is not forbidden.
    pub neighbours: Option<Neighbours>,
    /// Whether something was posted since this was last cleared: the backend may have to be woken.
    pub posted: bool,
}

impl Port {
    /// Over these.
    pub fn new(process: ProcessSide, regions: Regions) -> Self {
        Self {
            process,
            regions,
            neighbours: None,
            posted: false,
        }
    }
}

impl QueuePort for Port {
    fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        let process = &mut self.process;
        if let Some(neighbours) = &mut self.neighbours
            && neighbours.put(command, data, |at, length| {
                process.transmit_part(at, length).ok()
            })
        {
            tracing::trace!("to a neighbour: {command}");
            return true;
        }
        let posted = process.post(command, data);
        self.posted |= posted;
        tracing::trace!(posted, "command: {command}");
        posted
    }

    fn command_room(&self) -> u32 {
        self.process.command_room()
    }

    fn command_index(&self) -> u32 {
        self.process.next_command_index()
    }

    fn sent(&self) -> u32 {
        self.process.sent()
    }

    fn transmit(&self, offset: u32, length: usize) -> Option<VolatileSlice> {
        self.process.transmit_part(offset, length).ok()
    }

    fn bind_window(&mut self, id: u8, window: &Window) {
        self.process.bind_window(id, window);
    }

    fn unbind_window(&mut self, id: u8) {
        self.process.unbind_window(id);
    }

    fn register(&mut self, memory: &Memory, part: Part, used: Use) -> Result<Registered, Refused> {
        self.regions.register_part(memory, part, used)
    }

    fn collect(&mut self, registered: &Registered, memory: &Memory, start: u32) {
        self.regions.collect(registered, memory, start);
    }

    fn release(&mut self, registered: Registered) {
        self.regions.release(&registered);
    }
}
