//! The two sides of the ping-pong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use omx_tools::line::{Failure, Line, bytes_of};
use omx_tools::partner::Partner;
use omx_tools::{say, tool};
use open_mx::{Buffer, Code, Error};

use crate::options::Choice;
use crate::parameters::{Parameters, SIZE};

const MATCH: u64 = 0x1234_5678_8765_4321;
/// Match info of the empty message by which a receiver says that it is ready.
const READY: u64 = 0;
/// How long a receiver goes on answering a sender before it serves the next one.
const LEAVE: Duration = Duration::from_millis(500);

/// The tool under one of its names: reads the options of this process, and runs.
pub fn main(name: &'static str) -> ExitCode {
    let choice = Choice::read(name, std::env::args_os().skip(1));
    tool(name, choice, |choice| run(name, choice))
}

fn run(tool: &'static str, choice: &Choice) -> Result<(), Failure> {
    if choice.ticks && mx_ring::tsc().is_none() {
        return Err(Failure::Unable(
            "this machine has no time-stamp counter: leave --ticks out",
        ));
    }
    let local = choice.local();
    let line = Line::open(tool, local, MATCH)?;
    let (hostname, interface) = line.board()?;
    let what = match local.endpoint {
        Some(index) => format!("endpoint {index}"),
        None => "any endpoint".to_owned(),
    };
    let side = Side { line, choice };
    side.say(&format!(
        "Successfully open {what} for hostname '{hostname}' iface '{interface}'"
    ));
    match &choice.perf.host {
        Some(host) => side.send(host),
        None => side.line.serve(choice.perf.again, || side.receive()),
    }
}

struct Side<'a> {
    line: Line,
    choice: &'a Choice,
}

impl Side<'_> {
    /// Prints a line that is no result.
    fn say(&self, line: &str) {
        say(self.choice.perf.json, line);
    }

    /// Room for messages, and for the first message of another sender, which comes as they do.
    fn buffer(&self, length: u64, align: bool) -> Result<Buffer, Error> {
        let length = usize::try_from(length).map_err(|_| Error::Memory)?;
        Buffer::aligned(length.max(SIZE), if align { 65536 } else { 1 })
    }

    fn send(&self, host: &str) -> Result<(), Failure> {
        let parameters = self.choice.parameters;
        self.say(&format!("Starting sender to '{host}'..."));
        let to = self.line.reach(host, self.choice.perf.remote)?;
        let buffer = self.buffer(parameters.longest(), parameters.align)?;
        let replies = self.buffer(parameters.longest(), parameters.align)?;
        let ready = self.line.receive(replies.part(0, 0)?, READY, u64::MAX)?;
        buffer.write(0, &parameters.to_bytes())?;
        let told = to.start(buffer.part(0, SIZE)?, MATCH, true)?;
        to.wait_for_answer("parameter message", told)?;
        if self.choice.verbose {
            self.say(&format!("Sent parameters ({parameters}) to peer {host}"));
        }
        to.wait_for_answer("answer", ready)?;
        for (turn, length) in parameters.lengths().enumerate() {
            if turn > 0 {
                self.line.pause(Duration::from_millis(self.choice.pause))?;
            }
            self.ping(&parameters, &to, &buffer, &replies, length as usize)?;
        }
        self.line.settle()
    }

    fn ping(
        &self,
        parameters: &Parameters,
        to: &Partner<'_>,
        buffer: &Buffer,
        replies: &Buffer,
        length: usize,
    ) -> Result<(), Failure> {
        let reply = if parameters.unidirectional { 0 } else { length };
        let mut ticks = Vec::new();
        let mut start = Instant::now();
        for iteration in 0..parameters.warmup.saturating_add(parameters.iterations) {
            if iteration == parameters.warmup {
                start = Instant::now();
            }
            if self.choice.verbose {
                let of = parameters.iterations;
                self.say(&format!("Iteration {iteration}/{of}"));
            }
            let before = mx_ring::tsc();
            let memory = buffer.part(0, length)?;
            to.send(memory, MATCH, parameters.synchronous)?;
            self.receive_from(to, replies, reply)?;
            if self.choice.ticks && iteration >= parameters.warmup {
                let (before, after) = (before.unwrap_or(0), mx_ring::tsc().unwrap_or(0));
                ticks.push(after.wrapping_sub(before));
            }
        }
        self.report(parameters, length, start.elapsed(), ticks);
        Ok(())
    }

    fn report(
        &self,
        parameters: &Parameters,
        length: usize,
        elapsed: Duration,
        mut ticks: Vec<u64>,
    ) {
        if self.choice.verbose {
            self.say(&format!("Total Duration: {} us", elapsed.as_micros()));
        }
        let ways = if parameters.unidirectional { 1.0 } else { 2.0 };
        let messages = ways * f64::from(parameters.iterations.max(1));
        // A clock that does not move must not divide by zero.
        let total = (elapsed.as_secs_f64() * 1e6).max(0.001);
        let latency = total / messages;
        let bandwidth = messages * length as f64 / total;
        ticks.sort_unstable();
        let ticks = ticks
            .get(ticks.len() / 2)
            .map(|round_trip| round_trip / ways as u64);
        if self.choice.perf.json {
            let ticks = ticks.map_or(String::new(), |t| format!(", \"ticks\": {t}"));
            println!(
                "{{\"length\": {length}, \"iterations\": {}, \"us\": {latency:.3}, \"MBps\": {bandwidth:.2}{ticks}}}",
                parameters.iterations
            );
        } else {
            let ticks = ticks.map_or(String::new(), |t| format!("\t{t} ticks"));
            println!(
                "length {length:>9}:\t{latency:.3} us\t{bandwidth:.2} MB/s\t {:.2} MiB/s{ticks}",
                bandwidth / 1.048_576
            );
        }
    }

    /// Receives the partner's next message. What others send meanwhile is kept for later.
    fn receive_from(
        &self,
        partner: &Partner<'_>,
        buffer: &Buffer,
        length: usize,
    ) -> Result<(), Failure> {
        loop {
            let room = length.max(SIZE);
            let request = self.line.receive(buffer.part(0, room)?, MATCH, u64::MAX)?;
            let status = partner.end_of(request, None)?;
            // A receive that has failed is nobody's.
            if partner.has_sent(&status) || status.address.is_none() {
                if status.code != Code::MessageTruncated {
                    partner.succeeded("receive", status)?;
                }
                return match status.message_length {
                    has if has as usize == length => Ok(()),
                    has => Err(Failure::Length(has, length)),
                };
            }
            let came = SIZE.min(status.transferred as usize);
            self.line.keep(&status, bytes_of(buffer, came)?);
        }
    }

    fn receive(&self) -> Result<(), Failure> {
        self.say("Starting receiver...");
        if self.choice.verbose {
            self.say("Waiting for parameters...");
        }
        let call = self.line.called(SIZE)?;
        let bytes = call.bytes.try_into().unwrap_or([0; SIZE]);
        let parameters = Parameters::from_bytes(&bytes);
        let to = self.line.call_back(call.from)?;
        if self.choice.verbose {
            let peer = to.name();
            self.say(&format!("Got parameters ({parameters}) from peer {peer}"));
        }
        let buffer = self.buffer(parameters.longest(), parameters.align)?;
        to.send(buffer.part(0, 0)?, READY, true)?;
        for length in parameters.lengths() {
            let length = length as usize;
            let reply = if parameters.unidirectional { 0 } else { length };
            for _ in 0..parameters.warmup.saturating_add(parameters.iterations) {
                self.receive_from(&to, &buffer, length)?;
                let memory = buffer.part(0, reply)?;
                to.send(memory, MATCH, parameters.synchronous)?;
            }
        }
        self.line.settle()?;
        if self.choice.perf.again {
            self.line.pause(LEAVE)?;
        }
        Ok(())
    }
}
