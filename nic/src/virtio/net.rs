//! The card as a [`Nic`].

use alloc::vec::Vec;
use core::time::Duration;

use super::control::ControlQueue;
use super::features::{self, status};
use super::filter::{self, Filter};
use super::options::Interrupts;
use super::plan::{self, Pair, Plan};
use super::transmit::{MAX_FRAGMENTS, MAX_HEAD};
use super::transport::Transport;
use super::{receive_queue, transmit_queue};
use crate::{
    Armed, Capabilities, Fault, Fragment, LinkState, MacAddress, Nic, OpenError, Platform,
    Reception, Statistics, Token, TransmitError,
};

/// Offset of `status` in `struct virtio_net_config`, and its bit for the link (virtio 1.2 §5.1.4).
const CONFIGURATION_STATUS: usize = 6;
const LINK_UP: u16 = 1;

/// Reads of the status register before a card counts as not stopped, for now.
const RESET_READS: u32 = 1000;

/// A virtio network card. It is reset when it is dropped.
pub struct VirtioNet<T: Transport, P: Platform> {
    transport: T,
    platform: P,
    features: u64,
    interrupts: Interrupts,
    own: MacAddress,
    max_frame: usize,
    promiscuous: bool,
    pairs: Vec<Pair>,
    control: Option<ControlQueue>,
    filter: Filter,
    statistics: Statistics,
    fault: Option<Fault>,
    /// The card has confirmed its reset: it no longer touches memory.
    is_reset: bool,
}

impl<T: Transport, P: Platform> VirtioNet<T, P> {
    /// Takes over a card that has agreed on its features, and starts it.
    pub(super) fn start_first(transport: T, platform: P, plan: Plan) -> Result<Self, OpenError> {
        let mut nic = Self {
            transport,
            platform,
            features: plan.features,
            interrupts: plan.interrupts,
            own: plan.mac,
            max_frame: plan.max_frame,
            promiscuous: true,
            pairs: plan.pairs,
            control: plan.control,
            filter: Filter::all(),
            statistics: Statistics::default(),
            fault: None,
            is_reset: true,
        };
        nic.start()?;
        Ok(nic)
    }

    /// Sets up the queues of a card that has agreed on its features, and starts it (§3.1.1, steps 7 and 8).
    fn start(&mut self) -> Result<(), OpenError> {
        // From here on the card may write.
        self.is_reset = false;
        let transport = &mut self.transport;
        plan::tie_configuration(transport, self.interrupts)?;
        let (receive, transmit) = plan::vectors(self.interrupts);
        for (number, pair) in (0..).zip(&mut self.pairs) {
            pair.receive.restart();
            pair.watch.forget();
            plan::enable(
                transport,
                receive_queue(number),
                &pair.receive.ring,
                receive,
            )?;
            plan::enable(
                transport,
                transmit_queue(number),
                &pair.transmit.ring,
                transmit,
            )?;
        }
        if let Some(control) = &mut self.control {
            control.restart();
            plan::enable(transport, control.queue, &control.ring, None)?;
        }
        transport.set_status(plan::AGREED | status::DRIVER_OK);
        for pair in 0..self.pairs.len() {
            self.refill(pair);
        }
        self.use_pairs()?;
        self.promiscuous = match self.apply_filter() {
            Ok(reception) => reception.is_some(),
            Err(fault) => {
                log::warn!("the card's control queue: {fault}");
                false
            }
        };
        if !self.promiscuous {
            log::warn!("the card does not agree to take frames to all addresses");
        }
        Ok(())
    }

    /// Tells the card of several pairs of queues.
    fn use_pairs(&mut self) -> Result<(), OpenError> {
        let pairs = self.pairs.len() as u16;
        if let Some(control) = self.control.as_mut().filter(|_| pairs > 1) {
            let agreed = control.set_pairs(&mut self.transport, &self.platform, pairs);
            if agreed != Ok(true) {
                return Err(OpenError::Feature("the pairs of queues that it offers"));
            }
        }
        Ok(())
    }

    /// Tells the card whose frames are wanted; what it makes of that, none where it refuses everything.
    fn apply_filter(&mut self) -> Result<Option<Reception>, Fault> {
        let Some(control) = self
            .control
            .as_mut()
            .filter(|_| self.features & features::CTRL_RX != 0)
        else {
            return Ok(Some(Reception::All));
        };
        if control.filter(&mut self.transport, &self.platform, &self.filter)? {
            return Ok(Some(Reception::Named));
        }
        let agreed = control.take_all(&mut self.transport, &self.platform)?;
        Ok(agreed.then_some(Reception::All))
    }

    /// Shows the card the buffers of a pair that were given back.
    fn refill(&mut self, pair: usize) {
        let wanted = self.pairs[pair].receive.ring.publish();
        self.ring_doorbell(receive_queue(pair as u16), wanted);
    }

    fn ring_doorbell(&mut self, queue: u16, wanted: Option<bool>) {
        match wanted {
            Some(true) => {
                self.transport.notify(queue);
                self.statistics.doorbells += 1;
            }
            Some(false) => self.statistics.doorbells_saved += 1,
            None => {}
        }
    }

    /// Stops the card until it is recovered.
    fn stop(&mut self, fault: Fault) {
        log::error!("virtio-net: {fault}");
        self.fault = Some(fault);
        self.reset();
    }

    /// Resets the card, and sees whether it has confirmed.
    fn reset(&mut self) {
        self.transport.set_status(status::RESET);
        self.is_reset = false;
        for _ in 0..RESET_READS {
            if self.confirms_reset() {
                return;
            }
        }
    }

    /// Whether the card has confirmed its reset, perhaps only by now. Then its frames come back.
    fn confirms_reset(&mut self) -> bool {
        if !self.is_reset && self.transport.status() == status::RESET {
            self.is_reset = true;
            self.pairs.iter_mut().for_each(|pair| pair.transmit.reset());
        }
        self.is_reset
    }

    /// A pair of queues, while the card runs.
    fn running(&mut self, queue: u16) -> Option<&mut Pair> {
        match self.fault {
            None => self.pairs.get_mut(usize::from(queue)),
            Some(_) => None,
        }
    }

    fn notice_hang(&mut self, now: Duration, link: LinkState) {
        let is_up = link == LinkState::Up;
        let is_stuck = self.pairs.iter_mut().any(|pair| {
            let at = pair.transmit.unfinished().filter(|_| is_up);
            pair.watch.is_stuck(now, at)
        });
        if is_stuck {
            self.stop(Fault::Hung);
        }
    }
}

impl<T: Transport, P: Platform> Nic for VirtioNet<T, P> {
    fn capabilities(&self) -> Capabilities {
        let filters = self.control.is_some() && self.features & features::CTRL_RX != 0;
        Capabilities {
            driver: "virtio-net",
            mac: self.own,
            max_frame: self.max_frame,
            max_head: MAX_HEAD,
            max_fragments: MAX_FRAGMENTS,
            zero_copy: true,
            promiscuous: self.promiscuous,
            addresses: if filters { filter::UNICAST } else { 0 },
            recovers: true,
            interrupts: self.interrupts != Interrupts::None,
            transmit_queues: self.pairs.len() as u16,
            receive_queues: self.pairs.len() as u16,
            transmit_slots: self
                .pairs
                .first()
                .map_or(0, |pair| pair.transmit.ring.slots().into()),
        }
    }

    fn transmit(
        &mut self,
        queue: u16,
        head: &[&[u8]],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError> {
        if self.fault.is_some() {
            return Err(TransmitError::Stopped);
        }
        let pair = self.pairs.get_mut(usize::from(queue));
        let pair = pair.ok_or(TransmitError::Unfit)?;
        let sent = pair.transmit.transmit(head, fragments, token);
        self.statistics.count_transmit(sent)
    }

    fn flush(&mut self, queue: u16) {
        if let Some(pair) = self.running(queue) {
            let wanted = pair.transmit.ring.publish();
            self.ring_doorbell(transmit_queue(queue), wanted);
        }
    }

    fn completed(&mut self, queue: u16, tokens: &mut [Token]) -> usize {
        if let Some(pair) = self.running(queue) {
            let (count, fault) = pair.transmit.completed(tokens);
            if let Some(fault) = fault {
                self.stop(fault);
            }
            return count;
        }
        // It did not confirm when it was told to; perhaps it has by now.
        self.confirms_reset();
        let pair = self.pairs.get_mut(usize::from(queue));
        pair.map_or(0, |pair| pair.transmit.hand_back(tokens))
    }

    fn receive(&mut self, queue: u16, max: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        let Some(pair) = self.running(queue) else {
            return 0;
        };
        let received = pair.receive.receive(max, each);
        self.statistics.count_received(&received);
        match received.fault {
            Some(fault) => self.stop(fault),
            None => self.refill(usize::from(queue)),
        }
        received.taken
    }

    fn arm(&mut self, queue: u16) -> Armed {
        let is_stopped = self.fault.is_some();
        let pending = self.pairs.get(usize::from(queue)).is_some_and(|pair| {
            if is_stopped {
                return pair.transmit.has_returned();
            }
            // Both are armed, whatever the first one says.
            let completions = !pair.transmit.is_idle() && pair.transmit.ring.arm();
            pair.receive.ring.arm() || completions
        });
        Armed::with(pending)
    }

    fn disarm(&mut self, queue: u16) {
        if let Some(pair) = self.running(queue) {
            pair.receive.ring.disarm();
            pair.transmit.ring.disarm();
        }
    }

    fn acknowledge(&mut self) {
        if self.interrupts == Interrupts::Line {
            self.transport.acknowledge();
        }
    }

    fn link(&mut self) -> LinkState {
        if self.fault.is_none() {
            match self.transport.status() {
                status::VANISHED => self.stop(Fault::Vanished),
                now if now & status::NEEDS_RESET != 0 => self.stop(Fault::NeedsReset),
                _ => {}
            }
        }
        let up = self.features & features::STATUS == 0
            || self
                .transport
                .configuration16(CONFIGURATION_STATUS)
                .is_some_and(|status| status & LINK_UP != 0);
        if up && self.fault.is_none() {
            LinkState::Up
        } else {
            LinkState::Down
        }
    }

    fn health(&mut self, now: Duration) -> Result<(), Fault> {
        let link = self.link();
        if self.fault.is_none() {
            self.notice_hang(now, link);
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn recover(&mut self) -> Result<(), OpenError> {
        self.reset();
        self.fault = Some(self.fault.unwrap_or(Fault::NeedsReset));
        if !self.is_reset {
            return Err(OpenError::Reset);
        }
        let again = plan::negotiate(&mut self.transport, self.features)
            .and_then(|features| {
                let same = features == self.features;
                same.then_some(()).ok_or(OpenError::Negotiation)
            })
            .and_then(|()| self.start());
        match again {
            Ok(()) => self.fault = None,
            // Half a card is none.
            Err(_) => self.reset(),
        }
        again
    }

    fn set_addresses(&mut self, unicast: &[MacAddress], multicast: &[MacAddress]) -> Reception {
        self.filter.set(unicast, multicast);
        let is_silent = self.control.as_ref().is_some_and(|control| control.silent);
        if self.fault.is_some() || is_silent {
            return Reception::All;
        }
        match self.apply_filter() {
            Ok(reception) => reception.unwrap_or(Reception::All),
            Err(fault) => {
                self.stop(fault);
                Reception::All
            }
        }
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn statistics(&self) -> Statistics {
        self.statistics
    }
}

impl<T: Transport, P: Platform> Drop for VirtioNet<T, P> {
    fn drop(&mut self) {
        if !self.is_reset {
            self.reset();
        }
        if !self.is_reset {
            log::warn!("the card did not confirm its reset: its memory is never used again");
            for pair in &mut self.pairs {
                pair.receive.leak();
                pair.transmit.leak();
            }
            if let Some(control) = &mut self.control {
                control.leak();
            }
        }
    }
}
