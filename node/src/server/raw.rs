//! Raw endpoints: a connection that carries RAW frames instead of calls.

use mx_backend::EndpointError;
use mx_board::BoardId;
use mx_ring::uapi::{CallReply, RAW_FRAME_MAX};
use mx_ring::uapi_socket;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use tracing::{debug, info};

use super::{Along, Answer, Server, Surroundings};
use crate::client::Role;
use crate::credentials::Credentials;
use crate::poller::{ClientId, Source};

/// A board's raw endpoint.
pub(super) struct Raw {
    client: ClientId,
    /// Its process does not read: it is watched for room.
    blocked: bool,
}

impl Server {
    /// Makes a connection the raw endpoint of a board.
    pub(super) fn open_raw(
        &mut self,
        id: ClientId,
        board: u32,
        around: &mut Surroundings,
    ) -> Result<Answer, Errno> {
        let client = self.clients.get_mut(&id).ok_or(Errno::BADF)?;
        if !client.credentials.may_administer() {
            return Err(Errno::PERM);
        }
        if client.role != Role::New {
            return Err(Errno::BUSY);
        }
        let board = self.boards.get(board as usize).ok_or(Errno::NODEV)?.id;
        around
            .backend
            .open_raw(board)
            .map_err(|error| match error {
                EndpointError::Busy => Errno::BUSY,
                _ => Errno::NODEV,
            })?;
        info!("board {}: raw endpoint of {}", board.0, client.credentials);
        client.role = Role::Raw(board);
        let raw = Raw {
            client: id,
            blocked: false,
        };
        self.raws.insert(board, raw);
        Ok(Answer::Now(CallReply::Done, Along::Nothing))
    }

    /// Who has the raw endpoint of a board open.
    pub(super) fn raw_owner(&self, board: BoardId) -> Option<&Credentials> {
        let client = self.clients.get(&self.raws.get(&board)?.client)?;
        Some(&client.credentials)
    }

    /// Takes a frame from a raw endpoint. One that must not be sent is dropped.
    pub(super) fn raw_heard(&mut self, id: ClientId, board: BoardId, around: &mut Surroundings) {
        let Some(client) = self.clients.get(&id) else {
            return;
        };
        let mut frame = [0; RAW_FRAME_MAX + 1];
        let received = uapi_socket::receive_bytes(&client.socket, &mut frame, RecvFlags::DONTWAIT);
        let received = match received {
            Ok(received) => received,
            Err(Errno::AGAIN | Errno::INTR) => return,
            Err(error) => {
                info!("{} is disconnected: {error}", client.credentials);
                self.disconnect(id, around);
                return;
            }
        };
        if received.length != 0 {
            let frame = frame.get(..received.length).unwrap_or_default();
            let (now, sink) = (around.now, &mut around.outgoing);
            if let Err(error) = around.backend.send_raw(now, board, frame, sink) {
                debug!("{}: {error}", client.credentials);
            }
        }
        if self.gives_more_than_memory(id, received.descriptors) || received.length == 0 {
            self.disconnect(id, around);
        }
    }

    /// Hands the frames that wait over to the raw endpoints, as far as their connections have room.
    pub fn pass_raw_frames(&mut self, around: &mut Surroundings) {
        for (board, raw) in &mut self.raws {
            let frames = around.backend.raw_frames(*board);
            let (Some(frames), Some(client)) = (frames, self.clients.get(&raw.client)) else {
                continue;
            };
            let mut blocked = false;
            while let Some(frame) = frames.front() {
                let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
                blocked = rustix::net::send(&client.socket, frame, flags) == Err(Errno::AGAIN);
                if blocked {
                    break;
                }
                // A connection that has gone is found out when it is heard.
                frames.pop_front();
            }
            if blocked != raw.blocked {
                let source = Source::Client(raw.client);
                // Else the next turn for another reason goes on.
                let watched = around.poller.watch_room(&client.socket, source, blocked);
                raw.blocked = watched.is_ok() && blocked;
            }
        }
    }
}
