//! Ways out for tests: cards on the network of the tests ([`mx_testnet`]), whose frames are read when they *leave*, as a
//! card reads them, so that memory reused too early shows; and a wire that ends here.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use mx_board::{EndpointKey, Full, Instant};
use mx_ring::{BackendSide, VolatileSlice};
use mx_testnet::Faults;

use crate::frame_sink::{FrameSink, Handed, Payload, Sleepers, Token};

/// How long a frame stays in the sender's transmit ring.
const LEAVING: Duration = Duration::from_micros(5);

/// A frame in a transmit ring.
struct Leaving {
    at: Instant,
    header: Vec<u8>,
    payload: Vec<VolatileSlice>,
    token: Token,
}

#[derive(Default)]
struct Port {
    ring: VecDeque<Leaving>,
    sent: Vec<Token>,
}

/// Drivers of cards on a network: what one sends, all others receive.
pub struct Nics {
    wire: mx_testnet::Network,
    ports: Vec<Port>,
    /// Frames that a port's transmit ring holds.
    pub ring_size: usize,
    /// Whether frames leave the rings; without a link they stay.
    pub link_up: bool,
}

impl Nics {
    /// A network of `ports` ports, a card at each. The same seed gives the same faults.
    pub fn new(ports: usize, faults: Faults, seed: u64) -> Self {
        Self {
            wire: mx_testnet::Network::new(ports, faults, seed),
            ports: (0..ports).map(|_| Port::default()).collect(),
            ring_size: 256,
            link_up: true,
        }
    }

    /// From now on the network has these faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.wire.faults = faults;
    }

    /// A port more, without a card: whoever is there sees every frame, and sends what it likes.
    pub fn join(&mut self) -> usize {
        self.wire.join()
    }

    /// Sends a frame from a port without a card.
    pub fn inject(&mut self, port: usize, frame: &[u8]) {
        self.wire.send(port, frame);
    }

    /// The way out for the backend at a port.
    pub fn sink(&mut self, port: usize) -> FakeSink<'_> {
        FakeSink { nics: self, port }
    }

    /// When the next frame leaves or arrives.
    pub fn next(&self) -> Option<Instant> {
        let leaving = self
            .ports
            .iter()
            .filter(|_| self.link_up)
            .filter_map(|port| Some(port.ring.front()?.at));
        let arriving = self.wire.next().map(|at| Instant::default() + at);
        leaving.chain(arriving).min()
    }

    /// Lets everything happen that is due. The time does not go back.
    pub fn advance(&mut self, now: Instant) {
        self.wire.advance(now - Instant::default());
        for port in 0..self.ports.len() {
            while self.link_up && self.ports[port].ring.front().is_some_and(|f| f.at <= now) {
                self.leave(port);
            }
        }
    }

    /// Throws away what is in a port's ring: its tokens are reported, its frames are lost.
    pub fn reset_ring(&mut self, port: usize) {
        let port = &mut self.ports[port];
        let tokens = port.ring.drain(..).map(|frame| frame.token);
        port.sent.extend(tokens);
    }

    /// The next frame that has arrived at a port.
    pub fn received(&mut self, port: usize) -> Option<Vec<u8>> {
        self.wire.receive(port)
    }

    /// The next token that a port has to report.
    pub fn sent(&mut self, port: usize) -> Option<Token> {
        self.ports[port].sent.pop()
    }

    /// Frames in a port's transmit ring.
    pub fn in_ring(&self, port: usize) -> usize {
        self.ports[port].ring.len()
    }

    fn leave(&mut self, from: usize) {
        let Some(leaving) = self.ports[from].ring.pop_front() else {
            return;
        };
        let mut frame = leaving.header;
        let payload = Payload::Shared(&leaving.payload);
        payload.append_to(&mut frame).expect("parts read whole");
        self.ports[from].sent.push(leaving.token);
        self.wire.send(from, &frame);
    }
}

/// One port's way out.
pub struct FakeSink<'a> {
    nics: &'a mut Nics,
    port: usize,
}

impl FrameSink for FakeSink<'_> {
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full> {
        let ring_size = self.nics.ring_size;
        let at = Instant::default() + self.nics.wire.now() + LEAVING;
        let ring = &mut self.nics.ports[self.port].ring;
        if ring.len() >= ring_size {
            return Err(Full);
        }
        let mut header = header.to_vec();
        let payload = match payload {
            Payload::Bytes(bytes) => {
                header.extend_from_slice(bytes);
                Vec::new()
            }
            Payload::Shared(slices) => slices.to_vec(),
        };
        ring.push_back(Leaving {
            at,
            header,
            payload,
            token,
        });
        Ok(Handed::InFlight)
    }
}

/// A wire that ends here: frames on their way out, as whoever looks at them finds them.
#[derive(Debug, Default)]
pub struct Outbox {
    /// The frames, in order.
    pub frames: VecDeque<Vec<u8>>,
    /// There is no room for more.
    pub full: bool,
}

impl FrameSink for Outbox {
    fn transmit(&mut self, header: &[u8], payload: Payload<'_>, _: Token) -> Result<Handed, Full> {
        if self.full {
            return Err(Full);
        }
        let mut frame = header.to_vec();
        payload.append_to(&mut frame).expect("parts read whole");
        self.frames.push_back(frame);
        Ok(Handed::Copied)
    }
}

/// Nobody sleeps: processes are called when it is their turn.
#[derive(Debug)]
pub struct Awake;

impl Sleepers for Awake {
    fn wake_if_armed(&mut self, _: EndpointKey, _: &mut BackendSide) {}
}

/// Sleepers that arm themselves by their own word, as processes of `omxd` do.
#[derive(Debug, Default)]
pub struct Woken(pub Vec<EndpointKey>);

impl Sleepers for Woken {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        if side.wake_needed() {
            self.0.push(endpoint);
        }
    }
}
