//! What comes from the board, and who acts on it.

use mx_ring::{Event, EventBody, Place, VolatileSlice};
use mx_wire::Connect;

use crate::engine::Engine;
use crate::link::Link;
use crate::memory::Payload;

impl Engine {
    /// Takes an event from the board. `payload` is what a small or medium message carries, still in shared memory.
    pub fn event(&mut self, event: &Event, payload: Option<VolatileSlice>, link: &mut impl Link) {
        let from = event.from;
        match &event.body {
            EventBody::Message(message, place) => {
                let payload = match (place, payload) {
                    (Place::Inline(data), _) => {
                        let length = usize::from(message.content.length());
                        Payload::Bytes(data.get(..length).unwrap_or(data))
                    }
                    (Place::At(_), Some(slice)) => Payload::Shared(slice),
                    (Place::At(_), None) => return,
                    (Place::Apart, _) => Payload::Bytes(&[]),
                };
                self.message(from, message, payload, link);
            }
            EventBody::Connect { session, connect } => match connect {
                Connect::Request(request) => self.connect_request(from, *session, request, link),
                Connect::Reply(reply) => self.connect_reply(from, *session, reply, link),
            },
            EventBody::Ack(ack) => self.explicit_ack(from, ack, link),
            EventBody::Nack(nack) => self.nack(from, nack, link),
            EventBody::PullDone(done) => self.pull_done(done, link),
            EventBody::Wanted(wanted) => self.wanted(wanted),
        }
    }
}
