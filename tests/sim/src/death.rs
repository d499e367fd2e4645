//! How a backend of the simulation dies: at any frame, delivery or wake, whatever it has not stated by then.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use fastrand::Rng;
use mx_backend::{EndpointKey, FrameSink, Full, Handed, Payload, Sleepers, Tap, Token};
use mx_ring::BackendSide;

/// How a backend dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// At this frame, delivery or wake of its next turns, from 1; or when these have done less.
    pub step: u32,
    /// It has not stated which commands it had taken in these turns.
    pub silent: bool,
    /// It has not stated its last events.
    pub torn: Torn,
}

/// What a backend that dies has not stated of its last event in either queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// It has stated everything.
    Nothing,
    /// The producer index is behind.
    Index,
    /// The head of the receive ring is, too.
    IndexAndHead,
}

impl Death {
    /// Any of them.
    pub fn random(random: &mut Rng) -> Self {
        Self {
            step: 1 + random.u32(..40),
            silent: random.bool(),
            torn: match random.u32(..3) {
                0 => Torn::Nothing,
                1 => Torn::Index,
                _ => Torn::IndexAndHead,
            },
        }
    }
}

/// What is left out of a takeover, to show what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Omission {
    /// Libraries do not ask again for pulls that run.
    AskingAgain,
    /// The successor takes the positions that are stated, and does not look at lap words.
    LapWords,
    /// The successor does not read whom the boards knew.
    Peers,
    /// The successor has the generation of the one before, so that it carries out pulls that were asked of that one.
    Generation,
}

/// How many steps a backend has to live.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fuse(Arc<AtomicU32>);

/// What unwinds from a backend that dies.
pub(crate) struct Died;

impl Fuse {
    /// Is to burn for so many steps; not at all with 0.
    pub fn set(&self, steps: u32) {
        self.0.store(steps, Ordering::Relaxed);
    }

    fn burn(&self) {
        match self.0.load(Ordering::Relaxed) {
            0 => {}
            1 => {
                self.0.store(0, Ordering::Relaxed);
                resume_unwind(Box::new(Died));
            }
            left => self.0.store(left - 1, Ordering::Relaxed),
        }
    }
}

impl Tap for Fuse {
    fn frame(&mut self, _: &[u8], _: Payload<'_>, _: usize) {
        self.burn();
    }
}

/// What a backend calls, which may be the last that it does.
pub(crate) struct Burning<'a, T>(pub &'a Fuse, pub T);

impl<T: FrameSink> FrameSink for Burning<'_, T> {
    fn transmit(
        &mut self,
        header: &[u8],
        payload: Payload<'_>,
        token: Token,
    ) -> Result<Handed, Full> {
        self.0.burn();
        self.1.transmit(header, payload, token)
    }
}

impl<T: Sleepers> Sleepers for Burning<'_, T> {
    fn wake_if_armed(&mut self, endpoint: EndpointKey, side: &mut BackendSide) {
        self.0.burn();
        self.1.wake_if_armed(endpoint, side);
    }
}
