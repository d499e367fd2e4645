//! Honest messages. Two minis that are each other's partner send to each other, verify what comes, and say how far they are
//! by acknowledgements; or one sends to a station that need not answer, and counts what has left.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::control::ControlRequest;
use mx_ring::{
    Command, CommandBody, Destination, Event, EventBody, PAGE_SIZE, Place, PullDone, PullOrder,
    PullStatus, Reach, RegionKey, Window,
};
use mx_wire::{Content, Eager, LibAck, MacAddress, Medium, Message, SMALL_MAX, TINY_MAX};

use crate::device::{Device, Failure};
use crate::domain::{Domain, Granted, Pages};
use crate::endpoint::{Endpoint, Manner, session_of};

/// Messages that a partner has not acknowledged: fewer than its queue holds.
const AHEAD: u32 = 32;
/// Messages between two acknowledgements.
const ACK_EVERY: u32 = 8;
/// Pages of a large message.
const LARGE_PAGES: usize = 32;
/// How long what is under way may take before it counts as lost: far more than a turn of a driver domain with many guests.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// The longest sleep.
const NAP: Duration = Duration::from_millis(5);
/// The window of the large message, and the number of its use.
const WINDOW: (u8, u8) = (0, 23);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 32 bytes in the descriptor.
    Tiny,
    /// 128 bytes behind it.
    Small,
    /// One frame, as long as they are.
    Medium,
    /// 128 KiB, pulled by the partner.
    Large,
}

/// Where to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A mini, which sends as much back.
    Partner(MacAddress),
    /// A station that may throw it away.
    Station(MacAddress),
}

/// What was done within the time that is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Messages that a partner has acknowledged, that were pulled, or that have left.
    pub done: u64,
    /// Bytes of each.
    pub size: u32,
    /// Messages that came and were verified, at any time.
    pub verified: u64,
    /// Messages that came with other bytes than were sent.
    pub wrong: u64,
    /// Messages that did not come.
    pub lost: u64,
    /// Messages that came twice, or after a later one: a network may do that.
    pub doubled: u64,
}

/// Bytes of which every place depends on who sends and on the number.
pub fn pattern(from: u32, number: u32, bytes: &mut [u8]) {
    let mut word = from ^ number.wrapping_mul(0x9e37_79b9);
    for chunk in bytes.chunks_mut(4) {
        word = word.wrapping_mul(0x0019_660d).wrapping_add(0x3c6e_f35f);
        chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
    }
}

/// An honest guest: an endpoint, and memory for large messages.
pub struct Load {
    endpoint: Endpoint,
    session: u32,
    sink: Pages,
    /// Whose numbers the following are.
    partner: Option<MacAddress>,
    sent: u32,
    acked: u32,
    /// The next number that the partner sends.
    expected: u32,
    told: u32,
    /// Pulls that were begun.
    pulls: u32,
    last_progress: Duration,
    /// The pull under way, if there is one: its number, and the session of whom it is from.
    pulling: Option<(u32, u32)>,
    /// Messages that met no endpoint, since the partner had not opened it yet.
    refused: u32,
}

impl Load {
    /// Opens an endpoint, registers memory to be pulled from and to pull into, and binds the first to a window.
    pub fn open<D: Domain>(device: &mut Device<D>) -> Result<Self, Failure> {
        let mut endpoint = Endpoint::new(device, 0, Manner::Honest)?;
        let session = session_of(device.mac());
        endpoint.open(device, session)?;
        let source = region(device, &endpoint, 0, false)?;
        let sink = region(device, &endpoint, 1, true)?;
        let mut page = [0; PAGE_SIZE];
        for number in 0..LARGE_PAGES {
            pattern(session, number as u32, &mut page);
            let _ = source.slice.write(number * PAGE_SIZE, &page);
        }
        endpoint.process.bind_window(
            WINDOW.0,
            &Window {
                region: key(0),
                seqnum: WINDOW.1,
                reach: Reach::Whole,
                offset: 0,
                length: (LARGE_PAGES * PAGE_SIZE) as u32,
            },
        );
        Ok(Self {
            endpoint,
            session,
            sink,
            partner: None,
            sent: 0,
            acked: 0,
            expected: 0,
            told: 0,
            pulls: 0,
            last_progress: Duration::ZERO,
            pulling: None,
            refused: 0,
        })
    }

    /// Sends from now until the end of `window`, and counts what is done within it. A partner has to do the same.
    pub fn run<D: Domain>(
        &mut self,
        device: &mut Device<D>,
        size: Size,
        target: Target,
        window: (Duration, Duration),
    ) -> Result<Tally, Failure> {
        let (Target::Partner(mac) | Target::Station(mac)) = target;
        let mut tally = Tally::default();
        let (begin, end) = window;
        let peer = loop {
            match device.peer(mac) {
                Some(peer) => break peer,
                None if device.domain.now() > end => return Ok(tally),
                None => device.domain.wait(device.domain.now() + NAP),
            }
        };
        let to = Destination {
            peer,
            endpoint: self.endpoint.number,
            session: session_of(mac),
        };
        let medium = device
            .board
            .board()
            .map_or(0, |board| board.medium_fragment);
        tally.size = match size {
            Size::Tiny => TINY_MAX as u32,
            Size::Small => SMALL_MAX as u32,
            Size::Medium => medium.into(),
            Size::Large => (LARGE_PAGES * PAGE_SIZE) as u32,
        };
        self.last_progress = device.domain.now();
        let waits = matches!(target, Target::Partner(_));
        if waits && self.partner.replace(mac) != Some(mac) {
            (self.sent, self.acked, self.expected, self.told) = (0, 0, 0, 0);
            self.refused = 0;
        }
        loop {
            let now = device.domain.now();
            if now >= end {
                break;
            }
            if self.endpoint.process.status() != 0 || !device.domain.is_connected() {
                return Err(Failure::NoAnswer);
            }
            let before = self.done(waits);
            let posted = match size {
                Size::Large => self.pull(to, device.board.generation()),
                _ => self.post(to, size, medium, waits),
            };
            self.endpoint.kick(device);
            let pulls = self.events(to, waits, &mut tally);
            let done = self.done(waits).wrapping_sub(before) + pulls;
            if done > 0 {
                self.last_progress = now;
            }
            if now >= begin {
                tally.done += u64::from(done);
            }
            if waits && now > self.last_progress + LOST_AFTER {
                tally.lost += u64::from(self.sent.wrapping_sub(self.acked));
                self.acked = self.sent;
                self.last_progress = now;
            }
            if posted == 0 && done == 0 {
                self.sleep(device, end);
            }
        }
        Ok(tally)
    }

    /// Messages that are done with, of those that ever were sent.
    fn done(&self, waits: bool) -> u32 {
        if waits {
            self.acked.wrapping_sub(self.refused)
        } else {
            self.endpoint.process.sent()
        }
    }

    /// Sends as many as may be under way; how many those were.
    fn post(&mut self, to: Destination, size: Size, medium: u16, waits: bool) -> u32 {
        let mut posted = 0;
        let mut bytes = [0; SMALL_MAX];
        while !waits || self.sent.wrapping_sub(self.acked) < AHEAD {
            // Room for acknowledgements stays.
            if self.endpoint.process.command_room() <= 4 {
                break;
            }
            let match_info = u64::from(self.sent);
            let mut tiny = [0; TINY_MAX];
            let (content, place, data) = match size {
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
                        total: medium.into(),
                        length: medium,
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
            if waits {
                self.sent = self.sent.wrapping_add(1);
            }
            posted += 1;
        }
        posted
    }

    /// Pulls the partner's large message by the backend of that generation, unless that is under way.
    fn pull(&mut self, to: Destination, backend: u32) -> u32 {
        if self.pulling.is_some() {
            return 0;
        }
        // What an earlier pull has left does not pass for this one's.
        for page in 0..LARGE_PAGES {
            for at in sampled(self.pulls) {
                let _ = self.sink.slice.write(page * PAGE_SIZE + at, &[0; 8]);
            }
        }
        let order = PullOrder {
            region: key(1),
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
            return 0;
        }
        self.pulling = Some((self.pulls, to.session));
        self.pulls = self.pulls.wrapping_add(1);
        1
    }

    /// Takes what has come; how many pulls have ended.
    fn events(&mut self, from: Destination, answers: bool, tally: &mut Tally) -> u32 {
        let mut any = false;
        for _ in 0..AHEAD {
            let Some(event) = self.endpoint.process.next_unexpected() else {
                break;
            };
            any = true;
            match event {
                Ok(event) => self.came(from, &event, tally),
                Err(error) => {
                    log::warn!("wrong: {error}");
                    tally.wrong += 1;
                }
            }
        }
        let mut pulls = 0;
        while let Some(event) = self.endpoint.process.next_expected() {
            any = true;
            if let Ok(Event {
                body: EventBody::PullDone(done),
                ..
            }) = event
            {
                pulls += self.pulled(&done, tally);
            }
        }
        if any {
            self.endpoint.process.publish_consumed();
        }
        if answers && self.expected.wrapping_sub(self.told) >= ACK_EVERY {
            self.acknowledge(from);
        }
        pulls
    }

    fn acknowledge(&mut self, to: Destination) {
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

    fn came(&mut self, partner: Destination, event: &Event, tally: &mut Tally) {
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
                return;
            }
        }
        // Others may write to an endpoint whose session they know.
        if event.from.peer != partner.peer || event.from.endpoint != partner.endpoint {
            return;
        }
        match &event.body {
            EventBody::Message(message, place) => {
                let (Content::Tiny(eager) | Content::Small(eager)) = &message.content else {
                    return;
                };
                let number = eager.match_info as u32;
                let inline = match place {
                    Place::Inline(bytes) => &bytes[..],
                    _ => &small[..],
                };
                let length = usize::from(eager.length).min(inline.len());
                let mut wanted = [0; SMALL_MAX];
                pattern(partner.session, number, &mut wanted[..length]);
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
            }
            EventBody::Ack(ack)
                if ack.ack_number.wrapping_sub(self.acked)
                    <= self.sent.wrapping_sub(self.acked) =>
            {
                self.acked = ack.ack_number;
            }
            EventBody::Nack(_) if self.acked != self.sent => {
                self.acked = self.acked.wrapping_add(1);
                self.refused = self.refused.wrapping_add(1);
            }
            _ => {}
        }
    }

    fn pulled(&mut self, done: &PullDone, tally: &mut Tally) -> u32 {
        let Some((_, session)) = self.pulling.filter(|(number, _)| *number == done.cookie) else {
            return 0;
        };
        self.pulling = None;
        match done.status {
            PullStatus::Done if done.transferred as usize == LARGE_PAGES * PAGE_SIZE => {
                if self.is_whole(session, done.cookie) {
                    tally.verified += 1;
                } else {
                    log::warn!("wrong: what pull {} has brought", done.cookie);
                    tally.wrong += 1;
                }
                1
            }
            // A partner that is not ready yet.
            _ => 0,
        }
    }

    /// Whether what was pulled is what the partner has: some words of each page, other ones each time.
    fn is_whole(&self, session: u32, number: u32) -> bool {
        let (mut page, mut wanted) = ([0; PAGE_SIZE], [0; PAGE_SIZE]);
        (0..LARGE_PAGES).all(|index| {
            pattern(session, index as u32, &mut wanted);
            let read = self.sink.slice.read(index * PAGE_SIZE, &mut page);
            read.is_ok() && sampled(number).all(|at| page[at..at + 8] == wanted[at..at + 8])
        })
    }

    fn sleep<D: Domain>(&self, device: &mut Device<D>, end: Duration) {
        device.armed.arm(self.endpoint.number);
        if !self.endpoint.process.event_waits() {
            let until = (device.domain.now() + NAP).min(end);
            device.domain.wait(until);
        }
        for group in 0..4 {
            device.bells.take_woken(group);
        }
    }
}

/// The places of a page that are looked at.
fn sampled(number: u32) -> impl Iterator<Item = usize> {
    let first = number as usize % 32 * 8;
    (0..PAGE_SIZE / 256).map(move |line| line * 256 + first)
}

/// The key of a region.
fn key(slot: u16) -> RegionKey {
    RegionKey {
        slot,
        generation: 1,
    }
}

/// Takes memory, grants and registers it.
fn region<D: Domain>(
    device: &mut Device<D>,
    endpoint: &Endpoint,
    slot: u16,
    writable: bool,
) -> Result<Pages, Failure> {
    let pages = device
        .domain
        .allocate(LARGE_PAGES)
        .ok_or(Failure::NoMemory)?;
    let granted: Option<Vec<Granted>> = (0..LARGE_PAGES)
        .map(|page| device.domain.grant(pages, page, !writable))
        .collect();
    device.stage(0, &granted.ok_or(Failure::NoMemory)?);
    device.demand(&ControlRequest::Register {
        endpoint: endpoint.number,
        region: key(slot),
        writable,
        offset: 0,
        length: (LARGE_PAGES * PAGE_SIZE) as u32,
        first_page: 0,
        pages: LARGE_PAGES as u32,
        staging: 0,
    })?;
    Ok(pages)
}
