//! Large messages to the endpoint of a library that sends each of them back: one mini as a library sees another one, by the
//! engine that libraries have.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use mx_engine::{
    Code, Config, Engine, Memory, Part, PartnerKey, QueuePort, Refused, Registered, RequestKey,
    Selection, Use,
};
use mx_ring::{Command, ProcessSide, RegionKey, VolatileSlice, Window};

use crate::domain::Pages;
use crate::pattern::{is_whole, spoil};
use crate::work::Tally;

/// What the conformance programs present to connect (`tests/conformance/c/suite.h`).
pub const KEY: u32 = 0x636f_6e66;
/// The endpoint of `conformance peer`.
pub const ECHO: u8 = 5;
/// Events that are taken at a time.
const EVENTS: usize = 64;

/// Memory that is registered as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Region {
    /// Its pages.
    pub pages: Pages,
    /// Its name.
    pub key: RegionKey,
}

impl Region {
    /// Its pages for messages; nothing when they are too many.
    pub fn memory(&self) -> Option<Memory> {
        Memory::owned(self.pages.slice, Arc::new(self.key)).ok()
    }
}

/// One side of the conversation.
pub struct Caller {
    engine: Engine,
    there: u8,
    connecting: Option<RequestKey>,
    partner: Option<PartnerKey>,
    source: Memory,
    places: Vec<Place>,
    next: u32,
    last_progress: Duration,
}

/// Where a message comes back to.
struct Place {
    pages: Pages,
    memory: Memory,
    under_way: Option<UnderWay>,
}

struct UnderWay {
    number: u32,
    sent: Option<RequestKey>,
    back: Option<RequestKey>,
}

impl Caller {
    /// Calls the endpoint of that number. What is in `source`, the pattern of its own session, is sent, and comes back to
    /// `places`. Nothing when there is no such memory.
    pub fn new(config: Config, there: u8, source: Region, places: &[Region]) -> Option<Self> {
        let places = places.iter().map(|region| {
            Some(Place {
                pages: region.pages,
                memory: region.memory()?,
                under_way: None,
            })
        });
        Some(Self {
            engine: Engine::new(config),
            there,
            connecting: None,
            partner: None,
            source: source.memory()?,
            places: places.collect::<Option<_>>()?,
            next: 0,
            last_progress: Duration::ZERO,
        })
    }

    /// Connects to the board of that index, whoever has the endpoint there now.
    pub fn begin(&mut self, process: &mut ProcessSide, peer: u16, now: Duration) {
        self.engine.set_now(now);
        self.last_progress = now;
        let (engine, there) = (&mut self.engine, self.there);
        self.connecting
            .get_or_insert_with(|| engine.connect(peer, there, KEY, 0, 0, &mut Queues { process }));
    }

    /// Whether nothing is under way.
    pub fn is_whole(&self) -> bool {
        self.places.iter().all(|place| place.under_way.is_none()) && self.engine.settled()
    }

    /// When something has come back the last time.
    pub fn last_progress(&self) -> Duration {
        self.last_progress
    }

    /// When it has something to do although nothing comes.
    pub fn deadline(&self) -> Option<Duration> {
        self.engine.deadline()
    }

    /// Takes what has come, and `sends` as many messages as there are places. How many came back since the last time.
    pub fn go_on(
        &mut self,
        process: &mut ProcessSide,
        sends: bool,
        now: Duration,
        tally: &mut Tally,
    ) -> u32 {
        self.engine.set_now(now);
        let mut queues = Queues { process };
        tally.wrong += queues.take_events(&mut self.engine);
        self.engine.work(&mut queues);
        self.look_for_partner();
        let done = self.finish(tally);
        if done > 0 {
            self.last_progress = now;
        }
        if let Some(partner) = self.partner.filter(|_| sends) {
            self.start(partner, &mut queues);
        }
        done
    }

    /// What is under way is lost.
    pub fn give_up(&mut self, tally: &mut Tally) {
        for place in &mut self.places {
            tally.lost += u64::from(place.under_way.take().is_some());
        }
    }

    fn look_for_partner(&mut self) {
        let ended = self.connecting.and_then(|key| self.engine.take_done(key));
        if let Some(outcome) = ended {
            self.connecting = None;
            self.partner = outcome.partner.filter(|_| outcome.code == Code::Success);
        }
    }

    fn finish(&mut self, tally: &mut Tally) -> u32 {
        let own = self.engine.config().session;
        let mut done = 0;
        for place in &mut self.places {
            let Some(under_way) = &mut place.under_way else {
                continue;
            };
            let mut failed = false;
            for request in [&mut under_way.sent, &mut under_way.back] {
                if let Some(outcome) = request.and_then(|key| self.engine.take_done(key)) {
                    *request = None;
                    failed |= outcome.code != Code::Success;
                }
            }
            if failed {
                tally.lost += 1;
                place.under_way = None;
            } else if under_way.sent.is_none() && under_way.back.is_none() {
                if is_whole(&place.pages, own, under_way.number) {
                    tally.verified += 1;
                } else {
                    log::warn!("wrong: message {} as it came back", under_way.number);
                    tally.wrong += 1;
                }
                place.under_way = None;
                done += 1;
            }
        }
        done
    }

    fn start(&mut self, to: PartnerKey, queues: &mut Queues<'_>) {
        for place in &mut self.places {
            if place.under_way.is_some() {
                continue;
            }
            let number = self.next;
            self.next = number.wrapping_add(1);
            let info = u64::from(number);
            spoil(&place.pages, number);
            let wanted = Selection::new(info, u64::MAX);
            let engine = &mut self.engine;
            let back = engine.receive(place.memory.clone(), wanted, 0, queues);
            let sent = engine.send(to, self.source.clone(), info, 0, true, queues);
            place.under_way = Some(UnderWay {
                number,
                sent: Some(sent),
                back: Some(back),
            });
        }
    }
}

/// The engine's way to its queues; all memory is registered already.
pub struct Queues<'a> {
    /// The process's side of them.
    pub process: &'a mut ProcessSide,
}

impl Queues<'_> {
    /// Has an engine take what has come; how much of it was nothing that a driver domain may say.
    pub fn take_events(&mut self, engine: &mut Engine) -> u64 {
        let (mut any, mut wrong) = (false, 0);
        for _ in 0..EVENTS {
            let Some(event) = self.process.next_unexpected() else {
                break;
            };
            any = true;
            let Ok(event) = event else {
                wrong += 1;
                continue;
            };
            let received = event.received();
            let part = received.and_then(|(at, length)| {
                let part = self.process.receive_part(at, length.into());
                part.ok()
            });
            engine.event(&event, part, self);
            if let Some((at, length)) = received {
                self.process.release_receive(at, length.into());
            }
        }
        while let Some(event) = self.process.next_expected() {
            any = true;
            match event {
                Ok(event) => engine.event(&event, None, self),
                Err(_) => wrong += 1,
            }
        }
        if any {
            self.process.publish_consumed();
        }
        wrong
    }
}

impl QueuePort for Queues<'_> {
    fn post(&mut self, command: &Command, data: &[u8]) -> bool {
        self.process.post(command, data)
    }

    fn command_room(&self) -> u32 {
        self.process.command_room()
    }

    fn command_index(&self) -> u32 {
        self.process.next_command_index()
    }

    fn sent(&self) -> u32 {
        self.process.sent()
    }

    fn transmit(&self, offset: u32, length: usize) -> Option<VolatileSlice> {
        self.process.transmit_part(offset, length).ok()
    }

    fn bind_window(&mut self, id: u8, window: &Window) {
        self.process.bind_window(id, window);
    }

    fn unbind_window(&mut self, id: u8) {
        self.process.unbind_window(id);
    }

    fn register(&mut self, memory: &Memory, part: Part, _: Use) -> Result<Registered, Refused> {
        let region = memory.owner::<RegionKey>().ok_or(Refused::Never)?;
        Ok(Registered {
            region: *region,
            offset: part.start,
            length: part.length,
            token: 0,
        })
    }

    fn collect(&mut self, _: &Registered, _: &Memory, _: u32) {}

    fn release(&mut self, _: Registered) {}
}
