//! What an application must have done for its node to send what was recorded.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mx_wire::{Connect, Content, Ends, Format, Frame, MacAddress, Message, Packet, Rendezvous};

/// A call of the application. It is made just before the frame that it causes, or that it awaits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect to an endpoint.
    Connect {
        /// Own and other endpoint.
        ends: Ends,
        /// The other node.
        peer: MacAddress,
        /// The application's key.
        key: u32,
    },
    /// Send a message.
    Send {
        /// Own and other endpoint.
        ends: Ends,
        /// The other node.
        peer: MacAddress,
        /// Match info.
        match_info: u64,
        /// The message, zero where the capture does not show it.
        bytes: Vec<u8>,
        /// It announces itself by a RNDV.
        rendezvous: bool,
    },
    /// Post a receive for a message of exactly this match info.
    Receive {
        /// Own endpoint.
        endpoint: u8,
        /// Match info.
        match_info: u64,
        /// The message as far as it was transferred, zero where the capture does not show it.
        bytes: Vec<u8>,
        /// Whether the capture shows every byte.
        whole: bool,
    },
}

/// The calls that precede each frame, by the frame's number.
pub type Actions = HashMap<usize, Vec<Action>>;

/// A message as it is told by its frames: who to whom, in which session, with which number.
type MessageKey = (MacAddress, Ends, u32, u16);

/// Infers the calls of the applications of node `own`.
pub fn infer(frames: &[(Duration, Frame<'_>)], own: MacAddress, format: &Format) -> Actions {
    let contents = Contents::gather(frames, format);
    let mut actions = Actions::new();
    let mut connects = HashSet::new();
    let mut messages = HashSet::new();
    let mut answered = HashSet::new();
    for (number, (_, frame)) in frames.iter().enumerate() {
        let is_own = frame.source == own;
        let is_for_own = frame.destination == own;
        if !is_own && !is_for_own {
            continue;
        }
        let action = match frame.packet {
            Packet::Connect {
                ends,
                session,
                connect: Connect::Request(c),
                ..
            } if is_own => connects
                .insert((ends, session, c.connect_seqnum))
                .then_some(Action::Connect {
                    ends,
                    peer: frame.destination,
                    key: c.key,
                }),
            Packet::Message {
                ends,
                message:
                    Message {
                        content: Content::Notify(n),
                        ..
                    },
                ..
            } if is_own => {
                let window = (ends.source, n.window, n.window_seqnum);
                offer(&frames[..number], own, window)
                    .filter(|(key, _)| answered.insert(*key))
                    .map(|(key, rendezvous)| {
                        receive(&contents, key, &rendezvous, n.transferred as usize)
                    })
            }
            Packet::Message { .. } => {
                let Some((key, match_info, is_large)) = message(frame) else {
                    continue;
                };
                let is_new = messages.insert(key);
                match (is_own, is_large) {
                    (true, _) => is_new.then(|| Action::Send {
                        ends: key.1,
                        peer: frame.destination,
                        match_info,
                        bytes: contents.of(key).0,
                        rendezvous: is_large,
                    }),
                    // Where the application was late, a PULL or a NOTIFY tells when it came.
                    (false, true) => None,
                    (false, false) => is_new.then(|| {
                        let (bytes, whole) = contents.of(key);
                        Action::Receive {
                            endpoint: key.1.destination,
                            match_info,
                            bytes,
                            whole,
                        }
                    }),
                }
            }
            Packet::Pull(p) if is_own => {
                let window = (p.ends.source, p.window as u8, p.window_seqnum);
                offer(&frames[..number], own, window)
                    .filter(|(key, _)| answered.insert(*key))
                    .map(|(key, rendezvous)| receive(&contents, key, &rendezvous, p.total as usize))
            }
            _ => None,
        };
        if let Some(action) = action {
            actions.entry(number).or_default().push(action);
        }
    }
    actions
}

fn receive(contents: &Contents, key: MessageKey, offer: &Rendezvous, length: usize) -> Action {
    let (mut bytes, whole) = contents.of(key);
    bytes.resize(length, 0);
    Action::Receive {
        endpoint: key.1.destination,
        match_info: offer.match_info,
        whole: whole && length > 0,
        bytes,
    }
}

/// The key of a frame's message, its match info, and whether it is only an offer.
fn message(frame: &Frame<'_>) -> Option<(MessageKey, u64, bool)> {
    let Packet::Message {
        ends,
        session,
        message,
    } = frame.packet
    else {
        return None;
    };
    let (match_info, is_large) = match message.content {
        Content::Tiny(m) | Content::Small(m) => (m.match_info, false),
        Content::Medium(m) => (m.match_info, false),
        Content::Rendezvous(m) => (m.match_info, true),
        Content::Notify(_) => return None,
    };
    let key = (frame.source, ends, session, message.seq);
    Some((key, match_info, is_large))
}

/// The last RNDV to an endpoint of `own` that named this window and use of it.
fn offer(
    before: &[(Duration, Frame<'_>)],
    own: MacAddress,
    (endpoint, window, seqnum): (u8, u8, u8),
) -> Option<(MessageKey, Rendezvous)> {
    before.iter().rev().find_map(|(_, frame)| {
        let (key, _, _) = message(frame)?;
        let Some(Content::Rendezvous(r)) = frame.packet.content() else {
            return None;
        };
        let fits = frame.destination == own
            && (key.1.destination, r.window, r.window_seqnum) == (endpoint, window, seqnum);
        fits.then_some((key, r))
    })
}

/// The bytes of all messages, as far as the capture shows them.
struct Contents(HashMap<MessageKey, Bytes>);

#[derive(Default)]
struct Bytes {
    bytes: Vec<u8>,
    seen: usize,
    offsets: HashSet<u32>,
}

impl Bytes {
    fn put(&mut self, offset: u32, payload: &[u8]) {
        let start = offset as usize;
        if let Some(place) = self.bytes.get_mut(start..start + payload.len())
            && self.offsets.insert(offset)
        {
            place.copy_from_slice(payload);
            self.seen += payload.len();
        }
    }
}

impl Contents {
    fn gather(frames: &[(Duration, Frame<'_>)], format: &Format) -> Self {
        let mut all: HashMap<MessageKey, Bytes> = HashMap::new();
        // Who pulls, by handle and magic: which message of whom.
        let mut pulls: HashMap<(MacAddress, u32, u32), MessageKey> = HashMap::new();
        for (number, (_, frame)) in frames.iter().enumerate() {
            match frame.packet {
                Packet::PullReply(r) => {
                    let puller = (frame.destination, r.handle, r.magic);
                    if let Some(content) = pulls.get(&puller).and_then(|key| all.get_mut(key)) {
                        content.put(r.message_offset, frame.payload);
                    }
                }
                Packet::Pull(p) => {
                    let window = (p.ends.source, p.window as u8, p.window_seqnum);
                    if let Some((key, _)) = offer(&frames[..number], frame.source, window) {
                        pulls.insert((frame.source, p.handle, p.magic), key);
                    }
                }
                _ => {
                    let Some((key, _, _)) = message(frame) else {
                        continue;
                    };
                    let content = all.entry(key).or_default();
                    let (total, offset) = match frame.packet.content() {
                        Some(Content::Medium(m)) => (m.total, m.offset(format)),
                        Some(Content::Rendezvous(r)) => (r.total, 0),
                        _ => (frame.payload.len() as u32, 0),
                    };
                    content.bytes.resize(total as usize, 0);
                    if !frame.payload.is_empty() {
                        content.put(offset, frame.payload);
                    }
                }
            }
        }
        Self(all)
    }

    /// A message's bytes, and whether all of them are shown.
    fn of(&self, key: MessageKey) -> (Vec<u8>, bool) {
        self.0.get(&key).map_or_else(Default::default, |content| {
            (content.bytes.clone(), content.seen == content.bytes.len())
        })
    }
}
