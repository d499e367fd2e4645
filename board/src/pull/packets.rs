//! The packets of pulls as they reach a board: requests to the replier, replies and refusals to the puller.

use mx_records::record;
use mx_ring::warning::Warning;
use mx_ring::{Counter, PullStatus};
use mx_wire::{Format, NackCode, NackMcp, Pull, PullBlock, PullError, PullReply};

use super::{TRANSFERS, Transfer};
use crate::board::Board;
use crate::incoming::{Answer, Door, Incoming, Nack, Refusal};
use crate::key::Extent;
use crate::ports::Ports;
use crate::time::Instant;
use crate::work::window_fits;

impl Board {
    /// A peer wants a block of a window: promise the replies.
    pub(crate) fn pull<P: Ports>(
        &mut self,
        door: Door,
        format: &Format,
        incoming: &Incoming<'_>,
        pull: &Pull,
        ports: &mut P,
    ) -> Result<Option<Answer>, Refusal> {
        let nack = Nack::Mcp {
            handle: pull.handle,
            magic: pull.magic,
        };
        let (owner, from) = self.admit(door, incoming, pull.ends, Some(pull.session), nack)?;
        let block = PullBlock::new(format, pull).map_err(|error| {
            if !incoming.local {
                self.warn(door.now, Warning::OtherFormat, incoming.source);
            }
            match error {
                PullError::TooManyReplies { .. } => Counter::DropPullBadNumberOfReplies,
                PullError::OffsetOrLength => Counter::DropPullBadOffsetOrLength,
            }
        })?;
        let window = u8::try_from(pull.window)
            .ok()
            .and_then(|id| ports.window(owner, id))
            .filter(|window| window.seqnum == pull.window_seqnum)
            .filter(|window| window_fits(ports, owner, window));
        let Some(window) = window else {
            return Err(Refusal {
                counter: Counter::DropPullBadRegion,
                answer: self.nack(door.now, from.peer, pull.ends, nack, NackCode::BadWindow),
            });
        };
        if block.window().end > window.length {
            return Err(Counter::DropPullBadOffsetOrLength.into());
        }
        let transfer = Transfer::new(
            door.now,
            from.peer,
            (pull.handle, pull.magic),
            pull.window as u8,
            &window,
        );
        let room = self
            .open()
            .map(|endpoint| endpoint.replies.count())
            .sum::<usize>()
            < TRANSFERS;
        if let Some(endpoint) = self.endpoint_mut(owner.endpoint) {
            endpoint.replies.add(transfer, block, room);
        }
        self.touched(owner.endpoint);
        Ok(None)
    }

    /// The endpoint that a magic names.
    fn by_magic(magic: u32) -> Option<u8> {
        u8::try_from(magic ^ Pull::MAGIC).ok()
    }

    /// A piece of what one of our endpoints pulls.
    pub(crate) fn pull_reply<P: Ports>(
        &mut self,
        now: Instant,
        incoming: &Incoming<'_>,
        reply: &PullReply,
        ports: &mut P,
    ) -> Result<(), Refusal> {
        let sender = self.by_address(incoming).ok();
        if let Some(sender) = sender {
            self.peers.alive(sender, now);
        }
        let index = Self::by_magic(reply.magic).ok_or(Counter::DropPullReplyBadEndpointInMagic)?;
        let key = self.key(index);
        let endpoint = self
            .endpoint_mut(index)
            .ok_or(Counter::DropPullReplyBadEndpointInMagic)?;
        let (slot, pull) = endpoint
            .pulls
            .by_handle(reply.handle)
            .filter(|(_, pull)| sender == Some(pull.to.peer))
            .ok_or(Counter::DropPullReplyBadWireHandle)?;
        let arrival = pull.locate(reply)?;
        let to = Extent {
            owner: key,
            region: pull.order.region,
            offset: pull.order.offset + arrival.bytes.start,
            length: arrival.bytes.end - arrival.bytes.start,
        };
        let (counted, took);
        if ports.copy(incoming.payload, to).is_err() {
            (counted, took) = (Some(Counter::PullReplyRecvFillPagesFailed), None);
            endpoint.pulls.end(slot, PullStatus::Aborted);
        } else {
            let arrived = pull.arrived(now, &arrival);
            (counted, took) = (arrived.counter, arrived.round_trip);
            if pull.is_complete() {
                endpoint.pulls.end(slot, PullStatus::Done);
            } else if pull.wants_to_ask() {
                endpoint.pulls.wait(slot);
            }
        }
        if let (Some(took), Some(peer)) = (took, sender)
            && let Some(peer) = self.peers.get_mut(peer)
        {
            peer.round_trip.took(took);
            let wait = peer.round_trip.wait();
            if let Some(endpoint) = self.endpoint_mut(index) {
                endpoint.pulls.expect_within(now, slot, wait);
            }
        }
        if let Some(counter) = counted {
            self.count(counter);
            record!(debug, "{}: {}: {reply}", self.name, counter.label());
        }
        self.touched(index);
        Ok(())
    }

    /// A peer refuses a pull.
    pub(crate) fn nack_mcp(
        &mut self,
        incoming: &Incoming<'_>,
        nack: &NackMcp,
    ) -> Result<(), Refusal> {
        let sender = self.by_index(incoming)?;
        let index = Self::by_magic(nack.magic).ok_or(Counter::DropNackMcpBadEndpointInMagic)?;
        let endpoint = self
            .endpoint_mut(index)
            .ok_or(Counter::DropNackMcpBadEndpointInMagic)?;
        let (slot, _) = endpoint
            .pulls
            .by_handle(nack.handle)
            .filter(|(_, pull)| pull.to.peer == sender)
            .ok_or(Counter::DropNackMcpBadWireHandle)?;
        endpoint.pulls.end(slot, nack.code.into());
        self.touched(index);
        Ok(())
    }
}
