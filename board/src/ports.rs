//! What the switch asks of its backend, and the ways in which it says no.

use mx_ring::{Command, Event, RegionKey, Window};
use mx_wire::{BuildError, Header};

use crate::key::{BoardId, EndpointKey, Extent, RegionInfo, Source};

/// The outgoing side cannot take a frame now. The switch keeps what must not be lost and asks again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the outgoing side is full: try again after it has sent something")]
pub struct Full;

/// What becomes of a frame that the outgoing side has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It goes to the wire.
    Sent,
    /// It does not: the way out is gone, or takes only shorter frames.
    Lost,
}

/// An event found no room. Events of messages are then dropped, as a full card would; a `PullDone` is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the endpoint's event queue or receive ring is full")]
pub struct NoRoom;

/// Memory that was named does not exist (any more), or may not be used so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the named memory is not registered, too short, or not writable")]
pub struct BadMemory;

/// What a process did that an honest library never does. Its endpoint is to be closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Blame {
    /// The endpoint that commands is not open on this board.
    #[error("a command of an endpoint that is not open")]
    NotOpen,
    /// A payload is longer than its message type allows.
    #[error("a payload longer than its message type allows")]
    PayloadTooLong,
    /// A medium fragment does not fit its message, or the message is longer than the format allows.
    #[error("a medium fragment that does not fit its message")]
    BadFragment,
    /// A pull of 0 bytes, or one whose end is beyond 4 GiB, or that starts where the wire format cannot name it.
    #[error("a pull of no bytes, or beyond the end of a message")]
    BadPullLength,
}

/// Why a command was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No room on the way out: give the same command again later.
    #[error("no room for the command's frame: try again later")]
    Full,
    /// The endpoint has as many pulls running as it may: give the same command again later.
    #[error("as many pulls run as the endpoint may have: try again later")]
    PullsFull,
    /// The process is to blame: close its endpoint.
    #[error(transparent)]
    Misbehaved(Blame),
}

impl From<Full> for CommandError {
    fn from(_: Full) -> Self {
        Self::Full
    }
}

impl From<Blame> for CommandError {
    fn from(blame: Blame) -> Self {
        Self::Misbehaved(blame)
    }
}

/// The backend's side of the switch, borrowed for one call. It cannot call back.
///
/// The switch names memory and never holds it: the backend resolves a [`Source`] or [`Extent`] at the call, checks it
/// against what is registered at that moment, and counts whatever goes on reading it after the call (a frame in
/// flight).
pub trait Ports {
    /// Takes the endpoint's next command, with its index in the queue. Of one that has no meaning the backend takes care.
    fn next_command(&mut self, owner: EndpointKey) -> Option<(u32, Command)>;

    /// The endpoint's last command could not be carried out: it will be the next again.
    fn put_back(&mut self, owner: EndpointKey);

    /// Commands of the endpoint were carried out, for now the last. Whether it is no longer to be polled, as
    /// [`Self::may_rest`] says of one that has none.
    fn commands_done(&mut self, owner: EndpointKey) -> bool;

    /// No command of the endpoint waits. Whether it is no longer to be polled, but only after [`crate::Switch::poll`].
    fn may_rest(&mut self, owner: EndpointKey) -> bool;

    /// The endpoint's process did what an honest one never does.
    fn blame(&mut self, owner: EndpointKey, blame: Blame);

    /// Hands a frame to the wire: the header, the payload, then zeros up to the header's frame length.
    ///
    /// A payload whose memory cannot be resolved is taken: nothing is sent, as if the frame had been lost on its way.
    fn transmit(&mut self, header: &Header, payload: Source<'_>) -> Result<Taken, Full>;

    /// A packet goes from one board to another, as a value: whoever looks on may have the header that it would have on the
    /// wire.
    fn look(&mut self, _header: impl FnOnce() -> Result<Header, BuildError>, _payload: Source<'_>) {
    }

    /// Puts an event into the endpoint's queue: `PullDone` into the expected one, everything else into the unexpected
    /// one. The payload of `Small` and `Medium` goes into the receive ring, and the backend fills in the event's
    /// position.
    fn deliver(
        &mut self,
        to: EndpointKey,
        event: &Event,
        payload: Source<'_>,
    ) -> Result<(), NoRoom>;

    /// Copies a payload into a region, whole or not at all.
    fn copy(&mut self, from: Source<'_>, to: Extent) -> Result<(), BadMemory>;

    /// A copy of the endpoint's window, if it is bound. What it names is still to be checked.
    fn window(&mut self, owner: EndpointKey, id: u8) -> Option<Window>;

    /// What a region allows, if it is registered and not being given back.
    fn region(&mut self, owner: EndpointKey, region: RegionKey) -> Option<RegionInfo>;

    /// The board's peer of this index is new, or has another name or place: publish it.
    fn peer_changed(&mut self, board: BoardId, index: u16);

    /// A RAW frame has reached a board: for its raw endpoint, if a process has opened it.
    fn raw(&mut self, to: BoardId, frame: &[u8]) -> Result<(), NoRoom>;
}
