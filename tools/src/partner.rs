//! The other side of a run, and whether it is still there.
//!
//! While nothing comes, a tool asks the other side by a connect whether it is there:
//!
//! * if it has ended, or another process has its endpoint, the run ends with an error;
//! * if it is silent (stopped, its machine gone, the cable pulled), the user is told once, and the wait goes on: it may
//!   come back. But a receiver for whom another sender waits gives the silent one up;
//! * if it is there for a while and does not answer a first message, the two do not understand each other, and the run ends with an
//!   error.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mx_engine::Code;
use mx_engine::Memory;
use open_mx::{Address, Buffer, Error, Request, Status};

use super::line::{Failure, LOOK, Line, bytes_of};

/// How long nothing may be heard of the other side before the user is told, or another sender is preferred.
const SILENCE: Duration = Duration::from_secs(4);
/// How long a question may be under way.
const QUESTION: Duration = Duration::from_secs(3);
/// Between two signs of life of one who is there: three looks.
const STEADY: Duration = Duration::from_millis(1500);
/// How long the other side may take to answer a first message while it is there.
pub const ANSWER: Duration = Duration::from_secs(10);

/// The other side of a run. A tool that has connected to it parts from it when this value is dropped.
pub struct Partner<'a> {
    line: &'a Line,
    /// Where messages to it go, and by which what came from it is known.
    pub address: Address,
    name: String,
    is_connected: bool,
    told: AtomicBool,
    failed: AtomicBool,
}

impl<'a> Partner<'a> {
    /// Who has sent something.
    pub(super) fn heard_of(line: &'a Line, address: Address, name: String) -> Self {
        Self::new(line, address, name, false)
    }

    /// Whom the tool has connected to.
    pub(super) fn connected(line: &'a Line, address: Address, name: String) -> Self {
        Self::new(line, address, name, true)
    }

    fn new(line: &'a Line, address: Address, name: String, is_connected: bool) -> Self {
        Self {
            line,
            address,
            name,
            is_connected,
            told: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        }
    }

    /// How users call its machine: by its name, or its address where it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the waits of other threads end: this one has failed.
    pub fn fail(&self) {
        self.failed.store(true, Ordering::Relaxed);
    }

    /// Starts a send.
    pub fn start(&self, memory: Memory, info: u64, synchronous: bool) -> Result<Request, Failure> {
        let endpoint = &self.line.endpoint;
        Ok(endpoint.isend(memory, self.address, info, 0, synchronous)?)
    }

    /// Sends.
    pub fn send(&self, memory: Memory, info: u64, synchronous: bool) -> Result<(), Failure> {
        let request = self.start(memory, info, synchronous)?;
        self.wait("send", request).map(drop)
    }

    /// Waits for a request, which succeeds.
    pub fn wait(&self, what: &'static str, request: Request) -> Result<Status, Failure> {
        let status = self.end_of(request, None)?;
        self.succeeded(what, status)
    }

    /// Waits for what shows that the other side has understood.
    pub fn wait_for_answer(&self, what: &'static str, request: Request) -> Result<Status, Failure> {
        let status = self.end_of(request, Some(ANSWER))?;
        self.succeeded(what, status)
    }

    /// An error unless a request has succeeded.
    pub fn succeeded(&self, what: &'static str, status: Status) -> Result<Status, Failure> {
        match status.code {
            Code::Success => Ok(status),
            Code::RemoteEndpointClosed
            | Code::RemoteEndpointBadId
            | Code::RemoteEndpointBadSession => Err(Failure::Gone(self.name.clone())),
            code => Err(Failure::Request(what, code)),
        }
    }

    /// Waits for the end of a request, whatever it is.
    pub fn end_of(&self, request: Request, limit: Option<Duration>) -> Result<Status, Failure> {
        let endpoint = &self.line.endpoint;
        let ended = self.watched(
            limit,
            || endpoint.test(request),
            |most| endpoint.wait(request, Some(most)),
        );
        ended.inspect_err(|_| self.line.take_back(request))
    }

    /// Waits for a message that was asked for. One that is longer than its place is an error of the content, which the caller
    /// reports.
    pub fn received(&self, request: Request) -> Result<Status, Failure> {
        let status = self.end_of(request, None)?;
        match status.code {
            Code::MessageTruncated => Ok(status),
            _ => self.succeeded("receive", status),
        }
    }

    /// Waits for a message that nobody has asked for yet.
    pub fn message(&self) -> Result<Status, Failure> {
        let endpoint = &self.line.endpoint;
        self.watched(
            None,
            || endpoint.iprobe(0, 0),
            |most| endpoint.probe(0, 0, Some(most)),
        )
    }

    /// Takes a message that is there and has this match info, and up to this many bytes of it.
    pub fn take(&self, match_info: u64, most: usize) -> Result<(Status, Vec<u8>), Failure> {
        let buffer = Buffer::new(most)?;
        let request = self
            .line
            .receive(buffer.part(0, most)?, match_info, u64::MAX)?;
        let status = self.received(request)?;
        let length = most.min(status.transferred as usize);
        Ok((status, bytes_of(&buffer, length)?))
    }

    /// Whether a message is this side's own.
    pub fn has_sent(&self, status: &Status) -> bool {
        status.address == Some(self.address)
    }

    /// Waits until there is something, or the other side fails.
    fn watched<T>(
        &self,
        limit: Option<Duration>,
        poll: impl Fn() -> Result<Option<T>, Error>,
        sleep: impl Fn(Duration) -> Result<Option<T>, Error>,
    ) -> Result<T, Failure> {
        let mut watch = None;
        let found = loop {
            match self.line.look_for(&poll, &sleep) {
                Ok(Some(found)) => break Ok(found),
                Ok(None) => {}
                Err(error) => break Err(error.into()),
            }
            let watch = watch.get_or_insert_with(Watch::begin);
            if let Err(failure) = watch.look(self, limit) {
                break Err(failure);
            }
        };
        if let Some((question, _)) = watch.and_then(|watch| watch.question) {
            self.line.take_back(question);
        }
        found
    }

    fn tell_silence(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            eprintln!(
                "{}: {} has not been heard of for {} s: waiting for it",
                self.line.tool,
                self.name,
                SILENCE.as_secs()
            );
        }
    }
}

impl Drop for Partner<'_> {
    fn drop(&mut self) {
        if self.is_connected {
            // An endpoint that is lost has no partners.
            let _ = self.line.endpoint.disconnect(self.address);
        }
    }
}

/// What is known of the other side during one wait.
struct Watch {
    /// How long it has been there, heard again and again. Time in which it could not be heard is no sign that it does not
    /// understand, however short each silence is.
    there: Duration,
    looked: Instant,
    /// Its last sign of life, or the begin.
    heard: Instant,
    /// The connect that asks, and since when.
    question: Option<(Request, Instant)>,
}

impl Watch {
    fn begin() -> Self {
        let now = Instant::now();
        Self {
            there: Duration::ZERO,
            looked: now,
            heard: now,
            question: None,
        }
    }

    /// Looks after the other side, if it is time.
    fn look(&mut self, partner: &Partner<'_>, limit: Option<Duration>) -> Result<(), Failure> {
        if self.looked.elapsed() < LOOK.mul_f32(0.9) {
            return Ok(());
        }
        self.looked = Instant::now();
        if partner.failed.load(Ordering::Relaxed) {
            return Err(Failure::Elsewhere);
        }
        self.hear(partner)?;
        if self.question.is_none() {
            let Address {
                nic_id, endpoint, ..
            } = partner.address;
            let key = partner.line.key();
            let question = partner.line.endpoint.iconnect(nic_id, endpoint, key, 0, 0);
            // A peer that is not known any more is a silent one.
            self.question = question.ok().map(|question| (question, Instant::now()));
        }
        if self.heard.elapsed() >= SILENCE {
            if partner.line.has_rival(partner.address) {
                return Err(Failure::Gone(partner.name.clone()));
            }
            partner.tell_silence();
        } else if limit.is_some_and(|most| self.there > most) {
            let (tool, name) = (partner.line.tool, partner.name.clone());
            return Err(Failure::NoAnswer(tool, name));
        }
        Ok(())
    }

    /// Whether the question was answered, and how.
    fn hear(&mut self, partner: &Partner<'_>) -> Result<(), Failure> {
        let Some((question, since)) = self.question else {
            return Ok(());
        };
        let gone = || Failure::Gone(partner.name.clone());
        match partner.line.endpoint.test(question)? {
            Some(answer) => {
                self.question = None;
                match (answer.code, answer.address) {
                    (Code::Success, Some(address)) if address == partner.address => {
                        let since = self.heard.elapsed();
                        if since < STEADY {
                            self.there += since;
                        }
                        self.heard = Instant::now();
                    }
                    (Code::RemoteEndpointUnreachable | Code::Timeout, _) => {}
                    _ => return Err(gone()),
                }
            }
            None if since.elapsed() > QUESTION => {
                partner.line.take_back(question);
                self.question = None;
            }
            None => {}
        }
        Ok(())
    }
}
