//! Unexpected messages that are taken before they are received, as MPI's matched probe takes them.

use crate::engine::Engine;
use crate::matching::found;
use crate::memory::Memory;
use crate::queue_port::QueuePort;
use crate::state::keys::{RequestKey, UnexpectedKey};
use crate::state::request::{Kind, Outcome, Purpose};
use crate::state::selection::Selection;

/// An unexpected message that was claimed. It goes with the relation that it came by: then it is received no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim(UnexpectedKey);

impl Engine {
    /// Takes the first unexpected message that is wanted: no receive or probe finds it any more, and
    /// [`Self::receive_claimed`] or [`Self::discard_claimed`] must follow.
    pub fn claim(&mut self, wanted: &Selection) -> Option<(Claim, Outcome)> {
        let (place, message) = self.unexpected.find(wanted)?;
        let outcome = found(message);
        let key = self.unexpected.unlist(place)?;
        Some((Claim(key), outcome))
    }

    /// Receives a claimed message. Nothing when there is none any more.
    pub fn receive_claimed(
        &mut self,
        claim: Claim,
        memory: Memory,
        context: u64,
        port: &mut impl QueuePort,
    ) -> Option<RequestKey> {
        let message = self.unexpected.take(claim.0)?;
        let purpose = Purpose::PostedReceive(memory);
        let request = self
            .requests
            .insert(Kind::Receive, purpose, message.match_info, context);
        self.give(request, message, port);
        Some(request)
    }

    /// Throws a claimed message away; its sender learns no more than that it was matched.
    pub fn discard_claimed(&mut self, claim: Claim, port: &mut impl QueuePort) {
        if let Some(message) = self.unexpected.take(claim.0) {
            self.discard(message, port);
        }
    }
}
