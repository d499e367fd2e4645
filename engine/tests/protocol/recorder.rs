//! A queue port without a board behind it: events come from the test.

use mx_engine::{Memory, Part, QueuePort, Refused, Registered, Use};
use mx_ring::mapping::Memfd;
use mx_ring::{Command, CommandBody, Reach, RegionKey, VolatileSlice, Window};
use mx_wire::Connect;

/// A queue port without a board behind it.
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
    registered: i64,
    /// Windows as they are bound.
    pub bound: [Option<Window>; 256],
    /// Bytes that can be registered in one piece; more is refused, unless it is divisible.
    pub piece: u32,
    /// Of divisible sends, how many may be registered at once.
    pub pieces: i64,
    /// Whether memory to receive in is refused.
    pub refuse_receives: bool,
}

impl Recorder {
    /// The number that the last answer to a connect announced as the next one expected.
    pub fn announced(&self) -> Option<u16> {
        let mut newest_first = self.commands.iter().rev();
        newest_first.find_map(|command| match &command.body {
            CommandBody::Connect(Connect::Reply(reply)) => Some(reply.next_expected),
            _ => None,
        })
    }

    pub fn new() -> Self {
        Self {
            transmit: Memfd::create("test", 512 << 10).unwrap(),
            room: u32::MAX,
            index: 0,
            sent: 0,
            refuse_sevenths: false,
            commands: Vec::new(),
            registered: 0,
            bound: [None; 256],
            piece: u32::MAX,
            pieces: i64::MAX,
            refuse_receives: false,
        }
    }
}

impl QueuePort for Recorder {
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
    fn transmit(&self, offset: u32, length: usize) -> Option<VolatileSlice> {
        self.transmit.slice().part(offset as usize, length).ok()
    }
    fn bind_window(&mut self, id: u8, window: &Window) {
        if let Some(bound) = self.bound[usize::from(id)].replace(*window) {
            assert_ne!(bound.reach, Reach::Whole, "a window is bound twice");
            let same = (bound.seqnum, bound.length) == (window.seqnum, window.length);
            assert!(same, "a window moves to another message");
        }
    }
    fn unbind_window(&mut self, id: u8) {
        let bound = self.bound[usize::from(id)].take();
        assert!(bound.is_some(), "a free window is unbound");
    }
    fn register(&mut self, _: &Memory, part: Part, used: Use) -> Result<Registered, Refused> {
        assert!(part.length > 0);
        let sevenths = self.refuse_sevenths && part.length.is_multiple_of(7);
        if sevenths || self.refuse_receives && used == Use::Receive {
            return Err(Refused::Later);
        }
        let length = part.length.min(self.piece);
        if length < part.length && !part.divisible || part.divisible && self.pieces == 0 {
            return Err(Refused::Later);
        }
        self.pieces -= i64::from(part.divisible);
        self.registered += 1;
        Ok(Registered {
            region: RegionKey::default(),
            offset: 0,
            length,
            token: part.divisible.into(),
        })
    }
    fn collect(&mut self, _: &Registered, _: &Memory, _: u32) {}
    fn release(&mut self, registered: Registered) {
        self.pieces += i64::from(registered.token == 1);
        self.registered -= 1;
        assert!(self.registered >= 0, "memory is given back twice");
    }
}
