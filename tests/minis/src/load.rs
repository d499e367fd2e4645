//! Honest messages. Two minis that are each other's partner send to each other, verify what comes, and say how far they are
//! by acknowledgements; or one sends to a station that need not answer, and counts what has left, or large messages, which a
//! library there sends back. A mini has as much under way whatever the number of its endpoints.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::{Geometry, PAGE_SIZE};
use mx_wire::{SMALL_MAX, TINY_MAX};

use crate::device::{Device, Failure};
use crate::domain::{Domain, Granted, Pages};
use crate::endpoint::{SMALLEST, session_of};
use crate::link::Link;
use crate::pattern::{LARGE_PAGES, pattern};
use crate::work::{Size, Tally, Target, Work};

/// The most endpoints of a mini.
pub const ENDPOINTS_MAX: u8 = 8;
/// Entries of all of its command queues.
const COMMANDS: u32 = 512;
/// Pulls that it has under way.
const PULLS: usize = 8;
/// How long what is under way may take before it counts as lost: far more than a partner waits for a processor where many
/// share one that is emulated.
const LOST_AFTER: Duration = Duration::from_secs(30);
/// How long nothing comes any more when all has come.
const QUIET: Duration = Duration::from_secs(1);
/// The longest sleep: what comes ends it, what leaves does not. Many that wake often take their processors from each other.
const NAP: Duration = Duration::from_millis(100);

/// An honest guest: endpoints, and memory for large messages.
pub struct Load {
    links: Vec<Link>,
}

impl Load {
    /// Opens so many endpoints, a power of two, and registers memory to be pulled from and to pull into.
    pub fn open<D: Domain>(device: &mut Device<D>, endpoints: u8) -> Result<Self, Failure> {
        let endpoints = endpoints.clamp(1, ENDPOINTS_MAX);
        let entries = COMMANDS / u32::from(endpoints);
        let geometry = Geometry {
            commands: entries,
            unexpected: entries,
            ..SMALLEST
        };
        let (source, granted) = memory(device, false)?;
        let mut page = [0; PAGE_SIZE];
        for number in 0..LARGE_PAGES {
            pattern(session_of(device.mac()), number as u32, &mut page);
            let _ = source.slice.write(number * PAGE_SIZE, &page);
        }
        let pulls = PULLS / usize::from(endpoints);
        let links = (0..endpoints).map(|number| {
            let mut link = Link::open(device, number, geometry)?;
            link.register_source(device, source, &granted)?;
            for _ in 0..pulls {
                let (sink, granted) = memory(device, true)?;
                link.register_sink(device, sink, &granted)?;
            }
            Ok(link)
        });
        Ok(Self {
            links: links.collect::<Result<_, Failure>>()?,
        })
    }

    /// How many endpoints there are.
    pub fn endpoints(&self) -> usize {
        self.links.len()
    }

    /// Sends from now until the end of `window`, and counts what is done within it. A partner has to do the same.
    pub fn run<D: Domain>(
        &mut self,
        device: &mut Device<D>,
        size: Size,
        target: Target,
        window: (Duration, Duration),
    ) -> Result<Tally, Failure> {
        let (begin, end) = window;
        let mut tally = Tally::default();
        let mut asleep = Duration::ZERO;
        let Some(work) = find(device, size, target, end) else {
            return Ok(tally);
        };
        tally.size = match size {
            Size::Tiny => TINY_MAX as u32,
            Size::Small => SMALL_MAX as u32,
            Size::Medium => work.medium.into(),
            Size::Large => (LARGE_PAGES * PAGE_SIZE) as u32,
        };
        let backend = device.board.generation();
        let calls = (size, work.answers) == (Size::Large, false);
        for link in &mut self.links {
            let now = device.domain.now();
            link.begin(target, now);
            if calls {
                link.begin_calls(&work, backend, now);
            }
        }
        loop {
            let now = device.domain.now();
            if now >= end {
                tally.asleep = asleep.as_millis() as u64;
                return Ok(tally);
            }
            self.check(device)?;
            let mut idle = true;
            for link in &mut self.links {
                let posted = match size {
                    // A call begins where another one has ended.
                    Size::Large if calls => 0,
                    Size::Large => link.pull(&work, backend),
                    _ => link.post(&work, &mut tally),
                };
                let done = match calls {
                    true => link.call(true, now, &mut tally),
                    false => link.take(&work, now, &mut tally),
                };
                link.endpoint.kick(device);
                if work.answers {
                    link.give_up(now, LOST_AFTER, &mut tally);
                }
                if now >= begin {
                    tally.done += u64::from(done);
                }
                idle &= posted == 0 && done == 0;
            }
            if idle {
                let from = device.domain.now();
                self.sleep(device, end, calls);
                if now >= begin {
                    asleep += device.domain.now().min(end).saturating_sub(from);
                }
            }
        }
    }

    /// Takes what has come until nothing more comes: what is then missing of a partner's messages, or of those that a station
    /// sends back, is lost. What else a station answers would take the place of later messages.
    pub fn settle<D: Domain>(
        &mut self,
        device: &mut Device<D>,
        target: Target,
        tally: &mut Tally,
    ) -> Result<(), Failure> {
        let mut last = device.domain.now();
        let Some(work) = find(device, Size::Tiny, target, last) else {
            return Ok(());
        };
        loop {
            let now = device.domain.now();
            self.check(device)?;
            let mut whole = true;
            for link in &mut self.links {
                if work.answers {
                    link.take(&work, now, tally);
                    link.acknowledge_all(&work);
                    link.give_up(now, LOST_AFTER, tally);
                    whole &= link.is_whole();
                } else if link.caller().is_some() {
                    link.call(false, now, tally);
                    whole &= link.end_calls(now, LOST_AFTER, tally);
                } else {
                    link.take(&work, now, tally);
                }
                link.endpoint.kick(device);
                last = last.max(link.last_progress());
            }
            if whole && now > last + QUIET {
                return Ok(());
            }
            self.sleep(device, now + NAP, !work.answers);
        }
    }

    fn check<D: Domain>(&self, device: &mut Device<D>) -> Result<(), Failure> {
        let mut links = self.links.iter();
        match links.any(|link| link.endpoint.process.status() != 0) || !device.domain.is_connected()
        {
            true => Err(Failure::NoAnswer),
            false => Ok(()),
        }
    }

    /// Sleeps until something comes, or has to be done: of `calls`, too, if they go on.
    fn sleep<D: Domain>(&self, device: &mut Device<D>, end: Duration, calls: bool) {
        for link in &self.links {
            device.armed.arm(link.endpoint.number);
        }
        let mut links = self.links.iter();
        if !links.any(|link| link.endpoint.process.event_waits()) {
            let links = self.links.iter().filter(|_| calls);
            let due = links.filter_map(|link| link.caller()?.deadline());
            let until = due.fold(device.domain.now() + NAP, Duration::min).min(end);
            device.domain.wait(until);
        }
        for group in 0..4 {
            device.bells.take_woken(group);
        }
    }
}

/// Waits until the driver domain knows a target, until `end`.
fn find<D: Domain>(
    device: &mut Device<D>,
    size: Size,
    target: Target,
    end: Duration,
) -> Option<Work> {
    let (Target::Partner(mac) | Target::Station(mac)) = target;
    let peer = loop {
        match device.peer(mac) {
            Some(peer) => break peer,
            None if device.domain.now() > end => return None,
            None => device.domain.wait(device.domain.now() + NAP),
        }
    };
    let board = device.board.board();
    Some(Work {
        size,
        peer,
        session: session_of(mac),
        answers: matches!(target, Target::Partner(_)),
        medium: board.map_or(0, |board| board.medium_fragment),
    })
}

/// Takes memory for a large message, and grants it.
fn memory<D: Domain>(
    device: &mut Device<D>,
    writable: bool,
) -> Result<(Pages, Vec<Granted>), Failure> {
    let domain = &mut device.domain;
    let pages = domain.allocate(LARGE_PAGES).ok_or(Failure::NoMemory)?;
    let granted: Option<Vec<_>> = (0..LARGE_PAGES)
        .map(|page| domain.grant(pages, page, !writable))
        .collect();
    Ok((pages, granted.ok_or(Failure::NoMemory)?))
}
