//! Random programs of two to five endpoints, and what MX promises them: messages match as it says, in order from each
//! partner, once, to the byte; no request is lost; nothing is left at the end.

mod ledger;

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use ledger::{Fate, Ledger, MASKS, Place};
use mx_engine::Code;
use mx_engine::{ContextIds, Holdings, Outcome, PartnerKey, Selection};
use mx_ring::Geometry;
use mx_testnet::Faults;
use mx_wire::Format;

use crate::fabric::{BoardPlace, Fabric};

/// The longest time between two calls of an application.
const SOON: Duration = Duration::from_micros(50);
/// Longer than any frame is under way.
const FRAME_LIFE: Duration = Duration::from_millis(2);
/// How long a connect is tried before it is begun again.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// How long what must end may take on a good network.
const TIMEOUT: Duration = Duration::from_secs(120);
const KEY: u32 = 7;
/// What an endpoint does not take.
const WRONG_KEY: u32 = 8;
const TAGS: u32 = 3;
const TAG_BITS: u8 = 2;
const TAG_SHIFT: u8 = 56;
const LENGTH_MAX: u32 = 200 << 10;

/// What a program did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages that were sent.
    pub messages: usize,
    /// Those that were received and are right.
    pub received: usize,
    /// Endpoints that were closed and opened again.
    pub restarts: usize,
    /// Disconnects.
    pub disconnects: usize,
}

/// A place for a process, one after the other.
struct Actor {
    place: BoardPlace,
    endpoint: u8,
    process: usize,
}

/// What two actors have of each other.
#[derive(Clone, Copy, Default)]
struct Relation {
    /// Counted on each time that it breaks.
    number: u32,
    whole: bool,
}

/// A program that runs.
struct Program {
    fabric: Fabric,
    random: Rng,
    ledger: Ledger,
    actors: Vec<Actor>,
    /// What the first calls the second.
    partners: BTreeMap<(usize, usize), PartnerKey>,
    /// By the lower and the higher actor.
    relations: BTreeMap<(usize, usize), Relation>,
    /// Whether the network changes bytes, so that any message may be lost or wrong.
    damage: bool,
    /// What endpoints are opened with: no context ids, or the tag.
    context_ids: ContextIds,
    opened: u32,
    summary: Summary,
}

/// Runs the program that a seed determines, on a network that loses, doubles and reorders frames. With `damage` it also
/// flips bits and cuts ends off; then only that all ends and nothing is written beside counts.
///
/// # Errors
/// The first promise that was broken.
pub fn run(seed: u64, damage: bool) -> Result<Summary, String> {
    let mut program = Program::new(seed, damage);
    let steps = 100 + program.random.u32(..200);
    program.begin()?;
    for _ in 0..steps {
        program.step()?;
        for _ in 0..program.random.u32(..4) {
            program.fabric.step(Some(SOON));
        }
        program.collect()?;
    }
    program.end()?;
    Ok(program.summary)
}

impl Program {
    fn new(seed: u64, damage: bool) -> Self {
        let mut random = Rng::with_seed(seed);
        let formats = [1500, 4144, 9000].map(Format::native);
        let format = match random.u32(..4) {
            3 => Format::mx_wire(),
            at => formats[at as usize].unwrap_or(Format::mx_wire()),
        };
        let mut percent = |bound: u32| random.u32(..bound) as u8;
        let faults = Faults {
            loss: percent(21),
            duplication: percent(21),
            reordering: percent(21),
            corruption: if damage { percent(11) } else { 0 },
            truncation: if damage { percent(11) } else { 0 },
        };
        let context_ids = match random.u32(..2) {
            0 => ContextIds::default(),
            _ => ContextIds::new(TAG_BITS, TAG_SHIFT).unwrap_or_default(),
        };
        let mut fabric = Fabric::new(format, &[2, 1], faults, random.u64(..));
        let places = [(0, 0), (1, 0), (0, 1)].map(|(backend, board)| BoardPlace { backend, board });
        let actors = (0..2 + random.u32(..4) as usize).map(|number| {
            let place = places[number % places.len()];
            let endpoint = number as u8;
            let process = fabric.open(place, endpoint, 1 + number as u32, Geometry::default());
            fabric.processes[process].1.use_contexts(context_ids);
            Actor {
                place,
                endpoint,
                process,
            }
        });
        Self {
            actors: actors.collect(),
            ledger: Ledger::new(seed),
            partners: BTreeMap::new(),
            relations: BTreeMap::new(),
            damage,
            context_ids,
            opened: 100,
            summary: Summary::default(),
            fabric,
            random,
        }
    }

    fn pair(a: usize, b: usize) -> (usize, usize) {
        (a.min(b), a.max(b))
    }

    fn any_actor(&mut self) -> usize {
        self.random.u32(..self.actors.len() as u32) as usize
    }

    fn begin(&mut self) -> Result<(), String> {
        for actor in 0..self.actors.len() {
            self.join(actor)?;
        }
        Ok(())
    }

    /// Lets time pass; requests that end are judged.
    fn pass(&mut self, time: Duration) -> Result<(), String> {
        let end = self.fabric.elapsed() + time;
        while self.fabric.elapsed() < end {
            self.fabric.step(Some(SOON));
        }
        self.collect()
    }

    /// Connects an actor with all others, both ways, and waits until that is done.
    fn join(&mut self, actor: usize) -> Result<(), String> {
        self.partners
            .insert((actor, actor), self.own_partner(actor));
        for other in (0..self.actors.len()).filter(|other| *other != actor) {
            let whole = self.connect(actor, other)? && self.connect(other, actor)?;
            let relation = self.relations.entry(Self::pair(actor, other)).or_default();
            relation.whole = whole;
        }
        Ok(())
    }

    fn own_partner(&self, actor: usize) -> PartnerKey {
        self.fabric.processes[self.actors[actor].process]
            .1
            .engine
            .loopback()
    }

    /// Connects one actor to another, again and again: connects may be refused by a late word about an endpoint that was
    /// closed. On a network that changes bytes it may fail.
    fn connect(&mut self, from: usize, to: usize) -> Result<bool, String> {
        let begun = self.fabric.elapsed();
        loop {
            let tried = self.fabric.elapsed() - begun;
            if tried > TIMEOUT || (self.damage && tried > CONNECT_PATIENCE) {
                return match self.damage {
                    true => Ok(false),
                    false => Err(format!("actor {from} cannot connect to actor {to}")),
                };
            }
            if self.random.u32(..4) == 0
                && let Some(outcome) = self.ask(from, to, WRONG_KEY)?
                && !self.damage
                && outcome.code == Code::Success
            {
                return Err(format!("actor {to} took a wrong key of actor {from}"));
            }
            let outcome = self.ask(from, to, KEY)?;
            if let Some(outcome) = outcome
                && outcome.code == Code::Success
                && let Some(partner) = outcome.partner
            {
                self.partners.insert((from, to), partner);
                return Ok(true);
            }
        }
    }

    /// One connect, until it is answered or until its timeout.
    fn ask(&mut self, from: usize, to: usize, key: u32) -> Result<Option<Outcome>, String> {
        let (of, other) = (self.actors[from].process, self.actors[to].process);
        let Some(peer) = self.fabric.peer_index(of, other) else {
            self.pass(FRAME_LIFE)?;
            return Ok(None);
        };
        let endpoint = self.actors[to].endpoint;
        let process = &mut self.fabric.processes[of].1;
        let (engine, port) = (&mut process.engine, &mut process.port);
        let request = engine.connect(peer, endpoint, key, u64::MAX, 0, port);
        let deadline = self.fabric.elapsed() + CONNECT_PATIENCE;
        loop {
            let now = self.fabric.elapsed();
            let engine = &mut self.fabric.processes[of].1.engine;
            if let Some(outcome) = engine.take_done(request) {
                return Ok(Some(outcome));
            }
            if now > deadline {
                engine.cancel(request, false);
                return Ok(None);
            }
            self.pass(SOON)?;
        }
    }

    /// The bits that each receive must ask for: those of the context ids.
    fn with_context(&self, mask: u64) -> u64 {
        mask | self.context_ids.mask()
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.u32(..200) {
            0..80 => self.send(),
            80..150 => self.receive(),
            150..162 => self.probe()?,
            162..172 => self.cancel()?,
            172..178 => self.forget(),
            178..196 => {
                let time = Duration::from_micros(self.random.u32(..60_000).into());
                self.pass(time)?;
            }
            196..198 => self.restart()?,
            _ => self.disconnect()?,
        }
        Ok(())
    }

    fn length(&mut self) -> u32 {
        match self.random.u32(..20) {
            0 => 0,
            1..7 => self.random.u32(..33),
            7..10 => 33 + self.random.u32(..96),
            10..16 => self.random.u32(..10_000),
            16..18 => self.random.u32(..40_000),
            _ => self.random.u32(..LENGTH_MAX),
        }
    }

    fn send(&mut self) {
        let (from, to) = (self.any_actor(), self.any_actor());
        let Some(partner) = self.partners.get(&(from, to)).copied() else {
            return;
        };
        let (tag, length) = (self.random.u32(..TAGS), self.length());
        let synchronous = self.random.u32(..8) == 0;
        let of = self.actors[from].process;
        let (place, info) = self.ledger.next_message(of, tag, length);
        let process = &mut self.fabric.processes[of].1;
        let (engine, port) = (&mut process.engine, &mut process.port);
        let request = engine.send(partner, place.message(), info, 0, synchronous, port);
        let relation = match self.relations.get(&Self::pair(from, to)) {
            None if from == to => Some(0),
            Some(relation) if relation.whole => Some(relation.number),
            _ => None,
        };
        let both = (of, self.actors[to].process);
        self.ledger
            .note_sent(both, relation, (place, info), request);
        self.summary.messages += 1;
    }

    fn receive(&mut self) {
        let at = self.any_actor();
        let sender = self.any_actor();
        let mask = MASKS[self.random.u32(..3) as usize];
        let mask = self.with_context(mask);
        let tag = u64::from(self.random.u32(..TAGS)) << 56;
        let sender = (self.actors[sender].process as u64 & 0xff) << 48;
        let length = match self.random.u32(..3) {
            0 => self.length(),
            _ => LENGTH_MAX,
        };
        self.post(at, ((tag | sender) & mask, mask), length);
    }

    fn post(&mut self, at: usize, (info, mask): (u64, u64), length: u32) {
        let place = Place::new(length);
        let at = self.actors[at].process;
        let process = &mut self.fabric.processes[at].1;
        let (engine, port) = (&mut process.engine, &mut process.port);
        let request = engine.receive(place.message(), Selection::new(info, mask), 0, port);
        self.ledger.note_posted(at, (info, mask), place, request);
    }

    /// What a probe finds was sent, fits, and has not been received; it is what a receive of the same kind gets.
    fn probe(&mut self) -> Result<(), String> {
        let at = self.any_actor();
        let mask = MASKS[self.random.u32(..2) as usize];
        let info = (u64::from(self.random.u32(..TAGS)) << 56) & mask;
        let process = self.actors[at].process;
        let engine = &self.fabric.processes[process].1.engine;
        let Some(outcome) = engine.probe(&Selection::new(info, mask)) else {
            return Ok(());
        };
        if !self.damage {
            let number = self.ledger.message_of(outcome.match_info, process);
            let sent = number.map(|number| &self.ledger.sent[number]);
            let right = sent.is_some_and(|sent| {
                sent.received.is_none() && sent.length == outcome.message_length
            });
            if !right || outcome.match_info & mask != info {
                return Err(format!("a probe at process {process} found {outcome:?}"));
            }
        }
        if self.random.u32(..2) == 0 {
            self.post(at, (outcome.match_info, u64::MAX), LENGTH_MAX);
        }
        Ok(())
    }

    fn cancel(&mut self) -> Result<(), String> {
        let count = self.ledger.received.len() as u32;
        let number = self.random.u32(..count.max(1)) as usize;
        let told = self.random.u32(..2) == 0;
        let Some(receive) = self.ledger.received.get(number) else {
            return Ok(());
        };
        let request = receive.request;
        let engine = &mut self.fabric.processes[receive.at].1.engine;
        if receive.fate == Fate::Posted && engine.cancel(request, told) == Some(true) {
            let outcome = engine.take_done(request).map(|outcome| outcome.code);
            if outcome != told.then_some(Code::Cancelled) {
                return Err(format!("receive {number} was cancelled and is {outcome:?}"));
            }
            self.ledger.note_cancelled(number);
        }
        Ok(())
    }

    fn forget(&mut self) {
        let count = self.ledger.sent.len() as u32;
        let number = self.random.u32(..count.max(1)) as usize;
        if let Some(sent) = self.ledger.sent.get_mut(number)
            && let Some(request) = sent.request.filter(|_| sent.code.is_none())
        {
            self.fabric.processes[sent.from].1.engine.forget(request);
            sent.request = None;
        }
    }

    /// Another program takes the place of this one.
    fn restart(&mut self) -> Result<(), String> {
        let actor = self.any_actor();
        let old = self.actors[actor].process;
        self.fabric.close(old);
        for other in 0..self.actors.len() {
            self.break_off(actor, other);
            self.partners.remove(&(actor, other));
        }
        while !self.fabric.is_closed(old) {
            self.fabric.step(Some(SOON));
        }
        // Who has not noticed goes on sending.
        for _ in 0..self.random.u32(..10) {
            self.send();
        }
        self.pass(FRAME_LIFE)?;
        let Actor {
            place, endpoint, ..
        } = self.actors[actor];
        self.opened += 1;
        let process = self
            .fabric
            .open(place, endpoint, self.opened, Geometry::default());
        self.fabric.processes[process]
            .1
            .use_contexts(self.context_ids);
        self.actors[actor].process = process;
        self.summary.restarts += 1;
        self.join(actor)
    }

    fn disconnect(&mut self) -> Result<(), String> {
        let (actor, other) = (self.any_actor(), self.any_actor());
        if actor == other {
            return Ok(());
        }
        self.pass(FRAME_LIFE)?;
        if let Some(partner) = self.partners.get(&(actor, other)) {
            let process = &mut self.fabric.processes[self.actors[actor].process].1;
            process.engine.disconnect(*partner, &mut process.port);
        }
        self.break_off(actor, other);
        for _ in 0..self.random.u32(..6) {
            self.send();
        }
        self.summary.disconnects += 1;
        self.join(actor)
    }

    fn break_off(&mut self, a: usize, b: usize) {
        if let Some(relation) = self.relations.get_mut(&Self::pair(a, b)) {
            relation.number += 1;
            relation.whole = false;
        }
    }

    /// Judges what is done.
    fn collect(&mut self) -> Result<(), String> {
        for sent in self.ledger.sent.iter_mut().filter(|s| s.code.is_none()) {
            if let Some(request) = sent.request {
                let engine = &mut self.fabric.processes[sent.from].1.engine;
                sent.code = engine.take_done(request).map(|outcome| outcome.code);
            }
        }
        for number in 0..self.ledger.received.len() {
            let receive = &self.ledger.received[number];
            if receive.fate != Fate::Posted {
                continue;
            }
            let engine = &mut self.fabric.processes[receive.at].1.engine;
            let Some(outcome) = engine.take_done(receive.request) else {
                continue;
            };
            if self.damage {
                self.ledger.received[number].fate = Fate::Broken;
            } else {
                self.ledger.judge(number, &outcome)?;
            }
        }
        Ok(())
    }

    /// Whether both sides of a message are the same since it was sent.
    fn is_safe(&self, number: usize) -> bool {
        let sent = &self.ledger.sent[number];
        let actor = |process| self.actors.iter().position(|a| a.process == process);
        let (Some(from), Some(to)) = (actor(sent.from), actor(sent.to)) else {
            return false;
        };
        let relation = self.relations.get(&Self::pair(from, to));
        sent.relation.is_some()
            && (from == to || relation.map(|relation| relation.number) == sent.relation)
    }

    /// Receives what is left, and waits until all has ended.
    fn end(&mut self) -> Result<(), String> {
        self.fabric.heal();
        if self.damage {
            return self.end_damaged();
        }
        let begun = self.fabric.elapsed();
        while let Some(waits) = self.still_waits() {
            if self.fabric.elapsed() - begun > TIMEOUT {
                return Err(waits);
            }
            for actor in 0..self.actors.len() {
                let engine = &self.fabric.processes[self.actors[actor].process].1.engine;
                if let Some(found) = engine.probe(&Selection::new(0, 0)) {
                    let mask = self.with_context(0);
                    self.post(actor, (found.match_info & mask, mask), LENGTH_MAX);
                }
            }
            self.pass(Duration::from_millis(1))?;
        }
        self.ledger.check_places()?;
        self.ledger.check_order()?;
        self.ledger.check_posting()?;
        for (number, sent) in self.ledger.sent.iter().enumerate() {
            let well = match sent.code {
                None | Some(Code::Success | Code::MessageTruncated) => true,
                Some(_) => false,
            };
            if self.is_safe(number) && !well {
                return Err(format!("message {number} failed with {:?}", sent.code));
            }
            self.summary.received += usize::from(sent.received.is_some());
        }
        match self.fabric.misbehaved[..] {
            [] => Ok(()),
            [(key, what), ..] => Err(format!("the backend closed {key:?}: {what}")),
        }
    }

    /// What has not ended yet, or is left.
    fn still_waits(&mut self) -> Option<String> {
        for number in 0..self.ledger.sent.len() {
            let sent = &self.ledger.sent[number];
            let here = self.actors.iter().any(|a| a.process == sent.from);
            if here && sent.request.is_some() && sent.code.is_none() {
                return Some(format!("the send of message {number} never ends"));
            }
            if self.is_safe(number) && sent.received.is_none() {
                return Some(format!("message {number} is lost"));
            }
        }
        for number in 0..self.ledger.received.len() {
            let receive = &self.ledger.received[number];
            if receive.fate != Fate::Posted || !self.actors.iter().any(|a| a.process == receive.at)
            {
                continue;
            }
            let engine = &mut self.fabric.processes[receive.at].1.engine;
            if engine.cancel(receive.request, false) != Some(true) {
                return Some(format!("receive {number} is matched and never ends"));
            }
            self.ledger.note_cancelled(number);
        }
        for actor in &self.actors {
            let process = &self.fabric.processes[actor.process].1;
            let holdings = process.engine.holdings();
            if holdings != Holdings::default() || process.regions() > 0 {
                return Some(format!(
                    "process {} still holds {} regions and {holdings:?}",
                    actor.process,
                    process.regions()
                ));
            }
        }
        None
    }

    /// Closes everything: whatever was damaged, that is possible, and nothing was written beside.
    fn end_damaged(&mut self) -> Result<(), String> {
        self.pass(Duration::from_secs(2))?;
        for actor in 0..self.actors.len() {
            let process = self.actors[actor].process;
            self.fabric.close(process);
            let begun = self.fabric.elapsed();
            while !self.fabric.is_closed(process) {
                if self.fabric.elapsed() - begun > TIMEOUT {
                    return Err(format!("process {process} cannot be closed"));
                }
                self.fabric.step(Some(SOON));
            }
        }
        match self.fabric.misbehaved[..] {
            [] => self.ledger.check_places(),
            [(key, what), ..] => Err(format!("the backend closed {key:?}: {what}")),
        }
    }
}
