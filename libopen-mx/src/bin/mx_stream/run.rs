//! The two sides. A direction is a window of messages; who has received the last one says so with an empty message.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use open_mx::tool::talk::{FIRST_FREE, Failure, Line, fill, wrong};
use open_mx::{Address, Buffer, Memory, Request};

use crate::options::Choice;

/// Messages under way in each direction.
const WINDOW: u64 = 16;

/// Match infos of the caller's messages, the answerer's, and of the empty ones that end a direction.
const CALLER: u64 = FIRST_FREE;
const ANSWERER: u64 = FIRST_FREE + 1;
const END_OF: u64 = 16;

/// What both sides have agreed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    length: u32,
    messages: u32,
    both: bool,
    verify: bool,
}

impl Plan {
    fn words(self) -> [u64; 4] {
        [
            self.length.into(),
            self.messages.into(),
            self.both.into(),
            self.verify.into(),
        ]
    }

    fn from_words(words: &[u64]) -> Option<Self> {
        let [length, messages, both, verify] = words else {
            return None;
        };
        Some(Self {
            length: u32::try_from(*length).ok()?,
            messages: u32::try_from(*messages).ok()?,
            both: *both != 0,
            verify: *verify != 0,
        })
    }
}

/// Runs the tool: how many bytes were wrong.
pub fn run(choice: &Choice) -> Result<u64, Failure> {
    let line = Line::open(choice.place)?;
    let (to, plan, own, others) = match &choice.host {
        Some(host) => {
            let plan = Plan {
                length: choice.length,
                messages: choice.messages,
                both: choice.both,
                verify: choice.verify,
            };
            let to = line.call(host, choice.remote, &plan.words())?;
            (to, plan, CALLER, ANSWERER)
        }
        None => {
            let (to, words) = line.answer()?;
            let plan = Plan::from_words(&words).ok_or(Failure::Plan)?;
            (to, plan, ANSWERER, CALLER)
        }
    };
    if choice.verbose {
        let way = if plan.both { ", both ways" } else { "" };
        let said = format!("{} messages of {} bytes{way}", plan.messages, plan.length);
        match choice.json {
            true => eprintln!("{said}"),
            false => println!("{said}"),
        }
    }
    let sends = plan.both || own == CALLER;
    let receives = plan.both || own == ANSWERER;
    let mut outgoing = Direction::new(plan, own, sends)?;
    let mut incoming = Direction::new(plan, others, receives)?;
    let start = Instant::now();
    let errors = exchange(&line, to, &mut outgoing, &mut incoming)?;
    line.end(to)?;
    let messages = f64::from(plan.messages);
    let mut total = 0.0;
    for (name, direction) in [("Send:", &outgoing), ("Recv:", &incoming)] {
        if direction.total > 0 {
            let rate = messages / direction.seconds(start);
            report(choice, name, plan.length, rate);
            total += rate;
        }
    }
    if plan.both {
        report(choice, "Total:", plan.length, total);
    }
    Ok(errors)
}

fn report(choice: &Choice, name: &str, length: u32, rate: f64) {
    let bandwidth = rate * f64::from(length) / 1e6;
    if choice.json {
        let name = name.trim_end_matches(':').to_lowercase();
        println!(
            "{{\"direction\": \"{name}\", \"length\": {length}, \"MBps\": {bandwidth:.3}, \"messages_per_s\": {rate:.3}}}"
        );
    } else {
        println!("{name:<8}{length:>8}    {bandwidth:>5.3}    {rate:>5.3}");
    }
}

/// Messages of one direction, as this side sees them: sent or received.
struct Direction {
    plan: Plan,
    info: u64,
    /// Messages of it, none when this direction is not used.
    total: u64,
    posted: u64,
    done: u64,
    ended: Option<Instant>,
    /// A place for each message of the window.
    memory: Buffer,
}

impl Direction {
    fn new(plan: Plan, info: u64, used: bool) -> Result<Self, Failure> {
        let places = if used { WINDOW as usize } else { 0 };
        let room = places.checked_mul(plan.length as usize);
        let memory = Buffer::new(room.unwrap_or(usize::MAX))?;
        Ok(Self {
            plan,
            info,
            total: if used { plan.messages.into() } else { 0 },
            posted: 0,
            done: 0,
            ended: None,
            memory,
        })
    }

    fn offset(&self, message: u64) -> usize {
        (message % WINDOW) as usize * self.plan.length as usize
    }

    /// The memory of the next message, if there is one and the window has room.
    fn next(&mut self) -> Result<Option<(u64, Memory)>, Failure> {
        if self.posted == self.total || self.posted - self.done == WINDOW {
            return Ok(None);
        }
        let message = self.posted;
        self.posted += 1;
        let offset = self.offset(message);
        let memory = self.memory.part(offset, self.plan.length as usize)?;
        Ok(Some((message, memory)))
    }

    fn seconds(&self, start: Instant) -> f64 {
        let elapsed = self.ended.unwrap_or(start).saturating_duration_since(start);
        // A clock that does not move must not divide by zero.
        elapsed.max(Duration::from_nanos(1)).as_secs_f64()
    }
}

/// What a request that is waited for means.
enum Kind {
    Sent,
    Received(u64),
    Told,
}

/// Moves all messages: how many received bytes were wrong.
fn exchange(
    line: &Line,
    to: Address,
    outgoing: &mut Direction,
    incoming: &mut Direction,
) -> Result<u64, Failure> {
    let nothing = Buffer::new(0)?;
    let mut errors = 0;
    let mut waiting: VecDeque<(Request, Kind)> = VecDeque::new();
    let all_arrived = match outgoing.total {
        0 => None,
        _ => Some(line.receive(nothing.part(0, 0)?, outgoing.info + END_OF)?),
    };
    loop {
        while let Some((message, memory)) = incoming.next()? {
            let request = line.receive(memory, incoming.info)?;
            waiting.push_back((request, Kind::Received(message)));
        }
        while let Some((message, memory)) = outgoing.next()? {
            if outgoing.plan.verify {
                let (at, length) = (outgoing.offset(message), outgoing.plan.length as usize);
                fill(&outgoing.memory, at, length, message)?;
            }
            let request = line.send(memory, to, outgoing.info)?;
            waiting.push_back((request, Kind::Sent));
        }
        // Both windows are full: the oldest request ends before the others, or not much later.
        let Some((request, kind)) = waiting.pop_front() else {
            break;
        };
        line.wait(request)?;
        match kind {
            Kind::Sent => outgoing.done += 1,
            Kind::Received(message) => {
                incoming.done += 1;
                if incoming.plan.verify {
                    let (at, length) = (incoming.offset(message), incoming.plan.length as usize);
                    errors += wrong(&incoming.memory, at, length, message)?;
                }
                if incoming.done == incoming.total {
                    incoming.ended = Some(Instant::now());
                    let info = incoming.info + END_OF;
                    let end = line.send(nothing.part(0, 0)?, to, info)?;
                    waiting.push_back((end, Kind::Told));
                }
            }
            Kind::Told => {}
        }
    }
    if let Some(all_arrived) = all_arrived {
        line.wait(all_arrived)?;
        outgoing.ended = Some(Instant::now());
    }
    Ok(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan {
        length: 3,
        messages: 40,
        both: true,
        verify: false,
    };

    #[test]
    fn a_plan_is_read_as_it_was_told_and_others_are_refused() {
        assert_eq!(Plan::from_words(&PLAN.words()), Some(PLAN));
        assert!(Plan::from_words(&[1, 2, 0]).is_none());
        assert!(Plan::from_words(&[1 << 32, 2, 0, 0]).is_none());
    }

    #[test]
    fn a_window_has_16_places_that_are_used_again() {
        let mut direction = Direction::new(PLAN, CALLER, true).unwrap();
        for message in 0..WINDOW {
            assert_eq!(direction.next().unwrap().unwrap().0, message);
        }
        assert!(direction.next().unwrap().is_none());
        direction.done += 1;
        assert_eq!(direction.next().unwrap().unwrap().0, WINDOW);
        assert_eq!(direction.offset(WINDOW), direction.offset(0));
        let mut unused = Direction::new(PLAN, CALLER, false).unwrap();
        assert!(unused.next().unwrap().is_none());
    }
}
