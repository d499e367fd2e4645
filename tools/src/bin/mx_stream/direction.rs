//! One direction of messages: its sender and its receiver.
//!
//! The sender tells a [`Plan`], the receiver posts its window of receives and tells it too, then the messages flow, and in
//! the end the receiver tells how long they took. All of a direction has the same match info.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use omx_tools::ahead::Ahead;
use omx_tools::line::{Failure, Line, bytes_of};
use omx_tools::partner::{ANSWER, Partner};
use open_mx::{Buffer, Memory, Request};

use crate::count::Count;
use crate::plan::{Plan, SIZE};

/// Messages under way.
const WINDOW: u32 = 16;

/// What became of a direction.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    pub plan: Plan,
    pub elapsed: Duration,
    /// Received bytes that were not as they should be.
    pub wrong: u64,
}

/// Sends all messages.
pub fn send(line: &Line, to: &Partner<'_>, plan: Plan, info: u64) -> Result<Done, Failure> {
    let message = Buffer::new(SIZE)?;
    let answer = Buffer::new(SIZE)?;
    let mut answers = Ahead::new(line, info, u64::MAX);
    for _ in ["ready", "done"] {
        answers.post(&answer, 0, SIZE, ())?;
    }
    message.write(0, &plan.to_bytes())?;
    to.send(message.part(0, SIZE)?, info, false)?;
    answers.next(to, Some(ANSWER))?;
    let start = Instant::now();
    let window = Window::new(plan)?;
    let mut count = Count::default();
    let mut under_way: VecDeque<Request> = VecDeque::new();
    for number in 0..plan.messages {
        if under_way.len() == WINDOW as usize
            && let Some(oldest) = under_way.pop_front()
        {
            to.wait("send", oldest)?;
        }
        if plan.verify {
            count.fill(&window.memory, window.offset(number), plan.length as usize)?;
        }
        under_way.push_back(to.start(window.part(number)?, info, false)?);
    }
    for request in under_way {
        to.wait("send", request)?;
    }
    answers.next(to, None)?;
    let taken = plan_of(&answer)?.microseconds;
    Ok(Done {
        plan,
        elapsed: match taken {
            0 => start.elapsed(),
            taken => Duration::from_micros(taken.into()),
        },
        wrong: 0,
    })
}

/// Receives all messages of a plan, or of the one that comes first.
pub fn receive(
    line: &Line,
    from: &Partner<'_>,
    plan: Option<Plan>,
    info: u64,
) -> Result<Done, Failure> {
    let plan = match plan {
        Some(plan) => plan,
        None => told(line, from, info)?,
    };
    let message = Buffer::new(SIZE)?;
    let window = Window::new(plan)?;
    let mut ahead = Ahead::new(line, info, u64::MAX);
    let posted = plan.messages.min(WINDOW);
    for number in 0..posted {
        window.post(&mut ahead, number)?;
    }
    message.write(0, &plan.to_bytes())?;
    from.send(message.part(0, SIZE)?, info, false)?;
    let start = Instant::now();
    let mut count = Count::default();
    let (mut wrong, mut next) = (0, posted);
    while let Some((status, number)) = ahead.next(from, None)? {
        let length = status.message_length;
        if length != plan.length {
            return Err(Failure::Length(length, plan.length as usize));
        }
        if plan.verify {
            wrong += count.wrong(&window.memory, window.offset(number), length as usize)?;
        }
        if next < plan.messages {
            window.post(&mut ahead, number)?;
            next += 1;
        }
    }
    let elapsed = start.elapsed();
    // 0 would say that it was not measured.
    let microseconds = u32::try_from(elapsed.as_micros())
        .unwrap_or(u32::MAX)
        .max(1);
    let done = Plan {
        microseconds,
        ..plan
    };
    message.write(0, &done.to_bytes())?;
    from.send(message.part(0, SIZE)?, info, false)?;
    Ok(Done {
        plan,
        elapsed,
        wrong,
    })
}

/// Waits for the plan of a direction that the partner begins.
fn told(line: &Line, from: &Partner<'_>, info: u64) -> Result<Plan, Failure> {
    let message = Buffer::new(SIZE)?;
    let mut first = Ahead::new(line, info, u64::MAX);
    first.post(&message, 0, SIZE, ())?;
    first.next(from, Some(ANSWER))?;
    plan_of(&message)
}

fn plan_of(message: &Buffer) -> Result<Plan, Failure> {
    let bytes = bytes_of(message, SIZE)?;
    Ok(Plan::from_bytes(&bytes.try_into().unwrap_or([0; SIZE])))
}

/// A place for each message under way.
struct Window {
    memory: Buffer,
    length: usize,
}

impl Window {
    fn new(plan: Plan) -> Result<Self, Failure> {
        let length = plan.length as usize;
        let room = length.saturating_mul(WINDOW.min(plan.messages) as usize);
        Ok(Self {
            memory: Buffer::new(room)?,
            length,
        })
    }

    fn offset(&self, number: u32) -> usize {
        (number % WINDOW) as usize * self.length
    }

    fn post(&self, ahead: &mut Ahead<'_, u32>, number: u32) -> Result<(), Failure> {
        ahead.post(&self.memory, self.offset(number), self.length, number)
    }

    fn part(&self, number: u32) -> Result<Memory, Failure> {
        Ok(self.memory.part(self.offset(number), self.length)?)
    }
}
