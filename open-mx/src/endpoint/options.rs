//! Which endpoint to open.

use mx_engine::ContextIds;
use mx_ring::uapi::ANY_ENDPOINT;
use mx_ring::{EndpointLayout, Geometry};
use rustix::io::Errno;

use crate::backend::{Backend, Greeted, Opened};
use crate::board::{Board, no_board};
use crate::environment;
use crate::error::Error;
use crate::lack::is_lack;

/// Which endpoint to open, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointOptions {
    /// The board's number, or the first one with a free endpoint.
    pub board: Option<u32>,
    /// The endpoint's index, or any.
    pub endpoint: Option<u32>,
    /// What peers must present to connect.
    pub key: u32,
    /// Its queue entries, a power of two from 64 to 2048; what `OMX_QUEUE_ENTRIES` says unless given, else what the
    /// operator of the board has chosen.
    pub queue_entries: Option<u32>,
    /// Which bits of the match info are the context id; what `OMX_CTXIDS` says unless given.
    pub context_ids: Option<ContextIds>,
}

impl EndpointOptions {
    /// Any endpoint of any board, with queues of usual size.
    pub fn new(key: u32) -> Self {
        Self {
            board: None,
            endpoint: None,
            key,
            queue_entries: None,
            context_ids: None,
        }
    }

    /// How its queues are laid out.
    pub(super) fn layout(
        &self,
        backend: &Backend,
        greeted: &Greeted,
    ) -> Result<EndpointLayout, Error> {
        let wanted = self
            .queue_entries
            .or(environment::communication().queue_entries)
            .or((greeted.queue_entries != 0).then_some(greeted.queue_entries));
        // A board that is not there is told of when the endpoint is opened.
        let of_board = || {
            let board = Board::attach(backend, self.board.unwrap_or(0)).ok()?;
            Some(board.description().ok()?.queue_entries.into())
        };
        let entries = wanted
            .or_else(of_board)
            .unwrap_or(mx_ring::QUEUE_ENTRIES.into());
        let geometry = Geometry::of_entries(entries).ok_or(Error::QueueEntries(entries))?;
        EndpointLayout::new(geometry).map_err(|_| Error::QueueEntries(entries))
    }

    /// Opens the first endpoint that fits: its board's number with it. Of any board and any endpoint it is the lowest
    /// endpoint that is free on some board (protocol.md §2).
    pub(super) fn open(
        &self,
        greeted: &Greeted,
        layout: &EndpointLayout,
    ) -> Result<(u32, Opened), Error> {
        let boards = match self.board {
            Some(board) if board >= greeted.boards => return Err(Error::NoBoard(board)),
            Some(board) => board..board + 1,
            None => 0..greeted.boards,
        };
        let chosen = self.endpoint.or(environment::communication().any_endpoint);
        let endpoints = match chosen {
            Some(endpoint) => vec![endpoint],
            // One board finds its first free endpoint itself.
            None if boards.len() == 1 => vec![ANY_ENDPOINT],
            None => (0..=u8::MAX.into()).collect(),
        };
        let mut failure = Error::NoBoard(self.board.unwrap_or(0));
        for endpoint in endpoints {
            for board in boards.clone() {
                match attempt(greeted, layout, board, endpoint) {
                    Ok(opened) => return Ok((board, opened)),
                    Err(Error::NoBoard(_)) => {}
                    // No other endpoint needs less.
                    Err(Error::Refused(errno)) if is_lack(errno) => {
                        return Err(Error::Refused(errno));
                    }
                    // What is in use would have done, what is beyond the last would not.
                    Err(_) if failure == Error::Busy => {}
                    Err(error) => failure = error,
                }
            }
        }
        Err(match (failure, chosen) {
            (Error::Busy, Some(endpoint)) => Error::EndpointInUse(endpoint),
            (Error::Busy, None) => Error::AllInUse,
            (failure, _) => failure,
        })
    }
}

fn attempt(
    greeted: &Greeted,
    layout: &EndpointLayout,
    board: u32,
    endpoint: u32,
) -> Result<Opened, Error> {
    let opened = greeted.channel.open(board, endpoint, layout);
    opened.map_err(|error| match no_board(error.into(), board) {
        Error::Refused(Errno::INVAL) => Error::NoEndpoint(endpoint),
        other => other,
    })
}
