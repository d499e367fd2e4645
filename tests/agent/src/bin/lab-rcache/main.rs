#![deny(unsafe_code)]
//! The registration cache under a process that changes its memory: what arrives is what was sent, always.
//!
//! `lab-rcache answer` and `lab-rcache ask <host> [messages]` (default 100) do the same three things, in step:
//! 4 MiB from the same buffer into the same buffer, `messages` times: no grant is made after the first ones;
//! buffers whose pages are taken away between two messages, in each way that Linux has, both directions;
//! and pieces of the heap of random lengths, both directions. Each byte is checked. Exit status: 0 if all was right.
//!
//! `lab-rcache answer` and `lab-rcache ask <host> long <MiB>` exchange a message of that length, there and back. With
//! `--locked <KiB>` before the other words it runs as a user whose process may have so much memory pinned, and to whom the
//! module's quota applies: then the message may be longer than what can be registered.

#[allow(unsafe_code)]
mod memory;

use std::fmt::Display;
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use memory::{Buffer, Change, Piece, fill, first_wrong, message};
use mx_ring::VolatileSlice;
use mx_ring::uapi::{CallReply, CallRequest, DEVICE_PATH};
use open_mx::{Address, Backend, Code, Endpoint, EndpointOptions, Memory, Status};
use rustix::process::{Resource, Rlimit, setrlimit};

const KEY: u32 = 0x12_34;
/// Endpoint of who answers.
const ENDPOINT: u32 = 5;
/// A message that does not come within this time is an error.
const LIMIT: Duration = Duration::from_secs(120);
/// The same buffer's messages.
const LARGE: usize = 4 << 20;
/// After so many messages of the same buffer both sides have registered it.
const WARM_UP: u64 = 3;
/// How often the same buffer's message is checked whole.
const WHOLE: u64 = 50;
/// Buffers that change: longer ones are registered at once, shorter ones bounce at first.
const CHANGING: [usize; 2] = [2 << 20, 256 << 10];
/// Pieces of the heap.
const PIECES: u64 = 24;
/// Of them, alive at a time.
const ALIVE: usize = 4;
/// Their greatest length.
const PIECE_MAX: u64 = 512 << 10;
/// Bits of a greeting's match info.
const GREETING: u64 = 1 << 60;
const LONG: u64 = 1 << 59;
/// Who has no privileges.
const NOBODY: u32 = 65_534;

type Result<T> = std::result::Result<T, String>;

fn text(error: impl Display) -> String {
    error.to_string()
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["--locked", limit, rest @ ..] => limit.parse().map_err(text).and_then(|n| locked(n, rest)),
        ["answer"] => answer(),
        ["ask", host] => ask(host, 100),
        ["ask", host, "long", length] => number(length).and_then(|n| ask(host, LONG | n)),
        ["ask", host, messages] => number(messages).and_then(|n| ask(host, n)),
        _ => Err(USAGE.into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-rcache: {error}");
            ExitCode::FAILURE
        }
    }
}

const USAGE: &str = "usage: lab-rcache [--locked KIB] answer | lab-rcache [--locked KIB] ask HOST [MESSAGES | long MIB]";

fn number(word: &str) -> Result<u64> {
    let number = word.parse().map_err(|error| format!("'{word}': {error}"))?;
    if number < LONG {
        Ok(number)
    } else {
        Err(format!("{number} is too much"))
    }
}

/// Does the same as a user without privileges, who may pin so much memory.
fn locked(limit: u64, words: &[&str]) -> Result<()> {
    let bytes = Some(limit << 10);
    let limits = Rlimit {
        current: bytes,
        maximum: bytes,
    };
    setrlimit(Resource::Memlock, limits).map_err(text)?;
    let program = std::env::current_exe().map_err(text)?;
    // Returns only if it fails.
    Err(text(Command::new(program).args(words).uid(NOBODY).exec()))
}

/// One of the two processes, and its way to the other.
struct Side {
    endpoint: Endpoint,
    to: Address,
    asks: bool,
}

impl Side {
    fn finish(&self, what: &str, request: open_mx::Request) -> Result<Status> {
        let status = self.endpoint.wait(request, Some(LIMIT)).map_err(text)?;
        let status = status.ok_or_else(|| format!("{what}: nothing within {LIMIT:?}"))?;
        match status.code {
            Code::Success => Ok(status),
            code => Err(format!("{what}: {code}")),
        }
    }

    fn send(&self, number: u64, memory: Memory) -> Result<()> {
        let endpoint = &self.endpoint;
        let request = endpoint.isend(memory, self.to, number, 0, false);
        let request = request.map_err(text)?;
        self.finish(&format!("sending message {number}"), request)?;
        Ok(())
    }

    fn receive(&self, number: u64, memory: Memory) -> Result<()> {
        let request = self.endpoint.irecv(memory, number, u64::MAX, 0);
        let request = request.map_err(text)?;
        self.finish(&format!("receiving message {number}"), request)?;
        Ok(())
    }

    /// From who asks to who answers, in the same bytes on both sides.
    fn carry(&self, number: u64, slice: &VolatileSlice, length: usize) -> Result<()> {
        let part = slice.part(0, length).map_err(text)?;
        let memory = message(slice, length).map_err(text)?;
        let seed = number << 32;
        if self.asks == number.is_multiple_of(2) {
            fill(&part, seed).map_err(text)?;
            self.send(number, memory)
        } else {
            self.receive(number, memory)?;
            check(&part, seed, number)
        }
    }

    /// The same buffer again and again.
    fn same(&self, messages: u64) -> Result<()> {
        let buffer = Buffer::new(LARGE).map_err(text)?;
        let slice = buffer.slice();
        fill(&slice, 0).map_err(text)?;
        let begun = Instant::now();
        let mut grants = None;
        for n in 0..messages {
            if n == WARM_UP {
                grants = granted();
            }
            let memory = message(&slice, LARGE).map_err(text)?;
            // Its first page is another one's each time.
            let head = slice.part(0, 4096).map_err(text)?;
            if self.asks {
                fill(&head, n << 40).map_err(text)?;
                self.send(n, memory)?;
            } else {
                self.receive(n, memory)?;
                check(&head, n << 40, n)?;
                if n % WHOLE == 0 {
                    let tail = slice.part(4096, LARGE - 4096).map_err(text)?;
                    check(&tail, 512, n)?;
                }
            }
        }
        let seconds = begun.elapsed().as_secs_f64();
        println!("{messages} messages of 4 MiB in the same buffer: {seconds:.1} s");
        if let (Some(before), Some(after)) = (grants, granted()) {
            println!("grants made meanwhile: {}", after - before);
            if after != before {
                return Err("memory was granted although it was registered".into());
            }
        }
        Ok(())
    }

    /// Buffers that change between the messages.
    fn changing(&self) -> Result<()> {
        let mut buffers = Vec::new();
        for length in CHANGING {
            buffers.push(Buffer::new(length).map_err(text)?);
        }
        let mut number = 1 << 20;
        let changes = Change::ALL.map(Some);
        for change in [None].into_iter().chain(changes) {
            for buffer in &mut buffers {
                if let Some(change) = change {
                    buffer.change(change).map_err(text)?;
                }
                // There and back: registered by then.
                for _ in 0..2 {
                    let slice = buffer.slice();
                    self.carry(number, &slice, slice.len())?;
                    number += 1;
                }
            }
        }
        println!("{} messages in changing buffers", number - (1 << 20));
        Ok(())
    }

    /// Pieces of the heap.
    fn heap(&self) -> Result<()> {
        let mut alive: Vec<Piece> = Vec::new();
        let mut random = 1u64;
        for n in 0..PIECES {
            // A linear congruence: both sides take the same lengths.
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(99);
            let length = ((random >> 33) % PIECE_MAX) as usize + 1;
            if alive.len() == ALIVE {
                alive.swap_remove((random >> 20) as usize % ALIVE);
            }
            let mut piece = Piece::new(length);
            let slice = piece.slice();
            for turn in 0..2 {
                self.carry((2 << 20) + 2 * n + turn, &slice, length)?;
            }
            alive.push(piece);
        }
        println!("{} messages in pieces of the heap", 2 * PIECES);
        Ok(())
    }

    /// A message there and back.
    fn long(&self, mebibytes: u64) -> Result<()> {
        let length = usize::try_from(mebibytes << 20).map_err(text)?;
        let buffer = Buffer::new(length).map_err(text)?;
        for number in [3 << 20, 3 << 20 | 1] {
            let begun = Instant::now();
            self.carry(number, &buffer.slice(), length)?;
            let seconds = begun.elapsed().as_secs_f64();
            println!("{mebibytes} MiB: {seconds:.1} s");
        }
        Ok(())
    }

    /// Does what the greeting says.
    fn run(&self, greeting: u64) -> Result<()> {
        if greeting & LONG != 0 {
            self.long(greeting & !LONG)?;
        } else {
            self.same(greeting)?;
            self.changing()?;
            self.heap()?;
        }
        self.endpoint.settle(LIMIT).map_err(text)?;
        println!("every byte was right");
        Ok(())
    }
}

fn check(slice: &VolatileSlice, seed: u64, number: u64) -> Result<()> {
    match first_wrong(slice, seed).map_err(text)? {
        None => Ok(()),
        Some(at) => Err(format!("message {number} is wrong at byte {at}")),
    }
}

/// Grants that the module has made, where there is one.
fn granted() -> Option<u64> {
    let device = File::options().read(true).write(true).open(DEVICE_PATH);
    let mut call = CallRequest::Statistics.encode();
    mx_ring::device::call(device.ok()?, &mut call).ok()?;
    match CallReply::decode(&call) {
        CallReply::Statistics { grants, .. } => Some(grants),
        _ => None,
    }
}

fn open(endpoint: Option<u32>) -> Result<Endpoint> {
    let backend = Backend::find().map_err(text)?;
    let options = EndpointOptions {
        endpoint,
        ..EndpointOptions::new(KEY)
    };
    Endpoint::open(&backend, &options).map_err(text)
}

/// Greets with the number of messages, or the length of the long one, in a message's match info.
fn ask(host: &str, greeting: u64) -> Result<()> {
    let endpoint = open(None)?;
    let nic = endpoint.with_board(|board| board.nic_id_by_hostname(host));
    let to = endpoint.connect(nic.map_err(text)?, ENDPOINT, KEY, Some(LIMIT));
    let to = to.map_err(text)?;
    let side = Side {
        endpoint,
        to,
        asks: true,
    };
    let mut byte = Piece::new(1);
    let memory = message(&byte.slice(), 1).map_err(text)?;
    side.send(GREETING | greeting, memory)?;
    side.run(greeting)
}

fn answer() -> Result<()> {
    let endpoint = open(Some(ENDPOINT))?;
    let mut greeting = Piece::new(1);
    let memory = message(&greeting.slice(), 1).map_err(text)?;
    let request = endpoint
        .irecv(memory, GREETING, GREETING, 0)
        .map_err(text)?;
    let status = endpoint.wait(request, Some(LIMIT)).map_err(text)?;
    let status = status.ok_or_else(|| format!("nobody asked within {LIMIT:?}"))?;
    let from = status.address.ok_or("a message without an address")?;
    let to = endpoint.connect(from.nic_id, from.endpoint, KEY, Some(LIMIT));
    let side = Side {
        endpoint,
        to: to.map_err(text)?,
        asks: false,
    };
    side.run(status.match_info & !GREETING)
}
