//! The card as a [`Nic`].

use super::control::ControlQueue;
use super::features::status;
use super::receive::ReceiveQueue;
use super::transmit::TransmitQueue;
use super::transport::Transport;
use super::{RECEIVE, TRANSMIT};
use crate::{
    Armed, Capabilities, Fault, Fragment, LinkState, Nic, Statistics, Token, TransmitError,
};

/// Offset of `status` in `struct virtio_net_config`, and its bit for the link (virtio 1.2 §5.1.4).
const CONFIGURATION_STATUS: usize = 6;
const LINK_UP: u16 = 1;

/// Reads of the status register before a card counts as not stopped, for now.
const RESET_READS: u32 = 1000;

/// A virtio network card. It is reset when it is dropped.
pub struct VirtioNet<T: Transport> {
    transport: T,
    capabilities: Capabilities,
    tells_link: bool,
    interrupt_line: bool,
    receive: ReceiveQueue,
    transmit: TransmitQueue,
    control: Option<ControlQueue>,
    statistics: Statistics,
    fault: Option<Fault>,
    /// The card has confirmed its reset: it no longer touches memory.
    is_reset: bool,
}

/// What [`open`](super::open) found out.
pub(super) struct Parts<T: Transport> {
    pub(super) transport: T,
    pub(super) capabilities: Capabilities,
    pub(super) tells_link: bool,
    pub(super) interrupt_line: bool,
    pub(super) receive: ReceiveQueue,
    pub(super) transmit: TransmitQueue,
    pub(super) control: Option<ControlQueue>,
}

impl<T: Transport> VirtioNet<T> {
    /// Takes over a card that is running.
    pub(super) fn new(parts: Parts<T>) -> Self {
        let mut nic = Self {
            transport: parts.transport,
            capabilities: parts.capabilities,
            tells_link: parts.tells_link,
            interrupt_line: parts.interrupt_line,
            receive: parts.receive,
            transmit: parts.transmit,
            control: parts.control,
            statistics: Statistics::default(),
            fault: None,
            is_reset: false,
        };
        nic.refill();
        nic
    }

    /// Shows the card the buffers that were given back.
    fn refill(&mut self) {
        let wanted = self.receive.publish();
        self.ring_doorbell(RECEIVE, wanted);
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

    /// Stops the card for good.
    fn stop(&mut self, fault: Fault) {
        log::error!("{}: {fault}", self.capabilities.driver);
        self.fault = Some(fault);
        self.reset();
    }

    /// Resets the card, and sees whether it has confirmed.
    fn reset(&mut self) {
        self.transport.set_status(status::RESET);
        self.is_reset = (0..RESET_READS).any(|_| self.transport.status() == status::RESET);
    }

    /// Whether the queue exists and the card runs.
    fn usable(&self, queue: u16) -> bool {
        queue == 0 && self.fault.is_none()
    }
}

impl<T: Transport> Nic for VirtioNet<T> {
    fn capabilities(&self) -> Capabilities {
        self.capabilities
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
        if queue != 0 {
            return Err(TransmitError::Unfit);
        }
        let sent = self.transmit.transmit(head, fragments, token);
        self.statistics.count_transmit(sent)
    }

    fn flush(&mut self, queue: u16) {
        if self.usable(queue) {
            let wanted = self.transmit.publish();
            self.ring_doorbell(TRANSMIT, wanted);
        }
    }

    fn completed(&mut self, queue: u16, tokens: &mut [Token]) -> usize {
        if self.usable(queue) {
            let (count, fault) = self.transmit.completed(tokens);
            if let Some(fault) = fault {
                self.stop(fault);
            }
            return count;
        }
        if queue != 0 {
            return 0;
        }
        if !self.is_reset {
            // It did not confirm when it was told to; perhaps it has by now.
            self.is_reset = self.transport.status() == status::RESET;
        }
        if self.is_reset {
            self.transmit.reclaim(tokens)
        } else {
            0
        }
    }

    fn receive(&mut self, queue: u16, max: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        if !self.usable(queue) {
            return 0;
        }
        let received = self.receive.receive(max, each);
        self.statistics.received_frames += received.shown;
        self.statistics.received_bytes += received.bytes;
        self.statistics.received_short += received.taken as u64 - received.shown;
        match received.fault {
            Some(fault) => self.stop(fault),
            None => self.refill(),
        }
        received.taken
    }

    fn arm(&mut self, queue: u16) -> Armed {
        let pending = if self.usable(queue) {
            // Both are armed, whatever the first one says.
            let completions = !self.transmit.is_idle() && self.transmit.arm();
            self.receive.arm() || completions
        } else {
            queue == 0 && self.is_reset && !self.transmit.is_idle()
        };
        if pending {
            Armed::WorkPending
        } else {
            Armed::Quiet
        }
    }

    fn disarm(&mut self, queue: u16) {
        if self.usable(queue) {
            self.receive.disarm();
            self.transmit.disarm();
        }
    }

    fn acknowledge(&mut self) {
        if self.interrupt_line {
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
        let up = !self.tells_link
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

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn statistics(&self) -> Statistics {
        self.statistics
    }
}

impl<T: Transport> Drop for VirtioNet<T> {
    fn drop(&mut self) {
        if !self.is_reset {
            self.reset();
        }
        if !self.is_reset {
            log::warn!("the card did not confirm its reset: its memory is never used again");
            self.receive.leak();
            self.transmit.leak();
            if let Some(control) = &mut self.control {
                control.leak();
            }
        }
    }
}
