//! Two programs that agree on a run: what `mx_pingpong` and `mx_stream` have in common.
//!
//! The caller connects and sends a plan, a list of numbers; the answerer connects back, and says with an empty message
//! that it is ready.

use std::time::Duration;

use crate::board::Board;
use crate::code::Code;
use crate::endpoint::{Address, Buffer, Endpoint, Options, Request, Status};
use crate::engine::Memory;
use crate::error::Error;
use crate::home::Home;

const PLAN: u64 = 1;
const READY: u64 = 2;
/// The first match info that is the tools' own.
pub const FIRST_FREE: u64 = 16;
/// Numbers of a plan, at most.
const PLAN_MAX: usize = 1 << 16;
/// How long the last messages may wait for their acknowledgement before a tool ends.
const SETTLE: Duration = Duration::from_secs(2);
/// How long the answerer may take to be there.
const PATIENCE: Duration = Duration::from_secs(10);

/// Which endpoint to open.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// The local board, by its number.
    pub board: u32,
    /// Or by its address, which counts more.
    pub nic: Option<u64>,
    /// Its endpoint.
    pub endpoint: u32,
    /// What callers must present.
    pub key: u32,
    /// Sleep while waiting, instead of polling.
    pub sleep: bool,
}

impl Default for Place {
    /// Endpoint 1 of the first board, polling.
    fn default() -> Self {
        Self {
            board: 0,
            nic: None,
            endpoint: 1,
            key: 0x12345,
            sleep: false,
        }
    }
}

/// Why a run ended early.
#[derive(Debug)]
pub enum Failure {
    /// A call failed.
    Call(Error),
    /// A request ended with this code.
    Request(Code),
    /// The first message was no plan of this tool.
    Plan,
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
            Self::Request(code) => write!(f, "a message failed: {code}"),
            Self::Plan => f.write_str("the other side is no such tool, or of another version"),
        }
    }
}

/// An endpoint that waits in the chosen way.
pub struct Line {
    endpoint: Endpoint,
    place: Place,
}

impl Line {
    /// Opens the endpoint.
    pub fn open(place: Place) -> Result<Self, Failure> {
        let home = Home::find()?;
        let board = match place.nic {
            Some(nic) => Board::number_of(&home, nic)?,
            None => place.board,
        };
        let options = Options {
            board: Some(board),
            endpoint: Some(place.endpoint),
            ..Options::new(place.key)
        };
        let endpoint = Endpoint::open(&home, &options)?;
        Ok(Self { endpoint, place })
    }

    /// Connects to a peer's endpoint, tells the plan, and waits until the other side is ready.
    pub fn call(&self, peer: &str, remote: u32, plan: &[u64]) -> Result<Address, Failure> {
        let nic = self
            .endpoint
            .with_board(|board| board.nic_id_by_hostname(peer))?;
        let timeout = Some(PATIENCE);
        let to = self
            .endpoint
            .connect(nic, remote, self.place.key, timeout)?;
        let bytes: Vec<u8> = plan.iter().flat_map(|word| word.to_be_bytes()).collect();
        let message = Buffer::new(bytes.len())?;
        message.write(0, &bytes)?;
        let ready = self.receive(message.part(0, 0)?, READY)?;
        let sent = self.send(message.part(0, bytes.len())?, to, PLAN)?;
        self.wait(sent)?;
        self.wait(ready)?;
        Ok(to)
    }

    /// Waits for a call: who called, and the plan.
    pub fn answer(&self) -> Result<(Address, Vec<u64>), Failure> {
        let found = self.endpoint.probe(PLAN, u64::MAX, None)?;
        let length = found.map_or(0, |found| found.message_length as usize);
        if length % 8 != 0 || length / 8 > PLAN_MAX {
            return Err(Failure::Plan);
        }
        let message = Buffer::new(length)?;
        let request = self.receive(message.part(0, length)?, PLAN)?;
        let from = self.wait(request)?.address.ok_or(Failure::Plan)?;
        let mut bytes = vec![0; length];
        message.read(0, &mut bytes)?;
        let words = bytes.chunks_exact(8).map(|word| {
            let byte = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            word.iter().fold(0, byte)
        });
        let timeout = Some(PATIENCE);
        let to = self
            .endpoint
            .connect(from.nic_id, from.endpoint, self.place.key, timeout)?;
        let ready = self.send(message.part(0, 0)?, to, READY)?;
        self.wait(ready)?;
        Ok((to, words.collect()))
    }

    /// Starts a send.
    pub fn send(&self, memory: Memory, to: Address, info: u64) -> Result<Request, Failure> {
        Ok(self.endpoint.isend(memory, to, info, 0, false)?)
    }

    /// Starts a receive.
    pub fn receive(&self, memory: Memory, info: u64) -> Result<Request, Failure> {
        Ok(self.endpoint.irecv(memory, info, u64::MAX, 0)?)
    }

    /// Waits for a request, which succeeds.
    pub fn wait(&self, request: Request) -> Result<Status, Failure> {
        loop {
            let found = match self.place.sleep {
                true => self.endpoint.wait(request, None)?,
                false => self.endpoint.test(request)?,
            };
            match found {
                Some(status) if status.code == Code::Success => return Ok(status),
                Some(status) => return Err(Failure::Request(status.code)),
                None => std::hint::spin_loop(),
            }
        }
    }

    /// Lets the last messages be acknowledged, and parts from the other side.
    pub fn end(&self, with: Address) -> Result<(), Failure> {
        self.endpoint.settle(SETTLE)?;
        Ok(self.endpoint.disconnect(with)?)
    }
}

/// The byte at a place of the message of this number.
fn pattern(number: u64, at: usize) -> u8 {
    (at as u64 ^ at as u64 >> 8)
        .wrapping_mul(31)
        .wrapping_add(number) as u8
}

/// Fills a message with bytes that tell its number and their places.
pub fn fill(buffer: &Buffer, offset: usize, length: usize, number: u64) -> Result<(), Failure> {
    let bytes: Vec<u8> = (0..length).map(|at| pattern(number, at)).collect();
    Ok(buffer.write(offset, &bytes)?)
}

/// Bytes that are not as [`fill`] makes them.
pub fn wrong(buffer: &Buffer, offset: usize, length: usize, number: u64) -> Result<u64, Failure> {
    let mut bytes = vec![0; length];
    buffer.read(offset, &mut bytes)?;
    let wrong = |(at, byte): &(usize, &u8)| **byte != pattern(number, *at);
    Ok(bytes.iter().enumerate().filter(wrong).count() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_byte_and_another_message_are_found() {
        let buffer = Buffer::new(3000).unwrap();
        fill(&buffer, 100, 2900, 7).unwrap();
        assert_eq!(wrong(&buffer, 100, 2900, 7).unwrap(), 0);
        assert_eq!(wrong(&buffer, 100, 2900, 8).unwrap(), 2900);
        buffer.write(2000, &[0, 0]).unwrap();
        assert!((1..=2).contains(&wrong(&buffer, 100, 2900, 7).unwrap()));
    }
}
