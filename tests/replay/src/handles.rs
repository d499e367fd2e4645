//! Handles of pulls, which the native driver counts and a board chooses at random: which of theirs is which of ours.

use std::collections::HashMap;

use mx_wire::{Frame, Packet, Pull};

/// Native handles of own pulls, and what our board calls them; by magic, since each endpoint counts for itself.
#[derive(Debug, Default)]
pub struct Handles(HashMap<(u32, u32), u32>);

impl Handles {
    /// A PULL of ours is that native one.
    pub fn learn(&mut self, native: &Packet, ours: &Packet) {
        if let (Packet::Pull(native), Packet::Pull(ours)) = (native, ours) {
            self.0.insert((native.magic, native.handle), ours.handle);
        }
    }

    /// Whether these may be requests of the same pull.
    pub fn agree(&self, native: &Pull, ours: &Pull) -> bool {
        match self.0.get(&(native.magic, native.handle)) {
            Some(known) => *known == ours.handle,
            None => !self.0.values().any(|known| *known == ours.handle),
        }
    }

    /// The other node's answer to a native pull, made out to ours.
    pub fn ours<'a>(&self, frame: &Frame<'a>) -> Frame<'a> {
        let mut frame = *frame;
        let translate = |magic: u32, handle: &mut u32| {
            if let Some(ours) = self.0.get(&(magic, *handle)) {
                *handle = *ours;
            }
        };
        match &mut frame.packet {
            Packet::PullReply(reply) => translate(reply.magic, &mut reply.handle),
            Packet::NackMcp(nack) => translate(nack.magic, &mut nack.handle),
            _ => {}
        }
        frame
    }
}
