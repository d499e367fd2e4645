//! The control pages of a device, from the side of its guest's kernel. What the kernel writes is made up in a page of its
//! own and then copied into the one that is shared, so that a liar can change it on the way.

use alloc::vec::Vec;
use core::time::Duration;

use mx_ring::board_page::{self, BoardPages, PEERS};
use mx_ring::control::{
    ArmedCounters, BOARD_PAGE, ControlRequest, ControlResponse, DEVICE_PAGES, Doorbells,
    ModuleControl, STAGING_PAGE, Staging, Status,
};
use mx_ring::{PAGE_SIZE, VolatileSlice};
use mx_wire::MacAddress;

use crate::domain::{Domain, Granted, Pages};

/// How long an answer may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a connection is tried again.
const ATTEMPTS: u32 = 5;
/// A line of the processor's cache: what is copied at a time.
const LINE: usize = 64;

/// Why a mini cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The domain has too little memory, or too few grants.
    NoMemory,
    /// The driver domain did not connect the device.
    NotConnected,
    /// It does not answer, or has closed the device.
    NoAnswer,
    /// It refused a request that is right.
    Refused(Status),
}

/// A device.
pub struct Device<D> {
    /// Its domain.
    pub domain: D,
    /// Its pages.
    pages: Pages,
    granted: Vec<Granted>,
    control: ModuleControl,
    /// What D0 is to hold.
    draft: VolatileSlice,
    /// Lists of grant references.
    pub staging: Staging,
    /// Doorbell bits.
    pub bells: Doorbells,
    /// Counters of sleeps.
    pub armed: ArmedCounters,
    /// What the driver domain says of the board.
    pub board: BoardPages,
    mac: MacAddress,
    next: u32,
}

/// Device pages that the driver domain writes.
fn is_written_by_backend(page: usize) -> bool {
    page == 1 || page == 3 || (BOARD_PAGE..BOARD_PAGE + board_page::PAGES).contains(&page)
}

fn part(pages: &Pages, first: usize, count: usize) -> Result<VolatileSlice, Failure> {
    let part = pages.slice.part(first * PAGE_SIZE, count * PAGE_SIZE);
    part.map_err(|_| Failure::NoMemory)
}

/// Zeroes shared memory.
pub(crate) fn clear(slice: &VolatileSlice) {
    for at in (0..slice.len()).step_by(PAGE_SIZE) {
        let _ = slice.write(at, &[0; PAGE_SIZE][..PAGE_SIZE.min(slice.len() - at)]);
    }
}

impl<D: Domain> Device<D> {
    /// Takes memory for a device, and connects it.
    pub fn connect(mut domain: D) -> Result<Self, Failure> {
        let pages = domain.allocate(DEVICE_PAGES).ok_or(Failure::NoMemory)?;
        let draft = domain.allocate(1).ok_or(Failure::NoMemory)?.slice;
        let granted: Option<Vec<_>> = (0..DEVICE_PAGES)
            .map(|page| domain.grant(pages, page, !is_written_by_backend(page)))
            .collect();
        let granted = granted.ok_or(Failure::NoMemory)?;
        let slices = |first, count| part(&pages, first, count);
        let mut device = Self {
            staging: Staging::new(slices(STAGING_PAGE, DEVICE_PAGES - STAGING_PAGE)?)
                .map_err(|_| Failure::NoMemory)?,
            bells: Doorbells::new(slices(3, 1)?).map_err(|_| Failure::NoMemory)?,
            armed: ArmedCounters::new(slices(2, 1)?).map_err(|_| Failure::NoMemory)?,
            board: BoardPages::new(slices(BOARD_PAGE, board_page::PAGES)?)
                .map_err(|_| Failure::NoMemory)?,
            control: format(&draft, &slices(1, 1)?, &granted, false)?,
            domain,
            pages,
            granted,
            draft,
            mac: MacAddress::default(),
            next: 1,
        };
        device.publish()?;
        device.mac = device.read_mac()?;
        Ok(device)
    }

    fn publish(&mut self) -> Result<(), Failure> {
        self.flush();
        match self.domain.connect(self.granted[0].reference) {
            true => Ok(()),
            false => Err(Failure::NotConnected),
        }
    }

    /// Gives the device up and connects it anew, with clean pages. The endpoints are gone. What others have read before may
    /// make an attempt fail.
    pub fn reconnect(&mut self) -> Result<(), Failure> {
        let mut attempts = 0..ATTEMPTS;
        loop {
            let connected = self.attempt(None);
            if connected.is_ok() || attempts.next().is_none() {
                return connected;
            }
        }
    }

    /// Gives the device up and connects it as if another backend had served it, which has left this in the board's pages.
    pub fn be_adopted(&mut self, mut left: impl FnMut(&VolatileSlice)) -> Result<(), Failure> {
        self.attempt(Some(&mut left))
    }

    fn attempt(&mut self, left: Option<&mut dyn FnMut(&VolatileSlice)>) -> Result<(), Failure> {
        if !self.domain.disconnect() {
            return Err(Failure::NotConnected);
        }
        clear(&self.pages.slice);
        clear(&self.draft);
        for granted in &self.granted {
            self.domain.twist(granted, crate::domain::Twist::Honest);
        }
        let adopting = left.is_some();
        if let Some(left) = left {
            left(&part(&self.pages, BOARD_PAGE, board_page::PAGES)?);
        }
        let d1 = part(&self.pages, 1, 1)?;
        self.control = format(&self.draft, &d1, &self.granted, adopting)?;
        self.next = 1;
        self.publish()
    }

    /// The device's pages, granted.
    pub fn granted(&self) -> &[Granted] {
        &self.granted
    }

    /// A page of the device, for whoever writes there what does not belong there.
    pub fn page(&self, page: usize) -> Option<VolatileSlice> {
        part(&self.pages, page, 1).ok()
    }

    /// The own address.
    pub const fn mac(&self) -> MacAddress {
        self.mac
    }

    /// Waits for the board's description: a driver domain that is writing it may have lost its processor.
    fn read_mac(&mut self) -> Result<MacAddress, Failure> {
        let until = self.domain.now() + PATIENCE;
        loop {
            if let Some(board) = self.board.board() {
                return Ok(board.mac);
            }
            let now = self.domain.now();
            if now > until {
                return Err(Failure::NoAnswer);
            }
            self.domain.wait(now + Duration::from_millis(1));
        }
    }

    /// The index of a peer.
    pub fn peer(&self, mac: MacAddress) -> Option<u16> {
        let indices = 0..PEERS as u16;
        let mut known = indices.filter_map(|index| Some((index, self.board.peer(index)?)));
        known.find_map(|(index, peer)| (peer.mac == mac).then_some(index))
    }

    /// Puts a request into the ring and leaves it to the caller to [`Self::flush`]; its number, or nothing when the ring is
    /// full.
    pub fn post(&mut self, request: &ControlRequest) -> Option<u32> {
        let id = self.next;
        if !self.control.post(id, request) {
            return None;
        }
        self.next = self.next.wrapping_add(1).max(1);
        Some(id)
    }

    /// Shows the driver domain what was written.
    pub fn flush(&mut self) {
        self.flush_changed(|_, _| {});
    }

    /// The same, each line that has changed by way of `change`, which is told where it lies in D0. The indices lie in front of what they tell of, so the last
    /// line goes first.
    pub fn flush_changed(&mut self, mut change: impl FnMut(usize, &mut [u8; LINE])) {
        let Ok(shown) = part(&self.pages, 0, 1) else {
            return;
        };
        for at in (0..PAGE_SIZE).step_by(LINE).rev() {
            let (mut new, mut old) = ([0; LINE], [0; LINE]);
            if self.draft.read(at, &mut new).is_err() || shown.read(at, &mut old).is_err() {
                continue;
            }
            if new != old {
                change(at, &mut new);
                let _ = shown.write(at, &new);
            }
        }
    }

    /// The next answer or notice. An answer that cannot be read is none.
    pub fn answer(&mut self) -> Option<ControlResponse> {
        let answer = self.control.next_response()?;
        self.flush();
        answer.ok()
    }

    /// Waits for the answer to a request.
    pub fn answer_to(&mut self, id: u32) -> Result<Status, Failure> {
        let begun = self.domain.now();
        loop {
            while let Some(answer) = self.answer() {
                if answer.id == id {
                    return Ok(answer.status);
                }
            }
            let now = self.domain.now();
            if now > begun + PATIENCE || !self.domain.is_connected() {
                return Err(Failure::NoAnswer);
            }
            self.domain.wait(now + Duration::from_millis(20));
        }
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, request: &ControlRequest) -> Result<Status, Failure> {
        let begun = self.domain.now();
        loop {
            if let Some(id) = self.post(request) {
                self.flush();
                self.domain.notify();
                return self.answer_to(id);
            }
            while self.answer().is_some() {}
            let now = self.domain.now();
            if now > begun + PATIENCE || !self.domain.is_connected() {
                return Err(Failure::NoAnswer);
            }
            self.domain.wait(now + Duration::from_millis(5));
        }
    }

    /// Asks what cannot be refused.
    pub fn demand(&mut self, request: &ControlRequest) -> Result<(), Failure> {
        match self.ask(request)? {
            Status::Ok => Ok(()),
            status => Err(Failure::Refused(status)),
        }
    }

    /// Stages references of pages from an entry on.
    pub fn stage<'a>(&self, first: usize, granted: impl IntoIterator<Item = &'a Granted>) {
        for (entry, granted) in granted.into_iter().enumerate() {
            self.staging.set(first + entry, granted.reference);
        }
    }
}

fn format(
    draft: &VolatileSlice,
    d1: &VolatileSlice,
    granted: &[Granted],
    adopting: bool,
) -> Result<ModuleControl, Failure> {
    let mut references = [0; DEVICE_PAGES];
    for (reference, granted) in references.iter_mut().zip(granted) {
        *reference = granted.reference;
    }
    ModuleControl::format(*draft, *d1, &references, adopting).map_err(|_| Failure::NoMemory)
}
