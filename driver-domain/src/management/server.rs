//! The web server: some connections at a time, each with a request, a response and a limit of time.

use core::time::Duration;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use smoltcp::iface::{SocketHandle, SocketSet};
use smoltcp::socket::tcp;

use super::facts::Facts;
use super::http::{self, HEAD_MAX, Refusal};
use super::pieces::Pieces;
use super::rates::Rates;

/// Connections at a time; others wait, or are refused.
const CONNECTIONS: usize = 8;
/// Bytes that a connection may have on its way.
const SEND_BUFFER: usize = 8 << 10;
/// How long a connection may last.
const PATIENCE: Duration = Duration::from_secs(20);
/// Requests that are answered in a second, on average and at once.
const REQUESTS: u32 = 20;

/// The server.
pub struct Server {
    connections: Vec<Connection>,
    /// The one that is served in the next turn.
    cursor: usize,
    /// Requests that may still be answered, and when that was counted.
    credit: u32,
    credited_at: Duration,
}

struct Connection {
    socket: SocketHandle,
    stage: Stage,
}

enum Stage {
    Listening,
    /// Since when, and what has come.
    Reading(Duration, Vec<u8>),
    /// Since when, what is being sent and how much of it was, and what follows.
    Writing(Duration, String, usize, Option<Pieces>),
    /// All is sent, or given up.
    Closing(Duration),
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
                }
            })
            .collect();
        Self {
            connections,
            cursor: 0,
            credit: REQUESTS,
            credited_at: Duration::ZERO,
        }
    }

    /// Serves one connection a little; whether anything was done.
    pub fn turn(
        &mut self,
        now: Duration,
        sockets: &mut SocketSet<'static>,
        facts: &impl Facts,
        rates: &Rates,
    ) -> bool {
        if now.saturating_sub(self.credited_at) >= Duration::from_secs(1) {
            self.credit = REQUESTS;
            self.credited_at = now;
        }
        for step in 0..CONNECTIONS {
            let index = (self.cursor + step) % CONNECTIONS;
            let Some(connection) = self.connections.get_mut(index) else {
                break;
            };
            let socket = sockets.get_mut::<tcp::Socket>(connection.socket);
            if connection.serve(now, socket, &mut self.credit, facts, rates) {
                self.cursor = (index + 1) % CONNECTIONS;
                return true;
            }
        }
        false
    }

    /// When a connection has lasted for too long, at the earliest.
    pub fn deadline(&self) -> Option<Duration> {
        self.connections
            .iter()
            .filter_map(|connection| match connection.stage {
                Stage::Listening => None,
                Stage::Reading(since, ..) | Stage::Writing(since, ..) | Stage::Closing(since) => {
                    Some(since + PATIENCE)
                }
            })
            .min()
    }
}

impl Connection {
    fn serve(
        &mut self,
        now: Duration,
        socket: &mut tcp::Socket<'_>,
        credit: &mut u32,
        facts: &impl Facts,
        rates: &Rates,
    ) -> bool {
        match &mut self.stage {
            Stage::Listening => {
                if !socket.is_open() {
                    // Only port 0 or an open socket is refused.
                    return socket.listen(80).is_ok();
                }
                if socket.is_active() {
                    self.stage = Stage::Reading(now, Vec::new());
                    return true;
                }
                false
            }
            Stage::Reading(since, _) | Stage::Writing(since, ..) | Stage::Closing(since)
                if now.saturating_sub(*since) >= PATIENCE =>
            {
                socket.abort();
                self.stage = Stage::Listening;
                true
            }
            Stage::Reading(since, bytes) => {
                let room = HEAD_MAX - bytes.len();
                let came = socket.recv(|data| {
                    let taken = data.len().min(room);
                    bytes.extend_from_slice(&data[..taken]);
                    (taken, taken)
                });
                if let Some(parsed) = http::parse(bytes) {
                    let allowed = *credit > 0;
                    *credit = credit.saturating_sub(1);
                    let (text, pieces) = match parsed {
                        _ if !allowed => (http::refusal(Refusal::TooMany), None),
                        Ok(request) => (
                            http::head(request.resource),
                            (!request.head_only).then(|| Pieces::new(request.resource)),
                        ),
                        Err(why) => (http::refusal(why), None),
                    };
                    self.stage = Stage::Writing(*since, text, 0, pieces);
                    return true;
                }
                match came {
                    Ok(taken) => {
                        if taken == 0 && !socket.may_recv() {
                            self.stage = Stage::Closing(*since);
                            return true;
                        }
                        taken > 0
                    }
                    // The other side has closed, or reset the connection.
                    Err(_) if !socket.may_recv() && socket.is_active() => {
                        if matches!(socket.state(), tcp::State::SynReceived | tcp::State::Listen) {
                            return false;
                        }
                        self.stage = Stage::Closing(*since);
                        true
                    }
                    Err(_) if !socket.is_active() => {
                        self.stage = Stage::Closing(*since);
                        true
                    }
                    Err(_) => false,
                }
            }
            Stage::Writing(since, text, sent, pieces) => {
                if *sent < text.len() {
                    return match socket.send_slice(&text.as_bytes()[*sent..]) {
                        Ok(0) => false,
                        Ok(more) => {
                            *sent += more;
                            true
                        }
                        Err(_) => {
                            self.stage = Stage::Closing(*since);
                            true
                        }
                    };
                }
                match pieces.as_mut().and_then(|pieces| pieces.next(facts, rates)) {
                    Some(next) => (*text, *sent) = (next, 0),
                    None => self.stage = Stage::Closing(*since),
                }
                true
            }
            Stage::Closing(_) => match socket.state() {
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
