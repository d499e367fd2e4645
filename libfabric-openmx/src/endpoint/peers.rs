//! Peers of an endpoint, by their numbers in its address vector: a first message connects.

use std::collections::VecDeque;

use open_mx::Address;

use super::operation::OperationKey;

/// What there is with a peer.
#[derive(Debug, Default)]
pub enum Peer {
    /// Nothing yet.
    #[default]
    Unknown,
    /// A connect is under way; sends wait for it in order.
    Connecting(VecDeque<OperationKey>),
    /// Sends go.
    Connected(Address),
}

/// All peers, as far as something was sent to them or asked of them.
#[derive(Debug, Default)]
pub struct Peers(Vec<Peer>);

impl Peers {
    /// The peer of that number, which is one of the address vector.
    pub fn of(&mut self, number: u64) -> &mut Peer {
        let index = number as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Peer::default);
        }
        &mut self.0[index]
    }
}
