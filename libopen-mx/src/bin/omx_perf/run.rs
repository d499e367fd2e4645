//! The two sides of the ping-pong.

use std::time::{Duration, Instant};

use open_mx::board::text;
use open_mx::{Address, Buffer, Code, Endpoint, Error, Home, Memory, Options, Request, Status};

use crate::options::{Choice, Waiting};
use crate::parameters::{Parameters, SIZE};

const KEY: u32 = 0x1234_5678;
const MATCH: u64 = 0x1234_5678_8765_4321;
const CONNECT_MATCH: u64 = 0xabcd_dcba_abcd_dcba;
const CONNECT_CONTEXT: u64 = 0xdead_beef;
/// How long the last messages may wait for their acknowledgement before the tool ends.
const SETTLE: Duration = Duration::from_secs(2);

/// Runs the tool.
pub fn run(choice: &Choice) -> Result<(), Failure> {
    let home = Home::find()?;
    let endpoint = Endpoint::open(
        &home,
        &Options {
            board: Some(choice.board),
            endpoint: choice.endpoint,
            ..Options::new(KEY)
        },
    )?;
    let board = endpoint.with_board(|board| board.description())?;
    let what = match choice.endpoint {
        Some(index) => format!("endpoint {index}"),
        None => "any endpoint".to_owned(),
    };
    let side = Side { endpoint, choice };
    side.say(&format!(
        "Successfully open {what} for hostname '{}' iface '{}'",
        text(&board.hostname),
        text(&board.interface)
    ));
    match &choice.host {
        Some(host) => side.send(host),
        None => loop {
            side.receive()?;
            if !choice.again {
                return Ok(());
            }
        },
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// A call failed.
    Call(Error),
    /// A request ended with this code.
    Request(&'static str, Code),
    /// The parameter message was something else.
    Parameters(u32),
    /// There is no counter to read.
    NoTicks,
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
            Self::Request(what, code) => write!(f, "the {what} failed: {code}"),
            Self::Parameters(length) => write!(
                f,
                "the first message has {length} bytes and not {SIZE}: is the other side an omx_perf sender?"
            ),
            Self::NoTicks => {
                f.write_str("this machine has no time-stamp counter: leave --ticks out")
            }
        }
    }
}

struct Side<'a> {
    endpoint: Endpoint,
    choice: &'a Choice,
}

impl Side<'_> {
    /// Prints a line that is no result.
    fn say(&self, line: &str) {
        if self.choice.json {
            eprintln!("{line}");
        } else {
            println!("{line}");
        }
    }

    fn buffer(&self, length: u64, align: bool) -> Result<Buffer, Error> {
        let length = usize::try_from(length).map_err(|_| Error::Memory)?;
        Buffer::aligned(length, if align { 65536 } else { 1 })
    }

    fn wait(&self, what: &'static str, request: Request) -> Result<Status, Failure> {
        let status = loop {
            let found = match self.choice.waiting {
                Waiting::Sleep => self.endpoint.wait(request, None)?,
                _ => self.endpoint.test(request)?,
            };
            if let Some(status) = found {
                break status;
            }
            if self.choice.waiting == Waiting::Yield {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        };
        match status.code {
            Code::Success => Ok(status),
            code => Err(Failure::Request(what, code)),
        }
    }

    fn send_one(
        &self,
        memory: Memory,
        to: Address,
        match_info: u64,
        synchronous: bool,
    ) -> Result<(), Failure> {
        let request = self
            .endpoint
            .isend(memory, to, match_info, 0, synchronous)?;
        self.wait("send", request).map(|_| ())
    }

    fn receive_one(&self, memory: Memory) -> Result<Status, Failure> {
        let request = self.endpoint.irecv(memory, 0, 0, 0)?;
        self.wait("receive", request)
    }

    fn send(&self, host: &str) -> Result<(), Failure> {
        let (endpoint, choice) = (&self.endpoint, self.choice);
        let parameters = choice.parameters;
        let nic = endpoint.with_board(|board| board.nic_id_by_hostname(host))?;
        self.say(&format!("Starting sender to '{host}'..."));
        let to = endpoint.connect(nic, choice.remote, KEY, None)?;
        let buffer = self.buffer(parameters.longest().max(SIZE as u64), parameters.align)?;
        let replies = self.buffer(parameters.longest().max(1), parameters.align)?;
        buffer.write(0, &parameters.to_bytes())?;
        self.send_one(buffer.part(0, SIZE)?, to, MATCH, true)?;
        if choice.verbose {
            self.say(&format!("Sent parameters ({parameters}) to peer {host}"));
        }
        self.receive_one(replies.part(0, 0)?)?;
        for (turn, length) in parameters.lengths().enumerate() {
            if turn > 0 {
                std::thread::sleep(choice.pause);
            }
            self.ping(&parameters, to, &buffer, &replies, length as usize)?;
        }
        endpoint.settle(SETTLE)?;
        Ok(())
    }

    fn ping(
        &self,
        parameters: &Parameters,
        to: Address,
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
            let before = mx_ring::ticks();
            let memory = buffer.part(0, length)?;
            self.send_one(memory, to, MATCH, parameters.synchronous)?;
            self.receive_one(replies.part(0, reply)?)?;
            if self.choice.ticks && iteration >= parameters.warmup {
                let (before, after) = before.zip(mx_ring::ticks()).ok_or(Failure::NoTicks)?;
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
        if self.choice.json {
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

    fn receive(&self) -> Result<(), Failure> {
        self.say("Starting receiver...");
        if self.choice.verbose {
            self.say("Waiting for parameters...");
        }
        let first = self.buffer(SIZE as u64, false)?;
        let status = self.receive_one(first.part(0, SIZE)?)?;
        let Some(from) = status.address else {
            return Err(Failure::Call(Error::Confused));
        };
        if status.transferred as usize != SIZE {
            return Err(Failure::Parameters(status.transferred));
        }
        let mut bytes = [0; SIZE];
        first.read(0, &mut bytes)?;
        let parameters = Parameters::from_bytes(&bytes);
        if self.choice.verbose {
            let peer = self.endpoint.with_board(|board| {
                let peer = board.peer_by_nic_id(from.nic_id).ok();
                let peer = peer.and_then(|index| board.peer(index));
                Ok(peer.map_or(String::new(), |peer| text(&peer.hostname)))
            })?;
            self.say(&format!("Got parameters ({parameters}) from peer {peer}"));
        }
        let connect = self.endpoint.iconnect(
            from.nic_id,
            from.endpoint,
            KEY,
            CONNECT_MATCH,
            CONNECT_CONTEXT,
        )?;
        let to = self
            .wait("connect back", connect)?
            .address
            .ok_or(Failure::Call(Error::Confused))?;
        let buffer = self.buffer(parameters.longest().max(1), parameters.align)?;
        self.send_one(buffer.part(0, 0)?, to, 0, true)?;
        for length in parameters.lengths() {
            let length = length as usize;
            let reply = if parameters.unidirectional { 0 } else { length };
            for _ in 0..parameters.warmup.saturating_add(parameters.iterations) {
                self.receive_one(buffer.part(0, length)?)?;
                let memory = buffer.part(0, reply)?;
                self.send_one(memory, to, MATCH, parameters.synchronous)?;
            }
        }
        self.endpoint.settle(SETTLE)?;
        if self.choice.again {
            std::thread::sleep(Duration::from_millis(500));
            self.endpoint.progress()?;
            self.endpoint.disconnect(to)?;
        }
        Ok(())
    }
}
