//! The two sides.
//!
//! The sender connects and tells the longest length in a message of 4 bytes; the receiver connects back and answers with
//! an empty message. Then each message is sent back by the receiver. An empty message of its own match info ends the
//! run.

use std::time::{Duration, Instant};

use open_mx::board::text;
use open_mx::{Address, Buffer, Code, Endpoint, Error, Home, Options, Request, Status};

use crate::options::Choice;
use crate::pattern::{GUARD, Place};

const KEY: u32 = 0x1234_5678;
const MATCH_BASE: u64 = 0x1122_3344_5566_7700;
const HELLO: u64 = 1;
const END: u64 = 2;
const SETTLE: Duration = Duration::from_secs(2);
/// How often a long run says that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Runs the tool: how many messages were wrong.
pub fn run(choice: &Choice) -> Result<u64, Failure> {
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
    let side = Side { endpoint, choice };
    side.say(&format!(
        "endpoint {} of {} is open",
        side.endpoint.address()?.endpoint,
        text(&board.hostname)
    ));
    match &choice.host {
        Some(host) => side.send(host),
        None => loop {
            let errors = side.receive()?;
            if !choice.again {
                return Ok(errors);
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
    /// The other side does not speak this tool's language.
    Stranger(u64),
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
            Self::Stranger(match_info) => write!(
                f,
                "a message with match info {match_info:#018x}: is the other side omx_verify?"
            ),
        }
    }
}

/// What was checked.
#[derive(Default)]
struct Totals {
    messages: u64,
    bytes: u64,
    errors: u64,
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

    fn wait(&self, what: &'static str, request: Request) -> Result<Status, Failure> {
        let status = loop {
            let found = if self.choice.sleep {
                self.endpoint.wait(request, None)?
            } else {
                self.endpoint.test(request)?
            };
            if let Some(status) = found {
                break status;
            }
            std::hint::spin_loop();
        };
        // A message that is longer than its place is an error of the content, which the caller reports.
        match status.code {
            Code::Success | Code::MessageTruncated => Ok(status),
            code => Err(Failure::Request(what, code)),
        }
    }

    fn send_part(
        &self,
        place: &Buffer,
        length: usize,
        to: Address,
        match_info: u64,
    ) -> Result<(), Failure> {
        let memory = place.part(GUARD, length)?;
        let synchronous = self.choice.synchronous;
        let request = self
            .endpoint
            .isend(memory, to, match_info, 0, synchronous)?;
        self.wait("send", request).map(|_| ())
    }

    /// Checks a message that came; what is wrong is told.
    fn check(
        &self,
        place: &mut Place,
        status: &Status,
        length: usize,
        totals: &mut Totals,
    ) -> Result<(), Failure> {
        totals.messages += 1;
        totals.bytes += u64::from(status.transferred);
        let complaint = if status.message_length as usize != length {
            Some(format!("has {} bytes", status.message_length))
        } else {
            place
                .first_error(length, status.match_info)?
                .map(|at| format!("is wrong at byte {at}"))
        };
        if let Some(complaint) = complaint {
            totals.errors += 1;
            eprintln!(
                "message {:#018x} of {length} bytes {complaint}",
                status.match_info
            );
        }
        Ok(())
    }

    fn send(&self, host: &str) -> Result<u64, Failure> {
        let (endpoint, choice) = (&self.endpoint, self.choice);
        let lengths = choice.lengths();
        let longest = lengths.last().copied().unwrap_or(0).max(4);
        let nic = endpoint.with_board(|board| board.nic_id_by_hostname(host))?;
        let to = endpoint.connect(nic, choice.remote, KEY, None)?;
        let mut out = Place::new(longest)?;
        let mut back = Place::new(longest)?;
        out.buffer.write(GUARD, &longest.to_be_bytes())?;
        let hello = endpoint.isend(out.buffer.part(GUARD, 4)?, to, HELLO, 0, true)?;
        self.wait("greeting", hello)?;
        let answer = endpoint.irecv(back.buffer.part(GUARD, 0)?, HELLO, u64::MAX, 0)?;
        self.wait("answer", answer)?;

        let mut totals = Totals::default();
        let mut number = 0u64;
        for length in lengths {
            let before = totals.errors;
            let mut last_sign = Instant::now();
            let start = Instant::now();
            for message in 0..choice.messages(length) {
                number += 1;
                let match_info = MATCH_BASE | (number & 0xff);
                let bytes = length as usize;
                out.fill(bytes, match_info)?;
                back.clear(bytes, match_info)?;
                let memory = back.buffer.part(GUARD, bytes)?;
                let echo = endpoint.irecv(memory, match_info, u64::MAX, 0)?;
                self.send_part(&out.buffer, bytes, to, match_info)?;
                let status = self.wait("receive", echo)?;
                self.check(&mut back, &status, bytes, &mut totals)?;
                if last_sign.elapsed() > SIGN_OF_LIFE {
                    last_sign = Instant::now();
                    let of = choice.messages(length);
                    eprintln!("length {length:>9}: {}/{of} ...", message + 1);
                }
            }
            self.report(length, totals.errors - before, start.elapsed());
        }
        self.send_part(&out.buffer, 0, to, END)?;
        endpoint.settle(SETTLE)?;
        self.report_totals(&totals);
        Ok(totals.errors)
    }

    fn report(&self, length: u32, errors: u64, elapsed: Duration) {
        let messages = self.choice.messages(length);
        let (word, milliseconds) = (
            if errors == 0 { "ok" } else { "WRONG" },
            elapsed.as_millis(),
        );
        if self.choice.json {
            println!(
                "{{\"length\": {length}, \"messages\": {messages}, \"errors\": {errors}, \"ms\": {milliseconds}}}"
            );
        } else {
            println!(
                "length {length:>9}: {messages} messages there and back, {errors} errors, {word} ({milliseconds} ms)"
            );
        }
    }

    fn report_totals(&self, totals: &Totals) {
        let Totals {
            messages,
            bytes,
            errors,
        } = totals;
        if self.choice.json {
            println!(
                "{{\"total_messages\": {messages}, \"total_bytes\": {bytes}, \"total_errors\": {errors}}}"
            );
        } else {
            println!("verified {messages} messages, {bytes} bytes: {errors} errors");
        }
    }

    fn receive(&self) -> Result<u64, Failure> {
        let endpoint = &self.endpoint;
        let first = Buffer::new(4)?;
        let hello = endpoint.irecv(first.part(0, 4)?, HELLO, u64::MAX, 0)?;
        let status = self.wait("greeting", hello)?;
        let from = status.address.ok_or(Failure::Call(Error::Confused))?;
        let mut longest = [0; 4];
        first.read(0, &mut longest)?;
        let longest = u32::from_be_bytes(longest);
        let mut place = Place::new(longest)?;
        let connect = endpoint.iconnect(from.nic_id, from.endpoint, KEY, 0, 0)?;
        let to = self.wait("connect back", connect)?.address;
        let to = to.ok_or(Failure::Call(Error::Confused))?;
        self.send_part(&place.buffer, 0, to, HELLO)?;

        let mut totals = Totals::default();
        loop {
            let probe = if self.choice.sleep {
                endpoint.probe(0, 0, None)?
            } else {
                endpoint.iprobe(0, 0)?
            };
            let Some(probe) = probe else {
                std::hint::spin_loop();
                continue;
            };
            if probe.match_info & !0xff != MATCH_BASE && probe.match_info != END {
                return Err(Failure::Stranger(probe.match_info));
            }
            let length = (probe.message_length).min(longest) as usize;
            place.clear(length, probe.match_info)?;
            let memory = place.buffer.part(GUARD, length)?;
            let request = endpoint.irecv(memory, probe.match_info, u64::MAX, 0)?;
            let status = self.wait("receive", request)?;
            if status.match_info == END {
                break;
            }
            self.check(&mut place, &status, length, &mut totals)?;
            self.send_part(&place.buffer, length, to, status.match_info)?;
        }
        endpoint.settle(SETTLE)?;
        self.report_totals(&totals);
        if self.choice.again {
            endpoint.disconnect(to)?;
        }
        Ok(totals.errors)
    }
}
