//! An engine of our side, and what most tests do with it first.

use mx_engine::{Config, Engine, PartnerKey, RequestKey, Selection};

use super::buffer::memory;
use super::peer::{request, tiny};
use super::recorder::Recorder;

pub fn engine() -> Engine {
    Engine::new(Config::new(0xa, 7, 8192, false))
}

pub fn send(engine: &mut Engine, port: &mut Recorder, to: PartnerKey) -> RequestKey {
    let memory = memory(1);
    engine.send(to, memory, 1, 0, false, port)
}

pub fn receive(engine: &mut Engine, port: &mut Recorder) -> RequestKey {
    let memory = memory(1);
    engine.receive(memory, Selection::new(0, 0), 0, port)
}

/// A native node connects and sends a message; the engine's name for it.
pub fn greeted(engine: &mut Engine, port: &mut Recorder) -> PartnerKey {
    let receive = receive(engine, port);
    engine.event(&request(1, 0), None, port);
    engine.event(&tiny(1, 1), None, port);
    engine.take_done(receive).unwrap().partner.unwrap()
}
