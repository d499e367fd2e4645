//! The loop: what the wire brings, a turn of the backend, what processes ask; then sleep, if there is nothing to do.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mx_backend::{Activity, Backend, BackendConfig, Completion};
use mx_board::Instant;
use mx_ring::heap;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::{info, warn};

use crate::boards;
use crate::capture::Capture;
use crate::cli::NodeOptions;
use crate::clock::Clock;
use crate::error::{NodeError, is_lack};
use crate::patience::Patience;
use crate::poller::{Poller, Source};
use crate::server::{Server, Surroundings};
use crate::wire::{Incoming, Interface, Wire, padded};

/// Memory that must be there at the start: what is allocated then is much less.
const ROOM: usize = 4 << 20;
/// How long the end may take: frames that nobody takes are given up.
const END_WITHIN: Duration = Duration::from_secs(2);
/// How long a node without a wire goes on without a system call that tells who has something to say.
const ROUND: Duration = Duration::from_micros(10);

/// A node that serves its processes.
pub struct Node {
    clock: Clock,
    around: Surroundings,
    incoming: Incoming,
    patience: Patience,
    /// When something was last done.
    active_at: Instant,
    /// When the kernel was last asked for news.
    asked_at: Instant,
    /// The wire's socket is watched for room, too.
    watching_room: bool,
    socket: Option<Arc<OwnedFd>>,
    interface: Option<Interface>,
    server: Server,
    signals: SignalFd,
    ends: bool,
}

impl Node {
    /// Opens the wire, the boards and the socket.
    pub fn start(options: &NodeOptions) -> Result<Self, NodeError> {
        let format = options.format()?;
        let signals = catch_signals()?;
        if !heap::has_room(ROOM) {
            let lack = io::Error::from(io::ErrorKind::OutOfMemory);
            return Err(NodeError::system("looking for memory (ulimit -v)")(lack));
        }
        raise_descriptor_limit();
        let clock = Clock::start();
        let wire = Wire::open(options, format)?;
        let mut backend = Backend::new(BackendConfig {
            format,
            generation: boards::random()? as u32,
            endpoint_max: options.endpoints,
            queue_entries: options.queue_entries,
            interface: padded(&wire.interface),
            driver: padded(wire.driver),
            idle_spell: options.idle_spell(),
            seed: boards::random()?,
        });
        if let Some(path) = &options.pcap {
            let capture = Capture::start(path, options.pcap_limit << 20)?;
            backend.set_tap(Box::new(capture));
        }
        let own_mac = wire.followed.as_ref().map(Interface::mac);
        let boards = boards::add(options, own_mac, &mut backend, clock.now())?;
        if boards.len() > 1 && options.interface.is_some() {
            info!(
                "boards with other addresses than the card's need `ip link set dev {} promisc on`",
                wire.interface
            );
        }
        let poller = Poller::new().map_err(NodeError::system("making an epoll set"))?;
        let server = Server::open(options, boards)?;
        let watch = |descriptor, source| {
            poller
                .watch(descriptor, source)
                .map_err(NodeError::system("watching descriptors"))
        };
        watch(signals.as_fd(), Source::Signal)?;
        watch(server.listener(), Source::Listener)?;
        if let Some(socket) = &wire.socket {
            watch(socket.as_fd(), Source::Wire)?;
        }
        if let Some(interface) = &wire.followed {
            watch(interface.news(), Source::Links)?;
        }
        let around = Surroundings {
            now: clock.now(),
            backend,
            poller,
            outgoing: wire.outgoing,
        };
        let mut node = Self {
            clock,
            around,
            incoming: wire.incoming,
            patience: Patience::new(options.idle_spell(), options.poll.is_some()),
            active_at: Instant::default(),
            asked_at: Instant::default(),
            watching_room: false,
            socket: wire.socket,
            interface: wire.followed,
            server,
            signals,
            ends: false,
        };
        // What changes from here on is news; what is wrong already is said now.
        node.look_at_interface()?;
        Ok(node)
    }

    /// Serves until SIGTERM or SIGINT.
    pub fn run(mut self) -> Result<(), NodeError> {
        let mut found = Vec::new();
        while !self.ends {
            self.turn(&mut found)?;
        }
        self.end()
    }

    /// One round, and the wait for the next one. `found` is who had something to say.
    fn turn(&mut self, found: &mut Vec<Source>) -> Result<(), NodeError> {
        self.around.now = self.clock.now();
        let mut worked = !found.is_empty();
        for source in found.drain(..) {
            self.attend(source)?;
        }
        let activity = self.serve();
        worked |= self.complete() | activity.worked;
        self.server.pass_raw_frames(&mut self.around);
        self.say_warnings();
        self.watch_room()?;
        if worked {
            self.active_at = self.around.now;
        }
        let spell = self.patience.short_spell().as_nanos() as u64;
        let looks = activity.busy || !self.around.now.is_past(self.active_at, spell);
        if worked || looks {
            return self.look_on(worked, found);
        }
        self.patience.sleeps();
        self.adjust_spell();
        let until = activity.deadline;
        self.ask(
            until.map(|due| (due - self.clock.now()).as_nanos() as u64),
            found,
        )
    }

    /// Goes on without sleeping: there is more to be done, or there may be soon.
    fn look_on(&mut self, worked: bool, found: &mut Vec<Source>) -> Result<(), NodeError> {
        let now = self.around.now;
        if self.socket.is_none() && !now.is_past(self.asked_at, ROUND.as_nanos() as u64) {
            return Ok(());
        }
        self.asked_at = now;
        self.ask(Some(0), found)?;
        if !worked && found.is_empty() {
            self.patience.give_way();
            self.adjust_spell();
        }
        Ok(())
    }

    fn adjust_spell(&mut self) {
        self.around.backend.set_idle_spell(self.patience.spell());
    }

    /// Asks the kernel who has something to say, and waits for so many nanoseconds at most.
    fn ask(&self, wait: Option<u64>, found: &mut Vec<Source>) -> Result<(), NodeError> {
        let asked = self.around.poller.wait(wait, found);
        asked.map_err(NodeError::system("waiting for work"))
    }

    /// A turn of the backend, and what it sends.
    fn serve(&mut self) -> Activity {
        let around = &mut self.around;
        let activity = around
            .backend
            .turn(around.now, &mut around.outgoing, &mut self.server);
        around.outgoing.flush();
        activity
    }

    fn attend(&mut self, source: Source) -> Result<(), NodeError> {
        match source {
            Source::Wire => {
                let around = &mut self.around;
                around.outgoing.take_error();
                self.incoming
                    .receive(|frame| {
                        around
                            .backend
                            .frame(around.now, frame, &mut around.outgoing)
                    })
                    .map_err(NodeError::system("receiving from the wire"))?;
            }
            Source::Links => self.look_at_interface()?,
            Source::Signal => {
                if let Ok(Some(signal)) = self.signals.read_signal() {
                    info!("ends on signal {}", signal.ssi_signo);
                    self.ends = true;
                }
            }
            Source::Listener => self.server.accept(&self.around.poller),
            Source::Client(id) => self.server.heard(id, &mut self.around),
            Source::End(id) => self.server.disconnect(id, &mut self.around),
            Source::Kick(key) => self.server.kicked(key, &mut self.around),
        }
        Ok(())
    }

    /// Tells processes what has been completed; whether there was something.
    fn complete(&mut self) -> bool {
        let (server, around) = (&mut self.server, &mut self.around);
        let mut any = false;
        while let Some(completion) = around.backend.next_completion() {
            any = true;
            match completion {
                Completion::EndpointClosed(key) => server.closed(key, around),
                Completion::RegionReleased(key, region) => server.released(key, region, around),
                Completion::Misbehaved(key, misbehaviour) => server.misbehaved(key, &misbehaviour),
                Completion::BoardRemoved(board) => info!("board {} is gone", board.0),
            }
        }
        any
    }

    /// Something has become of an interface: if it is this node's, goes on with what there is now.
    fn look_at_interface(&mut self) -> Result<(), NodeError> {
        let Some(interface) = &mut self.interface else {
            return Ok(());
        };
        let around = &mut self.around;
        let found = interface.look();
        around.backend.set_interface(&found.state);
        around.outgoing.limit(found.longest);
        if let Some(socket) = found.socket {
            // The old one leaves the set when nobody has it open any more.
            let watched = around.poller.watch(&socket, Source::Wire);
            watched.map_err(NodeError::system("watching the wire"))?;
            self.watching_room = false;
            self.incoming.replace(socket.clone());
            around.outgoing.replace(socket.clone());
            self.socket = Some(socket);
        }
        Ok(())
    }

    /// Says what boards have found wrong with the network.
    fn say_warnings(&mut self) {
        while let Some((board, warning, notice)) = self.around.backend.next_warning() {
            let about = notice.about;
            warn!("board {}, about {about}: {}", board.0, warning.sentence());
        }
    }

    fn watch_room(&mut self) -> Result<(), NodeError> {
        let around = &self.around;
        let blocked = around.outgoing.is_blocked();
        if let Some(socket) = &self.socket
            && blocked != self.watching_room
        {
            match around.poller.watch_room(socket, Source::Wire, blocked) {
                Ok(()) => self.watching_room = blocked,
                // The next turn tries again.
                Err(errno) if is_lack(errno) => {}
                Err(errno) => return Err(NodeError::system("watching the wire")(errno)),
            }
        }
        Ok(())
    }

    /// Closes all endpoints, so that their processes see an end, and not a silence.
    fn end(mut self) -> Result<(), NodeError> {
        for board in self.server.boards() {
            self.around.backend.remove_board(board.id);
        }
        let started = self.clock.now();
        while !self.server.is_quiet() {
            self.around.now = self.clock.now();
            self.complete();
            self.serve();
            if self.around.now - started > END_WITHIN {
                warn!("some endpoints are still in use: their processes lose them");
                break;
            }
        }
        Ok(())
    }
}

/// Five descriptors for each endpoint: the usual soft limit of 1024 is for 200 of them.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: limit.maximum,
            ..limit
        },
    );
    if let Err(error) = raised {
        warn!(
            "the limit of open descriptors stays at {:?}: {error}",
            limit.current
        );
    }
}

/// SIGTERM and SIGINT come through a descriptor. What is too long for a limit of files, the log not least, is an error and no
/// end by SIGXFSZ.
fn catch_signals() -> Result<SignalFd, NodeError> {
    let block = |signals: &[Signal]| {
        let signals: SigSet = signals.iter().copied().collect();
        let blocked = signals.thread_block();
        blocked
            .map(|()| signals)
            .map_err(NodeError::system("blocking signals"))
    };
    block(&[Signal::SIGXFSZ])?;
    let signals = block(&[Signal::SIGTERM, Signal::SIGINT])?;
    SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .map_err(NodeError::system("making a signalfd"))
}
