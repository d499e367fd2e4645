//! A link without a board behind it: events come from the test.

use mx_ring::mapping::Memfd;
use mx_ring::{Area, Command, RegionKey, Window};

use crate::engine::{Exposure, Link, Memory, Part, Refused, Use};

/// A link without a board behind it.
pub struct Recorder {
    transmit: Memfd,
    /// Commands that still fit.
    pub room: u32,
    /// Index of the next command.
    pub index: u32,
    /// What the board says it has sent.
    pub sent: u32,
    /// Whether memory of a length that 7 divides is refused.
    pub refuse_sevenths: bool,
    /// What was posted.
    pub commands: Vec<Command>,
    exposed: i64,
    bound: [bool; 256],
}

impl Recorder {
    pub fn new() -> Self {
        Self {
            transmit: Memfd::create("test", 512 << 10).unwrap(),
            room: u32::MAX,
            index: 0,
            sent: 0,
            refuse_sevenths: false,
            commands: Vec::new(),
            exposed: 0,
            bound: [false; 256],
        }
    }
}

impl Link for Recorder {
    fn post(&mut self, command: &Command, _: &[u8]) -> bool {
        if self.room == 0 {
            return false;
        }
        self.room -= 1;
        self.commands.push(*command);
        self.index = self.index.wrapping_add(1);
        true
    }
    fn command_room(&self) -> u32 {
        self.room
    }
    fn command_index(&self) -> u32 {
        self.index
    }
    fn sent(&self) -> u32 {
        self.sent
    }
    fn transmit(&self, offset: u32, length: usize) -> Option<Area> {
        self.transmit.area().part(offset as usize, length).ok()
    }
    fn bind_window(&mut self, id: u8, _: &Window) {
        assert!(!self.bound[usize::from(id)], "a window is bound twice");
        self.bound[usize::from(id)] = true;
    }
    fn unbind_window(&mut self, id: u8) {
        assert!(self.bound[usize::from(id)], "a free window is unbound");
        self.bound[usize::from(id)] = false;
    }
    fn expose(&mut self, _: &Memory, part: Part, _: Use) -> Result<Exposure, Refused> {
        assert!(part.length > 0);
        if self.refuse_sevenths && part.length.is_multiple_of(7) {
            return Err(Refused::Later);
        }
        self.exposed += 1;
        Ok(Exposure {
            region: RegionKey::default(),
            offset: 0,
            length: part.length,
            token: 0,
        })
    }
    fn collect(&mut self, _: &Exposure, _: &Memory, _: u32) {}
    fn retract(&mut self, _: Exposure) {
        self.exposed -= 1;
        assert!(self.exposed >= 0, "memory is given back twice");
    }
}
