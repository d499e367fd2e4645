//! The control queue (virtio 1.2 §5.1.6.5): one command at a time, each waited for.

use core::sync::atomic::Ordering;

use super::filter::{Filter, MULTICAST, UNICAST};
use super::ring::{DEVICE_WRITES, NEXT, SplitRing};
use super::transport::Transport;
use crate::dma::DmaMemory;
use crate::{Fault, MacAddress, Platform};

/// Descriptors of a command: class and number, argument, answer; rounded to divide a ring.
pub(super) const CHAIN: u16 = 4;

/// A class and a command of it.
type Command = [u8; 2];
/// VIRTIO_NET_CTRL_RX_PROMISC: frames to all addresses, on or off (§5.1.6.5.1).
const PROMISCUOUS: Command = [0, 0];
/// VIRTIO_NET_CTRL_RX_ALLMULTI: frames to all groups, on or off (§5.1.6.5.1).
const ALL_MULTICAST: Command = [0, 1];
/// VIRTIO_NET_CTRL_MAC_TABLE_SET: a table of unicast and one of multicast addresses (§5.1.6.5.2).
const SET_TABLE: Command = [1, 0];
/// VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET: how many pairs of queues are used (§5.1.6.5.5).
const SET_PAIRS: Command = [4, 0];

/// The answer VIRTIO_NET_OK, and one that no card gives.
const OK: u8 = 0;
const NONE: u8 = 0xff;

/// Where a command lies in its memory: class and number, answer (the last byte of a word), argument.
const COMMAND_AT: usize = 0;
const ANSWER_WORD: usize = 4;
const ANSWER_AT: usize = 7;
const ARGUMENT_AT: usize = 16;

/// Bytes of the longest argument: two tables, each with its number of entries.
const LONGEST: usize = 2 * 4 + (UNICAST + MULTICAST) * 6;

/// How often, and for how long, an answer is waited for.
const TRIES: u32 = 1000;
const PAUSE_MICROSECONDS: u32 = 100;

/// The control queue and the memory of its command. The card may use both until it is reset.
pub(super) struct ControlQueue {
    pub(super) ring: SplitRing,
    memory: DmaMemory,
    /// The number of the queue, which follows those of all pairs.
    pub(super) queue: u16,
    /// A command was not answered: the card has its memory, and gets no more commands until it is reset.
    pub(super) silent: bool,
}

impl ControlQueue {
    /// Takes over the ring of a queue, made with [`CHAIN`]; `None` without memory.
    pub(super) fn new(ring: SplitRing, queue: u16, platform: &impl Platform) -> Option<Self> {
        Some(Self {
            ring,
            memory: platform.allocate(1)?,
            queue,
            silent: false,
        })
    }

    /// Begins anew, for a card that was reset.
    pub(super) fn restart(&mut self) {
        self.ring.restart();
        self.silent = false;
    }

    /// Asks the card for frames to all addresses; whether it agreed.
    pub(super) fn take_all(
        &mut self,
        transport: &mut impl Transport,
        platform: &impl Platform,
    ) -> Result<bool, Fault> {
        self.command(transport, platform, PROMISCUOUS, &[1])
    }

    /// Tells the card what is wanted; whether it agreed to take no more than that.
    pub(super) fn filter(
        &mut self,
        transport: &mut impl Transport,
        platform: &impl Platform,
        filter: &Filter,
    ) -> Result<bool, Fault> {
        if filter.all {
            return Ok(false);
        }
        let mut argument = [0; LONGEST];
        let first = write_table(&mut argument, &filter.unicast);
        let second = write_table(&mut argument[first..], &filter.multicast);
        let argument = &argument[..first + second];
        let all_groups = [u8::from(filter.all_multicast)];
        // In this order no frame that is wanted is dropped meanwhile.
        Ok(self.command(transport, platform, SET_TABLE, argument)?
            && self.command(transport, platform, ALL_MULTICAST, &all_groups)?
            && self.command(transport, platform, PROMISCUOUS, &[0])?)
    }

    /// Tells the card how many pairs of queues are used; whether it agreed.
    pub(super) fn set_pairs(
        &mut self,
        transport: &mut impl Transport,
        platform: &impl Platform,
        pairs: u16,
    ) -> Result<bool, Fault> {
        self.command(transport, platform, SET_PAIRS, &pairs.to_le_bytes())
    }

    /// Sends a command and waits for its answer; whether it is "OK".
    fn command(
        &mut self,
        transport: &mut impl Transport,
        platform: &impl Platform,
        command: Command,
        argument: &[u8],
    ) -> Result<bool, Fault> {
        if self.silent {
            return Err(Fault::Silent);
        }
        self.memory.write(COMMAND_AT, &command);
        self.memory.write(ANSWER_AT, &[NONE]);
        self.memory.write(ARGUMENT_AT, argument);
        let pieces = [
            (COMMAND_AT, command.len(), NEXT),
            (ARGUMENT_AT, argument.len(), NEXT),
            (ANSWER_AT, 1, DEVICE_WRITES),
        ];
        for (index, (at, len, flags)) in (0..).zip(pieces) {
            let bus = self.memory.bus(at);
            self.ring.describe(0, index, bus, len as u32, flags);
        }
        self.ring.give(0);
        if self.ring.publish() == Some(true) {
            transport.notify(self.queue);
        }
        for _ in 0..TRIES {
            if self.ring.take()?.is_some() {
                let word = self.memory.word32(ANSWER_WORD).load(Ordering::Relaxed);
                let [.., answer] = word.to_le_bytes();
                return Ok(answer == OK);
            }
            platform.pause(PAUSE_MICROSECONDS);
        }
        self.silent = true;
        Err(Fault::Silent)
    }

    /// Keeps all memory for ever: the card could not be stopped.
    pub(super) const fn leak(&mut self) {
        self.ring.leak();
        self.memory.leak();
    }
}

/// Writes a `struct virtio_net_ctrl_mac`; its length in bytes.
fn write_table(place: &mut [u8], addresses: &[MacAddress]) -> usize {
    let entries = (addresses.len() as u32).to_le_bytes();
    let bytes = entries.iter().chain(addresses.as_flattened());
    place
        .iter_mut()
        .zip(bytes)
        .map(|(place, byte)| *place = *byte)
        .count()
}
