//! What comes from the board, and who acts on it.

use mx_ring::{Event, EventBody, Place, VolatileSlice};
use mx_wire::Connect;

use crate::engine::Engine;
use crate::memory::Payload;
use crate::queue_port::QueuePort;

impl Engine {
    /// Takes an event from the board. `payload` is what a small or medium message carries, still in shared memory.
    pub fn event(
        &mut self,
        event: &Event,
        payload: Option<VolatileSlice>,
        port: &mut impl QueuePort,
    ) {
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
                self.message(from, message, payload, port);
            }
            EventBody::Connect { session, connect } => match connect {
                Connect::Request(request) => self.connect_request(from, *session, request, port),
                Connect::Reply(reply) => self.connect_reply(from, *session, reply, port),
            },
            EventBody::Ack(ack) => self.explicit_ack(from, ack, port),
            EventBody::Nack(nack) => self.nack(from, nack, port),
            EventBody::PullDone(done) => self.pull_done(done, port),
            EventBody::Wanted(wanted) => self.wanted(wanted),
        }
    }
}
