//! One side of one capture: the other side's frames go in, and each recorded own frame must come out.

use std::collections::BTreeMap;
use std::time::Duration;

use mx_wire::{Beacon, Frame, MacAddress, NackCode, Packet};

use crate::actions::{self, Action, Actions};
use crate::facts;
use crate::handles::Handles;
use crate::recording::{Opened, Recording, acquaintances, endpoints, speakers};
use crate::repeats::Repeats;
use crate::rules::{Difference, Rule, rule_for};
use crate::stack::{Stack, addressee};

/// So long a frame may let itself be waited for, by our clock: a native node's are 0.5 s apart, ours back off.
const TIMEOUT: Duration = Duration::from_secs(60);
/// So long our stack goes on after the last frame.
const AFTERMATH: Duration = Duration::from_millis(100);
/// After so many failures the rest of a capture says nothing.
const FAILURES: usize = 6;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Frames that are the same.
    pub same: u64,
    /// Explicit acknowledgements that the native node sent, and ours.
    pub acks: (u64, u64),
    /// Messages that the native node sent again, and ours.
    pub repeats: (u64, u64),
    /// Messages received whole and compared.
    pub verified: u64,
    /// Differences that a rule explains, by its name.
    pub explained: BTreeMap<&'static str, u64>,
    /// All others.
    pub failures: Vec<String>,
}

/// Plays the side of `own`.
pub fn play(recording: &Recording, own: MacAddress) -> Outcome {
    let frames = recording.frames();
    let mut stack = Stack::new(recording.format, own, &name(&frames, own));
    let beacons = frames.iter().any(|(_, frame)| frame.packet == Packet::Raw);
    if !beacons {
        for other in acquaintances(&frames, own) {
            stack.meet(&other);
        }
        stack.run();
        stack.clear();
    } else {
        stack.run();
    }
    let endpoints = endpoints(&frames, own);
    for (endpoint, opened) in &endpoints {
        stack.open(*endpoint, *opened);
    }
    let speaker = speakers(&frames).iter().position(|mac| *mac == own);
    let mut play = Play {
        recording,
        actions: actions::infer(&frames, own, &recording.format),
        facts: facts::of(recording.stem(), speaker.unwrap_or(0)).collect(),
        frames,
        own,
        beacons,
        endpoints,
        handles: Handles::default(),
        stack,
        repeats: Repeats::default(),
        acknowledged: (0, 0),
        outcome: Outcome::default(),
    };
    play.run();
    play.outcome.verified = play.stack.verified;
    play.outcome
}

/// The name that a node gave itself, where the capture shows it.
fn name(frames: &[(Duration, Frame<'_>)], own: MacAddress) -> String {
    let named = frames.iter().find_map(|(_, frame)| {
        let is_name = frame.source == own && matches!(frame.packet, Packet::HostReply(_));
        is_name.then(|| String::from_utf8_lossy(frame.payload).into_owned())
    });
    named.unwrap_or_else(|| "own:0".to_owned())
}

struct Play<'a> {
    recording: &'a Recording,
    frames: Vec<(Duration, Frame<'a>)>,
    own: MacAddress,
    /// The capture shows discovery at work.
    beacons: bool,
    endpoints: BTreeMap<u8, Opened>,
    actions: Actions,
    facts: Vec<facts::Event>,
    handles: Handles,
    stack: Stack,
    repeats: Repeats,
    /// What the native node acknowledged last, and ours.
    acknowledged: (u16, u16),
    outcome: Outcome,
}

impl<'a> Play<'a> {
    fn run(&mut self) {
        for number in 0..self.frames.len() {
            let (at, frame) = self.frames[number];
            self.happen(at);
            if frame.source == self.own {
                self.stack.run();
                self.act(number);
                self.expect(number, &frame);
            } else if frame.destination == self.own || frame.destination.is_group() {
                self.set_endpoint(number, &frame);
                self.act(number);
                let frame = self.handles.ours(&frame);
                self.stack.hear(&frame);
            }
            if self.outcome.failures.len() >= FAILURES {
                return;
            }
        }
        self.end();
    }

    /// What happened by then and no frame tells.
    fn happen(&mut self, at: Duration) {
        let due = |event: &mut facts::Event| {
            let facts::Event::Killed(_, when) = *event;
            when <= at
        };
        for facts::Event::Killed(endpoint, _) in self.facts.extract_if(.., due) {
            self.stack.run();
            self.stack.close(endpoint);
        }
    }

    fn act(&mut self, number: usize) {
        for action in self.actions.remove(&number).unwrap_or_default() {
            // Nobody receives with an endpoint that was closed.
            if matches!(action, Action::Receive { endpoint, .. } if !self.stack.is_open(endpoint)) {
                continue;
            }
            if let Err(error) = self.stack.act(&action) {
                self.fail(number, &format!("the application cannot go on: {error}"));
            }
        }
    }

    fn fail(&mut self, number: usize, what: &str) {
        self.outcome
            .failures
            .push(format!("frame {}: {what}", number + 1));
    }

    /// A native endpoint closes, or is opened again, without a frame; the nack that follows tells.
    fn set_endpoint(&mut self, number: usize, frame: &Frame<'_>) {
        let Some((ends, session)) = addressee(&frame.packet) else {
            return;
        };
        let endpoint = ends.destination;
        match self.refused_with(number, frame) {
            Some(NackCode::EndpointClosed) => self.stack.close(endpoint),
            Some(NackCode::BadSession) => {
                if let Some(opened) = self.endpoints.get_mut(&endpoint)
                    && opened.session == session
                {
                    opened.session = !session;
                    let opened = *opened;
                    self.stack.close(endpoint);
                    self.stack.open(endpoint, opened);
                }
            }
            _ => {}
        }
    }

    /// With which code the native node refused this frame. Of several that are alike, the last ones are the refused.
    fn refused_with(&self, number: usize, frame: &Frame<'_>) -> Option<NackCode> {
        let rest = &self.frames[number..];
        let is_own = |f: &&(Duration, Frame<'_>)| f.1.source == self.own;
        let alike = |f: &&(Duration, Frame<'_>)| same_refusal(&f.1.packet, &frame.packet);
        let before = rest.iter().take_while(|f| !is_own(f));
        let (run, waiting) = (before.clone().count(), before.filter(alike).count());
        let mut codes: Vec<NackCode> = rest[run..]
            .iter()
            .take_while(is_own)
            .filter_map(|(_, nack)| refusal(&nack.packet, &frame.packet))
            .collect();
        codes.reverse();
        codes.get(waiting.checked_sub(1)?).copied()
    }

    /// Waits until our stack sends this frame, or says why it will not.
    fn expect(&mut self, number: usize, native: &Frame<'a>) {
        if let Packet::LibAck { ack, .. } = native.packet {
            // Where and when is left open; that it is said in the end is checked there.
            self.acknowledged.0 = ack.ack;
            self.outcome.acks.0 += 1;
            return;
        }
        if self.repeats.recorded(&native.packet) {
            self.outcome.repeats.0 += 1;
            if self.repeats.take(native, &self.recording.format) {
                self.outcome.same += 1;
                return;
            }
        }
        let give_up = self.stack.now() + TIMEOUT;
        loop {
            let mut unlike = None;
            while let Some(found) = self.judge(number, native) {
                match found {
                    Judged::Settled => return,
                    Judged::Dropped => {}
                    Judged::Unlike(what) => {
                        unlike = Some(what);
                        break;
                    }
                }
            }
            let missing = Difference::Missing(native);
            let before = self.stack.waiting();
            let next = self.stack.run();
            if self.stack.waiting() > before && unlike.is_none() {
                continue;
            }
            let next = next.filter(|next| *next < give_up);
            match (unlike, next) {
                (None, Some(next)) => {
                    let soon = self.stack.now() + Duration::from_micros(100);
                    self.stack.advance(next.max(soon));
                    self.stack.run();
                }
                (unlike, _) => {
                    if let Some(rule) = self.rule(&missing) {
                        return self.explain(rule);
                    }
                    let what = unlike.unwrap_or_else(|| "nothing comes out".to_owned());
                    self.fail(number, &format!("for {:?} {what}", native.packet));
                    if self.stack.front().is_some() {
                        self.stack.pop();
                    }
                    return;
                }
            }
        }
    }

    /// Holds the frame that came out first against the native one; `None` when there is none.
    fn judge(&mut self, number: usize, native: &Frame<'a>) -> Option<Judged> {
        if self.beacons {
            // The daemon that beacons and the driver that asks for names are two programs: each has its own order.
            self.stack
                .bring_forward(|ours| alike(ours, native, &self.handles));
        }
        let ours = self.stack.front()?;
        if self.is_free(&ours) {
            self.drop_free();
            return Some(Judged::Dropped);
        }
        let changed = Difference::Changed {
            native,
            ours: &ours,
        };
        let packet = ours.packet;
        let repeated = self.repeats.sent(&packet);
        let rule = rule_for(self.recording.stem(), &changed);
        if alike(&ours, native, &self.handles) {
            self.outcome.same += 1;
        } else if let Some(rule) = rule {
            self.explain(rule);
        } else if self.beacons {
            // It may come yet.
            return None;
        } else if repeated {
            self.outcome.repeats.1 += 1;
            self.repeats.keep(self.stack.pop());
            return Some(Judged::Dropped);
        } else if let Some(rule) = self.rule(&Difference::Extra(&ours)) {
            self.explain(rule);
            self.learn_extra(number, &packet);
            self.repeats.note(&packet);
            self.stack.pop();
            return Some(Judged::Dropped);
        } else {
            return Some(Judged::Unlike(format!("comes {packet:?}")));
        }
        self.outcome.repeats.1 += u64::from(repeated);
        self.repeats.note(&packet);
        self.handles.learn(&native.packet, &packet);
        self.acknowledge(&native.packet, &packet);
        self.stack.pop();
        Some(Judged::Settled)
    }

    /// A PULL of ours whose native counterpart was lost on its way: the handle is that of the pull's other requests.
    fn learn_extra(&mut self, number: usize, ours: &Packet) {
        let Packet::Pull(ours_pull) = ours else {
            return;
        };
        let native = self.frames[number..].iter().find_map(|(_, frame)| {
            let same = frame.source == self.own
                && matches!(frame.packet, Packet::Pull(p) if p.magic == ours_pull.magic
                    && (p.window, p.window_seqnum, p.total)
                        == (ours_pull.window, ours_pull.window_seqnum, ours_pull.total));
            same.then_some(frame.packet)
        });
        if let Some(native) = native {
            self.handles.learn(&native, ours);
        }
    }

    fn rule(&self, difference: &Difference<'_>) -> Option<&'static Rule> {
        rule_for(self.recording.stem(), difference)
    }

    fn explain(&mut self, rule: &'static Rule) {
        *self.outcome.explained.entry(rule.name).or_default() += 1;
    }

    /// Explicit acknowledgements are free; discovery is, where the capture was taken without.
    fn is_free(&self, ours: &Frame<'_>) -> bool {
        match ours.packet {
            Packet::LibAck { .. } => true,
            Packet::Raw | Packet::HostQuery(_) => !self.beacons,
            _ => false,
        }
    }

    fn drop_free(&mut self) {
        if let Some(Packet::LibAck { ack, .. }) = self.stack.front().map(|frame| frame.packet) {
            self.acknowledged.1 = ack.ack;
            self.outcome.acks.1 += 1;
        }
        self.stack.pop();
    }

    fn acknowledge(&mut self, native: &Packet, ours: &Packet) {
        self.acknowledged.0 = piggyback(native).unwrap_or(self.acknowledged.0);
        self.acknowledged.1 = piggyback(ours).unwrap_or(self.acknowledged.1);
    }

    /// After the last frame: nothing more comes out, and what the native node acknowledged is acknowledged.
    fn end(&mut self) {
        let end = self.stack.now() + AFTERMATH;
        while let Some(next) = self.stack.run()
            && next <= end
        {
            let soon = self.stack.now() + Duration::from_micros(100);
            self.stack.advance(next.max(soon));
        }
        let number = self.frames.len();
        while self.outcome.failures.len() < FAILURES
            && let Some(ours) = self.stack.front()
        {
            let packet = ours.packet;
            if self.is_free(&ours) {
                self.drop_free();
                continue;
            }
            if self.repeats.sent(&packet) {
                self.outcome.repeats.1 += 1;
                self.stack.pop();
                continue;
            }
            let rule = self.rule(&Difference::Extra(&ours));
            match rule {
                Some(rule) => self.explain(rule),
                None if self.recording.is_cut() => {}
                None => self.fail(number, &format!("{packet:?} comes out after the end")),
            }
            self.stack.pop();
        }
        let (native, ours) = self.acknowledged;
        let behind = native.wrapping_sub(ours) & 0x3fff;
        if (1..0x2000).contains(&behind) && !self.endpoints.keys().all(|e| !self.stack.is_open(*e))
        {
            self.fail(
                number,
                &format!("{native:#06x} was acknowledged in the end, {ours:#06x} is by ours"),
            );
        }
    }
}

enum Judged {
    /// The native frame is dealt with.
    Settled,
    /// Our frame is, the native one not.
    Dropped,
    /// Neither.
    Unlike(String),
}

fn piggyback(packet: &Packet) -> Option<u16> {
    match packet {
        Packet::Message { message, .. } => Some(message.ack),
        _ => None,
    }
}

/// Whether our frame says what the native one says. What native nodes leave unset does not count, nor how pulls and
/// daemons are called.
fn alike(ours: &Frame<'_>, native: &Frame<'_>, handles: &Handles) -> bool {
    let essence = |frame: &Frame<'_>| {
        let mut frame = Frame {
            payload: &[],
            ..*frame
        };
        match &mut frame.packet {
            Packet::Pull(pull) => pull.handle = 0,
            Packet::Raw | Packet::HostQuery(_) | Packet::HostReply(_) | Packet::PullReply(_) => {
                frame.sender_index = None;
            }
            _ => {}
        }
        frame
    };
    let payload = match native.packet {
        Packet::Raw => {
            let board = |frame: &Frame<'_>| Beacon::parse(frame.payload).map(|b| b.board);
            board(ours) == board(native)
        }
        _ => ours.payload == native.payload,
    };
    let handle = match (native.packet, ours.packet) {
        (Packet::Pull(native), Packet::Pull(ours)) => handles.agree(&native, &ours),
        _ => true,
    };
    payload && handle && essence(ours) == essence(native)
}

/// Whether two frames of the other node would be refused by the same nack.
fn same_refusal(a: &Packet, b: &Packet) -> bool {
    match (a, b) {
        (Packet::Pull(a), Packet::Pull(b)) => (a.magic, a.handle) == (b.magic, b.handle),
        _ => {
            let key = |p: &Packet| Some((addressee(p)?.0, sequence(p)?));
            key(a).is_some() && key(a) == key(b)
        }
    }
}

/// The code of a nack of that packet.
fn refusal(nack: &Packet, refused: &Packet) -> Option<NackCode> {
    match (nack, refused) {
        (Packet::NackMcp(n), Packet::Pull(p)) => {
            ((n.magic, n.handle) == (p.magic, p.handle)).then_some(n.code)
        }
        (Packet::NackLib { ends, nack }, refused) => {
            let (refused_ends, _) = addressee(refused)?;
            let is_it = (ends.source, ends.destination)
                == (refused_ends.destination, refused_ends.source)
                && sequence(refused) == Some(nack.seq);
            is_it.then_some(nack.code)
        }
        _ => None,
    }
}

fn sequence(packet: &Packet) -> Option<u16> {
    match packet {
        Packet::Message { message, .. } => Some(message.seq),
        _ => None,
    }
}
