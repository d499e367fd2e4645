//! The web server: some connections at a time, each with a request, a response and a limit of time.

use core::time::Duration;

use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;

use super::chunks::Chunks;
use super::http::{self, HEAD_MAX, Refusal};
use super::rates::Rates;
use super::snapshot::Snapshot;

/// Connections at a time; others are refused.
pub const CONNECTIONS: usize = 8;
/// Bytes that a connection may have on its way.
const SEND_BUFFER: usize = 8 << 10;
/// Requests that are answered in a second.
pub const REQUESTS: u32 = 20;
/// Bytes that are sent in a second, over all connections.
pub const BYTES: usize = 1 << 20;

/// How long a client may take to say what it wants, and to take it.
const TIMEOUTS: Timeouts = Timeouts {
    reading: Duration::from_secs(5),
    writing: Duration::from_secs(20),
};
/// The same while others find no room.
const TIMEOUTS_WHEN_FULL: Timeouts = Timeouts {
    reading: Duration::from_secs(1),
    writing: Duration::from_secs(5),
};

struct Timeouts {
    reading: Duration,
    writing: Duration,
}

/// Answers requests by HTTP, on a fixed number of connections.
pub struct Server {
    connections: Vec<Connection>,
    /// The one that is served in the next turn.
    cursor: usize,
    credit: Credit,
}

/// What may still be done in this second.
struct Credit {
    requests: u32,
    bytes: usize,
    until: Duration,
}

struct Connection {
    socket: SocketHandle,
    stage: Stage,
    /// When the client came.
    since: Duration,
}

enum Stage {
    Listening,
    /// What has come of the request.
    Reading(Vec<u8>),
    /// What is being sent and how much of it was, and what follows.
    Writing(Vec<u8>, usize, Option<Chunks>),
    /// All is sent, or given up.
    Closing,
}

impl Server {
    /// A server whose sockets are added to the set.
    pub fn new(sockets: &mut SocketSet<'static>) -> Self {
        let connections = (0..CONNECTIONS)
            .map(|_| {
                let receive = tcp::SocketBuffer::new(vec![0; HEAD_MAX]);
                let send = tcp::SocketBuffer::new(vec![0; SEND_BUFFER]);
                let mut socket = tcp::Socket::new(receive, send);
                socket.set_timeout(Some(smoltcp::time::Duration::from_secs(10)));
                Connection {
                    socket: sockets.add(socket),
                    stage: Stage::Listening,
                    since: Duration::ZERO,
                }
            })
            .collect();
        Self {
            connections,
            cursor: 0,
            credit: Credit {
                requests: REQUESTS,
                bytes: BYTES,
                until: Duration::ZERO,
            },
        }
    }

    /// Serves one connection a little; whether anything was done.
    pub fn turn(
        &mut self,
        now: Duration,
        sockets: &mut SocketSet<'static>,
        snapshot: &impl Snapshot,
        rates: &Rates,
    ) -> bool {
        if now >= self.credit.until {
            self.credit = Credit {
                requests: REQUESTS,
                bytes: BYTES,
                until: now + Duration::from_secs(1),
            };
        }
        let timeouts = self.timeouts();
        for step in 0..CONNECTIONS {
            let index = (self.cursor + step) % CONNECTIONS;
            let Some(connection) = self.connections.get_mut(index) else {
                break;
            };
            let socket = sockets.get_mut::<tcp::Socket>(connection.socket);
            let worked = connection.give_up(now, socket, timeouts)
                || connection.serve(now, socket, &mut self.credit, snapshot, rates);
            if worked {
                self.cursor = (index + 1) % CONNECTIONS;
                return true;
            }
        }
        false
    }

    /// Those who come while everything is taken drive out those who have been slow.
    fn timeouts(&self) -> &'static Timeouts {
        let listens = |connection: &Connection| matches!(connection.stage, Stage::Listening);
        if self.connections.iter().any(listens) {
            &TIMEOUTS
        } else {
            &TIMEOUTS_WHEN_FULL
        }
    }

    /// When a connection has lasted for too long, or may go on.
    pub fn deadline(&self) -> Option<Duration> {
        let timeouts = self.timeouts();
        let ends = self
            .connections
            .iter()
            .filter_map(|connection| connection.ends(timeouts));
        let waits = self.credit.bytes == 0
            && self
                .connections
                .iter()
                .any(|connection| matches!(connection.stage, Stage::Writing(..)));
        ends.chain(waits.then_some(self.credit.until)).min()
    }
}

impl Connection {
    /// When it has lasted for too long.
    fn ends(&self, timeouts: &Timeouts) -> Option<Duration> {
        match self.stage {
            Stage::Listening => None,
            Stage::Reading(_) => Some(self.since + timeouts.reading),
            Stage::Writing(..) | Stage::Closing => Some(self.since + timeouts.writing),
        }
    }

    /// Ends it if it has lasted for too long; whether it had.
    fn give_up(
        &mut self,
        now: Duration,
        socket: &mut tcp::Socket<'_>,
        timeouts: &Timeouts,
    ) -> bool {
        let over = self.ends(timeouts).is_some_and(|end| now >= end);
        if over {
            socket.abort();
            self.stage = Stage::Listening;
        }
        over
    }

    fn serve(
        &mut self,
        now: Duration,
        socket: &mut tcp::Socket<'_>,
        credit: &mut Credit,
        snapshot: &impl Snapshot,
        rates: &Rates,
    ) -> bool {
        match &mut self.stage {
            Stage::Listening => {
                if !socket.is_open() {
                    // Only port 0 or an open socket is refused.
                    return socket.listen(80).is_ok();
                }
                if socket.is_active() {
                    self.stage = Stage::Reading(Vec::new());
                    self.since = now;
                    return true;
                }
                false
            }
            Stage::Reading(bytes) => {
                let room = HEAD_MAX - bytes.len();
                let came = socket.recv(|data| {
                    let taken = data.len().min(room);
                    bytes.extend_from_slice(&data[..taken]);
                    (taken, taken)
                });
                if let Some(parsed) = http::parse(bytes) {
                    let allowed = credit.requests > 0;
                    credit.requests = credit.requests.saturating_sub(1);
                    let (text, chunks) = match parsed {
                        _ if !allowed => (http::refusal(Refusal::TooMany), None),
                        Ok(request) => match Chunks::new(request.resource, snapshot) {
                            Some(chunks) => (
                                http::head(request.resource),
                                (!request.head_only).then_some(chunks),
                            ),
                            None => (http::refusal(Refusal::NotFound), None),
                        },
                        Err(why) => (http::refusal(why), None),
                    };
                    self.stage = Stage::Writing(text.into_bytes(), 0, chunks);
                    return true;
                }
                match came {
                    Ok(taken) if taken > 0 => true,
                    _ if socket.may_recv() || socket.state() == tcp::State::SynReceived => false,
                    // The other side has closed, or reset the connection.
                    _ => {
                        self.stage = Stage::Closing;
                        true
                    }
                }
            }
            Stage::Writing(text, sent, chunks) => {
                if *sent < text.len() {
                    let rest = &text[*sent..];
                    return match socket.send_slice(&rest[..rest.len().min(credit.bytes)]) {
                        Ok(0) => false,
                        Ok(more) => {
                            credit.bytes -= more;
                            *sent += more;
                            true
                        }
                        Err(_) => {
                            self.stage = Stage::Closing;
                            true
                        }
                    };
                }
                match chunks
                    .as_mut()
                    .and_then(|chunks| chunks.next(snapshot, rates))
                {
                    Some(next) => (*text, *sent) = (next, 0),
                    None => self.stage = Stage::Closing,
                }
                true
            }
            Stage::Closing => match socket.state() {
                tcp::State::Closed => {
                    self.stage = Stage::Listening;
                    true
                }
                tcp::State::Established | tcp::State::CloseWait => {
                    socket.close();
                    true
                }
                // Both sides have closed: the place is free for the next one.
                tcp::State::TimeWait => {
                    socket.abort();
                    true
                }
                _ => false,
            },
        }
    }
}
