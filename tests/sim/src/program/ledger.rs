//! What was asked for, what became of it, and whether MX allows that.

use std::sync::Arc;

use fastrand::Rng;
use mx_engine::Code;
use mx_engine::{Memory, Outcome, RequestKey};
use mx_ring::mapping::Memfd;

const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;
/// The lower half of the match info is the message's number here, the byte above says who sends, the highest is a tag.
const SENDER_SHIFT: u32 = 48;
const TAG_SHIFT: u32 = 56;

/// Masks that receives use: anything, a tag, a tag of a sender, one message.
pub const MASKS: [u64; 4] = [0, 0xff << TAG_SHIFT, 0xffff << SENDER_SHIFT, u64::MAX];

/// Memory of one message between guards.
pub struct Place {
    memory: Arc<Memfd>,
    length: usize,
}

impl Place {
    /// Memory for so many bytes, all of it drawn as guards are.
    pub fn new(length: u32) -> Self {
        let length = length as usize;
        let size = length + 2 * GUARD;
        let memory = Arc::new(Memfd::create("sim message", size).expect("memory"));
        let slice = memory.slice();
        slice.write(0, &vec![GUARD_BYTE; size]).expect("own memory");
        Self { memory, length }
    }

    /// The memory of the message.
    pub fn message(&self) -> Memory {
        let part = self.memory.slice().part(GUARD, self.length);
        Memory::owned(part.expect("own memory"), self.memory.clone()).expect("less than 4 GiB")
    }

    fn write(&self, bytes: &[u8]) {
        let slice = self.memory.slice();
        slice.write(GUARD, bytes).expect("own memory");
    }

    /// The content, if nothing beyond its first `length` bytes was touched.
    fn content(&self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.length + 2 * GUARD];
        self.memory.slice().read(0, &mut bytes).expect("own memory");
        let end = GUARD + length.min(self.length);
        let around = bytes[..GUARD].iter().chain(&bytes[end..]);
        around
            .copied()
            .all(|byte| byte == GUARD_BYTE)
            .then(|| bytes[GUARD..end].to_vec())
    }
}

/// A message that was sent.
pub struct Sent {
    /// Processes.
    pub from: usize,
    /// Processes.
    pub to: usize,
    /// The relation of both at that time, if it was whole.
    pub relation: Option<u32>,
    /// Match info.
    pub info: u64,
    /// Bytes.
    pub length: u32,
    /// The request, unless it was forgotten.
    pub request: Option<RequestKey>,
    /// How it ended.
    pub code: Option<Code>,
    /// The receive that got it.
    pub received: Option<usize>,
    _place: Place,
}

/// What became of a receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Posted,
    /// It was taken back, as the event of that number.
    Cancelled(usize),
    /// It got a message.
    Got {
        /// Number of the message.
        message: usize,
        /// Number of the event when that was seen.
        at: usize,
    },
    /// It got a message that did not come to its end.
    Broken,
}

/// A receive that was posted.
pub struct Received {
    /// The process.
    pub at: usize,
    /// What it asks for.
    pub info: u64,
    /// What it asks for.
    pub mask: u64,
    /// Room.
    pub length: u32,
    /// The request.
    pub request: RequestKey,
    /// What became of it.
    pub fate: Fate,
    place: Place,
}

/// All messages and receives of a program.
#[derive(Default)]
pub struct Ledger {
    seed: u64,
    /// Counts what happens to receives.
    events: usize,
    /// In the order of sending.
    pub sent: Vec<Sent>,
    /// In the order of posting.
    pub received: Vec<Received>,
}

impl Ledger {
    /// Empty. The seed determines the bytes of messages.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            ..Self::default()
        }
    }

    fn bytes(&self, number: usize, length: u32) -> Vec<u8> {
        let mut random = Rng::with_seed(self.seed.rotate_left(32) ^ number as u64);
        let words = (0..length.div_ceil(8)).flat_map(|_| random.u64(..).to_le_bytes());
        words.take(length as usize).collect()
    }

    /// Memory with the bytes of the next message, and its match info.
    pub fn next_message(&self, from: usize, tag: u32, length: u32) -> (Place, u64) {
        let place = Place::new(length);
        place.write(&self.bytes(self.sent.len(), length));
        let info = u64::from(tag) << TAG_SHIFT
            | (from as u64 & 0xff) << SENDER_SHIFT
            | self.sent.len() as u64;
        (place, info)
    }

    /// Notes a message that was sent from the memory of [`Self::next_message`].
    pub fn note_sent(
        &mut self,
        (from, to): (usize, usize),
        relation: Option<u32>,
        (place, info): (Place, u64),
        request: RequestKey,
    ) {
        self.sent.push(Sent {
            from,
            to,
            relation,
            info,
            length: place.length as u32,
            request: Some(request),
            code: None,
            received: None,
            _place: place,
        });
    }

    /// Notes a receive that was posted.
    pub fn note_posted(
        &mut self,
        at: usize,
        (info, mask): (u64, u64),
        place: Place,
        request: RequestKey,
    ) {
        self.received.push(Received {
            at,
            info,
            mask,
            length: place.length as u32,
            request,
            fate: Fate::Posted,
            place,
        });
    }

    /// The message that a match info names, if it was sent to this process.
    pub fn message_of(&self, info: u64, to: usize) -> Option<usize> {
        let number = usize::try_from(info & 0xffff_ffff).ok()?;
        let sent = self.sent.get(number)?;
        (sent.info == info && sent.to == to).then_some(number)
    }

    /// Judges a receive that is done.
    pub fn judge(&mut self, receive: usize, outcome: &Outcome) -> Result<(), String> {
        let posted = &self.received[receive];
        let wrong = |what: &str| {
            Err(format!(
                "receive {receive} at process {}: {what}: {outcome:?}",
                posted.at
            ))
        };
        let full = outcome.message_length.min(posted.length);
        if outcome.code != Code::Success && outcome.code != Code::MessageTruncated {
            self.received[receive].fate = Fate::Broken;
            return Ok(());
        }
        let Some(number) = self.message_of(outcome.match_info, posted.at) else {
            return wrong("nobody sent such a message");
        };
        let sent = &self.sent[number];
        if outcome.match_info & posted.mask != posted.info {
            return wrong("it does not match");
        }
        if sent.received.is_some() {
            return wrong("it has arrived before");
        }
        if outcome.message_length != sent.length || outcome.transferred != full {
            return wrong("its lengths are wrong");
        }
        let cut = full < sent.length;
        if (outcome.code == Code::MessageTruncated) != cut {
            return wrong("its code and its lengths disagree");
        }
        match posted.place.content(full as usize) {
            None => return wrong("bytes around it were written"),
            Some(content) if content != self.bytes(number, sent.length)[..full as usize] => {
                return wrong("its bytes are wrong");
            }
            Some(_) => {}
        }
        self.events += 1;
        self.sent[number].received = Some(receive);
        self.received[receive].fate = Fate::Got {
            message: number,
            at: self.events,
        };
        Ok(())
    }

    /// Notes that a receive was taken back.
    pub fn note_cancelled(&mut self, receive: usize) {
        self.events += 1;
        if let Some(receive) = self.received.get_mut(receive) {
            receive.fate = Fate::Cancelled(self.events);
        }
    }

    /// The first receive that fits got each message: no receive that was posted earlier was still waiting, and was taken
    /// back only afterwards.
    pub fn check_posting(&self) -> Result<(), String> {
        for (number, later) in self.received.iter().enumerate() {
            let Fate::Got { message, at: got } = later.fate else {
                continue;
            };
            let info = self.sent[message].info;
            let passed_over = self.received[..number].iter().position(|earlier| {
                let waited = matches!(earlier.fate, Fate::Cancelled(at) if at > got);
                waited && earlier.at == later.at && info & earlier.mask == earlier.info
            });
            if let Some(earlier) = passed_over {
                return Err(format!(
                    "receive {number} got message {message} although receive {earlier} waited for it"
                ));
            }
        }
        Ok(())
    }

    /// Nothing was written beside a receive's memory; nor within, when it got nothing.
    pub fn check_places(&self) -> Result<(), String> {
        for (number, receive) in self.received.iter().enumerate() {
            let within = match receive.fate {
                Fate::Cancelled(_) => 0,
                _ => receive.length as usize,
            };
            if receive.place.content(within).is_none() {
                return Err(format!(
                    "receive {number} ({:?}): memory that is not its own was written",
                    receive.fate
                ));
            }
        }
        Ok(())
    }

    /// Messages from one process to another, within one relation, reached the receives in the order of sending: no
    /// receive got a later message than one posted after it, if it would have taken that one's.
    pub fn check_order(&self) -> Result<(), String> {
        for (number, earlier) in self.received.iter().enumerate() {
            let Fate::Got { message: first, .. } = earlier.fate else {
                continue;
            };
            for (other, later) in self.received.iter().enumerate().skip(number + 1) {
                let Fate::Got {
                    message: second, ..
                } = later.fate
                else {
                    continue;
                };
                let (sent, overtaken) = (&self.sent[first], &self.sent[second]);
                let same = (sent.from, sent.to, sent.relation)
                    == (overtaken.from, overtaken.to, overtaken.relation)
                    && sent.relation.is_some();
                if same && second < first && overtaken.info & earlier.mask == earlier.info {
                    return Err(format!(
                        "receive {number} got message {first}, receive {other} message {second}: against the order"
                    ));
                }
            }
        }
        Ok(())
    }
}
