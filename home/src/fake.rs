//! A network for tests: virtual time, and faults as often as wanted. Frames are read when they *leave*, as a card reads
//! them, so that memory reused too early shows.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use mx_board::{EndpointKey, Full, Instant};
use mx_ring::{Area, HomeSide};

use crate::link::{Handed, Link, Payload, Sleepers, Token};

/// What may happen to a frame, in percent.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// It does not arrive.
    pub loss: u8,
    /// It arrives twice.
    pub duplication: u8,
    /// It arrives so late that others overtake it.
    pub reordering: u8,
    /// A bit of it is flipped. (A real card's frame check would drop it.)
    pub corruption: u8,
    /// Its end is cut off. (Likewise.)
    pub truncation: u8,
}

/// How long a frame stays in the sender's transmit ring.
const LEAVING: Duration = Duration::from_micros(5);
/// How long it is under way then.
const UNDER_WAY: Duration = Duration::from_micros(20);
/// The same for one that others overtake.
const LATE: Duration = Duration::from_micros(700);

/// A frame in a transmit ring.
struct Leaving {
    at: Instant,
    header: Vec<u8>,
    payload: Vec<Area>,
    token: Token,
}

#[derive(Default)]
struct Port {
    ring: VecDeque<Leaving>,
    arrived: VecDeque<Vec<u8>>,
    sent: Vec<Token>,
}

/// A broadcast segment with a number of ports: what one sends, all others receive.
pub struct Network {
    now: Instant,
    ports: Vec<Port>,
    flying: BTreeMap<(Instant, u64), (usize, Vec<u8>)>,
    faults: Faults,
    random: u64,
    serial: u64,
    /// Frames that a port's transmit ring holds.
    pub ring_size: usize,
    /// Whether frames leave the rings; without a link they stay.
    pub link_up: bool,
}

impl Network {
    /// A network of `ports` ports. The same seed gives the same faults.
    pub fn new(ports: usize, faults: Faults, seed: u64) -> Self {
        Self {
            now: Instant::default(),
            ports: (0..ports).map(|_| Port::default()).collect(),
            flying: BTreeMap::new(),
            faults,
            random: seed,
            serial: 0,
            ring_size: 256,
            link_up: true,
        }
    }

    /// From now on the network has these faults.
    pub fn set_faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    /// The way out for the home at a port.
    pub fn link(&mut self, port: usize) -> FakeLink<'_> {
        FakeLink {
            network: self,
            port,
        }
    }

    /// When the next frame leaves or arrives.
    pub fn next(&self) -> Option<Instant> {
        let leaving = self
            .ports
            .iter()
            .filter(|_| self.link_up)
            .filter_map(|port| Some(port.ring.front()?.at));
        leaving
            .chain(self.flying.first_key_value().map(|((at, _), _)| *at))
            .min()
    }

    /// Lets everything happen that is due. The time does not go back.
    pub fn advance(&mut self, now: Instant) {
        self.now = now;
        for port in 0..self.ports.len() {
            while self.link_up && self.ports[port].ring.front().is_some_and(|f| f.at <= now) {
                self.leave(port);
            }
        }
        while let Some(entry) = self.flying.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (port, frame) = entry.remove();
            self.ports[port].arrived.push_back(frame);
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
        self.ports[port].arrived.pop_front()
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
        for to in (0..self.ports.len()).filter(|to| *to != from) {
            self.fly(to, &frame);
        }
    }

    fn fly(&mut self, to: usize, frame: &[u8]) {
        if self.happens(self.faults.loss) {
            return;
        }
        let copies = if self.happens(self.faults.duplication) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let mut frame = frame.to_vec();
            if self.happens(self.faults.corruption) {
                let bit = self.dice() as usize % (frame.len() * 8);
                frame[bit / 8] ^= 1 << (bit % 8);
            }
            if self.happens(self.faults.truncation) {
                frame.truncate(self.dice() as usize % frame.len());
            }
            let late = self.happens(self.faults.reordering);
            let at = self.now + if late { LATE } else { UNDER_WAY };
            self.serial += 1;
            self.flying.insert((at, self.serial), (to, frame));
        }
    }

    fn happens(&mut self, percent: u8) -> bool {
        self.dice() % 100 < u64::from(percent)
    }

    fn dice(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(0x5851_f42d_4c95_7f2d)
            .wrapping_add(0x1405_7b7e_f767_814f);
        self.random >> 33
    }
}

/// One port's way out.
pub struct FakeLink<'a> {
    network: &'a mut Network,
    port: usize,
}

impl Link for FakeLink<'_> {
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full> {
        let ring_size = self.network.ring_size;
        let at = self.network.now + LEAVING;
        let ring = &mut self.network.ports[self.port].ring;
        if ring.len() >= ring_size {
            return Err(Full);
        }
        let mut header = header.to_vec();
        let payload = match payload {
            Payload::Bytes(bytes) => {
                header.extend_from_slice(bytes);
                Vec::new()
            }
            Payload::Shared(areas) => areas.to_vec(),
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

impl Link for Outbox {
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
    fn wake_if_armed(&mut self, _: EndpointKey, _: &mut HomeSide) {}
}

/// Sleepers that arm themselves by their own word, as processes of `omxd` do.
#[derive(Debug, Default)]
pub struct Woken(pub Vec<EndpointKey>);

impl Sleepers for Woken {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut HomeSide) {
        if side.wake_needed() {
            self.0.push(endpoint);
        }
    }
}
