//! The control queue (virtio 1.2 §5.1.6.5): one command, while the card is opened.

use core::sync::atomic::Ordering;

use super::CONTROL;
use super::ring::{DEVICE_WRITES, NEXT, SplitRing};
use super::transport::Transport;
use crate::Platform;
use crate::dma::DmaMemory;

/// Descriptors of a command: class and number, argument, answer; rounded to divide a ring.
pub(super) const CHAIN: u16 = 4;

/// Class VIRTIO_NET_CTRL_RX, command VIRTIO_NET_CTRL_RX_PROMISC, argument "on", and an answer that no card gives.
const PROMISCUOUS: [u8; 4] = [0, 0, 1, 0xff];
/// The answer VIRTIO_NET_OK.
const OK: u8 = 0;

/// How often, and for how long, an answer is waited for.
const TRIES: u32 = 1000;
const PAUSE_MICROSECONDS: u32 = 100;

/// The control queue and the memory of its command. The card may use both until it is reset.
pub(super) struct ControlQueue {
    ring: SplitRing,
    memory: DmaMemory,
}

impl ControlQueue {
    /// Takes over a ring made with [`CHAIN`]; `None` without memory.
    pub(super) fn new(ring: SplitRing, platform: &impl Platform) -> Option<Self> {
        Some(Self {
            ring,
            memory: platform.allocate(1)?,
        })
    }

    /// Asks the card for frames to all addresses; whether it agreed in time.
    pub(super) fn make_promiscuous(
        &mut self,
        transport: &mut impl Transport,
        platform: &impl Platform,
    ) -> bool {
        self.memory.write(0, &PROMISCUOUS);
        self.ring.describe(0, 0, self.memory.bus(0), 2, NEXT);
        self.ring.describe(0, 1, self.memory.bus(2), 1, NEXT);
        self.ring
            .describe(0, 2, self.memory.bus(3), 1, DEVICE_WRITES);
        self.ring.give(0);
        if self.ring.publish() == Some(true) {
            transport.notify(CONTROL);
        }
        for _ in 0..TRIES {
            match self.ring.take() {
                Ok(Some(_)) => {
                    let [.., answer] = self.memory.word32(0).load(Ordering::Relaxed).to_le_bytes();
                    return answer == OK;
                }
                Ok(None) => platform.pause(PAUSE_MICROSECONDS),
                Err(fault) => {
                    log::warn!("the card's control queue: {fault}");
                    return false;
                }
            }
        }
        false
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.ring.leak();
        self.memory.leak();
    }
}
