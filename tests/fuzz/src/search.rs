//! The search: inputs that caused something new are kept and changed further.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::targets::Target;

/// Inputs are at most this long: several frames.
const LENGTH_MAX: usize = 16 << 10;
/// Inputs that are kept.
const KEPT_MAX: usize = 4096;
/// A run that takes so long hangs.
const HANGS_AFTER: Duration = Duration::from_secs(20);
/// How often a failing input is tried shorter.
const SHORTENINGS: u32 = 2000;

/// When to stop, besides at a failure.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// After this time.
    pub time: Duration,
    /// After so many runs.
    pub runs: u64,
}

/// How far a search is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Inputs tried.
    pub runs: u64,
    /// Kinds of behaviour seen.
    pub kinds: usize,
    /// How long it has taken.
    pub time: Duration,
}

/// An input that breaks something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The input, shortened.
    pub input: Vec<u8>,
    /// What broke.
    pub message: String,
}

/// Searches until the budget is spent; `each` is told of the progress about every second.
pub fn run(
    target: &Target,
    seed: u64,
    budget: Budget,
    mut each: impl FnMut(&Progress),
) -> Result<Progress, Failure> {
    let mut random = Rng::with_seed(seed);
    let begun = Instant::now();
    let mut progress = Progress::default();
    let mut kinds = HashSet::new();
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut starts = (target.seeds)();
    starts.push(Vec::new());
    let mut told = begun;
    let watch = Watch::default();
    std::thread::scope(|scope| {
        scope.spawn(|| watch.guard(target.name));
        let outcome = loop {
            let input = match starts.pop() {
                Some(start) => start,
                None => changed(&mut random, &kept),
            };
            watch.begins(&input);
            let kind = match check(target, &input) {
                Ok(kind) => kind,
                Err(message) => {
                    watch.rests();
                    break Err(shortened(target, &Failure { input, message }));
                }
            };
            progress.runs += 1;
            progress.time = begun.elapsed();
            if kinds.insert(kind) {
                progress.kinds = kinds.len();
                if kept.len() < KEPT_MAX {
                    kept.push(input);
                }
            }
            if told.elapsed() > Duration::from_secs(1) {
                told = Instant::now();
                each(&progress);
            }
            if starts.is_empty() && (progress.time >= budget.time || progress.runs >= budget.runs) {
                break Ok(progress);
            }
        };
        watch.over.store(true, Ordering::Release);
        outcome
    })
}

/// One run: the kind of behaviour, or what broke.
pub fn check(target: &Target, input: &[u8]) -> Result<u64, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| panic.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without words").to_owned()
    })
}

/// Below `end`, or 0 if that is 0.
fn below(random: &mut Rng, end: usize) -> usize {
    random.usize(..end.max(1))
}

/// Another input, made of kept ones.
fn changed(random: &mut Rng, kept: &[Vec<u8>]) -> Vec<u8> {
    let mut input = kept
        .get(below(random, kept.len()))
        .cloned()
        .unwrap_or_default();
    for _ in 0..1 + below(random, 6) {
        change(random, &mut input, kept);
    }
    input.truncate(LENGTH_MAX);
    input
}

fn change(random: &mut Rng, input: &mut Vec<u8>, kept: &[Vec<u8>]) {
    const TELLING: [u8; 8] = [0, 1, 2, 0x20, 0x7f, 0x80, 0xfe, 0xff];
    let at = below(random, input.len());
    match below(random, 8) {
        0 if !input.is_empty() => input[at] ^= 1 << below(random, 8),
        1 if !input.is_empty() => input[at] = TELLING[below(random, TELLING.len())],
        2 if !input.is_empty() => input[at] = input[at].wrapping_add(below(random, 9) as u8),
        3 => input.truncate(at),
        4 => {
            let end = input.len().min(at + below(random, 32));
            input.drain(at..end);
        }
        5 => {
            let end = input.len().min(at + below(random, 64));
            let piece = input[at..end].to_vec();
            let to = below(random, input.len() + 1);
            input.splice(to..to, piece);
        }
        6 => {
            let piece: Vec<u8> = (0..1 + below(random, 40)).map(|_| random.u8(..)).collect();
            input.splice(at..at, piece);
        }
        _ => {
            if let Some(other) = kept.get(below(random, kept.len())) {
                let from = below(random, other.len());
                let end = other.len().min(from + 1 + below(random, 256));
                input.splice(at..at, other[from..end].iter().copied());
            }
        }
    }
}

/// The same failure with as few bytes as are quickly found.
fn shortened(target: &Target, failure: &Failure) -> Failure {
    let mut best = failure.clone();
    let mut piece = best.input.len().next_power_of_two();
    let mut tries = 0;
    while piece > 0 && tries < SHORTENINGS {
        let mut at = 0;
        while at < best.input.len() && tries < SHORTENINGS {
            tries += 1;
            let mut input = best.input.clone();
            input.drain(at..input.len().min(at + piece));
            match check(target, &input) {
                Err(message) => best = Failure { input, message },
                Ok(_) => at += piece,
            }
        }
        piece /= 2;
    }
    best
}

/// Tells of an input that hangs: nothing else could.
#[derive(Default)]
struct Watch {
    running: Mutex<Option<(Instant, Vec<u8>)>>,
    over: AtomicBool,
}

impl Watch {
    fn begins(&self, input: &[u8]) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, bytes) = running.get_or_insert_with(|| (Instant::now(), Vec::new()));
        *at = Instant::now();
        bytes.clear();
        bytes.extend_from_slice(input);
    }

    fn rests(&self) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Ends the process, since a thread that hangs cannot be ended.
    fn guard(&self, name: &str) {
        while !self.over.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(20));
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((at, input)) = &*running
                && at.elapsed() > HANGS_AFTER
            {
                let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
                eprintln!("the target {name} hangs at the input {hex}");
                std::process::exit(3);
            }
        }
    }
}
