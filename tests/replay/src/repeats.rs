//! What is sent again because nobody has acknowledged it: when, how often and in which order is a matter of timers.

use mx_wire::{Connect, Format, Frame, Packet};

/// What both nodes have sent, and what ours has sent again before the native node did.
#[derive(Debug, Default)]
pub struct Repeats {
    native: Vec<Packet>,
    ours: Vec<Packet>,
    kept: Vec<Vec<u8>>,
}

impl Repeats {
    /// Notes a recorded packet; whether the native node sent it before.
    pub fn recorded(&mut self, packet: &Packet) -> bool {
        note(&mut self.native, packet)
    }

    /// Whether ours sent a packet before.
    pub fn sent(&self, packet: &Packet) -> bool {
        timed(packet).is_some_and(|packet| self.ours.contains(&packet))
    }

    /// Notes that ours sent a packet.
    pub fn note(&mut self, packet: &Packet) {
        note(&mut self.ours, packet);
    }

    /// Keeps a repeated frame of ours until the native node repeats it too.
    pub fn keep(&mut self, frame: Vec<u8>) {
        self.kept.push(frame);
    }

    /// Takes a frame like this one, if it was kept.
    pub fn take(&mut self, native: &Frame<'_>, format: &Format) -> bool {
        let like = |bytes: &Vec<u8>| Frame::parse(format, bytes).is_ok_and(|f| f == *native);
        let place = self.kept.iter().position(like);
        place.map(|place| self.kept.swap_remove(place)).is_some()
    }
}

/// The packets that timers of the library repeat, without the acknowledgement, which is always the latest.
fn timed(packet: &Packet) -> Option<Packet> {
    let mut packet = *packet;
    match &mut packet {
        Packet::Message { message, .. } => message.ack = 0,
        Packet::Connect {
            connect: Connect::Request(_),
            ..
        } => {}
        _ => return None,
    }
    Some(packet)
}

fn note(known: &mut Vec<Packet>, packet: &Packet) -> bool {
    let Some(packet) = timed(packet) else {
        return false;
    };
    let before = known.contains(&packet);
    if !before {
        known.push(packet);
    }
    before
}
