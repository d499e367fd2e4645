//! What a message costs a program: instructions of the library's calls, of queues, backend and boards, as valgrind counts
//! them. `cargo run --release -p sim --bin cost` counts a message without the calls.

mod in_c;
mod in_rust;
mod on_engine;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use in_c::InC;
use in_rust::InRust;
use mx_ring::board_page::{BoardPages, PEERS};
use mx_ring::{EndpointLayout, Geometry};
use mx_wire::Format;
use on_engine::OnEngine;
use open_mx::{Buffer, fake};
use sim::{BoardPlace, Fabric, Faults, Shared, counted};

/// Steps of the network without a message, after which something is stuck.
const STEPS: u32 = 1_000_000;
/// The longest step: what is sent takes no longer.
const STEP: Duration = Duration::from_micros(10);
/// Tests that come too early, of which one is counted.
const EARLY: u32 = 32;
/// What a connect presents.
const KEY: u32 = 7;

/// Whose calls are counted.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Language {
    /// `omx_isend` and the like.
    C,
    /// `Endpoint::isend` and the like.
    Rust,
    /// None: the program has the engine itself, one thread, and no clock.
    Engine,
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
    /// Wait for each send, which is done, instead of testing it.
    #[arg(long)]
    wait: bool,
    /// Count what the calls of the language cost beside the engine, at 0 bytes and at 128, a test that comes too early, and what
    /// a wait for a request that is done costs more than a test.
    #[arg(long, conflicts_with_all = ["size", "early", "wait"])]
    beside_engine: bool,
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
    let told = if options.beside_engine {
        beside_engine(&options)
    } else {
        cost(&options).map(|each| println!("{each:.1} instructions a message"))
    };
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calls: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Instructions of a message.
fn cost(options: &Options) -> Result<f64, String> {
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.expect("none is hidden").get_name().to_owned()
    };
    let mut arguments = vec![
        "--send".to_owned(),
        format!("--size={}", options.size),
        format!("--early={}", options.early),
        format!("--way={}", name(options.way.to_possible_value())),
        format!("--language={}", name(options.language.to_possible_value())),
    ];
    if options.wait {
        arguments.push("--wait".to_owned());
    }
    counted::of_a_message(&arguments, options.messages)
}

/// Tells what the calls cost that the engine alone does not.
fn beside_engine(options: &Options) -> Result<(), String> {
    for size in [0, 128] {
        let count = |language| {
            let options = Options {
                size,
                language,
                ..*options
            };
            cost(&options)
        };
        let (calls, engine) = (count(options.language)?, count(Language::Engine)?);
        let beside = calls - engine;
        println!("{size} bytes: {beside:.1} beside the {engine:.1} instructions of a message");
    }
    let early = |early| cost(&Options { early, ..*options });
    let each = (early(EARLY)? - early(0)?) / f64::from(EARLY);
    println!("a test that comes too early: {each:.1}");
    let end = |wait| cost(&Options { wait, ..*options });
    let more = end(true)? - end(false)?;
    println!("a wait for what is done: {more:.1} more than a test");
    Ok(())
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
        let pages = BoardPages::new(shared.board.slice()).expect("the pages of a board");
        (shared, pages, session)
    });
    let nic_ids = [opened[1].0.nic_id, opened[0].0.nic_id];
    for ((_, pages, _), nic_id) in opened.iter().zip(nic_ids) {
        let met = (0..STEPS).any(|_| {
            fabric.step(Some(STEP));
            peer_of(pages, nic_id).is_some()
        });
        assert!(met, "the boards do not learn of each other");
    }
    let mut sides = opened.map(|(shared, _, session)| Side {
        name: (shared.backend, shared.key),
        program: program(options, shared, layout, session),
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
        if options.wait {
            sides[from].program.wait_for_send();
        } else {
            assert!(sides[from].program.is_done(Kind::Send), "it is short");
        }
    }
}

/// Index of the peer with this address.
fn peer_of(board: &BoardPages, nic_id: u64) -> Option<u16> {
    let is_it = |index: &u16| {
        let peer = board.peer(*index);
        peer.is_some_and(|peer| peer.mac.nic_id() == nic_id)
    };
    (0..PEERS as u16).find(is_it)
}

/// The program of an endpoint that its backend has opened.
fn program(
    options: &Options,
    shared: Shared,
    layout: EndpointLayout,
    session: u32,
) -> Box<dyn Program> {
    let size = options.size.max(1);
    if options.language == Language::Engine {
        return Box::new(OnEngine::new(shared, layout, session, size));
    }
    let pages = fake::Shared {
        board: shared.board,
        w: shared.w,
        r: shared.r,
        layout,
        session,
    };
    let (endpoint, kick) = fake::open(pages, KEY).expect("an endpoint");
    let buffer = Buffer::new(size).expect("memory");
    match options.language {
        Language::C => Box::new(InC::new(endpoint, buffer, kick)),
        _ => Box::new(InRust::new(endpoint, buffer, kick)),
    }
}

/// One of the two programs.
struct Side {
    program: Box<dyn Program>,
    /// Its backend, and its endpoint there.
    name: (usize, sim::EndpointKey),
}

/// Lets the network pass on what is sent until a request is done. The other side looks, too.
fn until(fabric: &mut Fabric, sides: &mut [Side], side: usize, kind: Kind) {
    for _ in 0..STEPS {
        for side in &mut *sides {
            if side.program.has_kicked() {
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
    /// Whether its backend is to be woken.
    fn has_kicked(&mut self) -> bool;
    /// Tests a request, which succeeds.
    fn is_done(&mut self, kind: Kind) -> bool;
    /// Waits for a send that is done.
    fn wait_for_send(&mut self);
}
