//! What a message costs a program: instructions of the library's calls, of queues, backend and boards, as valgrind counts
//! them. `cargo run --release -p sim --bin cost` counts the same without the calls.

use std::ffi::c_void;
use std::process::ExitCode;
use std::ptr::null_mut;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use mx_ring::{EndpointLayout, Geometry};
use mx_wire::Format;
use open_mx::fake::{self, Kick};
use open_mx::{Address, Buffer, Endpoint, Request};
use sim::{BoardPlace, Fabric, Faults, counted};

/// Steps of the network without a message, after which something is stuck.
const STEPS: u32 = 1_000_000;
/// The longest step: what is sent takes no longer.
const STEP: Duration = Duration::from_micros(10);
/// What a connect presents.
const KEY: u32 = 7;

/// Whose calls are counted.
#[derive(Clone, Copy, ValueEnum)]
enum Language {
    /// `omx_isend` and the like.
    C,
    /// `Endpoint::isend` and the like.
    Rust,
}

/// Where the two endpoints are.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// On two boards of one backend.
    Local,
    /// At two backends with a network between them.
    Wire,
}

/// Count the instructions of a message one way with the program's calls: a receive is posted, a message sent, and both are
/// tested when they are done.
#[derive(Parser)]
#[command(name = "calls", version)]
struct Options {
    /// Bytes of a message, at most 32 KiB.
    #[arg(long, default_value_t = 0)]
    size: usize,
    /// Messages, of both directions together, that are counted.
    #[arg(long, default_value_t = 512)]
    messages: u32,
    /// Where the endpoints are.
    #[arg(long, value_enum, default_value_t = Place::Local)]
    way: Place,
    /// Whose calls.
    #[arg(long, value_enum, default_value_t = Language::C)]
    language: Language,
    /// Tests of each receive that come too early.
    #[arg(long, default_value_t = 0)]
    early: u32,
    /// Only send the messages.
    #[arg(long, hide = true)]
    send: bool,
    /// What cargo tells each bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.send {
        run(&options);
        return ExitCode::SUCCESS;
    }
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.expect("none is hidden").get_name().to_owned()
    };
    let arguments = [
        "--send".to_owned(),
        format!("--size={}", options.size),
        format!("--early={}", options.early),
        format!("--way={}", name(options.way.to_possible_value())),
        format!("--language={}", name(options.language.to_possible_value())),
    ];
    match counted::of_a_message(&arguments, options.messages) {
        Ok(each) => {
            println!("{each:.1} instructions a message");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("calls: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Sends the messages, to and fro.
fn run(options: &Options) {
    let (boards, places): (&[usize], _) = match options.way {
        Place::Local => (&[2], [(0, 0), (0, 1)]),
        Place::Wire => (&[1, 1], [(0, 0), (1, 0)]),
    };
    let format = Format::native(9000).expect("a frame size");
    let mut fabric = Fabric::new(format, boards, Faults::default(), 1);
    let layout = EndpointLayout::new(Geometry::default()).expect("the usual one");
    let opened = places.map(|(backend, board)| {
        let session = backend as u32 * 2 + board as u32 + 1;
        let shared = fabric.open_shared(BoardPlace { backend, board }, session, layout);
        let pages = fake::Shared {
            board: shared.board,
            w: shared.w,
            r: shared.r,
            layout,
            session,
        };
        let (endpoint, kick) = fake::open(pages, KEY).expect("an endpoint");
        (endpoint, kick, (shared.backend, shared.key), shared.nic_id)
    });
    let nic_ids = [opened[1].3, opened[0].3];
    for (opened, nic_id) in opened.iter().zip(nic_ids) {
        let knows = || opened.0.with_board(|board| board.peer_by_nic_id(nic_id));
        let met = (0..STEPS).any(|_| {
            fabric.step(Some(STEP));
            knows().is_ok()
        });
        assert!(met, "the boards do not learn of each other");
    }
    let mut sides = opened.map(|(endpoint, kick, name, _)| {
        let buffer = Buffer::new(options.size.max(1)).expect("memory");
        let program: Box<dyn Program> = match options.language {
            Language::C => Box::new(InC::new(endpoint, buffer)),
            Language::Rust => Box::new(InRust {
                endpoint,
                buffer,
                partner: None,
                requests: [None; 2],
            }),
        };
        Side {
            program,
            kick,
            name,
        }
    });
    for (side, nic_id) in nic_ids.into_iter().enumerate() {
        sides[side].program.connect(nic_id);
        until(&mut fabric, &mut sides, side, Kind::Connect);
    }
    for number in 0..options.messages as usize {
        let (from, to) = (number % 2, 1 - number % 2);
        sides[to].program.receive(options.size);
        for _ in 0..options.early {
            assert!(!sides[to].program.is_done(Kind::Receive));
        }
        sides[from].program.send(options.size);
        until(&mut fabric, &mut sides, to, Kind::Receive);
        assert!(sides[from].program.is_done(Kind::Send), "it is short");
    }
}

/// One of the two programs.
struct Side {
    program: Box<dyn Program>,
    kick: Kick,
    /// Its backend, and its endpoint there.
    name: (usize, sim::EndpointKey),
}

/// Lets the network pass on what is sent until a request is done. The other side looks, too.
fn until(fabric: &mut Fabric, sides: &mut [Side], side: usize, kind: Kind) {
    for _ in 0..STEPS {
        for side in &mut *sides {
            if side.kick.take() {
                fabric.kick(side.name);
            }
        }
        fabric.step(Some(STEP));
        if kind == Kind::Connect {
            sides[1 - side].program.progress();
        }
        if sides[side].program.is_done(kind) {
            return;
        }
    }
    panic!("a request is not done");
}

/// Which request of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Connect,
    Send,
    Receive,
}

/// What a program does in its language. It has one request of a kind at a time.
trait Program {
    fn connect(&mut self, nic_id: u64);
    fn send(&mut self, size: usize);
    fn receive(&mut self, size: usize);
    fn progress(&mut self);
    /// Tests a request, which succeeds.
    fn is_done(&mut self, kind: Kind) -> bool;
}

struct InRust {
    endpoint: Endpoint,
    buffer: Buffer,
    partner: Option<Address>,
    /// The one that sends, or connects, and the one that receives.
    requests: [Option<Request>; 2],
}

impl Program for InRust {
    fn connect(&mut self, nic_id: u64) {
        self.requests[0] = self.endpoint.iconnect(nic_id, 0, KEY, 0, 0).ok();
    }

    fn send(&mut self, size: usize) {
        let memory = self.buffer.part(0, size).expect("so long");
        let to = self.partner.expect("it is connected");
        self.requests[0] = self.endpoint.isend(memory, to, 0, 0, false).ok();
    }

    fn receive(&mut self, size: usize) {
        let memory = self.buffer.part(0, size).expect("so long");
        self.requests[1] = self.endpoint.irecv(memory, 0, 0, 0).ok();
    }

    fn progress(&mut self) {
        self.endpoint.progress().expect("an open endpoint");
    }

    fn is_done(&mut self, kind: Kind) -> bool {
        let request = self.requests[usize::from(kind == Kind::Receive)];
        let tested = self.endpoint.test(request.expect("it was begun"));
        let Some(status) = tested.expect("a request") else {
            return false;
        };
        assert_eq!(status.code, open_mx::Code::Success);
        if kind == Kind::Connect {
            self.partner = status.address;
        }
        true
    }
}

struct InC {
    endpoint: *mut c_void,
    buffer: *mut c_void,
    _memory: Buffer,
    partner: AddressInC,
    /// As in [`InRust`].
    requests: [*mut c_void; 2],
}

impl InC {
    fn new(endpoint: Endpoint, buffer: Buffer) -> Self {
        let memory = buffer.part(0, buffer.len()).expect("all of it");
        let span = memory.contiguous().expect("one piece");
        Self {
            endpoint: open_mx_c::fake::handle(endpoint).expect("a free handle"),
            buffer: std::ptr::with_exposed_provenance_mut(span.address()),
            _memory: buffer,
            partner: AddressInC::default(),
            requests: [null_mut(); 2],
        }
    }
}

impl Program for InC {
    fn connect(&mut self, nic_id: u64) {
        let place = &raw mut self.requests[0];
        // SAFETY: the request's place is this value's.
        let begun = unsafe { omx_iconnect(self.endpoint, nic_id, 0, KEY, 0, null_mut(), place) };
        assert_eq!(begun, 0);
    }

    fn send(&mut self, size: usize) {
        let (endpoint, to) = (self.endpoint, self.partner);
        let place = &raw mut self.requests[0];
        // SAFETY: the buffer is so long, and stays until the end.
        let sent = unsafe { omx_isend(endpoint, self.buffer, size, to, 0, null_mut(), place) };
        assert_eq!(sent, 0);
    }

    fn receive(&mut self, size: usize) {
        let place = &raw mut self.requests[1];
        // SAFETY: the buffer is so long, and stays until the end.
        let begun = unsafe { omx_irecv(self.endpoint, self.buffer, size, 0, 0, null_mut(), place) };
        assert_eq!(begun, 0);
    }

    fn progress(&mut self) {
        // SAFETY: any handle is allowed.
        assert_eq!(unsafe { omx_progress(self.endpoint) }, 0);
    }

    fn is_done(&mut self, kind: Kind) -> bool {
        let (mut status, mut done) = (StatusInC::default(), 0);
        let place = &raw mut self.requests[usize::from(kind == Kind::Receive)];
        // SAFETY: all places are this call's, or this value's.
        let tested = unsafe { omx_test(self.endpoint, place, &raw mut status, &raw mut done) };
        assert_eq!((tested, status.code), (0, 0));
        if done != 0 && kind == Kind::Connect {
            self.partner = status.address;
        }
        done != 0
    }
}

/// `omx_endpoint_addr_t`.
#[derive(Clone, Copy, Default)]
#[repr(C)]
struct AddressInC([u64; 2]);

/// `omx_status_t`.
#[derive(Default)]
#[repr(C)]
struct StatusInC {
    code: u32,
    address: AddressInC,
    _rest: [u64; 3],
}

// `open-mx.h`.
unsafe extern "C" {
    fn omx_iconnect(
        endpoint: *mut c_void,
        nic_id: u64,
        remote: u32,
        key: u32,
        match_info: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_isend(
        endpoint: *mut c_void,
        buffer: *mut c_void,
        length: usize,
        to: AddressInC,
        match_info: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_irecv(
        endpoint: *mut c_void,
        buffer: *mut c_void,
        length: usize,
        match_info: u64,
        mask: u64,
        context: *mut c_void,
        request: *mut *mut c_void,
    ) -> u32;
    fn omx_progress(endpoint: *mut c_void) -> u32;
    fn omx_test(
        endpoint: *mut c_void,
        request: *mut *mut c_void,
        status: *mut StatusInC,
        result: *mut u32,
    ) -> u32;
}
