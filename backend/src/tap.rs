//! A copy of every frame, for whoever looks on: of those that go out, that come in, and of packets between boards of this
//! backend, which pass as values and are made frames for this alone.

use mx_wire::ETHERTYPE;

use crate::frame_sink::Payload;

/// Where the EtherType is in a frame.
const TYPE: core::ops::Range<usize> = 12..14;

/// Who gets the copies. He is called in the backend's loop: he must not block. He goes with the backend to another thread.
pub trait Tap: Send {
    /// A frame of `length` bytes: `head`, then `payload`, then zeros. What the payload holds may change while it is read,
    /// and need not be what was sent.
    fn frame(&mut self, head: &[u8], payload: Payload<'_>, length: usize);
}

/// Shows a frame that came in, if it is Open-MX's.
pub(crate) fn came_in(tap: &mut dyn Tap, frame: &[u8]) {
    if frame.get(TYPE) == Some(&ETHERTYPE.to_be_bytes()) {
        tap.frame(frame, Payload::NONE, frame.len());
    }
}
