//! The two sides.

use std::time::{Duration, Instant};

use open_mx::tool::talk::{FIRST_FREE, Failure, Line, fill, wrong};
use open_mx::{Address, Buffer};

use crate::options::Choice;

const PING: u64 = FIRST_FREE;
const PONG: u64 = FIRST_FREE + 1;

/// What both sides have agreed on.
struct Plan {
    iterations: u32,
    warmup: u32,
    verify: bool,
    lengths: Vec<u32>,
}

impl Plan {
    fn words(&self) -> Vec<u64> {
        let head = [
            self.iterations.into(),
            self.warmup.into(),
            self.verify.into(),
        ];
        let lengths = self.lengths.iter().map(|length| u64::from(*length));
        head.into_iter().chain(lengths).collect()
    }

    fn from_words(words: &[u64]) -> Option<Self> {
        let [iterations, warmup, verify, lengths @ ..] = words else {
            return None;
        };
        let small = |word: &u64| u32::try_from(*word).ok();
        Some(Self {
            iterations: small(iterations)?,
            warmup: small(warmup)?,
            verify: *verify != 0,
            lengths: lengths.iter().map(small).collect::<Option<_>>()?,
        })
    }

    fn longest(&self) -> usize {
        self.lengths
            .iter()
            .max()
            .map_or(0, |length| *length as usize)
    }

    fn turns(&self) -> u64 {
        u64::from(self.warmup) + u64::from(self.iterations)
    }
}

/// Runs the tool: how many bytes were wrong.
pub fn run(choice: &Choice, lengths: Vec<u32>) -> Result<u64, Failure> {
    let line = Line::open(choice.place)?;
    let Some(host) = &choice.host else {
        loop {
            let (to, words) = line.answer()?;
            let plan = Plan::from_words(&words).ok_or(Failure::Plan)?;
            let wrong = answer(&line, to, &plan)?;
            line.end(to)?;
            if !choice.again {
                return Ok(wrong);
            }
        }
    };
    let plan = Plan {
        iterations: choice.iterations,
        warmup: choice.warmup,
        verify: choice.verify,
        lengths,
    };
    let to = line.call(host, choice.remote, &plan.words())?;
    say(choice, &format!("Running {} iterations.", plan.iterations));
    say(choice, "   Length   Latency(us)    Bandwidth(MB/s)");
    let wrong = send(&line, to, &plan, choice)?;
    line.end(to)?;
    Ok(wrong)
}

/// Prints a line that is no result.
fn say(choice: &Choice, line: &str) {
    match choice.json {
        true => eprintln!("{line}"),
        false => println!("{line}"),
    }
}

fn send(line: &Line, to: Address, plan: &Plan, choice: &Choice) -> Result<u64, Failure> {
    let (out, back) = (Buffer::new(plan.longest())?, Buffer::new(plan.longest())?);
    let mut errors = 0;
    for length in &plan.lengths {
        let length = *length as usize;
        let mut start = Instant::now();
        for turn in 0..plan.turns() {
            if turn == plan.warmup.into() {
                start = Instant::now();
            }
            if plan.verify {
                fill(&out, 0, length, turn)?;
            }
            let pong = line.receive(back.part(0, length)?, PONG)?;
            let ping = line.send(out.part(0, length)?, to, PING)?;
            line.wait(pong)?;
            line.wait(ping)?;
            if plan.verify {
                errors += wrong(&back, 0, length, turn)?;
            }
        }
        report(choice, length, plan.iterations, start.elapsed());
    }
    Ok(errors)
}

fn report(choice: &Choice, length: usize, iterations: u32, elapsed: Duration) {
    // A clock that does not move must not divide by zero.
    let total = (elapsed.as_secs_f64() * 1e6).max(0.001);
    let iterations = f64::from(iterations.max(1));
    let latency = total / iterations / 2.0;
    let bandwidth = 2.0 * iterations * length as f64 / total;
    if choice.json {
        println!("{{\"length\": {length}, \"us\": {latency:.3}, \"MBps\": {bandwidth:.3}}}");
    } else {
        println!("{length:>9}   {latency:>9.3}       {bandwidth:>8.3}");
    }
}

fn answer(line: &Line, to: Address, plan: &Plan) -> Result<u64, Failure> {
    let buffer = Buffer::new(plan.longest())?;
    let mut errors = 0;
    for length in &plan.lengths {
        let length = *length as usize;
        for turn in 0..plan.turns() {
            let ping = line.receive(buffer.part(0, length)?, PING)?;
            line.wait(ping)?;
            if plan.verify {
                errors += wrong(&buffer, 0, length, turn)?;
            }
            let pong = line.send(buffer.part(0, length)?, to, PONG)?;
            line.wait(pong)?;
        }
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_read_as_it_was_told_and_others_are_refused() {
        let plan = Plan {
            iterations: 5,
            warmup: 2,
            verify: true,
            lengths: vec![0, 17],
        };
        let words = plan.words();
        assert_eq!(Plan::from_words(&words).unwrap().words(), words);
        assert!(Plan::from_words(&[1, 2]).is_none());
        assert!(Plan::from_words(&[1, 2, 0, 1 << 32]).is_none());
    }
}
