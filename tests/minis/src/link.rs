//! One endpoint of an honest mini, and that of the same number of its partner.

use alloc::vec::Vec;
use core::time::Duration;

use mx_engine::Config;
use mx_ring::control::ControlRequest;
use mx_ring::{
    Command, CommandBody, Event, EventBody, Geometry, PAGE_SIZE, Place, PullDone, PullOrder,
    PullStatus, Reach, RegionKey, Window,
};
use mx_wire::{Content, Eager, LibAck, MacAddress, Medium, Message, SMALL_MAX, TINY_MAX};

use crate::caller::{Caller, ECHO, KEY, Region};
use crate::device::{Device, Failure};
use crate::domain::{Domain, Granted, Pages};
use crate::endpoint::{Endpoint, Manner, session_of};
use crate::pattern::{LARGE_PAGES, is_whole, pattern, spoil};
use crate::work::{Size, Tally, Target, Work};

/// Messages between two acknowledgements.
const ACK_EVERY: u32 = 8;
/// The slot of the region that is pulled from; those of the sinks follow.
const SOURCE: u16 = 0;
/// The window of the large message, and the number of its use.
const WINDOW: (u8, u8) = (0, 23);

/// Memory that is pulled into.
struct Sink {
    pages: Pages,
    slot: u16,
    /// The pull under way, if there is one: its number, and the session of whom it is from.
    pulling: Option<(u32, u32)>,
}

/// An endpoint with what it has sent and heard.
pub struct Link {
    /// The endpoint.
    pub endpoint: Endpoint,
    session: u32,
    /// What is pulled from.
    source: Option<Pages>,
    sinks: Vec<Sink>,
    caller: Option<Caller>,
    /// Messages that a partner has not acknowledged: fewer than its queue holds.
    ahead: u32,
    /// Whose numbers the following are.
    partner: Option<MacAddress>,
    sent: u32,
    acked: u32,
    /// The next number that the partner sends.
    expected: u32,
    told: u32,
    /// Commands that have left, as far as they are counted.
    left: u32,
    /// Pulls that were begun.
    pulls: u32,
    last_progress: Duration,
}

impl Link {
    /// Opens the endpoint of that number.
    pub fn open<D: Domain>(
        device: &mut Device<D>,
        number: u8,
        geometry: Geometry,
    ) -> Result<Self, Failure> {
        let mut endpoint = Endpoint::of_size(device, number, geometry, Manner::Honest)?;
        let session = session_of(device.mac());
        endpoint.open(device, session)?;
        Ok(Self {
            endpoint,
            session,
            source: None,
            sinks: Vec::new(),
            caller: None,
            ahead: geometry.unexpected / 2,
            partner: None,
            sent: 0,
            acked: 0,
            expected: 0,
            told: 0,
            left: 0,
            pulls: 0,
            last_progress: Duration::ZERO,
        })
    }

    /// Registers what the partner pulls.
    pub fn register_source<D: Domain>(
        &mut self,
        device: &mut Device<D>,
        pages: Pages,
        granted: &[Granted],
    ) -> Result<(), Failure> {
        self.register(device, SOURCE, granted, false)?;
        self.source = Some(pages);
        Ok(())
    }

    /// Binds it to the window that the partner knows.
    fn bind_source(&self) {
        self.endpoint.process.bind_window(
            WINDOW.0,
            &Window {
                region: key(SOURCE),
                seqnum: WINDOW.1,
                reach: Reach::Whole,
                offset: 0,
                length: (LARGE_PAGES * PAGE_SIZE) as u32,
            },
        );
    }

    /// Registers memory for one pull at a time.
    pub fn register_sink<D: Domain>(
        &mut self,
        device: &mut Device<D>,
        pages: Pages,
        granted: &[Granted],
    ) -> Result<(), Failure> {
        let slot = SOURCE + 1 + self.sinks.len() as u16;
        self.register(device, slot, granted, true)?;
        self.sinks.push(Sink {
            pages,
            slot,
            pulling: None,
        });
        Ok(())
    }

    fn register<D: Domain>(
        &self,
        device: &mut Device<D>,
        slot: u16,
        granted: &[Granted],
        writable: bool,
    ) -> Result<(), Failure> {
        device.stage(0, granted);
        device.demand(&ControlRequest::Register {
            endpoint: self.endpoint.number,
            region: key(slot),
            writable,
            offset: 0,
            length: (granted.len() * PAGE_SIZE) as u32,
            first_page: 0,
            pages: granted.len() as u32,
            staging: 0,
        })
    }

    /// Begins to send there.
    pub fn begin(&mut self, target: Target, now: Duration) {
        self.last_progress = now;
        self.left = self.endpoint.process.sent();
        if let Target::Partner(mac) = target {
            self.bind_source();
            if self.partner.replace(mac) != Some(mac) {
                (self.sent, self.acked, self.expected, self.told) = (0, 0, 0, 0);
            }
        }
    }

    /// Begins to call the endpoint of a library on that board, which sends all back.
    pub fn begin_calls(&mut self, work: &Work, backend: u32, now: Duration) {
        if self.caller.is_none() {
            let config = Config {
                backend,
                transmit_bytes: self.endpoint.layout.geometry().transmit,
                pulls_max: self.sinks.len(),
                kept_bytes_max: LARGE_PAGES * PAGE_SIZE,
                ..Config::new(self.session, KEY, work.medium.into(), false)
            };
            let source = self.source.map(|pages| region(pages, SOURCE));
            let sinks = self.sinks.iter().map(|sink| region(sink.pages, sink.slot));
            let places: Vec<Region> = sinks.collect();
            self.caller = source.and_then(|source| Caller::new(config, ECHO, source, &places));
        }
        if let Some(caller) = &mut self.caller {
            caller.begin(&mut self.endpoint.process, work.peer, now);
        }
    }

    /// Goes on with the calls, and `sends` more of them; how many came back since the last time.
    pub fn call(&mut self, sends: bool, now: Duration, tally: &mut Tally) -> u32 {
        let process = &mut self.endpoint.process;
        let caller = self.caller.as_mut();
        caller.map_or(0, |caller| caller.go_on(process, sends, now, tally))
    }

    /// The calls of this endpoint, if there have been some.
    pub fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// Whether all calls have ended; when nothing has come back for so long what is under way is lost.
    pub fn end_calls(&mut self, now: Duration, after: Duration, tally: &mut Tally) -> bool {
        let Some(caller) = &mut self.caller else {
            return true;
        };
        if now > caller.last_progress() + after {
            caller.give_up(tally);
            return true;
        }
        caller.is_whole()
    }

    /// When something has come or left the last time.
    pub const fn last_progress(&self) -> Duration {
        self.last_progress
    }

    /// Whether all that was sent was acknowledged, all that came was, and nothing is pulled.
    pub fn is_whole(&self) -> bool {
        let pulls = self.sinks.iter().any(|sink| sink.pulling.is_some());
        self.acked == self.sent && self.told == self.expected && !pulls
    }

    /// Sends as many as may be under way; how many those were.
    pub fn post(&mut self, work: &Work, tally: &mut Tally) -> u32 {
        let to = work.to(self.endpoint.number);
        let mut posted = 0;
        let mut bytes = [0; SMALL_MAX];
        while !work.answers || self.sent.wrapping_sub(self.acked) < self.ahead {
            // Room for acknowledgements stays.
            if self.endpoint.process.command_room() <= 4 {
                break;
            }
            let match_info = u64::from(self.sent);
            let mut tiny = [0; TINY_MAX];
            let (content, place, data) = match work.size {
                Size::Tiny => {
                    pattern(self.session, self.sent, &mut tiny);
                    let length = TINY_MAX as u16;
                    let eager = Eager { match_info, length };
                    (Content::Tiny(eager), Place::Inline(tiny), &[][..])
                }
                Size::Small => {
                    pattern(self.session, self.sent, &mut bytes);
                    let length = SMALL_MAX as u16;
                    let eager = Eager { match_info, length };
                    (Content::Small(eager), Place::Apart, &bytes[..])
                }
                Size::Medium | Size::Large => {
                    let whole = Medium {
                        match_info,
                        total: work.medium.into(),
                        length: work.medium,
                        fragment: 0,
                    };
                    (Content::Medium(whole), Place::At(0), &[][..])
                }
            };
            let message = Message {
                seq: self.sent as u16,
                ack: 0,
                content,
            };
            let body = CommandBody::Message(message, place);
            if !self.endpoint.process.post(&Command { to, body }, data) {
                break;
            }
            // A station does not say what it has heard, and the partner does not hear this.
            if work.answers {
                self.sent = self.sent.wrapping_add(1);
                tally.sent += 1;
            }
            posted += 1;
        }
        posted
    }

    /// Pulls the partner's large message by the backend of that generation wherever no pull is under way; how many those
    /// were.
    pub fn pull(&mut self, work: &Work, backend: u32) -> u32 {
        let to = work.to(self.endpoint.number);
        let mut begun = 0;
        for sink in &mut self.sinks {
            if sink.pulling.is_some() {
                continue;
            }
            // What an earlier pull has left does not pass for this one's.
            spoil(&sink.pages, self.pulls);
            let order = PullOrder {
                region: key(sink.slot),
                offset: 0,
                length: (LARGE_PAGES * PAGE_SIZE) as u32,
                window: WINDOW.0,
                window_seqnum: WINDOW.1,
                window_offset: 0,
                cookie: self.pulls,
                backend,
            };
            let body = CommandBody::Pull(order);
            if !self.endpoint.process.post(&Command { to, body }, &[]) {
                break;
            }
            sink.pulling = Some((self.pulls, to.session));
            self.pulls = self.pulls.wrapping_add(1);
            begun += 1;
        }
        begun
    }

    /// Takes what has come; how many messages are done with since the last time.
    pub fn take(&mut self, work: &Work, now: Duration, tally: &mut Tally) -> u32 {
        let mut done = 0;
        let mut any = false;
        for _ in 0..self.ahead {
            let Some(event) = self.endpoint.process.next_unexpected() else {
                break;
            };
            any = true;
            match event {
                Ok(event) => done += self.came(work, &event, tally),
                Err(error) => {
                    log::warn!("wrong: {error}");
                    tally.wrong += 1;
                }
            }
        }
        while let Some(event) = self.endpoint.process.next_expected() {
            any = true;
            if let Ok(Event {
                body: EventBody::PullDone(pull),
                ..
            }) = event
            {
                done += self.pulled(&pull, tally);
            }
        }
        if any {
            self.endpoint.process.publish_consumed();
        }
        let left = self.endpoint.process.sent();
        if work.answers {
            if self.expected.wrapping_sub(self.told) >= ACK_EVERY {
                self.acknowledge(work);
            }
        } else {
            done = left.wrapping_sub(self.left);
        }
        self.left = left;
        if any || done > 0 {
            self.last_progress = now;
        }
        done
    }

    /// Counts what was not acknowledged as lost when nothing has come for so long.
    pub fn give_up(&mut self, now: Duration, after: Duration, tally: &mut Tally) {
        if now > self.last_progress + after {
            tally.lost += u64::from(self.sent.wrapping_sub(self.acked));
            self.acked = self.sent;
            for sink in &mut self.sinks {
                tally.lost += u64::from(sink.pulling.take().is_some());
            }
            self.last_progress = now;
        }
    }

    /// Acknowledges what has come, however little it is.
    pub fn acknowledge_all(&mut self, work: &Work) {
        if self.told != self.expected {
            self.acknowledge(work);
        }
    }

    fn acknowledge(&mut self, work: &Work) {
        let to = work.to(self.endpoint.number);
        // Its number counts messages here, which a library would not do.
        let ack = LibAck {
            ack: self.expected as u16,
            ack_number: self.expected,
        };
        let body = CommandBody::Ack(ack);
        if self.endpoint.process.post(&Command { to, body }, &[]) {
            self.told = self.expected;
        }
    }

    fn came(&mut self, work: &Work, event: &Event, tally: &mut Tally) -> u32 {
        let received = event.received();
        let mut small = [0; SMALL_MAX];
        if let Some((position, length)) = received {
            let room = small.get_mut(..usize::from(length));
            let copied =
                room.map(|room| self.endpoint.process.read_receive(position, room).is_ok());
            self.endpoint
                .process
                .release_receive(position, length.into());
            if copied != Some(true) {
                return 0;
            }
        }
        // Others may write to an endpoint whose session they know.
        let is_partner =
            event.from.peer == work.peer && event.from.endpoint == self.endpoint.number;
        if !work.answers || !is_partner {
            return 0;
        }
        match &event.body {
            EventBody::Message(message, place) => {
                let (Content::Tiny(eager) | Content::Small(eager)) = &message.content else {
                    return 0;
                };
                let number = eager.match_info as u32;
                let inline = match place {
                    Place::Inline(bytes) => &bytes[..],
                    _ => &small[..],
                };
                let length = usize::from(eager.length).min(inline.len());
                let mut wanted = [0; SMALL_MAX];
                pattern(work.session, number, &mut wanted[..length]);
                if inline[..length] == wanted[..length] {
                    tally.verified += 1;
                } else {
                    log::warn!("wrong: {event}, wanted {wanted:02x?}");
                    tally.wrong += 1;
                }
                // The first one may come when the partner has sent for a while.
                let missing = match self.expected {
                    0 => 0,
                    expected => number.wrapping_sub(expected) as i32,
                };
                tally.lost += u64::from(missing.max(0).unsigned_abs());
                if missing >= 0 {
                    self.expected = number.wrapping_add(1);
                } else {
                    tally.doubled += 1;
                }
                0
            }
            EventBody::Ack(ack) => {
                let news = ack.ack_number.wrapping_sub(self.acked);
                if news > self.sent.wrapping_sub(self.acked) {
                    return 0;
                }
                self.acked = ack.ack_number;
                news
            }
            // The partner has no endpoint yet.
            EventBody::Nack(_) if self.acked != self.sent => {
                self.acked = self.acked.wrapping_add(1);
                tally.sent = tally.sent.saturating_sub(1);
                0
            }
            _ => 0,
        }
    }

    fn pulled(&mut self, done: &PullDone, tally: &mut Tally) -> u32 {
        let is_this =
            |sink: &&mut Sink| matches!(sink.pulling, Some((number, _)) if number == done.cookie);
        let Some(sink) = self.sinks.iter_mut().find(is_this) else {
            return 0;
        };
        let Some((number, session)) = sink.pulling.take() else {
            return 0;
        };
        match done.status {
            PullStatus::Done if done.transferred as usize == LARGE_PAGES * PAGE_SIZE => {
                if is_whole(&sink.pages, session, number) {
                    tally.verified += 1;
                } else {
                    log::warn!("wrong: what pull {number} has brought");
                    tally.wrong += 1;
                }
                1
            }
            // A partner that is not ready yet.
            _ => 0,
        }
    }
}

fn region(pages: Pages, slot: u16) -> Region {
    Region {
        pages,
        key: key(slot),
    }
}

/// The key of a region.
fn key(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 1,
    }
}
