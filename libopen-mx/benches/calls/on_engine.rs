//! A program that has the engine itself: what no library can do without.

use std::time::Duration;

use mx_engine::{
    Code, Config, Engine, Memory, Part, PartnerKey, QueuePort, Refused, Registered, RequestKey,
    Selection, Use,
};
use mx_ring::board_page::BoardPages;
use mx_ring::mapping::{Mapping, Memfd};
use mx_ring::{Command, EndpointLayout, ProcessSide, VolatileSlice, Window};
use sim::Shared;

use crate::{KEY, Kind, Program, peer_of};

/// The time, which stands still: nothing becomes due.
const NOW: Duration = Duration::from_secs(1);

pub struct OnEngine {
    engine: Engine,
    port: Port,
    board: BoardPages,
    kicked: bool,
    partner: Option<PartnerKey>,
    /// The one that sends, or connects, and the one that receives.
    requests: [Option<RequestKey>; 2],
    message: Memfd,
    _shared: [Mapping; 3],
}

impl OnEngine {
    pub fn new(shared: Shared, layout: EndpointLayout, session: u32, size: usize) -> Self {
        let Shared { board, w, r, .. } = shared;
        let pages = BoardPages::new(board.slice()).expect("the pages of a board");
        let description = pages.board().expect("a described board");
        let fragment = description.medium_fragment.into();
        let mut config = Config::new(session, KEY, fragment, description.mx_wire);
        config.backend = description.generation;
        config.transmit_bytes = layout.geometry().transmit;
        let process = ProcessSide::new(layout, w.slice(), r.slice()).expect("its areas");
        Self {
            engine: Engine::new(config),
            port: Port {
                process,
                posted: false,
            },
            board: pages,
            kicked: false,
            partner: None,
            requests: [None; 2],
            message: Memfd::create("message", size).expect("memory"),
            _shared: [board, w, r],
        }
    }

    fn memory(&self, size: usize) -> Memory {
        let part = self.message.slice().part(0, size).expect("so long");
        Memory::new(part).expect("less than 4 GiB")
    }

    /// Wakes the backend if something was posted and it sleeps.
    fn flush(&mut self) {
        self.kicked |= std::mem::take(&mut self.port.posted) && self.port.process.kick_needed();
    }
}

impl Program for OnEngine {
    fn connect(&mut self, nic_id: u64) {
        let peer = peer_of(&self.board, nic_id).expect("a peer");
        self.engine.set_now(NOW);
        let begun = self.engine.connect(peer, 0, KEY, 0, 0, &mut self.port);
        self.requests[0] = Some(begun);
        self.flush();
    }

    fn send(&mut self, size: usize) {
        let (memory, to) = (self.memory(size), self.partner.expect("it is connected"));
        self.engine.set_now(NOW);
        let begun = self.engine.send(to, memory, 0, 0, false, &mut self.port);
        self.requests[0] = Some(begun);
        self.flush();
    }

    fn receive(&mut self, size: usize) {
        let memory = self.memory(size);
        self.engine.set_now(NOW);
        let wanted = Selection::new(0, 0);
        let begun = self.engine.receive(memory, wanted, 0, &mut self.port);
        self.requests[1] = Some(begun);
        self.flush();
    }

    fn progress(&mut self) {
        self.engine.set_now(NOW);
        let mut any = false;
        while let Some(event) = self.port.process.next_unexpected() {
            any = true;
            let event = event.expect("an event of the backend");
            let Some((position, length)) = event.received() else {
                self.engine.event(&event, None, &mut self.port);
                continue;
            };
            let part = self.port.process.receive_part(position, length.into());
            self.engine.event(&event, part.ok(), &mut self.port);
            self.port.process.release_receive(position, length.into());
        }
        while let Some(event) = self.port.process.next_expected() {
            any = true;
            let event = event.expect("an event of the backend");
            self.engine.event(&event, None, &mut self.port);
        }
        if any {
            self.port.process.publish_consumed();
        }
        self.engine.work(&mut self.port);
        self.flush();
    }

    fn has_kicked(&mut self) -> bool {
        std::mem::take(&mut self.kicked)
    }

    fn is_done(&mut self, kind: Kind) -> bool {
        let request = self.requests[usize::from(kind == Kind::Receive)].expect("it was begun");
        if self.engine.is_done(request) == Some(false) {
            self.progress();
        }
        let Some(outcome) = self.engine.take_done(request) else {
            return false;
        };
        assert_eq!(outcome.code, Code::Success);
        if kind == Kind::Connect {
            self.partner = outcome.partner;
        }
        true
    }

    fn wait_for_send(&mut self) {
        assert!(self.is_done(Kind::Send), "it is short");
    }
}

/// The queues of an endpoint. No memory can be registered.
struct Port {
    process: ProcessSide,
    posted: bool,
}

impl QueuePort for Port {
    fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        let posted = self.process.post(command, data);
        self.posted |= posted;
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

    fn register(&mut self, _: &Memory, _: Part, _: Use) -> Result<Registered, Refused> {
        Err(Refused::Never)
    }

    fn collect(&mut self, _: &Registered, _: &Memory, _: u32) {}

    fn release(&mut self, _: Registered) {}
}
