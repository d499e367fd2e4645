#![forbid(unsafe_code)]
//! Empty messages there and back, one at a time, by two processes that sleep while they wait: each finds its backend
//! asleep, too. What it takes longest tells of a wake-up that was lost, since a message that nobody was woken for is only
//! found when some timer runs out.
//!
//! `lab-wakes answer`, and elsewhere `lab-wakes ask <host> <round trips>`, which prints a JSON object: `round_trips`,
//! `seconds`, `longest_ms` (of a round trip), and of these `stood_still_ms`, for which this machine ran nothing at all.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use open_mx::{Address, Backend, Buffer, Code, Endpoint, EndpointOptions, Error, Request, Status};

/// Match infos. The first message carries the number of round trips in its own, below [`CALL`].
const CALL: u64 = 1 << 48;
const READY: u64 = 1;
const PING: u64 = 2;
const PONG: u64 = 3;
/// The endpoint of who answers.
const ENDPOINT: u32 = 8;
const KEY: u32 = 0x3a7e5;
/// How long a connect may take, and the last acknowledgement.
const TIMEOUT: Duration = Duration::from_secs(60);
const SETTLE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["answer"] => answer(),
        ["ask", host, count] if count.parse::<u64>().is_ok() => {
            ask(host, count.parse().unwrap_or_default())
        }
        _ => {
            eprintln!("usage: lab-wakes answer | lab-wakes ask <host> <round trips>");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab-wakes: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What can go wrong.
enum Failure {
    /// A call.
    Call(Error),
    /// A message.
    Message(Code),
    /// The other side's first message.
    Stranger,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Call(error) => error.fmt(f),
            Self::Message(code) => write!(f, "a message failed: {code}"),
            Self::Stranger => f.write_str("the other side is no lab-wakes"),
        }
    }
}

/// An endpoint whose waits sleep until something comes: the tools' own look at their partner now and then, and that would
/// find a message that nobody was woken for.
struct Line(Endpoint);

impl Line {
    fn open(endpoint: u32) -> Result<Self, Failure> {
        let options = EndpointOptions {
            board: Some(0),
            endpoint: Some(endpoint),
            ..EndpointOptions::new(KEY)
        };
        Ok(Self(Endpoint::open(&Backend::find()?, &options)?))
    }

    fn send(&self, empty: &Buffer, to: Address, info: u64) -> Result<Request, Failure> {
        Ok(self.0.isend(empty.part(0, 0)?, to, info, 0, false)?)
    }

    fn receive(&self, empty: &Buffer, info: u64) -> Result<Request, Failure> {
        Ok(self.0.irecv(empty.part(0, 0)?, info, u64::MAX, 0)?)
    }

    fn wait(&self, request: Request) -> Result<Status, Failure> {
        loop {
            match self.0.wait(request, None)? {
                Some(status) if status.code == Code::Success => return Ok(status),
                Some(status) => return Err(Failure::Message(status.code)),
                None => {}
            }
        }
    }

    fn end(&self, with: Address) -> Result<(), Failure> {
        self.0.settle(SETTLE)?;
        Ok(self.0.disconnect(with)?)
    }
}

fn ask(host: &str, count: u64) -> Result<(), Failure> {
    let line = Line::open(ENDPOINT + 1)?;
    let nic = line.0.with_board(|board| board.nic_id_by_hostname(host))?;
    let to = line.0.connect(nic, ENDPOINT, KEY, Some(TIMEOUT))?;
    let empty = Buffer::new(0)?;
    let ready = line.receive(&empty, READY)?;
    let call = line.send(&empty, to, CALL | count)?;
    line.wait(call)?;
    line.wait(ready)?;
    let watch = Watch::begin();
    let begun = Instant::now();
    let (mut longest, mut stood_still) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..count {
        watch.forget();
        let sent = Instant::now();
        round_trip(&line, to, &empty)?;
        let took = sent.elapsed();
        if took > longest {
            if took > Watch::NAP {
                // Where all stood still, the watch may hear of it after this.
                thread::sleep(2 * Watch::NAP);
            }
            (longest, stood_still) = (took, watch.longest().min(took));
        }
    }
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "{{\"round_trips\": {count}, \"seconds\": {:.1}, \"longest_ms\": {:.1}, \"stood_still_ms\": {:.1}}}",
        begun.elapsed().as_secs_f64(),
        milliseconds(longest),
        milliseconds(stood_still),
    );
    watch.end();
    line.end(to)
}

fn round_trip(line: &Line, to: Address, empty: &Buffer) -> Result<(), Failure> {
    let pong = line.receive(empty, PONG)?;
    let ping = line.send(empty, to, PING)?;
    line.wait(pong)?;
    line.wait(ping).map(drop)
}

fn answer() -> Result<(), Failure> {
    let line = Line::open(ENDPOINT)?;
    let empty = Buffer::new(0)?;
    let called = line.0.irecv(empty.part(0, 0)?, CALL, CALL, 0)?;
    let called = line.wait(called)?;
    let from = called.address.ok_or(Failure::Stranger)?;
    let to = line
        .0
        .connect(from.nic_id, from.endpoint, KEY, Some(TIMEOUT))?;
    let ready = line.send(&empty, to, READY)?;
    line.wait(ready)?;
    for _ in 0..called.match_info & !CALL {
        let ping = line.receive(&empty, PING)?;
        line.wait(ping)?;
        let pong = line.send(&empty, to, PONG)?;
        line.wait(pong)?;
    }
    line.end(to)
}

/// Somebody who only sleeps, a little at a time, and notices when that took long: then the whole machine stood still,
/// and no message can be blamed for it.
struct Watch {
    longest_us: Arc<AtomicU64>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Watch {
    /// A little: often enough for stalls of a second, too rarely to be work.
    const NAP: Duration = Duration::from_millis(100);

    fn begin() -> Self {
        let (longest_us, ended) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (longest, end) = (Arc::clone(&longest_us), Arc::clone(&ended));
        let thread = thread::spawn(move || {
            while !end.load(Ordering::Relaxed) {
                let begun = Instant::now();
                thread::sleep(Self::NAP);
                let late = begun.elapsed().saturating_sub(Self::NAP).as_micros();
                longest.fetch_max(u64::try_from(late).unwrap_or(u64::MAX), Ordering::Relaxed);
            }
        });
        Self {
            longest_us,
            ended,
            thread,
        }
    }

    fn forget(&self) {
        self.longest_us.store(0, Ordering::Relaxed);
    }

    /// The longest that the machine stood still since.
    fn longest(&self) -> Duration {
        Duration::from_micros(self.longest_us.load(Ordering::Relaxed))
    }

    fn end(self) {
        self.ended.store(true, Ordering::Relaxed);
        // It cannot have panicked, and has nothing to say.
        let _ = self.thread.join();
    }
}
