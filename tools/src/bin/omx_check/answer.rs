//! The other side of a check: takes whatever comes, so that its sender learns that it has come.

use open_mx::board::text;
use open_mx::{Backend, Buffer, Endpoint, EndpointOptions, Error, Request};

use crate::frames::{self, KEY};

/// Receives that wait at once: one whose sender has given up waits until it is told so.
const RECEIVES: usize = 4;

/// Waits at an endpoint, for ever.
pub fn answer(board: u32, endpoint: u32) -> Result<(), Error> {
    let backend = Backend::find()?;
    let options = EndpointOptions {
        board: Some(board),
        endpoint: Some(endpoint),
        ..EndpointOptions::new(KEY)
    };
    let open = Endpoint::open(&backend, &options)?;
    let description = open.with_board(|board| board.description())?;
    let room = frames::piece(&description);
    let mut posted = Vec::new();
    for _ in 0..RECEIVES {
        let buffer = Buffer::new(room as usize)?;
        posted.push((post(&open, &buffer)?, buffer));
    }
    eprintln!(
        "omx_check: waits at endpoint {endpoint} of {}: omx_check --peer {0} on another node",
        text(&description.hostname)
    );
    loop {
        open.peek(None)?;
        for (request, buffer) in &mut posted {
            // How it has ended is its sender's concern.
            if open.test(*request)?.is_some() {
                *request = post(&open, buffer)?;
            }
        }
    }
}

fn post(endpoint: &Endpoint, buffer: &Buffer) -> Result<Request, Error> {
    endpoint.irecv(buffer.part(0, buffer.len())?, 0, 0, 0)
}
