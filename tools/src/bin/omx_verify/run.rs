//! The two sides.
//!
//! The sender connects and tells the longest length in a message of 4 bytes; the receiver connects back and answers with
//! an empty message. Then each message is sent back by the receiver. An empty message of its own match info ends the
//! run.

use std::time::{Duration, Instant};

use omx_tools::line::{Failure, Line};
use omx_tools::partner::Partner;
use omx_tools::say;
use open_mx::Status;

use crate::options::Choice;
use crate::pattern::{GUARD, Guarded};

const MATCH_BASE: u64 = 0x1122_3344_5566_7700;
const HELLO: u64 = 1;
const END: u64 = 2;
/// Bytes of the first message.
const HELLO_SIZE: usize = 4;
/// How often a long run says that it is alive.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// Runs the tool: how many messages were wrong.
pub fn run(choice: &Choice) -> Result<u64, Failure> {
    let line = Line::open("omx_verify", choice.perf.local(), HELLO)?;
    let (hostname, _) = line.board()?;
    let endpoint = line.address()?.endpoint;
    let side = Side { line, choice };
    say(
        choice.perf.json,
        &format!("endpoint {endpoint} of {hostname} is open"),
    );
    match &choice.perf.host {
        Some(host) => side.send(host),
        None => side.line.serve(choice.perf.again, || side.receive()),
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
    line: Line,
    choice: &'a Choice,
}

impl Side<'_> {
    fn send_part(
        &self,
        place: &Guarded,
        length: usize,
        to: &Partner<'_>,
        match_info: u64,
    ) -> Result<(), Failure> {
        let memory = place.buffer.part(GUARD, length)?;
        to.send(memory, match_info, self.choice.synchronous)
    }

    /// Receives a message of this match info.
    fn receive_part(
        &self,
        place: &Guarded,
        length: usize,
        from: &Partner<'_>,
        match_info: u64,
    ) -> Result<Status, Failure> {
        let memory = place.buffer.part(GUARD, length)?;
        let request = self.line.receive(memory, match_info, u64::MAX)?;
        from.received(request)
    }

    /// Checks a message that came; what is wrong is told.
    fn check(
        &self,
        place: &mut Guarded,
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
        let lengths = self.choice.lengths();
        let longest = lengths.last().copied().unwrap_or(0).max(HELLO_SIZE as u32);
        let to = self.line.reach(host, self.choice.perf.remote)?;
        let mut out = Guarded::new(longest)?;
        let mut back = Guarded::new(longest)?;
        out.buffer.write(GUARD, &longest.to_be_bytes())?;
        let answer = self
            .line
            .receive(back.buffer.part(GUARD, 0)?, HELLO, u64::MAX)?;
        let hello = to.start(out.buffer.part(GUARD, HELLO_SIZE)?, HELLO, true)?;
        to.wait_for_answer("greeting", hello)?;
        to.wait_for_answer("answer", answer)?;

        let mut totals = Totals::default();
        let mut number = 0u64;
        for length in lengths {
            let before = totals.errors;
            let mut last_sign = Instant::now();
            let start = Instant::now();
            let of = self.choice.messages(length);
            let mut messages = 0;
            while messages < of && !self.choice.enough(length, messages, start.elapsed()) {
                number += 1;
                messages += 1;
                self.there_and_back(length, number, &to, (&mut out, &mut back), &mut totals)?;
                if last_sign.elapsed() > SIGN_OF_LIFE {
                    last_sign = Instant::now();
                    eprintln!("length {length:>9}: {messages}/{of} ...");
                }
            }
            self.report(length, messages, totals.errors - before, start.elapsed());
        }
        self.send_part(&out, 0, &to, END)?;
        self.line.settle()?;
        self.report_totals(&totals);
        Ok(totals.errors)
    }

    fn there_and_back(
        &self,
        length: u32,
        number: u64,
        to: &Partner<'_>,
        (out, back): (&mut Guarded, &mut Guarded),
        totals: &mut Totals,
    ) -> Result<(), Failure> {
        let match_info = MATCH_BASE | (number & 0xff);
        let bytes = length as usize;
        out.fill(bytes, match_info)?;
        back.clear(bytes, match_info)?;
        let memory = back.buffer.part(GUARD, bytes)?;
        let echo = self.line.receive(memory, match_info, u64::MAX)?;
        let sent = self.send_part(out, bytes, to, match_info);
        sent.inspect_err(|_| self.line.take_back(echo))?;
        let status = to.received(echo)?;
        self.check(back, &status, bytes, totals)
    }

    fn report(&self, length: u32, messages: u32, errors: u64, elapsed: Duration) {
        let (word, milliseconds) = (
            if errors == 0 { "ok" } else { "WRONG" },
            elapsed.as_millis(),
        );
        if self.choice.perf.json {
            println!(
                "{{\"length\": {length}, \"messages\": {messages}, \"errors\": {errors}, \"ms\": {milliseconds}}}"
            );
        } else {
            let of = match self.choice.messages(length) {
                all if all > messages => format!(" of {all}, for which there was no time"),
                _ => String::new(),
            };
            println!(
                "length {length:>9}: {messages} messages{of} there and back, {errors} errors, {word} ({milliseconds} ms)"
            );
        }
    }

    fn report_totals(&self, totals: &Totals) {
        let Totals {
            messages,
            bytes,
            errors,
        } = totals;
        if self.choice.perf.json {
            println!(
                "{{\"total_messages\": {messages}, \"total_bytes\": {bytes}, \"total_errors\": {errors}}}"
            );
        } else {
            println!("verified {messages} messages, {bytes} bytes: {errors} errors");
        }
    }

    fn receive(&self) -> Result<u64, Failure> {
        let call = self.line.called(HELLO_SIZE)?;
        let longest = u32::from_be_bytes(call.bytes.try_into().unwrap_or_default());
        let mut place = Guarded::new(longest)?;
        let to = self.line.call_back(call.from)?;
        to.send(place.buffer.part(GUARD, 0)?, HELLO, false)?;

        let mut totals = Totals::default();
        loop {
            let found = to.message()?;
            if !to.has_sent(&found) {
                let (status, bytes) = to.take(found.match_info, HELLO_SIZE)?;
                self.line.keep(&status, bytes);
                continue;
            }
            if found.match_info & !0xff != MATCH_BASE && found.match_info != END {
                return Err(Failure::Stranger {
                    tool: self.line.tool,
                    peer: to.name().to_owned(),
                    match_info: found.match_info,
                    length: found.message_length,
                });
            }
            let length = found.message_length.min(longest) as usize;
            place.clear(length, found.match_info)?;
            let status = self.receive_part(&place, length, &to, found.match_info)?;
            if status.match_info == END {
                break;
            }
            self.check(&mut place, &status, length, &mut totals)?;
            self.send_part(&place, length, &to, status.match_info)?;
        }
        self.line.leave()?;
        self.report_totals(&totals);
        Ok(totals.errors)
    }
}
