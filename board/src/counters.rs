//! The counters of one board, and which of them a packet raises.

use mx_ring::Counter;
use mx_ring::board_page::COUNTERS;
use mx_wire::{Connect, Content, Packet};

/// How often each [`Counter`] was counted. The values wrap at 32 bits, as Open-MX's do.
#[derive(Clone, Debug)]
pub struct Counters {
    values: [u32; COUNTERS],
    /// A bit for each that may have another value than it was published with.
    changed: u128,
}

const _: () = assert!(COUNTERS <= u128::BITS as usize);

impl Counters {
    pub(crate) const fn new() -> Self {
        Self {
            values: [0; COUNTERS],
            changed: u128::MAX >> (u128::BITS as usize - COUNTERS),
        }
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        debug_assert!(counter.never().is_none(), "{}", counter.label());
        let value = &mut self.values[counter as usize];
        *value = value.wrapping_add(1);
        self.changed |= 1 << counter as u32;
    }

    /// The value of one counter.
    pub const fn get(&self, counter: Counter) -> u32 {
        self.values[counter as usize]
    }

    /// All values, by the counters' numbers.
    pub const fn all(&self) -> &[u32; COUNTERS] {
        &self.values
    }

    /// The counters that have changed since this was asked last: their numbers and values.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (usize, u32)> {
        let mut changed = core::mem::take(&mut self.changed);
        core::iter::from_fn(move || {
            let number = changed.trailing_zeros() as usize;
            let value = self.values.get(number)?;
            changed &= changed - 1;
            Some((number, *value))
        })
    }
}

/// What a packet handed to the wire raises.
pub(crate) const fn sent(packet: &Packet) -> Counter {
    match packet {
        Packet::Raw => Counter::SendRaw,
        Packet::HostQuery(_) => Counter::SendHostQuery,
        Packet::HostReply(_) => Counter::SendHostReply,
        Packet::LibAck { .. } => Counter::SendLibAck,
        Packet::Connect { connect, .. } => match connect {
            Connect::Request(_) => Counter::SendConnectRequest,
            Connect::Reply(_) => Counter::SendConnectReply,
        },
        Packet::Message { message, .. } => match message.content {
            Content::Tiny(_) => Counter::SendTiny,
            Content::Small(_) => Counter::SendSmall,
            Content::Medium(_) => Counter::SendMediumSqFrag,
            Content::Rendezvous(_) => Counter::SendRndv,
            Content::Notify(_) => Counter::SendNotify,
        },
        Packet::Pull(_) => Counter::SendPullRequest,
        Packet::PullReply(_) => Counter::SendPullReply,
        Packet::NackLib { .. } => Counter::SendNackLib,
        Packet::NackMcp(_) => Counter::SendNackMcp,
    }
}

/// What a packet handed to a board of the same backend raises. Open-MX counts no nacks there.
pub(crate) const fn shared(packet: &Packet) -> Option<Counter> {
    Some(match packet {
        Packet::LibAck { .. } => Counter::SharedLibAck,
        Packet::Connect { connect, .. } => match connect {
            Connect::Request(_) => Counter::SharedConnectRequest,
            Connect::Reply(_) => Counter::SharedConnectReply,
        },
        Packet::Message { message, .. } => match message.content {
            Content::Tiny(_) => Counter::SharedTiny,
            Content::Small(_) => Counter::SharedSmall,
            Content::Medium(_) => Counter::SharedMediumSqFrag,
            Content::Rendezvous(_) => Counter::SharedRndv,
            Content::Notify(_) => Counter::SharedNotify,
        },
        _ => return None,
    })
}

/// What a packet that its endpoint was told of raises, if it came from the wire.
pub(crate) const fn received(packet: &Packet) -> Counter {
    match packet {
        Packet::Raw => Counter::RecvRaw,
        Packet::HostQuery(_) => Counter::RecvHostQuery,
        Packet::HostReply(_) => Counter::RecvHostReply,
        Packet::LibAck { .. } => Counter::RecvLibAck,
        Packet::Connect { connect, .. } => match connect {
            Connect::Request(_) => Counter::RecvConnectRequest,
            Connect::Reply(_) => Counter::RecvConnectReply,
        },
        Packet::Message { message, .. } => match message.content {
            Content::Tiny(_) => Counter::RecvTiny,
            Content::Small(_) => Counter::RecvSmall,
            Content::Medium(_) => Counter::RecvMediumFrag,
            Content::Rendezvous(_) => Counter::RecvRndv,
            Content::Notify(_) => Counter::RecvNotify,
        },
        Packet::Pull(_) => Counter::RecvPullRequest,
        Packet::PullReply(_) => Counter::RecvPullReply,
        Packet::NackLib { .. } => Counter::RecvNackLib,
        Packet::NackMcp(_) => Counter::RecvNackMcp,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_counter_is_told_once_for_each_change_and_at_first() {
        let mut counters = Counters::new();
        assert_eq!(counters.take_changed().count(), COUNTERS);
        counters.count(Counter::SharedTiny);
        counters.count(Counter::SendTiny);
        counters.count(Counter::SendTiny);
        let told: Vec<(usize, u32)> = counters.take_changed().collect();
        let shared = Counter::SharedTiny as usize;
        assert_eq!(told, [(Counter::SendTiny as usize, 2), (shared, 1)]);
        assert_eq!(counters.take_changed().count(), 0);
    }
}
