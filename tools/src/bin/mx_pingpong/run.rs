//! The two sides, as the original's tell each other (api.md §8).
//!
//! The sender connects and sends a [`Plan`]; the receiver connects back. Then, for each length, messages go there and back.
//! Both post receives before they are needed, the receiver two and the sender one, which are used up by messages of no
//! turn at the end of the length.

use std::time::{Duration, Instant};

use omx_tools::ahead::Ahead;
use omx_tools::line::{Failure, Line};
use omx_tools::partner::{ANSWER, Partner};
use omx_tools::pattern::{fill, wrong};
use omx_tools::say;
use open_mx::Buffer;

use crate::options::Choice;
use crate::plan::{MATCH, Plan, SIZE};

/// The first message of the sender has this number as its match info, that of the receiver 0.
const FIRST_OF_SENDER: u64 = 0x1000;
/// Numbers have 32 bits; a plan's match info has more.
const NUMBERS: u64 = 0xffff_ffff_0000_0000;
/// Receives that a receiver has posted.
const AHEAD: u64 = 2;
/// Room for the first message of the next sender, which comes before the receiver knows its plan.
const ROOM: usize = 4 << 20;
/// How long a sender lets the receiver get ready for a length.
const READY: Duration = Duration::from_millis(100);
/// How long it waits between the last two messages of a length.
const LAST: Duration = Duration::from_millis(200);

/// Runs the tool, with these lengths instead of the plan's: how many bytes were wrong.
pub fn run(choice: &Choice, lengths: Option<&[u32]>) -> Result<u64, Failure> {
    let line = Line::open("mx_pingpong", choice.mx.local(), MATCH)?;
    let Some(host) = &choice.mx.host else {
        return line.serve(choice.again, || answer_sender(&line, lengths));
    };
    let own = line.address()?;
    let plan = Plan {
        endpoint: own.endpoint,
        nic: own.nic_id,
        blocking: choice.mx.sleep,
        ..choice.plan
    };
    let to = line.reach(host, choice.mx.remote)?;
    let message = Buffer::new(SIZE)?;
    message.write(0, &plan.to_bytes())?;
    to.send(message.part(0, SIZE)?, MATCH, false)?;
    say(
        choice.mx.json,
        &format!("Running {} iterations.", plan.iterations),
    );
    say(choice.mx.json, "   Length   Latency(us)    Bandwidth(MB/s)");
    let mut sender = Sender {
        line: &line,
        to,
        plan,
        out: Buffer::new(plan.longest())?,
        back: Buffer::new(plan.longest())?,
        limit: Some(ANSWER),
    };
    let mut errors = 0;
    for length in of_run(plan, lengths) {
        let (wrong, elapsed) = sender.send(length as usize)?;
        errors += wrong;
        report(choice, length as usize, elapsed);
    }
    line.settle()?;
    Ok(errors)
}

/// The lengths of a run.
fn of_run(plan: Plan, lengths: Option<&[u32]>) -> Box<dyn Iterator<Item = u32> + '_> {
    match lengths {
        Some(lengths) => Box::new(lengths.iter().copied()),
        None => Box::new(plan.lengths()),
    }
}

fn report(choice: &Choice, length: usize, elapsed: Duration) {
    // A clock that does not move must not divide by zero.
    let total = (elapsed.as_secs_f64() * 1e6).max(0.001);
    let iterations = f64::from(choice.plan.iterations.max(1));
    let latency = total / iterations / 2.0;
    let bandwidth = 2.0 * iterations * length as f64 / total;
    if choice.mx.json {
        println!("{{\"length\": {length}, \"us\": {latency:.3}, \"MBps\": {bandwidth:.3}}}");
    } else {
        println!("{length:>9}   {latency:>9.3}       {bandwidth:>8.3}");
    }
}

struct Sender<'a> {
    line: &'a Line,
    to: Partner<'a>,
    plan: Plan,
    out: Buffer,
    back: Buffer,
    /// How long the next answer may take while the receiver is there: the first shows that it has understood.
    limit: Option<Duration>,
}

impl Sender<'_> {
    /// Messages of one length: how many bytes were wrong, and how long the counted round trips took.
    fn send(&mut self, length: usize) -> Result<(u64, Duration), Failure> {
        self.line.pause(READY)?;
        let mut ahead = Ahead::new(self.line, 0, NUMBERS);
        ahead.post(&self.back, 0, self.back.len(), ())?;
        let mut errors = 0;
        let mut start = Instant::now();
        for turn in 0..self.plan.turns() {
            if turn == u64::from(self.plan.warmup) {
                start = Instant::now();
            }
            if self.plan.verify {
                fill(&self.out, 0, length, turn)?;
            }
            self.send_one(length, turn)?;
            ahead.next(&self.to, self.limit.take())?;
            if self.plan.verify {
                errors += wrong(&self.back, 0, length, turn)?;
            }
            ahead.post(&self.back, 0, self.back.len(), ())?;
        }
        let elapsed = start.elapsed();
        let last = self.plan.turns();
        self.send_one(length, last)?;
        self.line.pause(LAST)?;
        self.send_one(length, last + 1)?;
        ahead.next(&self.to, None)?;
        Ok((errors, elapsed))
    }

    fn send_one(&self, length: usize, turn: u64) -> Result<(), Failure> {
        let memory = self.out.part(0, length)?;
        let number = number(FIRST_OF_SENDER, turn);
        self.to.send(memory, number, self.plan.rendezvous)
    }
}

/// Serves one sender: how many bytes were wrong.
fn answer_sender(line: &Line, lengths: Option<&[u32]>) -> Result<u64, Failure> {
    let call = line.called(SIZE)?;
    let plan = Plan::from_bytes(&call.bytes.try_into().unwrap_or([0; SIZE]));
    let room = plan.longest().max(ROOM);
    let mut receiver = Receiver {
        line,
        to: line.call_back(call.from)?,
        plan,
        buffers: [Buffer::new(room)?, Buffer::new(room)?],
        spare: Buffer::new(room)?,
        answers: 0,
    };
    let mut errors = 0;
    for (turn, _) in of_run(plan, lengths).enumerate() {
        match receiver.answer() {
            // With lengths from a file it is the sender that knows how many there are.
            Err(Failure::Gone(_)) if turn > 0 && receiver.is_between_lengths() => break,
            wrong => errors += wrong?,
        }
    }
    line.leave()?;
    Ok(errors)
}

struct Receiver<'a> {
    line: &'a Line,
    to: Partner<'a>,
    plan: Plan,
    buffers: [Buffer; 2],
    /// For a message that came early, and for that of no turn: the others have receives posted.
    spare: Buffer,
    /// Messages sent so far.
    answers: u64,
}

impl Receiver<'_> {
    /// Whether the last length was answered to its end, and nothing after.
    fn is_between_lengths(&self) -> bool {
        self.answers.is_multiple_of(self.plan.turns() + 1)
    }

    /// Messages of one length, whatever it is: how many bytes were wrong.
    fn answer(&mut self) -> Result<u64, Failure> {
        let mut ahead = Ahead::new(self.line, 0, NUMBERS);
        for (at, buffer) in self.buffers.iter().enumerate() {
            ahead.post(buffer, 0, buffer.len(), at)?;
        }
        // Who counts on over all lengths is answered likewise.
        let mut first = None;
        let mut errors = 0;
        let turns = self.plan.turns();
        let mut length = 0;
        for turn in 0..turns {
            let (match_info, place) = match self.line.kept_of(&self.to) {
                Some(early) => {
                    length = early.bytes.len();
                    self.spare.write(0, &early.bytes)?;
                    (early.match_info, None)
                }
                None => {
                    let Some((status, at)) = ahead.next(&self.to, None)? else {
                        break;
                    };
                    length = status.message_length as usize;
                    (status.match_info, Some(at))
                }
            };
            let answers = self.answers;
            let first = *first.get_or_insert(match match_info {
                FIRST_OF_SENDER => 0,
                _ => answers,
            });
            let buffer = place.map_or(&self.spare, |at| &self.buffers[at]);
            if self.plan.verify {
                errors += wrong(buffer, 0, length, turn)?;
            }
            let memory = buffer.part(0, length)?;
            self.to
                .send(memory, number(first, turn), self.plan.rendezvous)?;
            self.answers += 1;
            if let Some(at) = place {
                ahead.post(buffer, 0, buffer.len(), at)?;
            }
        }
        let last = number(first.unwrap_or(0), turns);
        let memory = self.spare.part(0, length)?;
        self.to.send(memory, last, self.plan.rendezvous)?;
        self.answers += 1;
        for _ in 0..AHEAD {
            ahead.next(&self.to, None)?;
        }
        Ok(errors)
    }
}

/// The number of a message, in 32 bits.
fn number(first: u64, turn: u64) -> u64 {
    first.wrapping_add(turn) & !NUMBERS
}
