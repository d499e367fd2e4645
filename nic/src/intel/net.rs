//! The card as a [`Nic`].

use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};
use core::time::Duration;

use super::chip::{Chip, ReceivePlan, RingPlace, queue};
use super::descriptor::{DESCRIPTOR_SIZE, Ring};
use super::filter::Filter;
use super::mmio::Mmio;
use super::options::{IntelOptions, Interrupts};
use super::receive::{LONGEST_FRAME, ReceiveRing};
use super::transmit::{FRAMES, MAX_FRAGMENTS, MAX_HEAD, TransmitRing};
use crate::hang::Watch;
use crate::{
    Armed, Capabilities, Fault, Fragment, LinkState, MIN_FRAME, MacAddress, Nic, OpenError,
    Platform, Reception, Statistics, Token, TransmitError,
};

/// How long the oldest frame may stay in a card whose link is up. A full ring of the longest frames leaves in 20 ms
/// at 1 Gb/s, and pauses that a partner asks for (IEEE 802.3 annex 31B) last 34 ms there.
const HANG: Duration = Duration::from_secs(2);

/// A card of Intel's. It is reset when it is dropped.
pub struct IntelNic<C: Chip, R: Mmio, P: Platform> {
    chip: PhantomData<C>,
    registers: R,
    platform: P,
    max_frame: usize,
    interrupts: Interrupts,
    own: MacAddress,
    filter: Filter,
    receive: ReceiveRing,
    transmit: TransmitRing,
    statistics: Statistics,
    fault: Option<Fault>,
    /// The card has confirmed its reset: it no longer touches memory.
    is_reset: bool,
    watch: Watch,
}

/// Resets the card behind `registers` and starts it. It takes frames to all addresses until
/// [`Nic::set_addresses`] names some.
pub fn open<C: Chip, R: Mmio, P: Platform>(
    mut registers: R,
    platform: P,
    options: &IntelOptions,
) -> Result<IntelNic<C, R, P>, OpenError> {
    if !(MIN_FRAME..=LONGEST_FRAME).contains(&options.max_frame) {
        return Err(OpenError::FrameSize {
            asked: options.max_frame,
        });
    }
    let max_frame = options.max_frame.min(C::MAX_FRAME);
    C::reset(&mut registers, &|time| platform.pause(time))?;
    let own = C::address(&registers).ok_or(OpenError::Feature("an address in its EEPROM"))?;
    let buffers = options.receive_buffers;
    let receive = ReceiveRing::new(&platform, buffers, max_frame, C::RECEIVE_ERRORS);
    let transmit = TransmitRing::new(&platform, max_frame);
    let mut nic = IntelNic {
        chip: PhantomData,
        receive: receive.ok_or(OpenError::OutOfMemory)?,
        transmit: transmit.ok_or(OpenError::OutOfMemory)?,
        registers,
        platform,
        max_frame,
        interrupts: options.interrupts,
        own,
        filter: Filter::all(own),
        statistics: Statistics::default(),
        fault: None,
        is_reset: true,
        watch: Watch::new(HANG),
    };
    nic.start()?;
    Ok(nic)
}

fn place(ring: &Ring) -> RingPlace {
    RingPlace {
        bus: ring.bus(),
        bytes: u32::from(ring.size()) * DESCRIPTOR_SIZE as u32,
    }
}

impl<C: Chip, R: Mmio, P: Platform> IntelNic<C, R, P> {
    /// Sets up a card that was reset, in the order that both datasheets ask for (82576 §4.5.3, 82599 §4.6.3).
    fn start(&mut self) -> Result<(), OpenError> {
        let platform = &self.platform;
        let pause = |time| platform.pause(time);
        let registers = &mut self.registers;
        let plan = ReceivePlan {
            ring: place(&self.receive.ring),
            buffer: self.receive.capacity,
            max_frame: self.max_frame,
        };
        // From here on the card may write.
        self.is_reset = false;
        let tail = self.receive.reset();
        C::start_link(registers, &pause)?;
        // The counters begin anew.
        C::count(registers, &mut Statistics::default());
        C::set_up_interrupts(registers, self.interrupts);
        self.filter.write::<C>(registers);
        C::enable_receive_queue(registers, &plan, &pause)?;
        registers.write(C::RECEIVE_QUEUE + queue::TAIL, tail.into());
        C::receive(registers, &pause)?;
        C::transmit(registers, place(&self.transmit.ring), &pause)
    }

    /// Resets the card, and sees whether it has confirmed.
    fn reset(&mut self) -> Result<(), OpenError> {
        let platform = &self.platform;
        let reset = C::reset(&mut self.registers, &|time| platform.pause(time));
        self.is_reset = reset.is_ok();
        if self.is_reset {
            self.transmit.reset();
        }
        self.watch.forget();
        reset
    }

    /// Stops the card until it is recovered.
    fn stop(&mut self, fault: Fault) {
        log::error!("{}: {fault}", C::NAME);
        self.fault = Some(fault);
        if self.reset().is_err() {
            log::error!("{}: the card does not confirm its reset", C::NAME);
        }
    }

    /// Tells the card of new descriptors, which are in memory before.
    fn write_tail(&mut self, base: u32, tail: u16) {
        fence(Ordering::Release);
        self.registers.write(base + queue::TAIL, tail.into());
    }

    /// Whether the queue exists and the card runs.
    fn usable(&self, queue: u16) -> bool {
        queue == 0 && self.fault.is_none()
    }

    fn notice_hang(&mut self, now: Duration, link: LinkState) {
        let oldest = self.transmit.oldest().filter(|_| link == LinkState::Up);
        if self.watch.is_stuck(now, oldest) {
            self.stop(Fault::Hung);
        }
    }
}

impl<C: Chip, R: Mmio, P: Platform> Nic for IntelNic<C, R, P> {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            driver: C::NAME,
            mac: self.own,
            max_frame: self.max_frame,
            max_head: MAX_HEAD,
            max_fragments: MAX_FRAGMENTS,
            zero_copy: true,
            promiscuous: true,
            addresses: C::ADDRESSES - 1,
            recovers: true,
            interrupts: self.interrupts != Interrupts::None,
            transmit_queues: 1,
            receive_queues: 1,
            transmit_slots: FRAMES.into(),
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
        if queue != 0 {
            return Err(TransmitError::Unfit);
        }
        let sent = self.transmit.transmit(head, fragments, token);
        self.statistics.count_transmit(sent)
    }

    fn flush(&mut self, queue: u16) {
        if self.usable(queue)
            && let Some(tail) = self.transmit.publish()
        {
            self.write_tail(C::TRANSMIT_QUEUE, tail);
            self.statistics.doorbells += 1;
        }
    }

    fn completed(&mut self, queue: u16, tokens: &mut [Token]) -> usize {
        if self.usable(queue) {
            self.transmit.completed(tokens)
        } else if queue == 0 && self.is_reset {
            self.transmit.hand_back(tokens)
        } else {
            0
        }
    }

    fn receive(&mut self, queue: u16, max: usize, each: &mut dyn FnMut(&[u8])) -> usize {
        if !self.usable(queue) {
            return 0;
        }
        let received = self.receive.receive(max, each);
        self.statistics.count_received(&received);
        if let Some(fault) = received.fault {
            self.stop(fault);
        } else if received.taken > 0 {
            self.write_tail(C::RECEIVE_QUEUE, self.receive.tail());
            self.statistics.doorbells += 1;
        }
        received.taken
    }

    fn arm(&mut self, queue: u16) -> Armed {
        let pending = if self.usable(queue) {
            C::unmask(&mut self.registers, self.interrupts);
            self.receive.has_received() || self.transmit.has_completed()
        } else {
            queue == 0 && self.is_reset && !self.transmit.is_idle()
        };
        Armed::with(pending)
    }

    fn disarm(&mut self, queue: u16) {
        if self.usable(queue) {
            C::mask(&mut self.registers);
        }
    }

    fn acknowledge(&mut self) {
        // Messages need no answer, and `arm` forgets old causes.
    }

    fn link(&mut self) -> LinkState {
        if self.fault.is_some() {
            return LinkState::Down;
        }
        match C::link(&self.registers) {
            Some(link) => {
                C::count(&self.registers, &mut self.statistics);
                link
            }
            None => {
                self.stop(Fault::Vanished);
                LinkState::Down
            }
        }
    }

    fn health(&mut self, now: Duration) -> Result<(), Fault> {
        if self.fault.is_none() {
            let link = self.link();
            self.notice_hang(now, link);
        }
        self.fault.map_or(Ok(()), Err)
    }

    fn recover(&mut self) -> Result<(), OpenError> {
        self.reset()?;
        self.start().inspect_err(|_| {
            self.fault = Some(Fault::NeedsReset);
        })?;
        self.fault = None;
        Ok(())
    }

    fn set_addresses(&mut self, unicast: &[MacAddress], multicast: &[MacAddress]) -> Reception {
        let reception = self.filter.set(C::ADDRESSES, unicast, multicast);
        if self.fault.is_none() {
            self.filter.write::<C>(&mut self.registers);
        }
        reception
    }

    fn fault(&self) -> Option<Fault> {
        self.fault
    }

    fn statistics(&self) -> Statistics {
        Statistics {
            received_bad: self.statistics.received_bad + self.receive.bad,
            ..self.statistics
        }
    }
}

impl<C: Chip, R: Mmio, P: Platform> Drop for IntelNic<C, R, P> {
    fn drop(&mut self) {
        if !self.is_reset && self.reset().is_err() {
            log::warn!("the card did not confirm its reset: its memory is never used again");
            self.receive.leak();
            self.transmit.leak();
        }
    }
}
