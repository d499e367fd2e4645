#![forbid(unsafe_code)]
//! Empty messages there and back, one at a time, by two processes that sleep while they wait: each finds its home
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

use open_mx::tool::talk::{FIRST_FREE, Failure, Line, Place};
use open_mx::{Address, Buffer};

const PING: u64 = FIRST_FREE;
const PONG: u64 = FIRST_FREE + 1;
/// The endpoint of who answers.
const ENDPOINT: u32 = 8;

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

fn open(endpoint: u32) -> Result<Line, Failure> {
    Line::open(Place {
        endpoint,
        sleep: true,
        ..Place::default()
    })
}

fn ask(host: &str, count: u64) -> Result<(), Failure> {
    let line = open(ENDPOINT + 1)?;
    let to = line.call(host, ENDPOINT, &[count])?;
    let empty = Buffer::new(0)?;
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
    let pong = line.receive(empty.part(0, 0)?, PONG)?;
    let ping = line.send(empty.part(0, 0)?, to, PING)?;
    line.wait(pong)?;
    line.wait(ping).map(drop)
}

fn answer() -> Result<(), Failure> {
    let line = open(ENDPOINT)?;
    let (to, plan) = line.answer()?;
    let empty = Buffer::new(0)?;
    for _ in 0..plan.first().copied().ok_or(Failure::Plan)? {
        let ping = line.receive(empty.part(0, 0)?, PING)?;
        line.wait(ping)?;
        let pong = line.send(empty.part(0, 0)?, to, PONG)?;
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
