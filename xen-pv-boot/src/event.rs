//! Event channels. Upcalls stay masked for good: an event is found by looking ([`Channel::take`]), and
//! [`wait`] sleeps until one of some channels has one.

use alloc::vec::Vec;
use arrayvec::ArrayVec;
use core::sync::atomic::Ordering;
use core::time::Duration;

use xen_sys::{event_channel as abi, sched, xen};

use crate::counters::{self, Counter};
use crate::types::{DomId, Errno, RemotePort};
use crate::{clock, console, hypercall};

/// An own port. Dropping it closes it.
#[derive(Debug)]
pub struct Channel {
    port: u32,
    /// The physical interrupt behind it, if Xen holds the next one back until this one was seen.
    held: Option<u32>,
}

impl Channel {
    /// Takes over a port that the domain has, from its birth or just now.
    pub(crate) const fn existing(port: u32) -> Self {
        Self { port, held: None }
    }

    /// Connects to a port that domain `remote` allotted to this one. The new port is pending at once.
    pub fn connect(remote: DomId, port: RemotePort) -> Result<Self, Errno> {
        let mut argument = abi::BindInterdomain {
            remote_dom: remote.number(),
            remote_port: port.0,
            local_port: 0,
        };
        hypercall::event_channel_op(&mut argument)?;
        Ok(Self::existing(argument.local_port))
    }

    /// Allots a port to which domain `remote` may connect.
    pub fn listen(remote: DomId) -> Result<Self, Errno> {
        let mut argument = abi::AllocUnbound {
            dom: xen::DOMID_SELF,
            remote_dom: remote.number(),
            port: 0,
        };
        hypercall::event_channel_op(&mut argument)?;
        Ok(Self::existing(argument.port))
    }

    /// Receives a physical interrupt that Xen does not hold back (MSI-X, from the PCI frontend).
    pub(crate) fn interrupt(pirq: u32) -> Result<Self, Errno> {
        let mut argument = abi::BindPirq {
            pirq,
            flags: 0,
            port: 0,
        };
        hypercall::event_channel_op(&mut argument)?;
        Ok(Self::existing(argument.port))
    }

    /// Receives a physical interrupt whose successor Xen holds back until [`Channel::take`] (MSI). Measured: without an answer
    /// the next one comes a millisecond late.
    pub(crate) fn held_interrupt(pirq: u32) -> Result<Self, Errno> {
        let mut channel = Self::interrupt(pirq)?;
        channel.held = Some(pirq);
        Ok(channel)
    }

    /// The number, for telling it to the other side by xenstore.
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Sends an event. A dead other side is no error (measured: Xen returns success).
    pub fn send(&self) -> Result<(), Errno> {
        hypercall::event_send(self.port)
    }

    /// Takes the pending event, if there is one.
    pub fn take(&self) -> bool {
        let Some((word, bit)) = pending(self.port) else {
            return false;
        };
        // A plain look first: the locked operation is only spent on an event.
        if word.load(Ordering::Relaxed) & bit == 0 {
            return false;
        }
        let taken = word.fetch_and(!bit, Ordering::AcqRel) & bit != 0;
        if taken {
            counters::add(Counter::EventsTaken, 1);
            if let Some(Err(error)) = self.held.map(hypercall::end_of_interrupt) {
                log::warn!("the end of an interrupt could not be told: {error}");
            }
        }
        taken
    }
}

/// Channels whose events are taken together: those without one cost a look for every 64.
#[derive(Debug, Default)]
pub struct ChannelSet {
    words: Vec<u64>,
}

impl ChannelSet {
    /// From now on takes the events of this channel.
    pub fn insert(&mut self, channel: &Channel) {
        let place = channel.port as usize / 64;
        if self.words.len() <= place {
            self.words.resize(place + 1, 0);
        }
        if let Some(word) = self.words.get_mut(place) {
            *word |= 1 << (channel.port % 64);
        }
    }

    /// No more, before the channel is dropped.
    pub fn remove(&mut self, channel: &Channel) {
        if let Some(word) = self.words.get_mut(channel.port as usize / 64) {
            *word &= !(1 << (channel.port % 64));
        }
    }

    /// Their ports.
    fn ports(&self) -> impl Iterator<Item = u32> {
        (0..).zip(&self.words).flat_map(|(place, word)| {
            let mut left = *word;
            core::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(place * 64 + bit)
            })
        })
    }

    /// As [`wait`], for these channels and others.
    pub fn wait<'a>(&self, others: impl IntoIterator<Item = &'a Channel>, until: Option<Duration>) {
        let others = others.into_iter().map(Channel::port);
        wait_for_ports(others.chain(self.ports()), until);
    }

    /// Takes the pending events, and tells the ports that had one.
    pub fn take(&self, mut each: impl FnMut(u32)) {
        for (place, wanted) in (0..).zip(&self.words) {
            let Some((word, _)) = pending(place * 64) else {
                return;
            };
            // A plain look first, as in `Channel::take`.
            let found = word.load(Ordering::Relaxed) & wanted;
            if found == 0 {
                continue;
            }
            let mut taken = word.fetch_and(!found, Ordering::AcqRel) & found;
            counters::add(Counter::EventsTaken, u64::from(taken.count_ones()));
            while taken != 0 {
                each(place * 64 + taken.trailing_zeros());
                taken &= taken - 1;
            }
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Err(error) = hypercall::event_close(self.port) {
            log::warn!("event channel {} could not be closed: {error}", self.port);
        }
        if let Some((word, bit)) = pending(self.port) {
            word.fetch_and(!bit, Ordering::AcqRel);
        }
    }
}

fn pending(port: u32) -> Option<(&'static core::sync::atomic::AtomicU64, u64)> {
    let word = clock::shared_info()?
        .evtchn_pending
        .get(port as usize / 64)?;
    Some((word, 1 << (port % 64)))
}

/// Masks every port and the upcalls as a whole.
pub(crate) fn mask_all() {
    if let Some(shared) = clock::shared_info() {
        shared.vcpu_info[0]
            .evtchn_upcall_mask
            .store(1, Ordering::Relaxed);
        for word in &shared.evtchn_mask {
            word.store(!0, Ordering::Relaxed);
        }
    }
}

/// How long [`wait`] sleeps at most while lines wait for the console.
const CONSOLE: Duration = Duration::from_millis(10);

/// The most channels that [`wait`] watches.
pub const WAIT_MAX: usize = sched::POLL_PORTS_MAX;

/// Sleeps until one of the channels is pending or until the time has come. An event that came earlier and was not
/// taken ends the sleep at once. Beyond [`WAIT_MAX`] channels it sleeps at most a millisecond, since Xen cannot watch
/// them all.
pub fn wait<'a>(channels: impl IntoIterator<Item = &'a Channel>, until: Option<Duration>) {
    wait_for_ports(channels.into_iter().map(Channel::port), until);
}

fn wait_for_ports(all: impl Iterator<Item = u32>, until: Option<Duration>) {
    let mut all = all.fuse();
    let ports: ArrayVec<u32, WAIT_MAX> = all.by_ref().take(WAIT_MAX).collect();
    let more = all.next().is_some();
    let mut until = until;
    let mut earlier = |time: Duration| until = Some(until.map_or(time, |until| until.min(time)));
    if more {
        earlier(clock::now() + Duration::from_millis(1));
    }
    if console::pump() {
        earlier(clock::now() + CONSOLE);
    }
    let timeout = until.map_or(0, |time| (time.as_nanos() as u64).max(1));
    if let Err(error) = hypercall::sched_poll(&ports, timeout) {
        let count = ports.len();
        log::error!("sleeping on {count} event channels failed: {error}");
        hypercall::sched_yield();
    }
}

/// Sleeps for some time.
pub fn sleep(time: Duration) {
    wait([], Some(clock::now() + time));
}
