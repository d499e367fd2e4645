//! The trait of a card, and the values it speaks in.

use core::time::Duration;

use crate::{Fault, OpenError, TransmitError};

/// An Ethernet address, its first octet first.
pub type MacAddress = [u8; 6];

/// Shortest frame in bytes, without the frame check (IEEE 802.3 clause 4A.4.2: 64 bytes with it). No driver pads:
/// whoever builds the frame does.
pub const MIN_FRAME: usize = 60;

/// Bytes of an Ethernet header; what is shorter is no frame.
pub(crate) const ETHERNET_HEADER: usize = 14;

/// Names a frame in flight. The sender chooses it, and gets it back when the card no longer reads the frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Token(pub u64);

/// A piece of a frame that the card reads by itself. It must stay mapped for the card, and should stay unchanged,
/// until the frame's [`Token`] comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fragment {
    /// Bus address of the first byte.
    pub bus: u64,
    /// Length in bytes, not 0; the piece is contiguous on the bus.
    pub len: u32,
}

/// What a card and its driver can do; fixed once the card is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name of the driver, for people.
    pub driver: &'static str,
    /// The card's own address. Frames to every other address are taken too, see [`Capabilities::promiscuous`].
    pub mac: MacAddress,
    /// Longest frame in bytes, in both directions: Ethernet header included, frame check not.
    pub max_frame: usize,
    /// Most bytes of a frame that [`Nic::transmit`] copies (the sum of `head`).
    pub max_head: usize,
    /// Most fragments of a frame; 0 when [`Capabilities::zero_copy`] is false.
    pub max_fragments: usize,
    /// Whether the card reads [`Fragment`]s by itself.
    pub zero_copy: bool,
    /// Whether frames to all addresses come in. A card that was asked and refused says false.
    pub promiscuous: bool,
    /// Addresses besides its own by which the card can choose frames, see [`Nic::set_addresses`].
    pub addresses: usize,
    /// Whether [`Nic::recover`] can bring the card back.
    pub recovers: bool,
    /// Whether [`Nic::arm`] leads to an interrupt. Without one the owner looks again from time to time.
    pub interrupts: bool,
    /// Queues to the wire, numbered from 0.
    pub transmit_queues: u16,
    /// Queues from the wire, numbered from 0.
    pub receive_queues: u16,
    /// Frames that a transmit queue holds at most. Frames of several pieces may fill it earlier.
    pub transmit_slots: usize,
}

/// State of the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkState {
    /// Frames go out and come in.
    Up,
    /// No partner. Frames wait in the card or get lost.
    Down,
}

/// What [`Nic::arm`] saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Armed {
    /// Something came in the meantime: go on without sleeping.
    WorkPending,
    /// Nothing waits. What comes next raises an interrupt, where there are interrupts.
    Quiet,
}

impl Armed {
    /// Whether something came in the meantime.
    pub(crate) const fn with(pending: bool) -> Self {
        if pending {
            Self::WorkPending
        } else {
            Self::Quiet
        }
    }
}

/// What a card makes of [`Nic::set_addresses`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reception {
    /// Frames to the named addresses come in, and broadcasts. A few others may: multicast addresses are hashed.
    Named,
    /// Frames to all addresses come in: the card has no filter, or too short a one.
    All,
}

/// What happened since the card was opened. All counters only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Frames put into transmit queues.
    pub transmitted_frames: u64,
    /// Bytes of them.
    pub transmitted_bytes: u64,
    /// Frames shown by [`Nic::receive`].
    pub received_frames: u64,
    /// Bytes of them.
    pub received_bytes: u64,
    /// Frames that came in and were dropped: shorter than an Ethernet header, or too short by the card's word.
    pub received_short: u64,
    /// Frames that were dropped for being longer than [`Capabilities::max_frame`]. This and the next two are, in part,
    /// counters of the card, which [`Nic::link`] reads; not every card has them.
    pub received_long: u64,
    /// Frames that the wire has damaged.
    pub received_bad: u64,
    /// Frames for which there was no buffer.
    pub received_missed: u64,
    /// Times that a frame found its transmit queue full.
    pub transmit_full: u64,
    /// Times that the card was told of new work (a register write each).
    pub doorbells: u64,
    /// Bursts that the card had asked not to be told of.
    pub doorbells_saved: u64,
}

/// What a receive queue did with frames that came in.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Frames taken from the card, or descriptors that go back to it.
    pub(crate) taken: usize,
    /// Frames shown, and their bytes.
    pub(crate) shown: u64,
    pub(crate) bytes: u64,
    /// Frames dropped: shorter than a header, longer than agreed.
    pub(crate) short: u64,
    pub(crate) long: u64,
    /// Why it ended early.
    pub(crate) fault: Option<Fault>,
}

impl Received {
    /// Counts a frame of that length; whether it is to be shown.
    #[inline]
    pub(crate) fn count(&mut self, len: usize, max_frame: usize) -> bool {
        self.taken += 1;
        if len < ETHERNET_HEADER {
            self.short += 1;
        } else if len > max_frame {
            self.long += 1;
        } else {
            self.shown += 1;
            self.bytes += len as u64;
            return true;
        }
        false
    }
}

/// Length of a frame whose pieces are possible: so many bytes in its head at most, and so many fragments.
#[inline]
pub(crate) fn frame_length(
    head: usize,
    fragments: &[Fragment],
    (max_head, max_fragments): (usize, usize),
) -> Option<usize> {
    if head > max_head || fragments.len() > max_fragments {
        return None;
    }
    fragments.iter().try_fold(head, |sum, fragment| {
        // QEMU breaks a device for ever that is given an empty piece.
        let possible = fragment.len > 0 && fragment.bus.checked_add(fragment.len.into()).is_some();
        possible.then_some(sum.checked_add(fragment.len as usize))?
    })
}

impl Statistics {
    /// Counts what a receive queue did.
    #[inline]
    pub(crate) fn count_received(&mut self, received: &Received) {
        self.received_frames += received.shown;
        self.received_bytes += received.bytes;
        self.received_short += received.short;
        self.received_long += received.long;
    }

    /// Counts a frame that was offered to a transmit queue, by what came of it: the bytes that were taken, or why not.
    pub(crate) fn count_transmit(
        &mut self,
        taken: Result<usize, TransmitError>,
    ) -> Result<(), TransmitError> {
        match taken {
            Ok(len) => {
                self.transmitted_frames += 1;
                self.transmitted_bytes += len as u64;
                Ok(())
            }
            Err(error) => {
                self.transmit_full += u64::from(error == TransmitError::Full);
                Err(error)
            }
        }
    }
}

/// A network card.
///
/// One owner calls it from one thread. Nothing allocates after opening, and nothing blocks but [`Nic::recover`] and
/// [`Nic::set_addresses`]. After a [`Fault`] the card
/// is reset: it takes and shows no more frames, and [`Nic::completed`] hands back what was in flight.
pub trait Nic {
    /// What the card can do.
    fn capabilities(&self) -> Capabilities;

    /// Puts a frame into a transmit queue: the bytes of `head`, in their order, and then `fragments`. The bytes are
    /// copied into memory of the driver; the card reads the fragments by itself. Nothing is promised to move before
    /// [`Nic::flush`]. `token` comes back by [`Nic::completed`], once.
    ///
    /// The frame is complete: source address included, at least [`MIN_FRAME`] bytes, no frame check.
    fn transmit(
        &mut self,
        queue: u16,
        head: &[&[u8]],
        fragments: &[Fragment],
        token: Token,
    ) -> Result<(), TransmitError>;

    /// Publishes the frames put into a transmit queue since the last flush, and tells the card if it wants to be
    /// told: at most one doorbell per burst.
    fn flush(&mut self, queue: u16);

    /// Takes back frames that the card no longer reads; how many tokens were written. A card that stopped gives back
    /// all frames in flight here, once it is certain that it reads no more.
    fn completed(&mut self, queue: u16, tokens: &mut [Token]) -> usize;

    /// Takes up to `max` frames that came in, and shows each to `each`; how many were taken from the card. A frame is
    /// contiguous, at most [`Capabilities::max_frame`] bytes, and valid for the call only. Buffers go back to the
    /// card in one burst.
    fn receive(&mut self, queue: u16, max: usize, each: &mut dyn FnMut(&[u8])) -> usize;

    /// Asks for an interrupt at the next frame, and, if frames are in flight, at the next completion; then looks once
    /// more, so that nothing is missed in between.
    fn arm(&mut self, queue: u16) -> Armed;

    /// Work goes on: no interrupts for this queue. One that is already under way may still come.
    fn disarm(&mut self, queue: u16);

    /// Tells the card that its interrupt was seen. Needed for interrupts by a line, which the card holds until then;
    /// harmless otherwise.
    fn acknowledge(&mut self);

    /// State of the link. Reads registers: ask once a second, or after an interrupt, not for every frame. Also
    /// notices a card that vanished or asks for a reset.
    fn link(&mut self) -> LinkState;

    /// Looks at the card, by the owner's clock (any that only grows): as [`Nic::link`] does, and whether frames leave it.
    /// One that holds a frame for too long while its link is up is stopped, with [`Fault::Hung`]. Ask once a second.
    fn health(&mut self, _now: Duration) -> Result<(), Fault> {
        self.link();
        self.fault().map_or(Ok(()), Err)
    }

    /// Resets the card, running or stopped, and sets it up as it was: addresses, buffers, queues. Frames in flight may be
    /// lost or sent; [`Nic::completed`] hands their tokens back. Interrupts are off until [`Nic::arm`]. May take a
    /// tenth of a second.
    ///
    /// Without [`Capabilities::recovers`] it does nothing and fails: drop the card and open it again.
    fn recover(&mut self) -> Result<(), OpenError> {
        Err(OpenError::Feature("a way back; open it again"))
    }

    /// Names the addresses whose frames are wanted besides the card's own and broadcasts; earlier ones are forgotten. A
    /// card with fewer places takes everything, and so does one that refuses. No frame to an address that was wanted and
    /// still is gets lost meanwhile. The owner still looks at each frame's address. May take a tenth of a second, where a
    /// card answers by a queue.
    fn set_addresses(&mut self, _unicast: &[MacAddress], _multicast: &[MacAddress]) -> Reception {
        Reception::All
    }

    /// Why the card was stopped, if it was.
    fn fault(&self) -> Option<Fault>;

    /// What happened so far.
    fn statistics(&self) -> Statistics;
}
