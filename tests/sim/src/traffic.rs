//! Messages of all kinds between all processes of a fabric, and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use mx_engine::Code;
use mx_engine::{Memory, PartnerKey, RequestKey, Selection};
use mx_ring::mapping::Memfd;

use crate::fabric::{APP_KEY, Fabric};

/// Bytes before and after each receive buffer that nobody may touch.
const GUARD: usize = 64;
const GUARD_BYTE: u8 = 0xa5;
/// The upper half of the match info says who sends, the lower half counts.
const SENDER_MASK: u64 = 0xffff_ffff_0000_0000;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Process that sends.
    pub from: usize,
    /// Process that receives.
    pub to: usize,
    /// Bytes.
    pub length: u32,
}

impl Message {
    /// The bytes of message `number` of its sender to its receiver.
    fn bytes(&self, number: u32) -> Vec<u8> {
        let seed = (self.from as u64) << 48 | (self.to as u64) << 32 | u64::from(number);
        let mut random = Rng::with_seed(seed);
        let mut bytes: Vec<u8> = (0..self.length.div_ceil(8))
            .flat_map(|_| random.u64(..).to_le_bytes())
            .collect();
        bytes.truncate(self.length as usize);
        bytes
    }
}

struct Send {
    from: usize,
    /// It asks the receiver first.
    asks: bool,
    request: RequestKey,
    outcome: Option<Code>,
}

struct Receive {
    message: Message,
    number: u32,
    memory: Arc<Memfd>,
    request: RequestKey,
    outcome: Option<(Code, u64, u32)>,
}

/// What became of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// Sends that ended well.
    pub sent: usize,
    /// Sends that ended with an error.
    pub failed: usize,
    /// Receives that ended well, with the right bytes of the right message.
    pub received: usize,
    /// Receives that ended in another way.
    pub wrong: usize,
    /// Receives that nothing has matched.
    pub open: usize,
}

/// When a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// All sends have ended but those that ask the receiver first: on a wire that changes bytes, it may have been asked
    /// for another message.
    EagerSent,
    /// All receives have ended, too.
    Received,
}

/// The longest message that is sent without asking.
const EAGER_MAX: u32 = 32 << 10;

/// The longest time between two calls of the application.
const SOON: Duration = Duration::from_micros(50);

/// A run of messages.
pub struct Traffic {
    sends: Vec<Send>,
    receives: Vec<Receive>,
    sent: usize,
}

impl Traffic {
    /// Lets all processes find each other, connect, and exchange these messages, until they have ended, or this much
    /// time is over. Receives are posted early or late, as the seed says.
    ///
    /// # Panics
    /// When the time is over before processes find each other, or memory lacks.
    pub fn run(
        fabric: &mut Fabric,
        messages: &[Message],
        seed: u64,
        until: Until,
        within: Duration,
    ) -> Self {
        let mut random = Rng::with_seed(seed);
        let pairs: Vec<(usize, usize)> = messages.iter().map(|m| (m.from, m.to)).collect();
        let partners = connect_all(fabric, &pairs, within);
        let mut traffic = Self {
            sends: Vec::new(),
            receives: Vec::new(),
            sent: 0,
        };
        let mut numbers = BTreeMap::new();
        let mut numbered: Vec<(Message, u32)> = Vec::new();
        for message in messages {
            let next = numbers.entry((message.from, message.to)).or_insert(0);
            numbered.push((*message, *next));
            *next += 1;
        }
        let mut to_send = numbered.iter();
        let mut to_receive = numbered.iter();
        while !traffic.is_over(messages.len(), until) && fabric.elapsed() < within {
            for _ in 0..random.u32(..4) {
                if let Some((message, number)) = to_send.next() {
                    if let Some(partner) = partners.get(&(message.from, message.to)) {
                        traffic.send(fabric, *message, *number, *partner, &mut random);
                    }
                    traffic.sent += 1;
                }
            }
            for _ in 0..random.u32(..4) {
                if let Some((message, number)) = to_receive.next() {
                    traffic.receive(fabric, *message, *number);
                }
            }
            // While there is more to do, the next thing comes soon; then only timers are left.
            let more = traffic.sent < messages.len() || traffic.receives.len() < messages.len();
            for _ in 0..1 + random.u32(..20) {
                fabric.step(more.then_some(SOON));
            }
            traffic.collect(fabric);
        }
        traffic
    }

    fn is_over(&self, messages: usize, until: Until) -> bool {
        let ended =
            |send: &Send| send.outcome.is_some() || (send.asks && until == Until::EagerSent);
        let sent = self.sends.iter().all(ended);
        let received = self.receives.iter().all(|it| it.outcome.is_some());
        self.sent == messages
            && self.receives.len() == messages
            && sent
            && (received || until == Until::EagerSent)
    }

    fn send(
        &mut self,
        fabric: &mut Fabric,
        message: Message,
        number: u32,
        partner: PartnerKey,
        random: &mut Rng,
    ) {
        let bytes = message.bytes(number);
        let (memory, view) = message_memory(message.length);
        memory
            .slice()
            .write(GUARD, &bytes)
            .expect("a message's memory");
        let match_info = (message.from as u64) << 32 | u64::from(number);
        let synchronous = random.u32(..8) == 0;
        let process = &mut fabric.processes[message.from].1;
        let context = self.sends.len() as u64;
        let request = process.engine.send(
            partner,
            view,
            match_info,
            context,
            synchronous,
            &mut process.port,
        );
        self.sends.push(Send {
            from: message.from,
            asks: synchronous || message.length > EAGER_MAX,
            request,
            outcome: None,
        });
    }

    fn receive(&mut self, fabric: &mut Fabric, message: Message, number: u32) {
        let (memory, view) = message_memory(message.length);
        let process = &mut fabric.processes[message.to].1;
        let match_info = (message.from as u64) << 32;
        let request = process.engine.receive(
            view,
            Selection::new(match_info, SENDER_MASK),
            0,
            &mut process.port,
        );
        self.receives.push(Receive {
            message,
            number,
            memory,
            request,
            outcome: None,
        });
    }

    fn collect(&mut self, fabric: &mut Fabric) {
        for send in self.sends.iter_mut().filter(|send| send.outcome.is_none()) {
            let engine = &mut fabric.processes[send.from].1.engine;
            send.outcome = engine.take_done(send.request).map(|outcome| outcome.code);
        }
        for receive in self
            .receives
            .iter_mut()
            .filter(|receive| receive.outcome.is_none())
        {
            let engine = &mut fabric.processes[receive.message.to].1.engine;
            if let Some(outcome) = engine.take_done(receive.request) {
                receive.outcome = Some((outcome.code, outcome.match_info, outcome.transferred));
            }
        }
    }

    /// Counts what became of the messages.
    ///
    /// # Panics
    /// When bytes outside of a message were written.
    pub fn outcomes(&self) -> Outcomes {
        let mut outcomes = Outcomes::default();
        for send in &self.sends {
            match send.outcome {
                Some(Code::Success) => outcomes.sent += 1,
                Some(_) => outcomes.failed += 1,
                None => {}
            }
        }
        for receive in &self.receives {
            let content = receive.content();
            let expected = receive.message.bytes(receive.number);
            let match_info = (receive.message.from as u64) << 32 | u64::from(receive.number);
            match receive.outcome {
                None => outcomes.open += 1,
                Some((Code::Success, info, transferred))
                    if info == match_info
                        && transferred == receive.message.length
                        && content == expected =>
                {
                    outcomes.received += 1;
                }
                Some(_) => outcomes.wrong += 1,
            }
        }
        outcomes
    }
}

impl Receive {
    /// The message's bytes, after a look at what lies around them.
    fn content(&self) -> Vec<u8> {
        let mut bytes = vec![0; self.memory.slice().len()];
        self.memory.slice().read(0, &mut bytes).expect("own memory");
        let end = GUARD + self.message.length as usize;
        let guards = bytes[..GUARD].iter().chain(&bytes[end..]);
        assert!(
            guards.copied().all(|byte| byte == GUARD_BYTE),
            "bytes around {:?} number {} were written",
            self.message,
            self.number
        );
        bytes[GUARD..end].to_vec()
    }
}

/// Memory for a message between guards, and the message's part of it.
fn message_memory(length: u32) -> (Arc<Memfd>, Memory) {
    let size = length as usize + 2 * GUARD;
    let memory = Arc::new(Memfd::create("sim message", size).expect("memory"));
    memory
        .slice()
        .write(0, &vec![GUARD_BYTE; size])
        .expect("own memory");
    let part = memory
        .slice()
        .part(GUARD, length as usize)
        .expect("own memory");
    let view = Memory::owned(part, memory.clone()).expect("less than 4 GiB");
    (memory, view)
}

/// Connects each sender to its receivers; who could not be reached is missing.
pub fn connect_all(
    fabric: &mut Fabric,
    pairs: &[(usize, usize)],
    within: Duration,
) -> BTreeMap<(usize, usize), PartnerKey> {
    let mut pairs = pairs.to_vec();
    pairs.sort_unstable();
    pairs.dedup();
    while pairs
        .iter()
        .any(|(of, other)| fabric.peer_index(*of, *other).is_none())
    {
        assert!(
            fabric.elapsed() < within,
            "the boards did not find each other"
        );
        fabric.step(None);
    }
    let mut connects = Vec::new();
    for (from, to) in pairs {
        let peer = fabric.peer_index(from, to).expect("waited for above");
        let endpoint = fabric.processes[to].1.key.endpoint;
        let process = &mut fabric.processes[from].1;
        let request = process
            .engine
            .connect(peer, endpoint, APP_KEY, 0, 0, &mut process.port);
        connects.push((from, to, request));
    }
    let done = |fabric: &Fabric| {
        connects.iter().all(|(from, _, request)| {
            fabric.processes[*from].1.engine.is_done(*request) == Some(true)
        })
    };
    while !done(fabric) && fabric.elapsed() < within {
        fabric.step(None);
    }
    connects
        .into_iter()
        .filter_map(|(from, to, request)| {
            let outcome = fabric.processes[from].1.engine.take_done(request)?;
            let partner = outcome.partner.filter(|_| outcome.code == Code::Success)?;
            Some(((from, to), partner))
        })
        .collect()
}
